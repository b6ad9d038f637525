import { expect, it } from 'vitest'
import { ENOBUFS, ENOMEM } from '../../../../src/core/errno.js'
import type { Service } from '../../../../src/index.js'
import { placesOf } from '../../../../src/plane/userspace/places.js'
import { checkUserspaceOptions } from '../../../../src/plane/userspace/options.js'
import { Random } from '../../../support/random.js'
import { randomService } from '../../../support/random-services.js'
import { leads, scene, type Scene } from './scene.js'

const options = { schedulerFallback: 'random' } as const
const { places } = checkUserspaceOptions(options)

/** What a relay does, whatever its id is, for one that was begun again has another one, and wherever it listens. */
const described = (key: string, spec: object): string =>
  JSON.stringify([key.replace(/ \(\d+\)$/, ''), { ...spec, id: '', listenAddress: '', listenPort: 0 }])

/** What relays services need. */
function needed(services: ReadonlyMap<string, Service>): string[] {
  return [...services.values()].flatMap((service) => [...placesOf(service, places)].map(([key, { spec }]) => described(key, spec))).sort()
}

/** Ports at which the kernel lets connections end, and at which no relay listens. */
async function leadNowhere({ kernel, relays }: Scene): Promise<string[]> {
  const ports = new Set([...relays.ports.values()].map(String))
  return (await leads(kernel)).filter((line) => !ports.has(/(\d+)$/.exec(line)![1]!))
}

/** One that has no SCTP, which relays refuse. */
function anyService(random: Random): Service {
  for (;;) {
    const service = randomService(random, random.below(8))
    if (service.protocol !== 'sctp') return service
  }
}

it.each(Array.from({ length: 5 }, (_, seed) => seed + 1))(
  'rules lead to relays that listen, and relays are those that services need, whatever is refused (seed %i)',
  { timeout: 60_000 },
  async (seed) => {
    const random = new Random(seed)
    const state = { isCalm: true }
    const made = await scene({
      ...options,
      inject: (operation) => {
        if (state.isCalm || operation !== 'commit' || !random.chance(20)) return undefined
        return random.pick([
          { type: 'refuse', errno: ENOMEM },
          { type: 'lose', errno: ENOBUFS }
        ] as const)
      }
    })
    const { plane, relays } = made
    let desired = new Map<string, Service>()
    let quarantines = 0
    let failures = 0
    for (let step = 0; step < 40; step++) {
      state.isCalm = false
      const service = anyService(random)
      relays.refused.clear()
      if (random.chance(50)) relays.refused.add(`${anyService(random).name} `)
      // A frontend of the model may have the port that the kernel chooses for a relay.
      if (random.chance(20)) relays.next = [30_000 + random.below(8), 1_000 + random.below(8), 80]
      const next = new Map(desired)
      if (random.chance(30)) next.delete(service.name)
      else next.set(service.name, service)
      const call = random.chance(50)
        ? plane.sync(next)
        : plane.update(next.has(service.name) ? { set: [service] } : { delete: [service.name] })
      await call.then(
        ({ quarantined }) => (quarantines += quarantined.length),
        () => failures++
      )
      desired = next
      expect(await leadNowhere(made)).toEqual([])
      state.isCalm = true
      if (!random.chance(30)) continue
      relays.refused.clear()
      await plane.sync(desired)
      expect(plane.status()).toMatchObject({ services: desired.size, quarantined: [] })
      expect(await leadNowhere(made)).toEqual([])
      expect([...relays.specs].map(([key, spec]) => described(key, spec)).sort()).toEqual(needed(desired))
      expect((await plane.plan(desired)).isEmpty).toBe(true)
    }
    expect(quarantines + failures).toBeGreaterThan(0)
  }
)
