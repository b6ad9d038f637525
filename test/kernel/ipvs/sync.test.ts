import { describe, expect, it, vi } from 'vitest'
import type { TransactionError } from '../../../src/core/errors.js'
import { type FakeKernel, type NativeKernel, fakeOf } from '../../../src/core/open.js'
import { Ipvs } from '../../../src/ipvs/client.js'
import type { DesiredService } from '../../../src/ipvs/sync/types.js'
import { loadAddon, type NativeIpvsChange, type NativeIpvsSocket } from '../../../src/native/index.js'
import { KEEPER, TALKER } from '../../support/kept-connections.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'
import { Random } from '../../support/random.js'
import { rejection } from '../../support/rejection.js'
import { addressOf, ask, makeServiceNetwork, reachable, serve } from '../../support/service-network.js'
import { randomDesired } from '../../support/ipvs-sync-rig.js'

const web = { protocol: 'tcp', address: '10.96.0.1', port: 80 } as const
const atOnce = { tcp: 'at-once', udp: 'at-once', fwmark: 'at-once' } as const

/** What the reference tool makes of the kernel's state: one command line an object, sorted. */
async function saved(namespace: TestNamespace): Promise<string[]> {
  const text = await namespace.run('ipvsadm', ['-S', '-n'])
  const lines = text.split('\n').map((line) => line.trim())
  return lines.filter((line) => line !== '').sort()
}

async function openBoth(kernel?: FakeKernel<'ipvs'>): Promise<{ namespace: TestNamespace; ipvs: Ipvs }> {
  const namespace = await makeNamespace()
  return { namespace, ipvs: await Ipvs.open({ netns: namespace.path, kernel }) }
}

/** A row that the kernel refuses, made of one that it would take: a scheduler that it lacks, a weight that is negative. */
function spoil({ services, servers, ...rest }: NativeIpvsChange, row: number): NativeIpvsChange {
  if (servers !== undefined) {
    const weight = (servers['weight'] as Uint32Array).slice()
    weight[row] = 0xffffffff
    return { ...rest, services, servers: { ...servers, weight } }
  }
  const table = [...(services['schedulerTable'] as readonly string[]), 'nosuch']
  const scheduler = (services['scheduler'] as Uint32Array).slice()
  scheduler[row] = table.length - 1
  return { ...rest, services: { ...services, scheduler, schedulerTable: table } }
}

/** The kernel, with one operation spoilt, or with replies that are lost from one on. */
function faultyKernel(fault: { at: number; kind: 'refused' | 'lost' }): FakeKernel<'ipvs'> & { readonly seen: () => number } {
  const addon = loadAddon()
  let seen = 0
  const wrap = (socket: NativeIpvsSocket): NativeIpvsSocket => ({
    get portId() {
      return socket.portId
    },
    get maxSendBytes() {
      return socket.maxSendBytes
    },
    close: () => socket.close(),
    resolve: (request) => socket.resolve(request),
    list: (request) => socket.list(request),
    query: (query) => socket.query(query),
    command: (command) => socket.command(command),
    change: async (change) => {
      const { rows } = change.servers ?? change.services
      const row = fault.at - seen
      seen += rows
      if (row < 0 || row >= rows) return await socket.change(change)
      if (fault.kind === 'refused') return await socket.change(change.verb === 'remove' ? change : spoil(change, row))
      const outcome = await socket.change(change)
      if (outcome.failure !== undefined) return outcome
      const lost = { errno: 105, operation: 'recvmsg', message: '', outcomeUnknown: true }
      return { value: { ...outcome.value, unknownFrom: row, stopped: lost } }
    }
  })
  const native: NativeKernel<'ipvs'> = {
    openIpvs: async (options) => {
      const outcome = await addon.openIpvs(options)
      return outcome.failure === undefined ? { value: wrap(outcome.value) } : outcome
    },
    openIpvsConnections: (options) => addon.openIpvsConnections(options),
    readSystemSetting: (request) => addon.readSystemSetting(request)
  }
  return Object.assign(fakeOf('ipvs', native), { seen: () => seen })
}

describe('a sync, as ipvsadm reads it', () => {
  it('makes every kind of service, and then has nothing to do', async () => {
    const { namespace, ipvs } = await openBoth()
    await using client = ipvs
    await namespace.ip('address', 'add', '10.9.9.9/32', 'dev', 'lo')
    const desired: DesiredService[] = [
      {
        ...web,
        scheduler: 'mh',
        flags: ['mh-port', 'mh-fallback'],
        realServers: [
          { address: '10.0.0.1', port: 8080, weight: 3, upperThreshold: 100, lowerThreshold: 50 },
          { address: '10.0.0.2', port: 80, forwarding: 'direct-route', weight: 0 },
          { address: '10.0.0.3', port: 80, forwarding: 'tunnel', tunnel: { type: 'gue', port: 6080, flags: ['checksum'] } },
          { address: 'fd00::5', port: 80, forwarding: 'tunnel' },
          // The kernel makes this one local by itself.
          { address: '10.9.9.9', port: 80 }
        ]
      },
      { protocol: 'udp', address: 'FD00:96::0:1', port: 53, scheduler: 'rr', flags: ['one-packet'], persistence: { prefixLength: 64 } },
      { fwmark: 7, scheduler: 'sh', flags: ['sh-fallback'], persistence: { timeoutSeconds: 60, netmask: '255.255.255.0' } }
    ]
    const report = await client.sync(desired)
    expect(report).toMatchObject({ services: { added: 3 }, realServers: { added: 5 }, failed: [], draining: [] })
    expect(await saved(namespace)).toEqual(
      [
        '-A -f 7 -s sh -p 60 -M 255.255.255.0 -b sh-fallback',
        '-A -t 10.96.0.1:80 -s mh -b mh-fallback,mh-port',
        '-A -u [fd00:96::1]:53 -s rr -p 300 -M 64 -o',
        '-a -t 10.96.0.1:80 -r 10.0.0.1:8080 -m -w 3',
        '-a -t 10.96.0.1:80 -r 10.0.0.2:80 -g -w 0',
        '-a -t 10.96.0.1:80 -r 10.0.0.3:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum',
        '-a -t 10.96.0.1:80 -r 10.9.9.9:80 -m -w 1',
        '-a -t 10.96.0.1:80 -r [fd00::5]:80 -i -w 1 --tun-type ipip'
      ].map((line) => (line.includes('10.9.9.9') ? (expect.stringContaining('-r 10.9.9.9:80') as string) : line))
    )
    expect(String(await client.plan(desired))).toBe('nothing to do')
    await client.sync([...desired].reverse())
    await client.sync([], { owns: () => true })
    expect(await saved(namespace)).toEqual([])
  })

  it('walks at random, and always ends where a first sync would (2 walks)', async () => {
    for (const seed of [1, 2]) {
      const random = new Random(seed)
      const { namespace, ipvs } = await openBoth()
      await using client = ipvs
      const { namespace: other, ipvs: fresh } = await openBoth()
      await using oracle = fresh
      for (let step = 0; step < 6; step++) {
        const desired = randomDesired(random)
        await client.sync(desired, { draining: atOnce, owns: () => true, from: random.chance(50) ? 'memory' : 'kernel' })
        expect((await client.plan(desired, { draining: atOnce, owns: () => true })).isEmpty).toBe(true)
        await oracle.flush({ allServices: true })
        for (const { realServers = [], ...service } of desired) {
          await oracle.addService(service)
          await oracle.addRealServers(realServers.map((server) => ({ service, server })))
        }
        expect(await saved(namespace)).toEqual(await saved(other))
      }
    }
  })

  it('leaves alone what others made', async () => {
    const { namespace, ipvs } = await openBoth()
    await using client = ipvs
    const rules = ['-A -t 192.0.2.1:80 -s wrr -p 77', '-a -t 192.0.2.1:80 -r 10.0.0.1:80 -m -w 0', '-A -f 3 -s rr']
    await namespace.run('ipvsadm', ['-R'], { input: `${rules.join('\n')}\n` })
    const before = await saved(namespace)
    await client.sync([{ ...web, realServers: [{ address: '10.0.0.1', port: 80 }] }], { owns: ['10.96.0.0/12'] })
    await client.sync([], { owns: ['10.96.0.0/12'] })
    expect(await saved(namespace)).toEqual(before)
  })

  it('takes few system calls for many objects', async () => {
    const { namespace, ipvs } = await openBoth()
    await using client = ipvs
    const desired = Array.from({ length: 500 }, (_, index): DesiredService => ({
      ...web,
      address: `10.96.${index >> 8}.${index & 255}`,
      realServers: [1, 2, 3, 4].map((host) => ({ address: `10.1.${index & 255}.${host}`, port: 80 }))
    }))
    const report = await client.sync(desired)
    expect(report).toMatchObject({ services: { added: 500 }, realServers: { added: 2000 } })
    expect(report.systemCalls).toBeLessThan(100)
    expect(await saved(namespace)).toHaveLength(2500)
    expect((await client.plan(desired)).isEmpty).toBe(true)
  })
})

describe('refusals and lost replies', () => {
  const server = (host: number, weight = 1): { address: string; port: number; weight: number } => ({
    address: `10.0.0.${host}`,
    port: 80,
    weight
  })
  const before: DesiredService[] = [
    { ...web, scheduler: 'rr', realServers: [server(1), server(2), server(3)] },
    { ...web, port: 81, realServers: [server(1)] },
    { fwmark: 5, scheduler: 'sh', persistence: {}, realServers: [{ ...server(4), port: 0 }] }
  ]
  const after: DesiredService[] = [
    { ...web, scheduler: 'wrr', realServers: [server(1, 7), server(4), server(5)] },
    { fwmark: 5, scheduler: 'mh', realServers: [{ ...server(4), port: 0, weight: 9 }] },
    { ...web, port: 82, realServers: [server(6), server(7)] },
    { protocol: 'udp', address: 'fd00::1', port: 53, realServers: [{ address: 'fd00::2', port: 53 }] }
  ]
  const options = { draining: atOnce, owns: () => true, onError: 'atomic' } as const

  it.each(['refused', 'lost'] as const)('of any operation leave the old state or the new one: %s', async (kind) => {
    const fault = { at: Infinity, kind }
    const kernel = faultyKernel(fault)
    const { namespace, ipvs } = await openBoth(kernel)
    await using client = ipvs
    await client.sync(before, options)
    const old = await saved(namespace)
    const start = kernel.seen()
    const report = await client.sync(after, options)
    const removals = report.services.removed + report.realServers.removed
    const wanted = await saved(namespace)
    const operations = kernel.seen() - start
    expect(operations).toBeGreaterThan(12)
    let undone = 0
    for (let victim = 0; victim < operations; victim++) {
      fault.at = Infinity
      await client.sync(before, options)
      fault.at = kernel.seen() + victim
      const outcome = await client.sync(after, options).catch((error: unknown) => error as TransactionError)
      const state = await saved(namespace)
      if (outcome instanceof Error) {
        expect(outcome).toMatchObject({ code: 'ERR_NETPLANE_TRANSACTION', applied: [], unknown: [] })
        expect(state).toEqual(old)
        undone++
      } else expect(state).toEqual(wanted)
    }
    // Every addition and update can be refused; lost replies of what was applied are found out by reading.
    expect(undone).toBe(kind === 'refused' ? operations - removals : 0)
  })

  it('are kept to their service, unless all are to be undone', async () => {
    const { namespace, ipvs } = await openBoth()
    await using client = ipvs
    const report = await client.sync([...after, { ...web, port: 90, scheduler: 'nosuch', realServers: [server(1)] }])
    expect(report.failed).toMatchObject([{ service: { port: 90 }, errors: [{ code: 'ENOENT' }] }])
    expect(report.services.added).toBe(after.length)
    expect((await saved(namespace)).filter((line) => line.includes(':90'))).toEqual([])
    const error = await rejection<TransactionError>(
      client.sync([{ ...web, port: 90, scheduler: 'nosuch' }, { fwmark: 9 }], { onError: 'atomic' })
    )
    expect(error.message).toContain('modprobe ip_vs_nosuch')
    expect((await saved(namespace)).filter((line) => line.includes('-f 9'))).toEqual([])
  })
})

describe('draining under connections', () => {
  it('keeps those there are, sends new ones elsewhere, is found by another process, and ends with the last', async () => {
    const network = await makeServiceNetwork(2)
    const { node, client, servers } = network
    const talk = { protocol: 'tcp', address: '10.96.0.1', port: 81 } as const
    await node.ip('address', 'add', '10.96.0.1/32', 'dev', 'lo')
    for (const [index, host] of servers.entries()) {
      await host.background('python3', ['-c', TALKER, `s${index + 1}`]).waitFor('ready')
      await serve(host, `s${index + 1}`, 8080)
    }
    await reachable(network, 8080)
    const real = (host: number): { address: string; port: number } => ({ address: addressOf.ip(host), port: 81 })
    const plain = (host: number): { address: string; port: number } => ({ address: addressOf.ip(host), port: 8080 })
    const both: DesiredService[] = [
      { ...talk, scheduler: 'rr', realServers: [real(1), real(2)] },
      { ...web, scheduler: 'rr', realServers: [plain(1), plain(2)] }
    ]
    const one: DesiredService[] = [
      { ...talk, scheduler: 'rr', realServers: [real(1)] },
      { ...web, scheduler: 'rr', realServers: [plain(1)] }
    ]
    await using first = await Ipvs.open({ netns: node.path })
    await first.sync(both)
    const keeper = client.background('python3', ['-c', KEEPER, '10.96.0.1', '4'])
    await keeper.waitFor('round 1 s1 s1 s2 s2\n')

    const report = await first.sync(one)
    expect(report.draining).toMatchObject([{ service: talk, ...real(2), activeConnections: 2 }])
    const rounds = keeper.output().split('\n').length
    await keeper.waitFor(`round ${rounds + 2} s1 s1 s2 s2\n`)
    expect(new Set((await ask(client, 'tcp', '10.96.0.1', 80, 6)).map((answer) => answer.split(' ')[0]))).toEqual(new Set(['s1']))
    expect(await first.drain()).toMatchObject({ removed: [], draining: [{ activeConnections: 2 }] })

    await using second = await Ipvs.open({ netns: node.path })
    expect((await second.plan(one)).isEmpty).toBe(true)
    expect((await second.sync(one)).draining).toMatchObject([{ ...real(2), activeConnections: 2 }])
    await second.sync(both)
    expect(await second.listRealServers(talk)).toMatchObject([{ weight: 1 }, { weight: 1 }])
    expect(second.listDraining()).toEqual([])
    await second.sync(one)
    const later = keeper.output().split('\n').length
    await keeper.waitFor(`round ${later + 2} s1 s1 s2 s2\n`)

    await using drainer = second.startDrainer({ intervalMs: 200 })
    await keeper.stop()
    // The kernel keeps a connection that was reset for 10 seconds.
    expect((await drainer.next()).value).toMatchObject({ type: 'removed', server: { ...real(2), reason: 'idle' } })
    expect(await second.listRealServers(talk)).toMatchObject([real(1)])
  })

  it('drops what is left at the deadline', async () => {
    const network = await makeServiceNetwork(1)
    const { node, client, servers } = network
    const talk = { protocol: 'tcp', address: '10.96.0.1', port: 81 } as const
    await node.ip('address', 'add', '10.96.0.1/32', 'dev', 'lo')
    await servers[0]!.background('python3', ['-c', TALKER, 's1']).waitFor('ready')
    await serve(servers[0]!, 's1', 8080)
    await reachable(network, 8080)
    await using ipvs = await Ipvs.open({ netns: node.path })
    const draining = { deadlineSeconds: 2 } as const
    await ipvs.sync([{ ...talk, draining, realServers: [{ address: addressOf.ip(1), port: 81 }] }])
    const keeper = client.background('python3', ['-c', KEEPER, '10.96.0.1', '2'])
    await keeper.waitFor('round 3 s1 s1\n')
    await using drainer = ipvs.startDrainer({ intervalMs: 50 })
    await ipvs.sync([{ ...talk, draining, realServers: [] }])
    expect((await drainer.next()).value).toMatchObject({ type: 'draining', server: { activeConnections: 2 } })
    expect((await drainer.next()).value).toMatchObject({ type: 'removed', server: { reason: 'deadline', connections: 2 } })
    await vi.waitFor(() => expect(keeper.output()).toContain('TimeoutError'), { timeout: 30_000, interval: 200 })
  })

  it('reads the setting of the namespace that keeps persistent clients coming', async () => {
    const { node } = await makeServiceNetwork(0)
    await using ipvs = await Ipvs.open({ netns: node.path })
    const service = { ...web, persistence: {}, draining: { deadlineSeconds: 60 } } as const
    const both = { ...service, realServers: [{ address: '10.0.0.1', port: 80 }] }
    await ipvs.sync([both])
    expect((await ipvs.plan([{ ...service, realServers: [] }])).notes).toEqual([expect.stringContaining('expire_quiescent_template')])
    await node.run('sh', ['-c', 'echo 1 >/proc/sys/net/ipv4/vs/expire_quiescent_template'])
    expect((await ipvs.plan([{ ...service, realServers: [] }])).notes).toEqual([])
  })
})
