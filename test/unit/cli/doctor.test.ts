import { describe, expect, test } from 'vitest'
import { Nftables, Route } from '../../../src/index.js'
import { FakeConntrackKernel, FakeIpvsKernel, FakeNftablesKernel } from '../../../src/testing.js'
import { findingsOf } from '../../../src/cli/doctor/findings.js'
import type { Facts } from '../../../src/cli/doctor/facts.js'
import { command, fakeKernel, fakeSystem } from '../../support/command.js'

interface Document {
  readonly findings: readonly { readonly health: string; readonly subject: string; readonly meaning: string; readonly remedy?: string }[]
  readonly isReady?: boolean
}

async function document(options: Parameters<typeof command>[1], ...args: string[]): Promise<Document> {
  return JSON.parse((await command(['doctor', '-o', 'json', ...args], options)).stdout) as Document
}

const finding = ({ findings }: Document, subject: string): Document['findings'][number] | undefined =>
  findings.find((one) => one.subject === subject)

const facts: Facts = {
  kernelRelease: '6.18.0',
  refusals: {},
  processStatus: 'CapEff:\t000001ffffffffff\n',
  userMap: '0 0 4294967295\n',
  limits: undefined,
  modules: 'dummy 16384 0 - Live 0x0\n',
  settings: new Map(),
  usage: undefined,
  tables: [],
  chains: [],
  legacy: { ip: [], ip6: [] },
  virtualServices: 0,
  links: []
}

describe('doctor', () => {
  test('finds a machine on which all is well', async () => {
    const { status, stdout, stderr } = await command(['doctor', '--mode', 'ipvs'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain('ok     kernel')
    expect(stdout).not.toMatch(/missing|warning/)
    expect(stdout).toMatch(/Mode ipvs has all that it needs\.\n$/)
  })

  test.each([
    ['nftables', { nftables: new FakeNftablesKernel({ hasNftables: false }) }, 'this kernel has no nf_tables', 'modprobe nf_tables'],
    ['ipvs', { ipvs: new FakeIpvsKernel({ supported: false }) }, 'this kernel has no ip_vs', 'modprobe ip_vs']
  ])('says that %s is missing, and what mends it', async (subject, parts, meaning, remedy) => {
    const { status } = await command(['doctor', '--mode', 'ipvs'], { kernel: fakeKernel(parts) })
    expect(status).toBe(1)
    const found = await document({ kernel: fakeKernel(parts) }, '--mode', 'ipvs')
    expect(finding(found, subject)).toMatchObject({ health: 'missing', meaning, remedy })
    expect(found.isReady).toBe(false)
  })

  test('cuts no word in 80 columns, and says what mends it on a line of its own', async () => {
    const kernel = fakeKernel({ ipvs: new FakeIpvsKernel({ supported: false }), nftables: new FakeNftablesKernel({ privileged: false }) })
    const { stdout } = await command(['doctor'], { kernel, columns: 80, variables: { NO_COLOR: '1' } })
    const whole = await command(['doctor'], { kernel })
    expect(stdout.split(/\s+/).sort()).toEqual(whole.stdout.split(/\s+/).sort())
    expect(stdout).toContain('\n\nRemedy for ipvs:\n  modprobe ip_vs\n')
  })

  test('asks for nothing that the mode does not need', async () => {
    const kernel = fakeKernel({ ipvs: new FakeIpvsKernel({ supported: false }) })
    expect((await command(['doctor', '--mode', 'nftables'], { kernel })).status).toBe(0)
    expect((await command(['doctor'], { kernel })).status).toBe(0)
  })

  test('only warns where connection tracking is missing', async () => {
    const kernel = fakeKernel({ conntrack: new FakeConntrackKernel({ hasConntrack: false }) })
    const found = await document({ kernel }, '--mode', 'nftables')
    expect(finding(found, 'conntrack')).toMatchObject({ health: 'warning', remedy: 'modprobe nf_conntrack_netlink' })
    expect(finding(found, 'conntrack')?.meaning).toContain('stale flows are not deleted')
    expect(found.isReady).toBe(true)
  })

  test('names the capability that a process lacks', async () => {
    const system = fakeSystem({ '/proc/self/status': 'CapEff:\t0000000000000000\n' })
    const kernel = fakeKernel({ nftables: new FakeNftablesKernel({ privileged: false }) })
    const found = await document({ system, kernel }, '--mode', 'nftables')
    expect(finding(found, 'CAP_NET_ADMIN')).toMatchObject({
      health: 'missing',
      remedy: expect.stringContaining('--cap-add NET_ADMIN') as string
    })
    expect(finding(found, 'nftables')).toMatchObject({
      health: 'missing',
      remedy: expect.stringContaining('--cap-add NET_ADMIN') as string
    })
    expect(finding(found, 'other writers')).toMatchObject({
      health: 'warning',
      meaning: expect.stringContaining('cannot be read') as string
    })
  })

  test('knows a user namespace, in which IPVS does not work', async () => {
    const system = fakeSystem({ '/proc/self/uid_map': '0 100000 65536\n' })
    const found = await document({ system }, '--mode', 'ipvs')
    expect(finding(found, 'user namespace')?.health).toBe('missing')
    expect(found.isReady).toBe(false)
    expect((await document({ system }, '--mode', 'nftables')).isReady).toBe(true)
  })

  test('warns of settings, and says the command that mends them', async () => {
    const system = fakeSystem({}, { 'ipv4/ip_forward': '0', 'core/rmem_max': '212992', 'ipv4/vs/conntrack': '0' })
    const found = await document({ system })
    expect(finding(found, 'net.ipv4.ip_forward')).toMatchObject({ health: 'warning', remedy: 'sysctl -w net.ipv4.ip_forward=1' })
    expect(finding(found, 'net.core.rmem_max')?.health).toBe('warning')
    expect(finding(found, 'net.ipv4.vs.conntrack')?.meaning).toContain('mode ipvs sets it by itself')
    expect(finding(found, 'net.ipv6.conf.all.forwarding')?.health).toBe('ok')
  })

  test.each([
    ['loaded', 'nf_tables 1 2 3\ndummy 16384 0 - Live 0x0\n', 'ok'],
    ['built in', 'kernel/drivers/net/dummy.ko\n', 'ok'],
    ['to be loaded', 'kernel/drivers/net/dummy.ko.xz:\n', 'ok'],
    ['in no list', 'dummy_stm 1 2 3\n', 'warning']
  ])('looks for dummy links in the lists of modules: %s', (_, modules, health) => {
    expect(findingsOf({ ...facts, modules })).toContainEqual(expect.objectContaining({ subject: 'dummy links', health }))
  })

  test('says how full connection tracking is', () => {
    const usage = (entries: number): ReturnType<typeof findingsOf> => findingsOf({ ...facts, usage: { entries, maxEntries: 1000 } })
    expect(usage(799)).toContainEqual(expect.objectContaining({ health: 'ok', meaning: '799 of 1000 flows are tracked (80 %)' }))
    expect(usage(800)).toContainEqual(
      expect.objectContaining({ health: 'warning', remedy: 'sysctl -w net.netfilter.nf_conntrack_max=2000' })
    )
  })

  test.each([
    ['5.9.16', 'warning'],
    ['5.10.0', 'ok'],
    ['4.19.0', 'warning'],
    ['6.1.0', 'ok']
  ])('judges Linux %s: %s', (kernelRelease, health) => {
    expect(findingsOf({ ...facts, kernelRelease })).toContainEqual(expect.objectContaining({ subject: 'kernel', health }))
  })

  test.each([
    ['64', 'warning'],
    ['1024', 'ok'],
    ['unlimited', 'ok']
  ])('judges %s open files: %s', (soft, health) => {
    const limits = `Max open files            ${soft}                 1048576              files\n`
    expect(findingsOf({ ...facts, limits })).toContainEqual(expect.objectContaining({ subject: 'open files', health }))
  })

  test.each<[string, Partial<Facts>]>([
    ['kube-proxy (nftables)', { tables: [{ family: 'ip', name: 'kube-proxy' }] }],
    ['kube-proxy (iptables)', { chains: [{ family: 'ip', table: 'nat', name: 'KUBE-SERVICES' }] }],
    ['kube-proxy (ipvs)', { links: ['lo', 'kube-ipvs0'], virtualServices: 3 }],
    ['firewalld', { tables: [{ family: 'inet', name: 'firewalld' }] }],
    ['docker', { chains: [{ family: 'ip', table: 'nat', name: 'DOCKER' }] }],
    ['iptables-legacy', { legacy: { ip: ['nat'], ip6: [] } }]
  ])('sees traces of %s', (subject, traces) => {
    const found = findingsOf({ ...facts, ...traces })
    expect(found.filter(({ health }) => health !== 'ok')).toEqual([expect.objectContaining({ subject, health: 'warning' })])
    expect(found.find((one) => one.subject === subject)?.remedy).toBeTruthy()
  })

  test('does not take chains of a plane for those of kube-proxy', () => {
    const chains = ['KUBE-SERVICES', 'KUBE-NETPLANE'].map((name) => ({ family: 'ip' as const, table: 'nat', name }))
    expect(findingsOf({ ...facts, chains })).toContainEqual(expect.objectContaining({ subject: 'other writers', health: 'ok' }))
  })

  test('does not take chains of the kubelet for those of kube-proxy', () => {
    const chains = ['KUBE-FIREWALL', 'KUBE-KUBELET-CANARY', 'KUBE-MARK-DROP'].map((name) => ({ family: 'ip' as const, table: 'nat', name }))
    expect(findingsOf({ ...facts, chains })).toContainEqual(expect.objectContaining({ subject: 'other writers', health: 'ok' }))
  })

  test('asks nf_tables and the links themselves for traces', async () => {
    const kernel = fakeKernel()
    const nft = await Nftables.open({ kernel: kernel.nftables })
    const tx = nft.transaction()
    tx.add.table({ family: 'inet', name: 'firewalld' })
    await tx.commit()
    await nft.close()
    const route = await Route.open({ kernel: kernel.route })
    await route.addDummy('kube-ipvs0')
    await route.close()
    const found = await document({ kernel })
    expect(finding(found, 'firewalld')?.meaning).toContain('table inet firewalld')
    expect(finding(found, 'kube-proxy (ipvs)')?.meaning).toContain('0 virtual services')
  })

  test('changes nothing', async () => {
    const kernel = fakeKernel()
    const nft = await Nftables.open({ kernel: kernel.nftables })
    const before = (await nft.readGeneration()).id
    await command(['doctor'], { kernel })
    expect((await nft.readGeneration()).id).toBe(before)
    await nft.close()
  })

  test('fits 40 columns, and says the same', async () => {
    const { stdout } = await command(['doctor'], { columns: 40, variables: { NO_COLOR: '1' } })
    expect(stdout.split('\n').every((line) => line.length <= 40)).toBe(true)
    expect(stdout).toContain('rtnetlink')
  })

  test('is not wrapped in a pipe, nor with wide', async () => {
    const system = fakeSystem({}, { 'ipv4/ip_forward': '0' })
    const isWhole = (text: string): boolean => text.split('\n').some((line) => line.includes('ip_forward') && line.endsWith('ip_forward=1'))
    expect(isWhole((await command(['doctor'], { system })).stdout)).toBe(true)
    const wide = await command(['doctor', '-o', 'wide'], { system, columns: 40, variables: { NO_COLOR: '1' } })
    expect(isWhole(wide.stdout)).toBe(true)
  })

  test.each([
    ['a terminal', { columns: 100 }, true],
    ['a pipe', {}, false],
    ['NO_COLOR', { columns: 100, variables: { NO_COLOR: '1' } }, false],
    ['a dumb terminal', { columns: 100, variables: { TERM: 'dumb' } }, false]
  ])('is coloured, or not: %s', async (_, options, isColoured) => {
    const { stdout } = await command(['doctor'], options)
    expect(stdout.includes('\u001b[32mok\u001b[0m')).toBe(isColoured)
    expect(stdout.includes('\u001b')).toBe(isColoured)
  })

  test('says the same in YAML', async () => {
    const { stdout } = await command(['doctor', '-o', 'yaml', '--mode', 'nftables'])
    expect(stdout).toMatch(/^findings:\n {2}- health: ok\n/)
    expect(stdout).toContain('isReady: true')
  })

  test('says in one line that the namespace is not there', async () => {
    const { status, stdout, stderr } = await command(['doctor', '--netns', 'no-such-place'], { kernel: undefined })
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toBe('netplane: --netns: /run/netns/no-such-place is no network namespace\n')
  })
})
