import { describe, expect, it, onTestFinished } from 'vitest'
import { openPlane, type Plane, type PlaneEvent, type PlaneOptions, type Scheduler, type Service } from '../../../../src/index.js'
import { FakeIpvsKernel, FakeNftablesKernel, FakeRouteKernel } from '../../../../src/testing.js'

type Options = Partial<Extract<PlaneOptions, { readonly mode: 'ipvs' }>>

const service = (name: string, last: number, scheduler?: Scheduler): Service => ({
  name,
  protocol: 'tcp',
  frontends: [{ kind: 'cluster', address: `10.96.0.${last}`, port: 80 }],
  endpoints: [{ address: '10.1.0.1', port: 8080 }],
  scheduler
})
const named = (...services: Service[]): Map<string, Service> => new Map(services.map((entry) => [entry.name, entry]))

function scene(lacking: readonly string[] = []) {
  const kernel = { ipvs: new FakeIpvsKernel(), nftables: new FakeNftablesKernel(), route: new FakeRouteKernel() }
  for (const name of lacking) kernel.ipvs.schedulers.delete(name)
  const asked: string[] = []
  kernel.ipvs.fault = ({ text }) => {
    if (text.includes('[100::6e70]')) asked.push(text)
    return undefined
  }
  const open = async (options: Options = {}): Promise<Plane> => {
    const plane = await openPlane({ mode: 'ipvs', kernel, auditMs: 0, ...options })
    onTestFinished(() => plane.close())
    return plane
  }
  /** Schedulers by the last byte of the services' addresses. */
  const schedulers = (): Record<string, string> =>
    Object.fromEntries(
      [...kernel.ipvs.dump().matchAll(/^tcp 10\.96\.0\.(\d+):80 scheduler (\w+)/gm)].map(([, last, name]): [string, string] => [
        last!,
        name!
      ])
    )
  return { kernel, open, schedulers, asked }
}

/** Tells of a plane, as long as it is open. */
function eventsOf(plane: Plane): PlaneEvent[] {
  const events: PlaneEvent[] = []
  void (async () => {
    for await (const event of plane.watch()) events.push(event)
  })()
  return events
}

describe('schedulers of the ipvs plane', () => {
  it('are those that services ask for, or what the options say', async () => {
    const { open, schedulers, asked } = scene()
    const plane = await open({ scheduler: 'consistent', schedulers: { consistent: 'sh' } })
    await plane.sync(named(service('a', 1), service('b', 2, 'random'), service('c', 3, 'lc')))
    expect(schedulers()).toEqual({ 1: 'sh', 2: 'wrr', 3: 'lc' })
    // Where there is nothing to choose the kernel is not asked.
    expect(asked).toEqual([])
    const other = await scene().open({ scheduler: 'nq' })
    await other.sync(named(service('a', 1)))
    expect(other.status().details).toMatchObject({ missingSchedulers: [] })
  })

  it('that the kernel lacks make it refuse services, by the name of the module', async () => {
    const { open, schedulers } = scene(['fo'])
    const plane = await open()
    const { quarantined } = await plane.sync(named(service('a', 1, 'fo'), service('b', 2)))
    expect(quarantined).toMatchObject([{ service: 'a', error: { code: 'ENOENT' } }])
    expect(String(quarantined[0]!.error)).toContain('modprobe ip_vs_fo')
    expect(schedulers()).toEqual({ 2: 'wrr' })
    expect(plane.status().details).toMatchObject({ missingSchedulers: [] })
  })

  it('have another one in their place where an option says so, which is told once', async () => {
    const { open, schedulers, asked } = scene(['fo', 'mh'])
    const plane = await open({ schedulerFallback: 'sh' })
    const events = eventsOf(plane)
    const services = named(service('a', 1, 'fo'), service('b', 2, 'hash'), service('c', 3), service('d', 4, 'fo'))
    expect(await plane.sync(services)).toMatchObject({ quarantined: [], services: { added: 4 } })
    expect(schedulers()).toEqual({ 1: 'sh', 2: 'sh', 3: 'wrr', 4: 'sh' })
    const more = [service('e', 5, 'fo'), service('f', 6, 'ovf')]
    await plane.update({ set: more })
    expect(schedulers()).toMatchObject({ 5: 'sh', 6: 'ovf' })
    expect((await plane.plan(named(...services.values(), ...more))).isEmpty).toBe(true)
    expect(plane.status().details).toMatchObject({ missingSchedulers: ['fo', 'mh'] })
    expect(asked).toHaveLength(4)
    expect(events).toEqual([
      { type: 'schedulerMissing', scheduler: 'fo', fallback: 'sh' },
      { type: 'schedulerMissing', scheduler: 'mh', fallback: 'sh' }
    ])
  })

  it('get the one that was asked for from the next plane, once the kernel has it', async () => {
    const { open, schedulers, kernel } = scene(['fo'])
    const options = { schedulerFallback: 'random' } as const
    const services = named(service('a', 1, 'fo'))
    const first = await open(options)
    await first.sync(services)
    await first.close()
    const second = await open(options)
    expect((await second.plan(services)).isEmpty).toBe(true)
    expect(await second.sync(services)).toMatchObject({ requests: 0 })
    expect(second.status().details).toMatchObject({ missingSchedulers: ['fo'] })
    kernel.ipvs.schedulers.add('fo')
    await second.update({ set: [service('b', 2, 'fo')] })
    expect(schedulers()).toEqual({ 1: 'wrr', 2: 'wrr' })
    await second.close()
    const third = await open(options)
    expect(await third.sync(services)).toMatchObject({ details: { virtualServices: { updated: 1, removed: 1 } } })
    expect(schedulers()).toEqual({ 1: 'fo' })
  })

  it('are asked for again where one has gone that was there', async () => {
    const { open, schedulers, kernel } = scene()
    const plane = await open({ schedulerFallback: 'random' })
    await plane.sync(named(service('a', 1, 'fo')))
    await plane.sync(named())
    kernel.ipvs.schedulers.delete('fo')
    const services = named(service('a', 1, 'fo'))
    expect((await plane.sync(services)).quarantined).toMatchObject([{ service: 'a' }])
    expect((await plane.sync(services)).quarantined).toEqual([])
    expect(schedulers()).toEqual({ 1: 'wrr' })
  })

  it('with atomic, are chosen before anything is written', async () => {
    const { open, schedulers } = scene(['fo'])
    const plane = await open({ schedulerFallback: 'random' })
    await plane.sync(named(service('a', 1, 'fo')), { onError: 'atomic' })
    await plane.update({ set: [service('a', 1, 'fo'), service('b', 2, 'fo')] }, { onError: 'atomic' })
    expect(schedulers()).toEqual({ 1: 'wrr', 2: 'wrr' })
  })

  it('make the call fail where the kernel cannot be asked, and nothing is changed', async () => {
    const { open, kernel } = scene()
    const plane = await open({ schedulerFallback: 'random' })
    kernel.ipvs.fault = () => 1
    await expect(plane.sync(named(service('a', 1, 'fo')))).rejects.toMatchObject({ code: 'EPERM' })
    kernel.ipvs.fault = () => undefined
    await plane.sync(named(service('a', 1)))
    kernel.ipvs.fault = () => 1
    await expect(plane.update({ set: [service('b', 2, 'fo')] })).rejects.toMatchObject({ code: 'EPERM' })
    kernel.ipvs.fault = () => undefined
    expect((await plane.plan(named(service('a', 1)))).isEmpty).toBe(true)
  })
})
