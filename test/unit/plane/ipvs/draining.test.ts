import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  openPlane,
  ValidationError,
  type DrainingEndpoint,
  type DrainPolicy,
  type Endpoint,
  type Plane,
  type PlaneOptions,
  type Service
} from '../../../../src/index.js'
import { FakeIpvsKernel, FakeNftablesKernel, FakeRouteKernel } from '../../../../src/testing.js'

type Options = Partial<Extract<PlaneOptions, { readonly mode: 'ipvs' }>>

const STAYING = { address: '10.1.0.1', port: 8080 }
const LEAVING = { address: '10.1.0.9', port: 8080 }

function service(name: string, last: number, endpoints: readonly Endpoint[] = [STAYING], more: Partial<Service> = {}): Service {
  return { name, protocol: 'tcp', frontends: [{ kind: 'cluster', address: `10.96.0.${last}`, port: 80 }], endpoints, ...more }
}
const named = (...services: Service[]): Map<string, Service> => new Map(services.map((entry) => [entry.name, entry]))
const virtual = (last: number) => ({ protocol: 'tcp', address: `10.96.0.${last}`, port: 80 }) as const

function scene(common: Options = {}) {
  const kernel = { ipvs: new FakeIpvsKernel(), nftables: new FakeNftablesKernel(), route: new FakeRouteKernel() }
  const open = async (options: Options = {}): Promise<Plane> => {
    const plane = await openPlane({ mode: 'ipvs', kernel, auditMs: 0, ...common, ...options })
    onTestFinished(() => plane.close())
    return plane
  }
  return { kernel, open }
}

function draining(plane: Plane): readonly DrainingEndpoint[] {
  const { details } = plane.status()
  if (details.mode !== 'ipvs') throw new Error('a plane of mode ipvs is wanted')
  expect(details.draining).toBe(details.drainingEndpoints.length)
  return details.drainingEndpoints
}

/** Removes an endpoint that has a connection, of services of these names. */
async function leave(plane: Plane, kernel: ReturnType<typeof scene>['kernel'], ...names: string[]): Promise<void> {
  await plane.sync(named(...names.map((name, index) => service(name, index + 1, [STAYING, LEAVING]))))
  for (const index of names.keys()) kernel.ipvs.setConnections(virtual(index + 1), LEAVING, { active: 2, inactive: 1 })
  await plane.sync(named(...names.map((name, index) => service(name, index + 1))))
}

describe('endpoints that drain', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
  afterEach(() => void vi.useRealTimers())

  it('are in the status, with their service, connections, and what is left of the deadline', async () => {
    const { open, kernel } = scene()
    const plane = await open()
    await leave(plane, kernel, 'web')
    expect(draining(plane)).toMatchObject([{ activeConnections: undefined, inactiveConnections: undefined, remainingMs: 900_000 }])
    await vi.advanceTimersByTimeAsync(10_000)
    const counts = { activeConnections: 2, inactiveConnections: 1 }
    expect(draining(plane)).toEqual([{ service: 'web', virtualService: 'tcp 10.96.0.1:80', ...LEAVING, ...counts, remainingMs: 890_000 }])
    kernel.ipvs.setConnections(virtual(1), LEAVING, {})
    await vi.advanceTimersByTimeAsync(2000)
    expect(draining(plane)).toEqual([])
    expect(kernel.ipvs.dump()).not.toContain(LEAVING.address)
  })

  it('go at the deadline, not before, and it begins again in a process that starts anew', async () => {
    const { open, kernel } = scene({ draining: { tcp: { deadlineSeconds: 30 } } })
    const first = await open()
    await leave(first, kernel, 'web')
    await vi.advanceTimersByTimeAsync(20_000)
    expect(draining(first)).toMatchObject([{ remainingMs: 10_000 }])
    await first.close()
    await vi.advanceTimersByTimeAsync(60_000)

    const second = await open()
    expect((await second.plan(named(service('web', 1)))).isEmpty).toBe(true)
    expect(await second.sync(named(service('web', 1)))).toMatchObject({ requests: 0, details: { draining: 1 } })
    expect(draining(second)).toMatchObject([{ service: 'web', ...LEAVING, activeConnections: 2, remainingMs: 30_000 }])
    await vi.advanceTimersByTimeAsync(29_000)
    expect(kernel.ipvs.dump()).toContain(`${LEAVING.address}:8080 weight 0`)
    await vi.advanceTimersByTimeAsync(3000)
    expect(draining(second)).toEqual([])
    expect(kernel.ipvs.dump()).not.toContain(LEAVING.address)
  })

  it('have the deadline that a function says, and that of the protocol where it says none', async () => {
    const names = ['short', 'hasty', 'usual']
    const asked: string[] = []
    const policies: Readonly<Record<string, DrainPolicy>> = { short: { deadlineSeconds: 5 }, hasty: 'at-once' }
    const choose = ({ name }: Service): DrainPolicy | undefined => {
      asked.push(name)
      return policies[name]
    }
    const { open, kernel } = scene({ draining: choose })
    const plane = await open()
    await leave(plane, kernel, ...names)
    expect(draining(plane)).toMatchObject([
      { service: 'short', remainingMs: 5000 },
      { service: 'usual', remainingMs: 900_000 }
    ])
    await plane.plan(named(...names.map((name, index) => service(name, index + 1))))
    // Once for each object: before, after, and those of the plan.
    expect(asked.sort()).toEqual(names.flatMap((name) => [name, name, name]).sort())
    await vi.advanceTimersByTimeAsync(7000)
    expect(draining(plane)).toMatchObject([{ service: 'usual' }])
  })
})

describe('a function that says what becomes of endpoints', () => {
  it.each<[string, () => unknown, string]>([
    ['gives no policy', () => 'later', 'draining("web")'],
    ['gives no time', () => ({ deadlineSeconds: -1 }), 'draining("web").deadlineSeconds'],
    [
      'throws',
      () => {
        throw new Error('unknown service')
      },
      'draining("web")'
    ]
  ])('and %s keeps the service from being written', async (_, choose, path) => {
    const { open, kernel } = scene({ draining: (({ name }: Service) => (name === 'web' ? choose() : undefined)) as never })
    const plane = await open()
    const { quarantined } = await plane.sync(named(service('web', 1), service('dns', 2)))
    expect(quarantined).toMatchObject([{ service: 'web', error: { path } }])
    expect(quarantined[0]!.error).toBeInstanceOf(ValidationError)
    expect(kernel.ipvs.dump()).toMatch(/^tcp 10\.96\.0\.2:80 /)
    await expect(plane.sync(named(service('web', 1)), { onError: 'atomic' })).rejects.toMatchObject({ path })
  })

  it('is one, or the option has policies by protocol', async () => {
    const wrong: [unknown, string][] = [
      [{ tcp: 'later' }, 'draining.tcp'],
      [{ http: 'at-once' }, 'draining.http'],
      [900, 'draining']
    ]
    for (const [option, path] of wrong) await expect(scene().open({ draining: option as never })).rejects.toMatchObject({ path })
  })
})
