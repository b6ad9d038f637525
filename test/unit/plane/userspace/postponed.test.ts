import { describe, expect, it, vi } from 'vitest'
import { EMFILE } from '../../../../src/core/errno.js'
import type { PlaneEvent, Service } from '../../../../src/index.js'
import { Postponed } from '../../../../src/plane/core/changes/postponed.js'
import { leads, named, scene, type Scene } from './scene.js'

const web = (overrides: Partial<Service> = {}): Service => ({
  name: 'web',
  protocol: 'tcp',
  frontends: [{ kind: 'cluster', address: '10.96.0.1', port: 80 }],
  endpoints: [{ address: '10.1.0.1', port: 8080 }],
  ...overrides
})
const other = web({ name: 'other', frontends: [{ kind: 'cluster', address: '10.96.0.2', port: 80 }] })
const soon = { timeout: 10_000, interval: 20 }

const told = (events: readonly PlaneEvent[]): string[] =>
  events.filter(({ type }) => type !== 'progress').map((event) => `${event.type} ${'service' in event ? event.service : ''}`.trim())

/** A plane that looks around, of which one service has found no descriptor. */
async function used(): Promise<Scene> {
  const one = await scene({ auditMs: 10 })
  one.relays.errno = EMFILE
  one.relays.refused.add('web')
  const { quarantined } = await one.plane.sync(named(web(), other))
  expect(quarantined).toEqual([{ service: 'web', error: expect.objectContaining({ code: 'EMFILE' }) as Error }])
  return one
}

const tries = ({ relays }: Scene): number => relays.calls.filter((call) => call.startsWith('listen web')).length

describe('a service for which there were no descriptors', () => {
  it('is tried again by the plane itself, and told once it is there', async () => {
    const one = await used()
    const { plane, relays, kernel, events } = one
    await vi.waitFor(() => expect(tries(one)).toBe(2), soon)
    expect(told(events)).toEqual(['quarantined web'])
    expect(plane.status()).toMatchObject({ services: 1, quarantined: [{ service: 'web' }] })
    relays.refused.clear()
    await vi.waitFor(() => expect(plane.status()).toMatchObject({ services: 2, quarantined: [] }), soon)
    await vi.waitFor(() => expect(told(events)).toEqual(['quarantined web', 'released web']))
    expect((await leads(kernel)).filter((line) => line.startsWith('ip relays '))).toHaveLength(2)
    expect(await plane.sync(named(web(), other))).toMatchObject({ requests: 0 })
  })

  it('is tried again as the last call wanted it, and not where nobody wants it any more', async () => {
    const one = await used()
    const { plane, relays } = one
    relays.refused.add('third')
    const changed = web({ endpoints: [{ address: '10.1.0.7', port: 8080 }] })
    await plane.update({ set: [changed, web({ ...other, name: 'third', frontends: [{ kind: 'node', port: 30080 }] })] })
    await plane.update({ delete: ['third'] })
    relays.refused.clear()
    await vi.waitFor(() => expect(plane.status().services).toBe(2), soon)
    expect(relays.specs.get('web tcp ip cluster')!.endpoints).toMatchObject([{ address: '10.1.0.7' }])
    expect(await plane.sync(named(changed, other))).toMatchObject({ requests: 0, quarantined: [] })
  })

  it('takes with it a service that waits for a frontend of it', async () => {
    const { plane, relays } = await scene({ auditMs: 10 })
    await plane.sync(named(web()))
    relays.errno = EMFILE
    relays.refused.add('web')
    const moved = web({
      frontends: [{ kind: 'cluster', address: '10.96.0.9', port: 443, trafficPolicy: 'local' }],
      endpoints: [{ address: '10.1.0.1', port: 8080, local: true }]
    })
    const heir = web({ name: 'heir' })
    const { quarantined } = await plane.sync(named(moved, heir))
    expect(quarantined.map(({ service }) => service).sort()).toEqual(['heir', 'web'])
    relays.refused.clear()
    await vi.waitFor(() => expect(plane.status()).toMatchObject({ services: 2, quarantined: [] }), soon)
    expect(await plane.sync(named(moved, heir))).toMatchObject({ requests: 0 })
  })

  it('is not tried again where it is refused for what it is', async () => {
    const { plane, relays } = await scene({ auditMs: 10 })
    await plane.sync(named(web({ scheduler: 'consistent' }), other))
    relays.calls.length = 0
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(relays.calls).toEqual([])
    expect(plane.status().quarantined).toHaveLength(1)
  })
})

describe('pauses', () => {
  it('grow, and begin anew with another service', () => {
    vi.useFakeTimers()
    try {
      const postponed = new Postponed()
      const due = (milliseconds: number): string[] => {
        vi.advanceTimersByTime(milliseconds)
        return [...postponed.takeDue().keys()]
      }
      postponed.update(named(web()), undefined)
      expect(due(999)).toEqual([])
      expect(due(1)).toEqual(['web'])
      postponed.update(named(web()), new Set(['web']))
      expect(due(1999)).toEqual([])
      expect(due(1)).toEqual(['web'])
      for (let tries = 0; tries < 8; tries++) due(60_000)
      expect(due(59_999)).toEqual([])
      postponed.update(named(other), new Set(['other']))
      expect(due(1000)).toEqual(['web', 'other'])
      postponed.update(new Map(), undefined)
      expect(due(120_000)).toEqual([])
    } finally {
      vi.useRealTimers()
    }
  })
})

it('goes to the plane that succeeds, which tries it by itself', async () => {
  const [one, next] = [await used(), await scene({ auditMs: 10 })]
  await next.plane.sync(named(other))
  await next.inner.succeed(await one.inner.holding())
  expect(next.plane.status()).toMatchObject({ services: 1, quarantined: [{ service: 'web' }] })
  await vi.waitFor(() => expect(next.plane.status()).toMatchObject({ services: 2, quarantined: [] }), soon)
  await vi.waitFor(() => expect(told(next.events)).toEqual(['released web']))
})
