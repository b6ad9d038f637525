import { describe, expect, it } from 'vitest'
import { openDrainer } from '../../../../src/ipvs/sync/drainer.js'
import type { DesiredService, DrainEvent, Drainer } from '../../../../src/ipvs/sync/types.js'
import { Random } from '../../../support/random.js'
import { Bench, randomDesired } from './setup.js'

const key = 'tcp 10.96.0.1:80'
const web = { protocol: 'tcp', address: '10.96.0.1', port: 80 } as const
const first = { address: '10.1.0.1', port: 8080, weight: 3 } as const
const second = { address: '10.1.0.2', port: 8080 } as const
const gone = '10.1.0.2:8080'
const both: DesiredService = { ...web, realServers: [first, second] }
const one: DesiredService = { ...web, realServers: [first] }

/** A service of two real servers, of which the second has connections. */
async function busy(service: Partial<DesiredService> = {}): Promise<Bench> {
  const bench = new Bench()
  await bench.sync([{ ...both, ...service } as DesiredService])
  const [name] = bench.kernel.services.keys()
  bench.kernel.connect(name!, gone, 2, 1)
  bench.kernel.log.length = 0
  return bench
}

function weights(bench: Bench, service = key): Record<string, number> {
  const { servers } = bench.kernel.services.get(service)!
  return Object.fromEntries([...servers.values()].map(({ address, weight }) => [address, weight]))
}

describe('a real server that is desired no longer', () => {
  it('gets weight 0 while it has connections, and goes when they end', async () => {
    const bench = await busy()
    const report = await bench.sync([one])
    expect(weights(bench)).toEqual({ '10.1.0.1': 3, '10.1.0.2': 0 })
    expect(report.draining).toMatchObject([{ address: '10.1.0.2', activeConnections: 2, inactiveConnections: 1, remainingSeconds: 900 }])
    expect((await bench.plan([one])).isEmpty).toBe(true)
    expect(await bench.drain()).toMatchObject({ removed: [], draining: [{ address: '10.1.0.2' }], errors: [] })
    bench.kernel.connect(key, gone, 0, 1)
    expect(await bench.drain()).toMatchObject({ removed: [], draining: [{ activeConnections: 0, inactiveConnections: 1 }] })
    bench.kernel.connect(key, gone, 0, 0)
    expect(await bench.drain()).toMatchObject({ removed: [{ address: '10.1.0.2', reason: 'idle', connections: 0 }], draining: [] })
    expect(weights(bench)).toEqual({ '10.1.0.1': 3 })
    expect(bench.kernel.log).toEqual([`update realServer ${gone} of ${key}`, `remove realServer ${gone} of ${key}`])
  })

  it('goes within the same sync when it has none, but only once its weight is 0', async () => {
    const bench = await busy()
    bench.kernel.connect(key, gone, 0)
    const report = await bench.sync([one])
    expect(report).toMatchObject({ draining: [], realServers: { updated: 1, removed: 1 } })
    expect(bench.kernel.log).toEqual([`update realServer ${gone} of ${key}`, `remove realServer ${gone} of ${key}`])
    expect((await bench.plan([one])).isEmpty).toBe(true)
  })

  it('stays when a connection came between reading and weight 0', async () => {
    const bench = await busy()
    bench.kernel.connect(key, gone, 0)
    bench.kernel.afterChange = () => bench.kernel.connect(key, gone, 1)
    const report = await bench.sync([one])
    expect(report.draining).toHaveLength(1)
    expect(weights(bench)).toEqual({ '10.1.0.1': 3, '10.1.0.2': 0 })
  })

  it('stays when its connections cannot be read', async () => {
    const bench = await busy()
    bench.kernel.connect(key, gone, 0)
    bench.kernel.afterChange = () => {
      bench.kernel.listFault = () => {
        throw new Error('unreadable')
      }
    }
    expect((await bench.sync([one])).draining).toHaveLength(1)
    expect(weights(bench)).toEqual({ '10.1.0.1': 3, '10.1.0.2': 0 })
    await expect(bench.drain()).rejects.toThrow('unreadable')
    expect(weights(bench)).toEqual({ '10.1.0.1': 3, '10.1.0.2': 0 })
  })

  it('goes at its deadline, by a step or by a sync', async () => {
    for (const how of ['step', 'sync']) {
      const bench = await busy({ draining: { deadlineSeconds: 60 } })
      const desired = [{ ...one, draining: { deadlineSeconds: 60 } }]
      await bench.sync(desired)
      bench.nowMs += 59_999
      expect((await bench.drain()).draining).toMatchObject([{ drainingSeconds: 59.999 }])
      expect((await bench.plan(desired)).isEmpty).toBe(true)
      bench.nowMs += 1
      if (how === 'step') expect((await bench.drain()).removed).toMatchObject([{ reason: 'deadline', connections: 3 }])
      else expect(String((await bench.sync(desired)).plan)).toContain(`- ${gone} (deadline)`)
      expect(weights(bench)).toEqual({ '10.1.0.1': 3 })
      expect(bench.engine.drains.isEmpty).toBe(true)
    }
  })

  it('drains for ever where there is no deadline', async () => {
    const bench = await busy()
    await bench.sync([one], { draining: { tcp: { deadlineSeconds: Infinity } } })
    bench.nowMs += 1e12
    expect((await bench.drain()).draining).toMatchObject([{ remainingSeconds: Infinity }])
    expect(String(await bench.plan([one], { draining: { tcp: { deadlineSeconds: Infinity } } }))).toContain('no deadline')
  })

  it('gets its weight back when it is desired again: it is neither removed nor added', async () => {
    for (const from of ['kernel', 'memory'] as const) {
      const bench = await busy()
      await bench.sync([one], { from })
      const plan = await bench.plan([{ ...both }], { from })
      expect(String(plan)).toBe(`~ ${key}  ${gone} weight 0 -> 1 (restored)`)
      await bench.sync([both], { from })
      expect(weights(bench)).toEqual({ '10.1.0.1': 3, '10.1.0.2': 1 })
      expect(bench.kernel.log).toEqual([`update realServer ${gone} of ${key}`, `update realServer ${gone} of ${key}`])
      expect(bench.engine.drains.isEmpty).toBe(true)
    }
  })

  it('is found by another process, and its deadline begins again', async () => {
    const bench = await busy()
    await bench.sync([one])
    bench.nowMs += 600_000
    bench.restart()
    const plan = await bench.plan([one])
    expect(plan).toMatchObject({ isEmpty: true })
    const report = await bench.sync([one])
    expect(report.draining).toMatchObject([{ address: '10.1.0.2', activeConnections: 2, drainingSeconds: 0 }])
    expect(bench.kernel.log).toEqual([`update realServer ${gone} of ${key}`])
    bench.nowMs += 100_000
    expect(String(await bench.plan([one]))).toBe(`nothing to do\n! ${key}  ${gone} drains: 2 active, 1 inactive connections, 800 s left`)
    bench.kernel.connect(key, gone, 0)
    expect((await bench.drain()).removed).toMatchObject([{ reason: 'idle' }])
  })

  it('does not drain because it is desired with weight 0', async () => {
    const bench = await busy()
    const report = await bench.sync([{ ...web, realServers: [first, { ...second, weight: 0 }] }])
    expect(report.draining).toEqual([])
    bench.kernel.connect(key, gone, 0)
    await bench.drain()
    expect(weights(bench)).toEqual({ '10.1.0.1': 3, '10.1.0.2': 0 })
  })

  it('goes with its service at once', async () => {
    const bench = await busy()
    await bench.sync([one])
    await bench.sync([])
    expect(bench.kernel.services.size).toBe(0)
    expect(bench.engine.drains.isEmpty).toBe(true)
  })

  it('goes at once by policy: of UDP, of its protocol, of its service', async () => {
    const udp = { ...web, protocol: 'udp' } as const
    const cases: [Partial<DesiredService>, object][] = [
      [udp, {}],
      [web, { draining: { tcp: 'at-once' } }],
      [{ ...web, draining: 'at-once' }, {}],
      [{ ...web, draining: { deadlineSeconds: 0 } }, {}]
    ]
    for (const [service, options] of cases) {
      const bench = await busy(service)
      await bench.sync([{ ...one, ...service } as DesiredService], options)
      const [name] = bench.kernel.services.keys()
      expect(weights(bench, name)).toEqual({ '10.1.0.1': 3 })
    }
    const bench = await busy({ ...udp, draining: { deadlineSeconds: 9 } })
    await bench.sync([{ ...one, ...udp, draining: { deadlineSeconds: 9 } }])
    expect(weights(bench, 'udp 10.96.0.1:80')).toEqual({ '10.1.0.1': 3, '10.1.0.2': 0 })
  })

  it.each<[string, Partial<DesiredService>, boolean]>([
    ['dh', { scheduler: 'dh' }, false],
    ['sh', { scheduler: 'sh' }, false],
    ['sh with fallback', { scheduler: 'sh', flags: ['sh-fallback'] }, true],
    ['mh', { scheduler: 'mh' }, true],
    ['one-packet', { protocol: 'udp', flags: ['one-packet'], draining: { deadlineSeconds: 60 } }, false]
  ])('drains only where weight 0 does not refuse clients: %s', async (_, settings, drains) => {
    const bench = await busy(settings)
    const report = await bench.sync([{ ...one, ...settings } as DesiredService])
    const [name] = bench.kernel.services.keys()
    expect(weights(bench, name)).toEqual(drains ? { '10.1.0.1': 3, '10.1.0.2': 0 } : { '10.1.0.1': 3 })
    expect(report.plan.notes).toEqual(drains ? [] : [expect.stringContaining('real servers go at once')])
  })

  it.each<[number | undefined, number]>([
    [0, 1],
    [1, 0],
    [undefined, 0]
  ])('says when persistence keeps it from draining (expire_quiescent_template %s)', async (value, notes) => {
    const bench = await busy({ persistence: {} })
    if (value !== undefined) bench.kernel.settings.set('expire_quiescent_template', value)
    const plan = await bench.plan([{ ...one, persistence: {} }])
    expect(plan.notes).toHaveLength(notes)
    if (notes > 0) expect(String(plan)).toContain('net.ipv4.vs.expire_quiescent_template is 0')
  })

  it('is put back with its weight when the sync fails', async () => {
    const bench = await busy()
    const before = bench.kernel.dump()
    bench.kernel.fault = (_, text) => (text.startsWith('update') ? 22 : undefined)
    await expect(bench.sync([one])).rejects.toMatchObject({ code: 'ERR_NETPLANE_TRANSACTION' })
    expect(bench.kernel.dump()).toBe(before)
    expect(bench.engine.drains.isEmpty).toBe(true)
    const report = await bench.sync([one], { onError: 'isolate' })
    expect(report).toMatchObject({ failed: [{ service: web }], draining: [] })
  })
})

describe('random walks with connections', () => {
  it.each(Array.from({ length: 10 }, (_, seed) => seed))('drop none, and end at what is desired (seed %i)', async (seed) => {
    const random = new Random(seed)
    const bench = new Bench()
    const policies = { tcp: { deadlineSeconds: Infinity }, udp: { deadlineSeconds: Infinity }, fwmark: { deadlineSeconds: Infinity } }
    const withoutHashing = (service: DesiredService): DesiredService =>
      ['sh', 'dh'].includes(service.scheduler ?? '') ? { ...service, scheduler: 'rr' } : service
    const connected = new Set<string>()
    const all = new Map<string, DesiredService>()
    for (let step = 0; step < 20; step++) {
      // Services stay: a service that goes takes its real servers along.
      for (const service of randomDesired(random)) all.set(`${service.fwmark} ${service.address}`, withoutHashing(service))
      const desired = [...all.values()]
      if (random.chance(20)) bench.restart()
      await bench.sync(desired, { draining: policies, from: random.chance(30) ? 'memory' : 'kernel' })
      for (const [name, { servers }] of bench.kernel.services) {
        for (const server of servers.keys()) {
          if (random.chance(70)) continue
          const id = `${name} ${server}`
          if (connected.delete(id)) bench.kernel.connect(name, server, 0)
          else if (servers.get(server)!.weight > 0) {
            bench.kernel.connect(name, server, 1)
            connected.add(id)
          }
        }
      }
      if (random.chance(50)) await bench.drain()
      for (const id of connected) {
        const [name, server] = [id.slice(0, id.lastIndexOf(' ')), id.slice(id.lastIndexOf(' ') + 1)]
        expect(bench.kernel.services.get(name)!.servers.has(server)).toBe(true)
      }
    }
    for (const [name, { servers }] of bench.kernel.services) for (const server of servers.keys()) bench.kernel.connect(name, server, 0)
    const desired = [...all.values()]
    await bench.sync(desired, { draining: policies })
    await bench.drain()
    const other = new Bench()
    await other.sync(desired)
    expect(bench.kernel.dump()).toBe(other.kernel.dump())
  })
})

describe('a step', () => {
  it('reads only the services with something that drains, and nothing when there is none', async () => {
    const bench = await busy()
    const { lists } = bench.kernel
    expect(await bench.drain()).toEqual({ removed: [], draining: [], errors: [] })
    expect(bench.kernel.lists).toBe(lists)
  })

  it('notices that somebody else removed it, or gave it a weight', async () => {
    for (const somebody of ['removed', 'restored']) {
      const bench = await busy()
      await bench.sync([one])
      const { servers } = bench.kernel.services.get(key)!
      if (somebody === 'removed') servers.delete(gone)
      else servers.set(gone, { ...servers.get(gone)!, weight: 7 })
      const report = await bench.drain()
      expect(report.removed).toMatchObject(somebody === 'removed' ? [{ reason: 'gone' }] : [])
      expect(report.draining).toEqual([])
      const plan = await bench.plan([one], { from: 'memory' })
      expect(plan.isEmpty).toBe(somebody === 'removed')
    }
  })

  it('tries again what was refused', async () => {
    const bench = await busy()
    await bench.sync([one])
    bench.kernel.connect(key, gone, 0)
    bench.kernel.fault = () => 22
    expect(await bench.drain()).toMatchObject({ removed: [], draining: [{}], errors: [{ code: 'EINVAL' }] })
    bench.kernel.fault = () => undefined
    expect((await bench.drain()).removed).toHaveLength(1)
  })
})

async function take(drainer: Drainer, count: number): Promise<DrainEvent[]> {
  const events: DrainEvent[] = []
  while (events.length < count) events.push((await drainer.next()).value as DrainEvent)
  return events
}

describe('a drainer', () => {
  it('removes what has drained, and tells what happens', async () => {
    const bench = await busy()
    await using drainer = openDrainer(bench.engine.drains, () => bench.drain(), { intervalMs: 10 })
    await bench.sync([one])
    const [began] = await take(drainer, 1)
    expect(began).toMatchObject({ type: 'draining', server: { address: '10.1.0.2', activeConnections: 2 } })
    bench.kernel.listFault = () => {
      throw new Error('unreadable')
    }
    expect(await take(drainer, 1)).toMatchObject([{ type: 'error', error: { code: 'ERR_NETPLANE_INTERNAL' } }])
    bench.kernel.listFault = () => undefined
    bench.kernel.connect(key, gone, 0)
    let [event] = await take(drainer, 1)
    while (event?.type === 'error') [event] = await take(drainer, 1)
    expect(event).toMatchObject({ type: 'removed', server: { address: '10.1.0.2', reason: 'idle' } })
    expect(weights(bench)).toEqual({ '10.1.0.1': 3 })
  })

  it('tells what is restored', async () => {
    const bench = await busy()
    await using drainer = openDrainer(bench.engine.drains, () => bench.drain(), { intervalMs: 10 })
    await bench.sync([one])
    await bench.sync([both])
    expect((await take(drainer, 2)).map(({ type }) => type)).toEqual(['draining', 'restored'])
  })

  it('reads nothing while nothing drains, and nothing after its end', async () => {
    const bench = await busy()
    const { lists } = bench.kernel
    const drainer = openDrainer(bench.engine.drains, () => bench.drain(), { intervalMs: 10 })
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(bench.kernel.lists).toBe(lists)
    await bench.sync([one])
    await drainer.return()
    const after = bench.kernel.lists
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(bench.kernel.lists).toBe(after)
  })

  it('ends with the client, and with the signal', async () => {
    const bench = new Bench()
    const drainer = openDrainer(bench.engine.drains, () => bench.drain(), {})
    bench.engine.drains.close()
    expect(await drainer.next()).toEqual({ done: true, value: undefined })
    const controller = new AbortController()
    const other = openDrainer(new Bench().engine.drains, () => bench.drain(), { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(other.next()).rejects.toThrow('enough')
  })

  it('drops and counts events for a consumer that does not read', async () => {
    const bench = new Bench()
    await using drainer = openDrainer(bench.engine.drains, () => bench.drain(), {})
    for (let index = 0; index < 1100; index++) bench.engine.drains.push({ type: 'restored', service: web, address: '::', port: index })
    await take(drainer, 1024)
    bench.engine.drains.push({ type: 'restored', service: web, address: '::', port: 1 })
    expect(await take(drainer, 2)).toMatchObject([{ type: 'lost', count: 76 }, { type: 'restored' }])
  })

  it('refuses an interval that is none', () => {
    const bench = new Bench()
    expect(() => openDrainer(bench.engine.drains, () => bench.drain(), { intervalMs: 0 })).toThrow(
      expect.objectContaining({ path: 'intervalMs' }) as Error
    )
  })
})
