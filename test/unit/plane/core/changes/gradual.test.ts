import { describe, expect, it } from 'vitest'
import { ValidationError, type Service } from '../../../../../src/index.js'
import { dump, fakeRig } from '../../../../support/plane-rigs.js'
import { rejection } from '../../../../support/rejection.js'

/** Enough that a first sync takes several transactions. */
const MANY = 1200

function service(number: number, overrides: Record<string, unknown> = {}): Service {
  return {
    name: `s${number}`,
    protocol: 'tcp',
    frontends: [{ kind: 'cluster', address: `10.96.${number >> 8}.${number & 255}`, port: 80 }],
    endpoints: Array.from({ length: 4 }, (_, host) => ({ address: `10.${host}.${number >> 8}.${number & 255}`, port: 8080 })),
    ...overrides
  }
}

const many = (): Map<string, Service> =>
  new Map(Array.from({ length: MANY }, (_, number) => service(number)).map((each) => [each.name, each]))

/** What the kernel holds where all services were checked before anything was sent. */
async function checkedBefore(services: ReadonlyMap<string, Service>): Promise<string[]> {
  const rig = fakeRig('nftables')
  await (await rig.open()).sync(services, { onError: 'atomic' })
  return await dump(rig)
}

const sevenEndpoints = Array.from({ length: 7 }, (_, host) => ({ address: `10.9.0.${host}`, port: 80 }))

/** What is wrong with some services, each of a class that no other service has, so far as it can be counted. */
const malformed: readonly (readonly [number: number, service: unknown])[] = [
  [5, service(5, { endpoints: sevenEndpoints, protocol: 'icmp' })],
  [6, service(6, { endpoints: [{ address: '10.0.0.1', port: 80, weight: Number.NaN }] })],
  [7, service(7, { endpoints: [undefined] })],
  [8, service(8, { endpoints: [{ address: '10.0.0.1', port: 80, weight: 40_000 }, ...sevenEndpoints] })],
  [9, service(9, { endpoints: 'many' })],
  [10, service(10, { frontends: undefined })],
  [11, service(11, { scheduler: 'rr', endpoints: sevenEndpoints.slice(2) })],
  [12, null],
  [13, service(13, { frontends: [{ kind: 'cluster', address: '10.96.0.14', port: 0 }] })],
  [14, undefined],
  [1190, service(1190, { frontends: [{ kind: 'cluster', address: '10.96.0.1', port: 80 }], endpoints: sevenEndpoints.slice(1) })]
]

describe('a first sync, whose services are checked while the kernel takes the first of them', { timeout: 60_000 }, () => {
  it('holds, and puts in quarantine, what it would if all were checked before', async () => {
    const services = many()
    for (const [number, bad] of malformed) services.set(`s${number}`, bad as Service)
    const wanted = many()
    for (const [number] of malformed) wanted.delete(`s${number}`)
    const rig = fakeRig('nftables')
    const planned = await (await rig.open()).plan(services)
    const plane = await rig.open()
    const report = await plane.sync(services)
    expect(report.services).toEqual({ added: MANY - malformed.length, changed: 0, removed: 0 })
    expect(report.requests).toBeGreaterThan(2)
    const told = (entries: typeof report.quarantined) => entries.map(({ service: name, error }) => `${name}: ${error.message}`)
    expect(told(report.quarantined)).toEqual(told(planned.quarantined))
    expect(report.quarantined.map(({ service: name }) => name)).toEqual(malformed.map(([number]) => `s${number}`))
    expect(await dump(rig)).toEqual(await checkedBefore(wanted))
    expect(await plane.sync(services)).toMatchObject({ requests: 0, services: { added: 0, changed: 0, removed: 0 } })
  })

  it('of two services with one frontend keeps the first, so that a later one may have what the refused one wanted besides', async () => {
    const both = [
      { kind: 'cluster', address: '10.96.0.1', port: 80 },
      { kind: 'cluster', address: '10.97.0.1', port: 80 }
    ]
    const services = many()
    services.set('s20', service(20, { frontends: both }))
    services.set('s21', service(21, { frontends: [both[1]] }))
    const rig = fakeRig('nftables')
    const report = await (await rig.open()).sync(services)
    expect(report.quarantined.map(({ service: name }) => name)).toEqual(['s20'])
    expect(report.quarantined[0]!.error).toMatchObject({ path: 'services["s20"].frontends[0]' })
  })

  it('puts a service that cannot even be read into quarantine, and applies the others', async () => {
    const services = many()
    const unreadable = service(1195)
    Object.defineProperty(unreadable, 'protocol', {
      enumerable: true,
      get: () => {
        throw new RangeError('out of order')
      }
    })
    services.set('s1195', unreadable)
    const rig = fakeRig('nftables')
    const plane = await rig.open()
    const report = await plane.sync(services)
    expect(report.quarantined).toMatchObject([
      { service: 's1195', error: { path: 'services["s1195"]', value: { message: 'out of order' } } }
    ])
    expect(plane.status().services).toBe(MANY - 1)
    services.set('s1195', service(1195))
    expect((await plane.sync(services)).services.added).toBe(1)
    expect(await dump(rig)).toEqual(await checkedBefore(many()))
  })

  it('sends nothing of an atomic call, nor of one whose services are no Map', async () => {
    const services = many()
    services.set('s1199', service(1199, { protocol: 'icmp' }))
    const rig = fakeRig('nftables')
    const plane = await rig.open()
    expect(await rejection(plane.sync(services, { onError: 'atomic' }))).toBeInstanceOf(ValidationError)
    expect(await rejection(plane.sync([...services] as never))).toMatchObject({ path: 'services' })
    expect(await rejection(plane.sync(new Map<unknown, unknown>([...services, [7, service(7)]]) as never))).toMatchObject({
      path: 'services'
    })
    expect(await dump(rig)).toEqual([])
  })
})
