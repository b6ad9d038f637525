import { expect, test } from 'vitest'
import { Nftables } from '../../../src/index.js'
import { command, fakeKernel } from '../../support/command.js'

const SERVICES = `services:
  - name: web
    protocol: tcp
    frontends: [{ kind: cluster, address: 10.96.0.1, port: 80 }]
    endpoints: [{ address: 10.1.0.1, port: 8080 }]
`

async function tables(kernel: ReturnType<typeof fakeKernel>): Promise<string[]> {
  await using nft = await Nftables.open({ kernel: kernel.nftables })
  return [...new Set((await nft.listTables()).map(({ name }) => name))].sort()
}

const TABLES = { nftables: ['netplane'], ipvs: ['netplane-ipvs'], iptables: ['filter', 'nat'] } as const

test.each([
  ['nftables', 'ipvs'],
  ['ipvs', 'iptables'],
  ['iptables', 'nftables']
] as const)('%s to %s', async (from, to) => {
  const kernel = fakeKernel()
  await command(['apply', '--mode', from, '-'], { stdin: SERVICES, kernel })
  expect(await tables(kernel)).toEqual(TABLES[from])
  const done = await command(['switch', to, '-'], { stdin: SERVICES, kernel })
  expect(done).toMatchObject({ status: 0, stderr: '' })
  expect(done.stdout).toMatch(new RegExp(`1 service added, 0 changed, 0 removed.\nAll services are carried by ${to}.\n$`))
  expect(await tables(kernel)).toEqual(TABLES[to])
})

test('leaves mode iptables, which has no names, where a name is given', async () => {
  const kernel = fakeKernel()
  await command(['apply', '--mode', 'iptables', '-'], { stdin: SERVICES, kernel })
  await command(['apply', '--mode', 'ipvs', '--name', 'staging', '-'], { stdin: SERVICES, kernel })
  // What mode iptables has is lost to nobody.
  const other = SERVICES.replace('name: web', 'name: other').replace('10.96.0.1', '10.96.0.9')
  await command(['apply', '--mode', 'iptables', '-'], { stdin: `${SERVICES}${other.replace('services:\n', '')}`, kernel })
  const done = await command(['switch', 'nftables', '--name', 'staging', '-'], { stdin: SERVICES, kernel })
  expect(done).toMatchObject({ status: 0, stderr: '' })
  expect(await tables(kernel)).toEqual(['filter', 'nat', 'staging'])
})

test('changes nothing where the mode cannot carry a service', async () => {
  const kernel = fakeKernel()
  const wlc = SERVICES.replace('protocol: tcp', 'protocol: tcp\n    scheduler: wlc')
  await command(['apply', '--mode', 'ipvs', '-'], { stdin: wlc, kernel })
  const done = await command(['switch', 'nftables', '-', '--output', 'json'], { stdin: wlc, kernel })
  expect(done).toMatchObject({ status: 1 })
  expect(done.stderr).toMatch(/service web cannot be applied: .*wlc.*\n.*nothing was changed/)
  expect(JSON.parse(done.stdout)).toMatchObject({ mode: 'nftables', quarantined: [{ service: 'web' }] })
  expect(await tables(kernel)).toEqual(TABLES.ipvs)
})

test('says what belongs to another program, and leaves it', async () => {
  const kernel = fakeKernel()
  await using nft = await Nftables.open({ kernel: kernel.nftables })
  const tx = nft.transaction()
  tx.add.table({ family: 'ip', name: 'netplane', comment: 'of somebody else' })
  await tx.commit()
  const done = await command(['switch', 'ipvs', '-'], { stdin: SERVICES, kernel })
  expect(done).toMatchObject({ status: 3 })
  expect(done.stderr).toContain('netplane: all services are carried by ipvs, and not all that other modes have is gone: ')
  expect(done.stderr).toContain('table ip netplane exists and is not ours')
  expect(await tables(kernel)).toEqual(['netplane', 'netplane-ipvs'])
})

test('tells of planes that were there alone', async () => {
  const kernel = fakeKernel()
  await command(['apply', '--mode', 'iptables', '-'], { stdin: SERVICES, kernel })
  const { stdout } = await command(['switch', 'nftables', '-', '-o', 'json'], { stdin: SERVICES, kernel })
  expect(JSON.parse(stdout)).toMatchObject({ gone: ['iptables'] })
  const again = await command(['switch', 'nftables', '-', '-o', 'json'], { stdin: SERVICES, kernel })
  expect(JSON.parse(again.stdout)).toMatchObject({ gone: [] })
})

test.each([
  ['nftables', { comment: 'of somebody else' }, 'table ip netplane exists and is not ours'],
  ['iptables', { comment: 'netplane services 2', flags: ['owner'] }, 'table ip netplane belongs to a process that is running']
] as const)('to %s changes nothing where something is in the way that belongs to others', async (mode, table, reason) => {
  const kernel = fakeKernel()
  await using nft = await Nftables.open({ kernel: kernel.nftables })
  const tx = nft.transaction()
  tx.add.table({ family: 'ip', name: 'netplane', ...table })
  await tx.commit()
  const { id } = await nft.readGeneration()
  const done = await command(['switch', mode, '-'], { stdin: SERVICES, kernel })
  expect(done).toMatchObject({ status: 3, stdout: '' })
  expect(done.stderr).toContain(reason)
  expect((await nft.readGeneration()).id).toBe(id)
})

test('says which modes there are', async () => {
  expect(await command(['switch', 'userspace', '-'], { stdin: SERVICES })).toMatchObject({ status: 2 })
})

test.each([
  ['nftables', 'iptables'],
  ['iptables', 'ipvs'],
  ['ipvs', 'nftables']
] as const)('from %s to %s says which services the file lacks', async (from, to) => {
  const kernel = fakeKernel()
  const two = `${SERVICES}${SERVICES.replace('services:\n', '').replace('web', 'api').replace('10.96.0.1', '10.96.0.2')}`
  await command(['apply', '--mode', from, '-'], { stdin: two, kernel })
  const done = await command(['switch', to, '-'], { stdin: SERVICES, kernel })
  expect(done).toMatchObject({ status: 0, stderr: 'netplane: service api is served no more: the file lacks it\n' })
})

test.each(['apply', 'explain', 'drain'] as const)('%s says that another mode has services, too', async (what) => {
  const kernel = fakeKernel()
  await command(['apply', '--mode', 'iptables', '-'], { stdin: SERVICES, kernel })
  const args = { apply: ['apply', '-'], explain: ['explain', '10.96.0.1:80'], drain: ['drain', '-', '10.1.0.1:8080'] }[what]
  const { stderr } = await command(args, { stdin: SERVICES, kernel })
  expect(stderr).toContain('netplane: mode iptables has services here, too: ')
  expect((await command([...args, '--mode', 'iptables'], { stdin: SERVICES, kernel })).stderr).not.toContain('mode iptables')
})
