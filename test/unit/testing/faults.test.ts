import { describe, expect, it } from 'vitest'
import type { Conntrack, Ipvs, Nftables, Route } from '../../../src/index.js'
import { FakeConntrackKernel, FakeIpvsKernel, FakeNftablesKernel, FakeRouteKernel, type FaultOptions } from '../../../src/testing.js'
import { rejection } from '../../support/rejection.js'

const web = { protocol: 'tcp', address: '10.96.0.1', port: 80 } as const
const server = { address: '10.0.0.1', port: 8080 }
const flow = {
  protocol: 'udp',
  original: { source: '10.0.0.1', destination: '10.0.0.2', sourcePort: 1, destinationPort: 53 },
  timeoutSeconds: 60
} as const

async function addTable(nft: Nftables, name: string, isDry = false): Promise<void> {
  const tx = nft.transaction()
  tx.add.table({ family: 'ip', name })
  await (isDry ? tx.check() : tx.commit())
}

function addTableHere(nft: Nftables, name: string): unknown {
  const tx = nft.transaction()
  tx.add.table({ family: 'ip', name })
  return tx.commitSync()
}

const set = { family: 'ip', table: 'held', name: 'set', key: 'mark' } as const

/** Every call that can fail, by its word, as the public call that makes it. */
const nftables: readonly [string, (client: Nftables) => Promise<unknown>][] = [
  ['commit', (nft) => addTable(nft, 'other')],
  ['check', (nft) => addTable(nft, 'other', true)],
  ['list', (nft) => nft.listTables()],
  ['get', (nft) => nft.getElements(set, [1])],
  ['read', (nft) => nft.readGeneration()],
  ['commit', async (nft) => Promise.resolve(addTableHere(nft, 'other'))],
  ['read', async (nft) => Promise.resolve(nft.readGenerationSync())]
]
const ipvs: readonly [string, (client: Ipvs) => Promise<unknown>][] = [
  ['add', (client) => client.addService({ ...web, port: 81 })],
  ['add', (client) => client.addRealServer(web, { ...server, port: 81 })],
  ['update', (client) => client.updateRealServer(web, { ...server, weight: 5 })],
  ['remove', (client) => client.removeService(web)],
  ['flush', (client) => client.flush({ allServices: true })],
  ['list', (client) => client.list()],
  ['read', (client) => client.readTimeouts()],
  ['write', (client) => client.writeTimeouts({ tcpSeconds: 5 })],
  ['zero', (client) => client.zero()],
  ['start', (client) => client.startDaemon({ role: 'backup', interface: 'lo', syncId: 1 })],
  ['stop', (client) => client.stopDaemon('master')]
]
const conntrack: readonly [string, (client: Conntrack) => Promise<unknown>][] = [
  ['add', (client) => client.add({ ...flow, protocol: 'tcp', state: 'established' })],
  ['update', (client) => client.update(flow, { mark: 7 })],
  ['remove', (client) => client.remove(flow)],
  ['remove', (client) => client.removeWhere({ protocol: 'udp' })],
  ['flush', (client) => client.flush({ allFlows: true })],
  ['list', (client) => client.list()],
  ['list', (client) => client.count()],
  ['list', (client) => client.listExpectations()],
  ['list', (client) => client.iterate().next()],
  ['get', (client) => client.get(flow)],
  ['read', (client) => client.readUsage()],
  ['read', (client) => client.readSettings(['accounting'])],
  ['write', (client) => client.writeSettings({ accounting: true })]
]
const route: readonly [string, (client: Route) => Promise<unknown>][] = [
  ['add', (client) => client.addDummy('other')],
  ['add', (client) => client.addAddresses('held', ['10.0.0.9'])],
  ['update', (client) => client.updateLink('held', { mtu: 1400 })],
  ['remove', (client) => client.removeAddresses('held', ['10.0.0.1'])],
  ['remove', (client) => client.removeLink('held')],
  ['list', (client) => client.listLinks()],
  ['list', (client) => client.listAddresses()],
  ['get', (client) => client.getLink('held')],
  ['lookup', (client) => client.lookup('10.0.0.1')]
]

interface Subject {
  readonly fail: (call: never, options: FaultOptions) => { readonly met: number; remove(): void }
  readonly dump: () => string
}

async function nftablesSubject(): Promise<readonly [FakeNftablesKernel, Nftables]> {
  const kernel = new FakeNftablesKernel()
  const client = await kernel.open()
  const tx = client.transaction()
  tx.add.table({ family: 'ip', name: 'held' })
  tx.add.set(set)
  await tx.commit()
  return [kernel, client]
}

async function ipvsSubject(): Promise<readonly [FakeIpvsKernel, Ipvs]> {
  const kernel = new FakeIpvsKernel()
  const client = await kernel.open()
  await client.addService(web)
  await client.addRealServer(web, server)
  return [kernel, client]
}

async function conntrackSubject(): Promise<readonly [FakeConntrackKernel, Conntrack]> {
  const kernel = new FakeConntrackKernel()
  const client = await kernel.open()
  await client.add(flow)
  return [kernel, client]
}

async function routeSubject(): Promise<readonly [FakeRouteKernel, Route]> {
  const kernel = new FakeRouteKernel()
  const client = await kernel.open()
  await client.addDummy('held', { up: true })
  await client.addAddresses('held', ['10.0.0.1'])
  return [kernel, client]
}

type Row = readonly [part: string, call: string, index: number, open: () => Promise<readonly [Subject, () => Promise<unknown>]>]

function rowsOf<Client>(
  part: string,
  calls: readonly [string, (client: Client) => Promise<unknown>][],
  open: () => Promise<readonly [Subject, Client]>
): Row[] {
  return calls.map(([call, run], index) => {
    const start = async (): Promise<readonly [Subject, () => Promise<unknown>]> => {
      const [kernel, client] = await open()
      return [kernel, () => run(client)]
    }
    return [part, call, index, start]
  })
}

const rows = [
  ...rowsOf('nftables', nftables, nftablesSubject),
  ...rowsOf('ipvs', ipvs, ipvsSubject),
  ...rowsOf('conntrack', conntrack, conntrackSubject),
  ...rowsOf('route', route, routeSubject)
]

/** The error's code, or that of what it says was refused. */
async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return ((await rejection(promise)) as { readonly code?: unknown }).code
}

const CHANGES = new Set(['commit', 'add', 'update', 'remove', 'flush', 'write', 'zero', 'start', 'stop'])

describe.each(rows)('%s: a call of kind %s (%i)', (_, call, _index, open) => {
  it('is refused, and nothing is done', async () => {
    const [kernel, run] = await open()
    const before = kernel.dump()
    const fault = kernel.fail(call as never, { code: 'EBUSY' })
    expect(fault.met).toBe(0)
    expect(await codeOf(run())).toBe('EBUSY')
    expect(fault.met).toBe(1)
    expect(kernel.dump()).toBe(before)
  })

  it('loses its reply', async () => {
    const [kernel, run] = await open()
    const fault = kernel.fail(call as never, { reply: 'lost' })
    const error = (await rejection(run())) as {
      readonly code?: string
      readonly outcomeUnknown?: boolean
      readonly unknown?: readonly unknown[]
    }
    expect(fault.met).toBe(1)
    const isUnknown = error.outcomeUnknown === true || (error.unknown?.length ?? 0) > 0
    expect({ isUnknown }).toEqual({ isUnknown: CHANGES.has(call) })
  })
})

describe('a fault', () => {
  it('meets the third commit, and the fourth, and no other', async () => {
    const [kernel, nft] = await nftablesSubject()
    const fault = kernel.fail('commit', { at: 3, times: 2, code: 'EBUSY' })
    const codes: unknown[] = []
    for (const name of ['a', 'b', 'c', 'd', 'e'])
      codes.push(
        await addTable(nft, name).then(
          () => 'done',
          (error: unknown) => (error as { readonly code: string }).code
        )
      )
    expect(codes).toEqual(['done', 'done', 'EBUSY', 'EBUSY', 'done'])
    expect(fault.met).toBe(2)
    expect((await nft.listTables()).map(({ name }) => name)).toEqual(['held', 'a', 'b', 'e'])
  })

  it('meets every call until it is removed', async () => {
    const [kernel, nft] = await nftablesSubject()
    {
      using fault = kernel.fail('list', { times: Infinity, code: 'ENOMEM' })
      for (let count = 1; count <= 3; count++) {
        expect(await codeOf(nft.listTables())).toBe('ENOMEM')
        expect(fault.met).toBe(count)
      }
    }
    expect(await nft.listTables()).toHaveLength(1)
  })

  it('leaves other kinds of calls alone, and meets calls of every client', async () => {
    const [kernel, nft] = await nftablesSubject()
    await using other = await kernel.open()
    kernel.fail('commit', { code: 'EBUSY' })
    await addTable(nft, 'dry', true)
    expect(await codeOf(addTable(other, 'a'))).toBe('EBUSY')
    await addTable(nft, 'a')
  })

  it('of two for the same call, the one that was asked for first comes first', async () => {
    const [kernel, client] = await routeSubject()
    kernel.fail('list', { code: 'ENOMEM' })
    kernel.fail('list', { code: 'EPERM' })
    expect([await codeOf(client.listLinks()), await codeOf(client.listLinks())]).toEqual(['ENOMEM', 'EPERM'])
    await client.listLinks()
  })

  it('of a commit whose reply is lost is done', async () => {
    const [kernel, nft] = await nftablesSubject()
    kernel.fail('commit', { reply: 'lost', code: 'ETIMEDOUT' })
    expect(await rejection(addTable(nft, 'a'))).toMatchObject({ code: 'ETIMEDOUT', outcomeUnknown: true })
    expect((await nft.listTables()).map(({ name }) => name)).toEqual(['held', 'a'])
  })

  it('of many objects refuses each', async () => {
    const [kernel, client] = await ipvsSubject()
    kernel.fail('add', { code: 'ENOMEM' })
    const report = await client.addServices(
      [1, 2, 3].map((port) => ({ ...web, port })),
      { onError: 'isolate' }
    )
    expect(report).toMatchObject({ applied: 0, refused: [{ code: 'ENOMEM', index: 0 }, { index: 1 }, { index: 2 }] })
  })

  it.each<[string, FaultOptions, string]>([
    ['commits', { code: 'EBUSY' }, 'call'],
    ['commit', {}, 'options.code'],
    ['commit', { code: 'EWHAT' as never }, 'options.code'],
    ['commit', { code: 'EBUSY', at: 0 }, 'options.at'],
    ['commit', { code: 'EBUSY', times: 0.5 }, 'options.times'],
    ['commit', { code: 'EBUSY', reply: 'late' as never }, 'options.reply'],
    ['commit', { code: 'EBUSY', nth: 3 } as never, 'options.nth']
  ])('for %s with %j is refused', (call, options, path) => {
    expect(() => new FakeNftablesKernel().fail(call as never, options)).toThrow(
      expect.objectContaining({ code: 'ERR_NETPLANE_VALIDATION', path })
    )
  })
})
