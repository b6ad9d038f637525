import { describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  Iptables,
  Nftables,
  openPlane,
  type IptablesPlaneOptions,
  type Plane,
  type PlaneEvent,
  type Service
} from '../../../../src/index.js'
import { serviceChain } from '../../../../src/plane/iptables/layout/names.js'
import { iptablesNft, savedLines } from '../../../support/iptables.js'
import { makeNamespace, type TestNamespace } from '../../../support/namespace.js'
import { rejection } from '../../../support/rejection.js'

const web: Service = {
  name: 'shop/web:http',
  protocol: 'tcp',
  frontends: [
    { kind: 'cluster', address: '10.96.0.1', port: 80 },
    { kind: 'cluster', address: 'fd00:96::1', port: 80 },
    { kind: 'node', port: 30_080 },
    { kind: 'loadBalancer', address: '203.0.113.1', port: 80, sourceRanges: { allow: ['198.51.100.0/24'] } }
  ],
  endpoints: [
    { address: '10.244.0.1', port: 8080 },
    { address: '10.244.1.1', port: 8080, local: true },
    { address: 'fd00:244::1', port: 8080 }
  ],
  affinity: { timeoutSeconds: 600 }
}
const none: Service = { ...web, name: 'shop/none:http', frontends: [{ kind: 'cluster', address: '10.96.0.2', port: 80 }], endpoints: [] }
const named = (...services: Service[]): Map<string, Service> => new Map(services.map((service) => [service.name, service]))

/** Rules as other programs have them: before, between and behind, in chains of their own, and the kubelet's. */
const FOREIGN = `*nat
:PREROUTING ACCEPT [11:22]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
:CNI-HOSTPORT-SETMARK - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A PREROUTING -p tcp -m tcp --dport 8081 -m comment --comment "theirs, \\"quoted\\"" -j REDIRECT --to-ports 81
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8443 -j DNAT --to-destination 172.17.0.2:443
-A CNI-HOSTPORT-SETMARK -m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark 0x2000/0x2000
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:KUBE-FIREWALL - [0:0]
:f2b-sshd - [0:0]
-A INPUT -j KUBE-FIREWALL
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m multiport --dports 22,2222 -j f2b-sshd
-A FORWARD -m state --state INVALID -j DROP
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
-A f2b-sshd -s 192.0.2.66/32 -m limit --limit 5/min -j REJECT --reject-with icmp-port-unreachable
-A f2b-sshd -j RETURN
COMMIT
`

const isOurs = (line: string): boolean => /KUBE-(?!FIREWALL)/.test(line)

async function theirs(node: TestNamespace): Promise<string[]> {
  return (await savedLines(node, 'ip', true)).filter((line) => !isOurs(line))
}

async function scene(options: IptablesPlaneOptions = {}) {
  const node = await makeNamespace()
  await node.run('iptables-nft-restore', ['--counters'], { input: FOREIGN })
  const open = async (): Promise<Plane> => {
    const plane = await openPlane({ mode: 'iptables', netns: node.path, auditMs: 0, staleFlows: false, ...options })
    onTestFinished(() => plane.close())
    return plane
  }
  return { node, open, plane: await open() }
}

/** The chains that a packet meets first. */
async function firstIn(node: TestNamespace, table: string, chain: string): Promise<string | undefined> {
  const lines = (await node.run('iptables-nft', ['-t', table, '-S', chain])).split('\n')
  return lines.find((line) => line.startsWith('-A'))
}

describe('rules of others beside those of services', () => {
  it('stay byte for byte through sync, update, restart and clean-up', async () => {
    const { node, plane, open } = await scene()
    const before = await theirs(node)
    const all = await savedLines(node, 'ip', true)
    const all6 = await savedLines(node, 'ip6')
    await plane.sync(named(web, none))
    const inBetween = (await theirs(node)).filter((line) => !line.startsWith(':'))
    expect(inBetween).toEqual(before.filter((line) => !line.startsWith(':')))
    expect(await firstIn(node, 'nat', 'PREROUTING')).toContain('-j KUBE-SERVICES')
    expect(await firstIn(node, 'filter', 'FORWARD')).toContain('-j KUBE-PROXY-FIREWALL')
    await plane.update({ set: [{ ...none, endpoints: web.endpoints }] })
    await plane.update({ delete: [web.name] })
    await plane.close()
    const again = await open()
    expect(await again.sync(named({ ...none, endpoints: web.endpoints }))).toMatchObject({ requests: 0 })
    await again.close({ cleanup: true })
    expect(await savedLines(node, 'ip', true)).toEqual(all)
    expect(await savedLines(node, 'ip6')).toEqual(all6)
  })

  it('may keep a table for themselves: then nothing is written to the others, either', async () => {
    const node = await makeNamespace()
    const holder = await Nftables.open({ netns: node.path })
    onTestFinished(() => holder.close())
    const tx = holder.transaction()
    tx.add.table({ family: 'ip6', name: 'nat', flags: ['owner'] })
    await tx.commit()
    const before = await node.nft('list', 'ruleset')
    const plane = await openPlane({ mode: 'iptables', netns: node.path, auditMs: 0, staleFlows: false })
    onTestFinished(() => plane.close())
    expect(await rejection(plane.sync(named(web, none)))).toMatchObject({ code: 'EPERM' })
    expect(await node.nft('list', 'ruleset')).toBe(before)
    await holder.close()
    await plane.sync(named(web, none))
    expect((await plane.plan(named(web, none))).isEmpty).toBe(true)
  })

  it('may lead to a chain of ours, which then stays, without rules', async () => {
    const { node, plane } = await scene()
    await plane.sync(named(web))
    await iptablesNft(node, 'ip', '-t', 'nat', '-A', 'CNI-HOSTPORT-SETMARK', '-j', 'KUBE-MARK-MASQ')
    await plane.close({ cleanup: true })
    const left = (await savedLines(node, 'ip')).filter(isOurs)
    expect(left).toEqual([':KUBE-MARK-MASQ - [0:0]', '-A CNI-HOSTPORT-SETMARK -j KUBE-MARK-MASQ'])
  })
})

describe('chains of services that rules of others lead to', () => {
  const both = [
    ['a rule of iptables', 'add rule ip nat DOCKER jump CHAIN'],
    ['a map of verdicts in a rule of nft', 'add rule ip nat DOCKER ip saddr vmap { 192.0.2.1 : goto CHAIN }'],
    ['a map of verdicts', 'add map ip nat theirs { type ipv4_addr : verdict; elements = { 192.0.2.1 : jump CHAIN } }']
  ] as const
  const chain = serviceChain('cluster', web)
  const linesOf = async (node: TestNamespace): Promise<string[]> => (await savedLines(node, 'ip')).filter((line) => line.includes(chain))

  it.each(both)('stay without rules when the services go, and keep nothing else from being done: %s', async (_, script) => {
    const { node, plane, open } = await scene()
    await plane.sync(named(web))
    const kept = `:${chain} - [0:0]`
    await node.nftScript(script.replace('CHAIN', chain))
    // The rest of the lines that name it.
    const theirLines = (await linesOf(node)).filter((line) => line.startsWith('-A DOCKER'))
    const left = [kept, ...theirLines]
    await plane.update({ set: [none], delete: [web.name] })
    expect(await linesOf(node)).toEqual(left)
    expect((await savedLines(node, 'ip')).filter((line) => line.includes('10.96.0.2'))).not.toEqual([])
    expect(String(await plane.plan(named(none)))).toBe('nothing to do')
    expect(await plane.sync(named(none))).toMatchObject({ requests: 0 })
    await plane.update({ set: [web] })
    expect(String(await plane.plan(named(web, none)))).toBe('nothing to do')
    expect((await linesOf(node)).length).toBeGreaterThan(left.length)
    await plane.sync(named(none))
    expect(await linesOf(node)).toEqual(left)
    await plane.close({ cleanup: true })
    expect((await savedLines(node, 'ip')).filter(isOurs)).toEqual(left)
    // One that begins beside it, and what is no longer needed.
    const next = await open()
    await next.sync(named(none))
    expect(await linesOf(node)).toEqual(left)
    await node.nftScript('flush chain ip nat DOCKER')
    await node.attempt('nft', ['delete', 'map', 'ip', 'nat', 'theirs'])
    await next.sync(named(none))
    expect(await linesOf(node)).toEqual([])
  })
})

const damages: readonly (readonly [what: string, run: (node: TestNamespace) => Promise<unknown>])[] = [
  ['a rule is inserted before our jump', (node) => iptablesNft(node, 'ip', '-t', 'nat', '-I', 'PREROUTING', '-p', 'udp', '-j', 'ACCEPT')],
  ['a jump is deleted', (node) => iptablesNft(node, 'ip', '-t', 'nat', '-D', 'OUTPUT', '1')],
  ['all rules of a table are flushed', (node) => iptablesNft(node, 'ip6', '-t', 'nat', '-F')],
  ['a rule is appended to a chain of a service', (node) => iptablesNft(node, 'ip', '-t', 'nat', '-A', 'KUBE-SERVICES', '-j', 'RETURN')],
  [
    'a rule is replaced',
    (node) => iptablesNft(node, 'ip', '-t', 'nat', '-R', 'KUBE-MARK-MASQ', '1', '-j', 'MARK', '--set-xmark', '0x1/0x1')
  ],
  ['the mark is deleted', (node) => node.nftScript('flush chain ip nat KUBE-NETPLANE\ndelete chain ip nat KUBE-NETPLANE\n')],
  [
    'the order of jumps is changed',
    (node) => {
      const jump = 'INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS'
      // In one transaction: else the first half is repaired before the second one is made.
      return node.run('iptables-nft-restore', ['--noflush'], { input: `*filter\n-D ${jump}\n-A ${jump}\nCOMMIT\n` })
    }
  ]
]

describe('what others change of ours', () => {
  it.each(damages)('is found and repaired when %s', async (_, damage) => {
    const { node, plane } = await scene({ auditMs: 20 })
    const events: PlaneEvent[] = []
    void (async () => {
      for await (const event of plane.watch()) events.push(event)
    })()
    await plane.sync(named(web, none))
    const ours = async (): Promise<string[]> =>
      [...(await savedLines(node, 'ip')).filter(isOurs), ...(await savedLines(node, 'ip6')).filter(isOurs)].sort()
    const before = await ours()
    await damage(node)
    const others = (await theirs(node)).filter((line) => !line.startsWith(':'))
    await vi.waitFor(() => expect(events.map(({ type }) => type)).toEqual(['drift', 'repaired']), { timeout: 10_000 })
    expect(await ours()).toEqual(before)
    expect((await theirs(node)).filter((line) => !line.startsWith(':'))).toEqual(others)
    expect(await firstIn(node, 'nat', 'PREROUTING')).toContain('-j KUBE-SERVICES')
    expect((await plane.plan(named(web, none))).isEmpty).toBe(true)
  })

  it('is not touched while it is right, whatever else changes', async () => {
    const { node, plane } = await scene({ auditMs: 20 })
    await plane.sync(named(web, none))
    const client = await Iptables.open({ netns: node.path })
    onTestFinished(() => client.close())
    await iptablesNft(node, 'ip', '-A', 'INPUT', '-p', 'udp', '-j', 'ACCEPT')
    const { id } = await client.generation()
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect((await client.generation()).id).toBe(id)
    expect(plane.status().drifts).toBe(0)
    // Handles that were read meanwhile serve.
    await plane.update({ delete: [none.name] })
    expect((await savedLines(node, 'ip')).filter((line) => line.includes('10.96.0.2'))).toEqual([])
  })
})
