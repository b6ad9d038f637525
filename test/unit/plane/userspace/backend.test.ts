import { describe, expect, it } from 'vitest'
import { EACCES, ENOBUFS, ENOMEM } from '../../../../src/core/errno.js'
import { NetlinkError } from '../../../../src/core/errors.js'
import type { Service } from '../../../../src/index.js'
import { leads, named, scene } from './scene.js'

const web = (overrides: Partial<Service> = {}): Service => ({
  name: 'web',
  protocol: 'tcp',
  frontends: [
    { kind: 'cluster', address: '10.96.0.1', port: 80 },
    { kind: 'node', port: 30080, trafficPolicy: 'local' }
  ],
  endpoints: [
    { address: '10.1.0.1', port: 8080, weight: 3, local: true },
    { address: '10.1.0.2', port: 8080 }
  ],
  ...overrides
})

const dns: Service = {
  name: 'dns',
  protocol: 'udp',
  frontends: [{ kind: 'cluster', address: 'fd00:96::53', port: 53 }],
  endpoints: [{ address: 'fd00:1::53', port: 53 }]
}

it('leads each choice of endpoints to a relay of its own', async () => {
  const { plane, relays, kernel } = await scene()
  await plane.sync(named(web(), dns))
  expect(relays.calls).toEqual([
    'listen web tcp ip cluster',
    'listen web tcp ip local',
    'listen dns udp ip6 cluster',
    'update web tcp ip cluster',
    'update web tcp ip local',
    'update dns udp ip6 cluster'
  ])
  expect(relays.specs.get('web tcp ip local')!.endpoints).toEqual([{ address: '10.1.0.1', port: 8080, weight: 3 }])
  expect(relays.specs.get('web tcp ip cluster')!.endpoints).toHaveLength(2)
  expect(await leads(kernel)).toEqual([
    'ip node-relays-indirect tcp,30080 40001',
    'ip node-relays-outside tcp,30080 40002',
    'ip relay-ports tcp,40001',
    'ip relay-ports tcp,40002',
    'ip relays 10.96.0.1,tcp,80 40001',
    'ip6 relay-ports udp,40003',
    'ip6 relays fd00:96::53,udp,53 40003'
  ])
})

it('changes relays alone where other endpoints come', async () => {
  const { plane, relays } = await scene()
  await plane.sync(named(web()))
  relays.calls.length = 0
  const report = await plane.update({ set: [web({ endpoints: [{ address: '10.1.0.9', port: 8080, local: true }] })] })
  expect(report).toMatchObject({ requests: 0, objects: { written: 0, deleted: 0 }, details: { mode: 'userspace', relays: 2 } })
  expect(relays.calls).toEqual(['update web tcp ip cluster', 'update web tcp ip local'])
  expect(relays.specs.get('web tcp ip local')!.endpoints).toEqual([{ address: '10.1.0.9', port: 8080, weight: 1 }])
})

it('withdraws a relay once nothing leads to it', async () => {
  const order: string[] = []
  const { plane, relays, kernel } = await scene({
    inject: (operation) => {
      if (operation === 'commit') order.push('commit')
      return undefined
    }
  })
  await plane.sync(named(web()))
  relays.withdraw = (id) => void order.push(`withdraw ${id}`)
  order.length = 0
  await plane.update({ set: [web({ endpoints: [{ address: '10.1.0.2', port: 8080 }] })] })
  expect(order.at(-1)).toBe('withdraw web tcp ip local')
  expect(order.filter((one) => one === 'commit').length).toBeGreaterThan(0)
  expect(await leads(kernel)).not.toContain('ip relay-ports tcp,40002')
  await plane.update({ delete: ['web'] })
  expect(order.at(-1)).toBe('withdraw web tcp ip cluster')
  expect(await leads(kernel)).toEqual([])
})

it('puts a service into quarantine for which a relay cannot listen', async () => {
  const { plane, relays } = await scene()
  relays.refused.add('web tcp ip local')
  const { quarantined, services } = await plane.sync(named(web(), dns))
  expect(services.added).toBe(1)
  expect(quarantined).toEqual([{ service: 'web', error: expect.objectContaining({ code: 'EACCES' }) as Error }])
  expect([...relays.ports.keys()]).toEqual(['dns udp ip6 cluster (2)'])
  await expect(plane.sync(named(web(), dns), { onError: 'atomic' })).rejects.toMatchObject({ errno: -EACCES })
})

it('undoes what it began where the kernel refuses the tables', async () => {
  let isRefused = false
  const { plane, relays } = await scene({
    inject: (operation) => (isRefused && operation === 'commit' ? { type: 'refuse', errno: ENOMEM } : undefined)
  })
  await plane.sync(named(web()))
  const before = [...relays.ports]
  isRefused = true
  await expect(plane.update({ set: [dns, web({ endpoints: [] })] })).rejects.toBeInstanceOf(NetlinkError)
  expect([...relays.ports]).toEqual(before)
  expect(relays.specs.get('web tcp ip cluster')!.endpoints).toHaveLength(2)
  isRefused = false
  await plane.update({ set: [dns] })
  expect([...relays.ports.keys()]).toContain('dns udp ip6 cluster (2)')
})

it('writes other ports when a process starts again, and nothing after that', async () => {
  const { plane, kernel } = await scene()
  await plane.sync(named(web()))
  await plane.close()
  const next = await scene({ on: kernel })
  next.relays.next = [50_001, 50_002]
  expect((await next.plane.plan(named(web()))).isEmpty).toBe(false)
  await next.plane.sync(named(web()))
  expect(await leads(kernel)).toContain('ip relays 10.96.0.1,tcp,80 50001')
  expect(await next.plane.sync(named(web()))).toMatchObject({ requests: 0 })
  expect((await next.plane.plan(named(web()))).isEmpty).toBe(true)
})

describe('ports of relays', () => {
  it('are none of the model', async () => {
    const { plane, relays } = await scene()
    relays.next = [30_080, 80, 45_000]
    const frontends = [{ kind: 'cluster', address: '10.96.0.1', port: 80 }] as const
    await plane.sync(named(web({ frontends }), web({ name: 'other', frontends: [{ kind: 'node', port: 30_080 }] })))
    expect(relays.ports.get('web tcp ip cluster (3)')).toBe(45_000)
    expect([...relays.ports.values()]).not.toContain(30_080)
  })

  it('are given up where the service itself gets one', async () => {
    const { plane, relays, kernel } = await scene()
    await plane.sync(named(web()))
    await plane.update({ set: [web({ frontends: [{ kind: 'node', port: 40_001 }] })] })
    expect(await leads(kernel)).toEqual(['ip node-relays tcp,40001 40003', 'ip relay-ports tcp,40003'])
    expect([...relays.ports.values()]).toEqual([40_003])
  })

  it('are given up then also where the answer of the kernel is lost, once it is known what it holds', async () => {
    let isLost = false
    const { plane, relays, kernel } = await scene({
      inject: (operation) => (isLost && operation === 'commit' ? { type: 'lose', errno: ENOBUFS } : undefined)
    })
    await plane.sync(named(web()))
    const changed = web({ frontends: [{ kind: 'node', port: 40_001 }] })
    isLost = true
    await expect(plane.update({ set: [changed] })).rejects.toThrow()
    expect([...relays.ports.values()]).toEqual([40_001, 40_002, 40_003])
    isLost = false
    await plane.sync(named(changed))
    expect(await leads(kernel)).toEqual(['ip node-relays tcp,40001 40003', 'ip relay-ports tcp,40003'])
    expect([...relays.ports.values()]).toEqual([40_003])
  })
})

it('refuses what relays cannot do', async () => {
  const { plane } = await scene({ proxyProtocol: true })
  const { quarantined } = await plane.sync(
    named(
      web({ name: 'sctp', protocol: 'sctp' }),
      dns,
      web({ name: 'wrr', scheduler: 'wrr' }),
      web({ name: 'consistent', scheduler: 'consistent' })
    )
  )
  expect(quarantined.map(({ service, error }) => [service, error.message])).toEqual([
    ['sctp', 'service "sctp": relays speak TCP and UDP, as Node has no sockets of SCTP'],
    ['dns', 'service "dns": option proxyProtocol is for TCP alone'],
    ['wrr', expect.stringContaining('option schedulerFallback names another one')],
    ['consistent', expect.stringContaining('planes of other modes have it')]
  ])
  for (const { error } of quarantined) expect(error).toMatchObject({ code: 'ERR_NETPLANE_UNSUPPORTED' })
})

it('says the frontend to endpoints that are told of it', async () => {
  const { plane, relays } = await scene({ proxyProtocol: true, drainSeconds: 5, schedulerFallback: 'hash' })
  await plane.sync(named(web({ scheduler: 'wrr', affinity: { timeoutSeconds: 60 } })))
  const { proxyProtocol, scheduler, drainSeconds, affinity } = relays.specs.get('web tcp ip cluster 10.96.0.1:80')!
  expect({ proxyProtocol, scheduler, drainSeconds, affinity }).toEqual({
    proxyProtocol: { address: '10.96.0.1', port: 80 },
    scheduler: 'hash',
    drainSeconds: 5,
    affinity: { timeoutSeconds: 60 }
  })
  expect(relays.specs.get('web tcp ip local node:30080')!.proxyProtocol).toEqual({ address: '0.0.0.0', port: 30_080 })
})

it('counts, and tells of connections', async () => {
  const { plane, relays, tell, events } = await scene()
  await plane.sync(named(web(), dns))
  const counts = {
    openConnections: 1,
    bytesFromClients: 10,
    bytesToClients: 20,
    packetsFromClients: 1,
    packetsToClients: 2,
    failedDials: 0
  }
  relays.statuses = [
    {
      ...counts,
      id: 'web tcp ip cluster',
      port: 40_001,
      refused: 2,
      connections: 3,
      endpoints: new Map([['10.1.0.1:8080', { ...counts, connections: 3 }]])
    },
    {
      ...counts,
      id: 'web tcp ip local',
      port: 40_002,
      refused: 0,
      connections: 1,
      endpoints: new Map([['10.1.0.1:8080', { ...counts, connections: 1 }]])
    }
  ]
  const read = (await plane.counters()).get('web')!
  const traffic = { incomingPackets: 2n, outgoingPackets: 4n, incomingBytes: 20n, outgoingBytes: 40n }
  expect(read).toMatchObject({ connections: 4n, traffic })
  expect(read.endpoints.map(({ connections }) => connections)).toEqual([4n, 0n])
  expect(plane.status().details).toMatchObject({ mode: 'userspace', relays: 3, openConnections: 2, refusedConnections: 2 })

  const ended = {
    client: '10.9.0.1:1000',
    endpoint: '10.1.0.1:8080',
    bytesFromClient: 1,
    bytesToClient: 2,
    seconds: 3,
    ending: 'closed'
  } as const
  tell({ type: 'connection', relay: 'web tcp ip cluster', ...ended })
  tell({ type: 'refused', relay: 'web tcp ip local (2)', count: 2, reason: 'too many' })
  tell({ type: 'error', relay: 'web tcp ip local', error: new Error('broken') })
  await expect.poll(() => events).toHaveLength(3)
  expect(events).toEqual([
    { type: 'connection', service: 'web', ...ended },
    { type: 'connectionsRefused', service: 'web', count: 2, reason: 'too many' },
    { type: 'error', error: expect.objectContaining({ message: expect.stringContaining('broken') as string }) as Error }
  ])
})

it('explains the way to a relay, and its shares', async () => {
  const { plane, kernel } = await scene()
  await plane.sync(named(web({ affinity: { timeoutSeconds: 60 } })))
  const asked = { protocol: 'tcp', address: '10.96.0.1', port: 80, from: '10.9.0.1' } as const
  expect(String(await plane.explain(asked))).toBe(
    [
      'tcp from 10.9.0.1 to 10.96.0.1:80, coming in',
      'The destination is an address of a service.',
      'The address and port are of service web, with traffic policy cluster, found in map relays, which is for all clients.',
      'It is redirected to a relay at port 40001 of this node, which remembers clients for 60 s.',
      'Scheduler random chooses among 10.1.0.1:8080 (75 %), 10.1.0.2:8080 (25 %).',
      '10.1.0.1:8080, 10.1.0.2:8080 see an address of this node, whose relay makes a connection of its own.',
      'Outcome: served by service web, at 10.1.0.1:8080 (75 %), 10.1.0.2:8080 (25 %).'
    ].join('\n')
  )
  const other = await scene({ on: kernel })
  const text = String(await other.plane.explain(asked))
  expect(text).toContain('It is redirected to port 40001 of this node, at which no relay of this process listens.')
  expect(text).toContain('Outcome: sent to a relay of service web that is not of this process.')
})
