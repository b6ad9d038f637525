import { describe, expect, it } from 'vitest'
import { openDrainer } from '../../../../src/ipvs/sync/drainer.js'
import type { DesiredService, DrainEvent, Drainer } from '../../../../src/ipvs/sync/types.js'
import { Random } from '../../../support/random.js'
import { Rig, randomDesired } from '../../../support/ipvs-sync-rig.js'

const key = 'tcp 10.96.0.1:80'
const web = { protocol: 'tcp', address: '10.96.0.1', port: 80 } as const
const first = { address: '10.1.0.1', port: 8080, weight: 3 } as const
const second = { address: '10.1.0.2', port: 8080 } as const
const gone = '10.1.0.2:8080'
const both: DesiredService = { ...web, realServers: [first, second] }
const one: DesiredService = { ...web, realServers: [first] }

/** A service of two real servers, of which the second has connections. */
async function busy(service: Partial<DesiredService> = {}): Promise<Rig> {
  const rig = new Rig()
  await rig.sync([{ ...both, ...service } as DesiredService])
  const [name] = rig.kernel.services.keys()
  rig.kernel.connect(name!, gone, 2, 1)
  rig.kernel.log.length = 0
  return rig
}

function weights(rig: Rig, service = key): Record<string, number> {
  const { servers } = rig.kernel.services.get(service)!
  return Object.fromEntries([...servers.values()].map(({ address, weight }) => [address, weight]))
}

describe('a real server that is desired no longer', () => {
  it('gets weight 0 while it has connections, and goes when they end', async () => {
    const rig = await busy()
    const report = await rig.sync([one])
    expect(weights(rig)).toEqual({ '10.1.0.1': 3, '10.1.0.2': 0 })
    expect(report.draining).toMatchObject([{ address: '10.1.0.2', activeConnections: 2, inactiveConnections: 1, remainingSeconds: 900 }])
    expect((await rig.plan([one])).isEmpty).toBe(true)
    expect(await rig.drain()).toMatchObject({ removed: [], draining: [{ address: '10.1.0.2' }], errors: [] })
    rig.kernel.connect(key, gone, 0, 1)
    expect(await rig.drain()).toMatchObject({ removed: [], draining: [{ activeConnections: 0, inactiveConnections: 1 }] })
    rig.kernel.connect(key, gone, 0, 0)
    expect(await rig.drain()).toMatchObject({ removed: [{ address: '10.1.0.2', reason: 'idle', connections: 0 }], draining: [] })
    expect(weights(rig)).toEqual({ '10.1.0.1': 3 })
    expect(rig.kernel.log).toEqual([`update real server ${gone} of ${key}`, `remove real server ${gone} of ${key}`])
  })

  it('goes within the same sync when it has none, but only once its weight is 0', async () => {
    const rig = await busy()
    rig.kernel.connect(key, gone, 0)
    const report = await rig.sync([one])
    expect(report).toMatchObject({ draining: [], realServers: { updated: 1, removed: 1 } })
    expect(rig.kernel.log).toEqual([`update real server ${gone} of ${key}`, `remove real server ${gone} of ${key}`])
    expect((await rig.plan([one])).isEmpty).toBe(true)
  })

  it('stays when a connection came between reading and weight 0', async () => {
    const rig = await busy()
    rig.kernel.connect(key, gone, 0)
    rig.kernel.afterChange = () => rig.kernel.connect(key, gone, 1)
    const report = await rig.sync([one])
    expect(report.draining).toHaveLength(1)
    expect(weights(rig)).toEqual({ '10.1.0.1': 3, '10.1.0.2': 0 })
  })

  it('stays when its connections cannot be read', async () => {
    const rig = await busy()
    rig.kernel.connect(key, gone, 0)
    rig.kernel.afterChange = () => {
      rig.kernel.listFault = () => {
        throw new Error('unreadable')
      }
    }
    expect((await rig.sync([one])).draining).toHaveLength(1)
    expect(weights(rig)).toEqual({ '10.1.0.1': 3, '10.1.0.2': 0 })
    await expect(rig.drain()).rejects.toThrow('unreadable')
    expect(weights(rig)).toEqual({ '10.1.0.1': 3, '10.1.0.2': 0 })
  })

  it('goes at its deadline, by a step or by a sync', async () => {
    for (const how of ['step', 'sync']) {
      const rig = await busy({ draining: { deadlineSeconds: 60 } })
      const desired = [{ ...one, draining: { deadlineSeconds: 60 } }]
      await rig.sync(desired)
      rig.nowMs += 59_999
      expect((await rig.drain()).draining).toMatchObject([{ drainingSeconds: 59.999 }])
      expect((await rig.plan(desired)).isEmpty).toBe(true)
      rig.nowMs += 1
      if (how === 'step') expect((await rig.drain()).removed).toMatchObject([{ reason: 'deadline', connections: 3 }])
      else expect(String((await rig.sync(desired)).plan)).toContain(`- ${gone} (deadline)`)
      expect(weights(rig)).toEqual({ '10.1.0.1': 3 })
      expect(rig.engine.drains.isEmpty).toBe(true)
    }
  })

  it('drains for ever where there is no deadline', async () => {
    const rig = await busy()
    await rig.sync([one], { draining: { tcp: { deadlineSeconds: Infinity } } })
    rig.nowMs += 1e12
    expect((await rig.drain()).draining).toMatchObject([{ remainingSeconds: Infinity }])
    expect(String(await rig.plan([one], { draining: { tcp: { deadlineSeconds: Infinity } } }))).toContain('no deadline')
  })

  it('gets its weight back when it is desired again: it is neither removed nor added', async () => {
    for (const from of ['kernel', 'memory'] as const) {
      const rig = await busy()
      await rig.sync([one], { from })
      const plan = await rig.plan([{ ...both }], { from })
      expect(String(plan)).toBe(`~ ${key}  ${gone} weight 0 -> 1 (restored)`)
      await rig.sync([both], { from })
      expect(weights(rig)).toEqual({ '10.1.0.1': 3, '10.1.0.2': 1 })
      expect(rig.kernel.log).toEqual([`update real server ${gone} of ${key}`, `update real server ${gone} of ${key}`])
      expect(rig.engine.drains.isEmpty).toBe(true)
    }
  })

  it('is found by another process, and its deadline begins again', async () => {
    const rig = await busy()
    await rig.sync([one])
    rig.nowMs += 600_000
    rig.restart()
    const plan = await rig.plan([one])
    expect(plan).toMatchObject({ isEmpty: true })
    const report = await rig.sync([one])
    expect(report.draining).toMatchObject([{ address: '10.1.0.2', activeConnections: 2, drainingSeconds: 0 }])
    expect(rig.kernel.log).toEqual([`update real server ${gone} of ${key}`])
    rig.nowMs += 100_000
    expect(String(await rig.plan([one]))).toBe(`nothing to do\n! ${key}  ${gone} drains: 2 active, 1 inactive connections, 800 s left`)
    rig.kernel.connect(key, gone, 0)
    expect((await rig.drain()).removed).toMatchObject([{ reason: 'idle' }])
  })

  it('does not drain because it is desired with weight 0', async () => {
    const rig = await busy()
    const report = await rig.sync([{ ...web, realServers: [first, { ...second, weight: 0 }] }])
    expect(report.draining).toEqual([])
    rig.kernel.connect(key, gone, 0)
    await rig.drain()
    expect(weights(rig)).toEqual({ '10.1.0.1': 3, '10.1.0.2': 0 })
  })

  it('goes with its service at once', async () => {
    const rig = await busy()
    await rig.sync([one])
    await rig.sync([])
    expect(rig.kernel.services.size).toBe(0)
    expect(rig.engine.drains.isEmpty).toBe(true)
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
      const rig = await busy(service)
      await rig.sync([{ ...one, ...service } as DesiredService], options)
      const [name] = rig.kernel.services.keys()
      expect(weights(rig, name)).toEqual({ '10.1.0.1': 3 })
    }
    const rig = await busy({ ...udp, draining: { deadlineSeconds: 9 } })
    await rig.sync([{ ...one, ...udp, draining: { deadlineSeconds: 9 } }])
    expect(weights(rig, 'udp 10.96.0.1:80')).toEqual({ '10.1.0.1': 3, '10.1.0.2': 0 })
  })

  it.each<[string, Partial<DesiredService>, boolean]>([
    ['dh', { scheduler: 'dh' }, false],
    ['sh', { scheduler: 'sh' }, false],
    ['sh with fallback', { scheduler: 'sh', flags: ['sh-fallback'] }, true],
    ['mh', { scheduler: 'mh' }, true],
    ['one-packet', { protocol: 'udp', flags: ['one-packet'], draining: { deadlineSeconds: 60 } }, false]
  ])('drains only where weight 0 does not refuse clients: %s', async (_, settings, drains) => {
    const rig = await busy(settings)
    const report = await rig.sync([{ ...one, ...settings } as DesiredService])
    const [name] = rig.kernel.services.keys()
    expect(weights(rig, name)).toEqual(drains ? { '10.1.0.1': 3, '10.1.0.2': 0 } : { '10.1.0.1': 3 })
    expect(report.plan.notes).toEqual(drains ? [] : [expect.stringContaining('real servers go at once')])
  })

  it.each<[number | undefined, number]>([
    [0, 1],
    [1, 0],
    [undefined, 0]
  ])('says when persistence keeps it from draining (expire_quiescent_template %s)', async (value, notes) => {
    const rig = await busy({ persistence: {} })
    rig.kernel.fake.settings.delete('expire_quiescent_template')
    if (value !== undefined) rig.kernel.fake.settings.set('expire_quiescent_template', value)
    const plan = await rig.plan([{ ...one, persistence: {} }])
    expect(plan.notes).toHaveLength(notes)
    if (notes > 0) expect(String(plan)).toContain('net.ipv4.vs.expire_quiescent_template is 0')
  })

  it('is put back with its weight when the sync fails', async () => {
    const rig = await busy()
    const before = rig.kernel.dump()
    rig.kernel.fault = (_, text) => (text.startsWith('update') ? 22 : undefined)
    await expect(rig.sync([one])).rejects.toMatchObject({ code: 'ERR_NETPLANE_TRANSACTION' })
    expect(rig.kernel.dump()).toBe(before)
    expect(rig.engine.drains.isEmpty).toBe(true)
    const report = await rig.sync([one], { onError: 'isolate' })
    expect(report).toMatchObject({ failed: [{ service: web }], draining: [] })
  })
})

describe('random walks with connections', () => {
  it.each(Array.from({ length: 10 }, (_, seed) => seed))('drop none, and end at what is desired (seed %i)', async (seed) => {
    const random = new Random(seed)
    const rig = new Rig()
    const policies = { tcp: { deadlineSeconds: Infinity }, udp: { deadlineSeconds: Infinity }, fwmark: { deadlineSeconds: Infinity } }
    // Of these a real server with weight 0 goes at once.
    const draining = ({ flags = [], scheduler = 'wlc', ...service }: DesiredService): DesiredService =>
      ['sh', 'dh'].includes(scheduler)
        ? { ...service, scheduler: 'rr' }
        : { ...service, scheduler, flags: flags.filter((flag) => flag !== 'one-packet') }
    const connected = new Set<string>()
    const all = new Map<string, DesiredService>()
    for (let step = 0; step < 20; step++) {
      // Services stay: a service that goes takes its real servers along.
      for (const service of randomDesired(random)) all.set(`${service.fwmark} ${service.address}`, draining(service))
      const desired = [...all.values()]
      if (random.chance(20)) rig.restart()
      await rig.sync(desired, { draining: policies, from: random.chance(30) ? 'memory' : 'kernel' })
      for (const [name, { servers }] of rig.kernel.services) {
        for (const server of servers.keys()) {
          if (random.chance(70)) continue
          const id = `${name} ${server}`
          if (connected.delete(id)) rig.kernel.connect(name, server, 0)
          else if (servers.get(server)!.weight > 0) {
            rig.kernel.connect(name, server, 1)
            connected.add(id)
          }
        }
      }
      if (random.chance(50)) await rig.drain()
      for (const id of connected) {
        const [name, server] = [id.slice(0, id.lastIndexOf(' ')), id.slice(id.lastIndexOf(' ') + 1)]
        expect(rig.kernel.services.get(name)!.servers.has(server)).toBe(true)
      }
    }
    for (const [name, { servers }] of rig.kernel.services) for (const server of servers.keys()) rig.kernel.connect(name, server, 0)
    const desired = [...all.values()]
    await rig.sync(desired, { draining: policies })
    await rig.drain()
    const other = new Rig()
    await other.sync(desired)
    expect(rig.kernel.dump()).toBe(other.kernel.dump())
  })
})

describe('a step', () => {
  it('reads only the services with something that drains, and nothing when there is none', async () => {
    const rig = await busy()
    const { lists } = rig.kernel
    expect(await rig.drain()).toEqual({ removed: [], draining: [], errors: [] })
    expect(rig.kernel.lists).toBe(lists)
  })

  it('notices that another process removed it, or gave it a weight', async () => {
    for (const somebody of ['removed', 'restored']) {
      const rig = await busy()
      await rig.sync([one])
      await rig.meddle(async (ipvs) => {
        if (somebody === 'removed') await ipvs.removeRealServer(web, second)
        else await ipvs.updateRealServer(web, { ...second, weight: 7 })
      })
      const report = await rig.drain()
      expect(report.removed).toMatchObject(somebody === 'removed' ? [{ reason: 'gone' }] : [])
      expect(report.draining).toEqual([])
      const plan = await rig.plan([one], { from: 'memory' })
      expect(plan.isEmpty).toBe(somebody === 'removed')
    }
  })

  it('has no numbers of connections before it has read them', async () => {
    const rig = await busy()
    const report = await rig.sync([one], { from: 'memory' })
    expect(report.draining).toMatchObject([{ activeConnections: undefined, inactiveConnections: undefined }])
    expect(String(await rig.plan({ set: [{ ...one, scheduler: 'rr' }] }, { from: 'memory' }))).toContain(
      'drains: connections not read yet, '
    )
    await rig.drain()
    expect((await rig.plan([one])).draining).toMatchObject([{ activeConnections: 2 }])
  })

  it('tries again what was refused', async () => {
    const rig = await busy()
    await rig.sync([one])
    rig.kernel.connect(key, gone, 0)
    rig.kernel.fault = () => 22
    expect(await rig.drain()).toMatchObject({ removed: [], draining: [{}], errors: [{ code: 'EINVAL' }] })
    rig.kernel.fault = () => undefined
    expect((await rig.drain()).removed).toHaveLength(1)
  })
})

async function take(drainer: Drainer, count: number): Promise<DrainEvent[]> {
  const events: DrainEvent[] = []
  while (events.length < count) events.push((await drainer.next()).value as DrainEvent)
  return events
}

describe('a drainer', () => {
  it('removes what has drained, and tells what happens', async () => {
    const rig = await busy()
    await using drainer = openDrainer(rig.engine.drains, () => rig.drain(), { intervalMs: 10 })
    await rig.sync([one])
    const [began] = await take(drainer, 1)
    expect(began).toMatchObject({ type: 'draining', server: { address: '10.1.0.2', activeConnections: 2 } })
    rig.kernel.listFault = () => {
      throw new Error('unreadable')
    }
    expect(await take(drainer, 1)).toMatchObject([{ type: 'error', error: { code: 'ERR_NETPLANE_INTERNAL' } }])
    rig.kernel.listFault = () => undefined
    rig.kernel.connect(key, gone, 0)
    let [event] = await take(drainer, 1)
    while (event?.type === 'error') [event] = await take(drainer, 1)
    expect(event).toMatchObject({ type: 'removed', server: { address: '10.1.0.2', reason: 'idle' } })
    expect(weights(rig)).toEqual({ '10.1.0.1': 3 })
  })

  it('tells what is restored', async () => {
    const rig = await busy()
    await using drainer = openDrainer(rig.engine.drains, () => rig.drain(), { intervalMs: 10 })
    await rig.sync([one])
    await rig.sync([both])
    expect((await take(drainer, 2)).map(({ type }) => type)).toEqual(['draining', 'restored'])
  })

  it('reads nothing while nothing drains, and nothing after its end', async () => {
    const rig = await busy()
    const { lists } = rig.kernel
    const drainer = openDrainer(rig.engine.drains, () => rig.drain(), { intervalMs: 10 })
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(rig.kernel.lists).toBe(lists)
    await rig.sync([one])
    await drainer.return()
    const after = rig.kernel.lists
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(rig.kernel.lists).toBe(after)
  })

  it('ends with the client, and with the signal', async () => {
    const rig = new Rig()
    const drainer = openDrainer(rig.engine.drains, () => rig.drain(), {})
    rig.engine.drains.close()
    expect(await drainer.next()).toEqual({ done: true, value: undefined })
    const controller = new AbortController()
    const other = openDrainer(new Rig().engine.drains, () => rig.drain(), { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(other.next()).rejects.toThrow('enough')
  })

  it('drops and counts events for a consumer that does not read', async () => {
    const rig = new Rig()
    await using drainer = openDrainer(rig.engine.drains, () => rig.drain(), {})
    for (let index = 0; index < 1100; index++) rig.engine.drains.push({ type: 'restored', service: web, address: '::', port: index })
    await take(drainer, 1024)
    rig.engine.drains.push({ type: 'restored', service: web, address: '::', port: 1 })
    expect(await take(drainer, 2)).toMatchObject([{ type: 'lost', count: 76 }, { type: 'restored' }])
  })

  it('refuses an interval that is none', () => {
    const rig = new Rig()
    expect(() => openDrainer(rig.engine.drains, () => rig.drain(), { intervalMs: 0 })).toThrow(
      expect.objectContaining({ path: 'intervalMs' }) as Error
    )
  })
})
