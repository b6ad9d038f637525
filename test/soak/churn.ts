/**
 * Services that never rest: the endpoints of most of them cannot be reached, so only the kernel's tables and `explain` are asked about them.
 */
import type { Endpoint, Frontend, Service } from '../../src/index.js'
import type { Random } from '../support/random.js'
import { distinct } from '../support/random-services.js'

/** Where endpoints are. */
const podOf = (number: number): string => `10.244.${number >> 8}.${number & 255}`
const PODS = 1000
const MAX_ENDPOINTS = 5

function endpointOf(random: Random): Endpoint {
  return { address: podOf(1 + random.below(PODS)), port: 8080, ...(random.chance(30) ? { local: true } : {}) }
}

/** The service with a number: no two claim one frontend. */
function serviceOf(random: Random, number: number): Service {
  const frontends: Frontend[] = [{ kind: 'cluster', address: `10.97.${number >> 8}.${number & 255}`, port: 80 }]
  if (number % 10 === 0) frontends.push({ kind: 'node', port: 31_000 + number / 10 })
  return {
    name: `churn/service-${number}:http`,
    protocol: number % 4 === 3 ? 'udp' : 'tcp',
    frontends,
    endpoints: distinct(Array.from({ length: random.below(MAX_ENDPOINTS + 1) }, () => endpointOf(random)))
  }
}

const mapEndpoints = (service: Service, change: (endpoint: Endpoint) => Endpoint): Service => ({
  ...service,
  endpoints: service.endpoints.map(change)
})

/** What becomes of a service; undefined: it goes. */
const changes: Readonly<Record<string, (random: Random, service: Service) => Service | undefined>> = {
  scale: (random, service) => ({
    ...service,
    endpoints: distinct([...service.endpoints.slice(random.below(3)), endpointOf(random)]).slice(0, MAX_ENDPOINTS)
  }),
  roll: (random, service) => ({ ...service, endpoints: distinct(service.endpoints.map(() => endpointOf(random))) }),
  flap: (random, service) => mapEndpoints(service, (endpoint) => ({ ...endpoint, state: random.chance(50) ? 'ready' : 'serving' })),
  end: (random, service) => mapEndpoints(service, (endpoint) => ({ ...endpoint, state: random.chance(50) ? 'draining' : 'ready' })),
  policy: (random, service) => ({
    ...service,
    frontends: service.frontends.map((frontend) => ({ ...frontend, trafficPolicy: random.pick(['local', 'cluster'] as const) }))
  }),
  affinity: (random, service) => ({ ...service, affinity: random.chance(50) ? { timeoutSeconds: 60 } : undefined }),
  remove: () => undefined
}

/** A change of a few services, as `plane.update` takes it. */
export interface Change {
  readonly set: readonly Service[]
  readonly delete: readonly string[]
}

/** Services that change at random, and always the same way for the same seed. */
export class Churn {
  readonly services = new Map<string, Service>()
  readonly #random: Random
  readonly #count: number

  constructor(random: Random, count: number) {
    this.#random = random
    this.#count = count
    for (let number = 0; number < count; number++) this.#keep(serviceOf(random, number))
  }

  #keep(service: Service): Service {
    this.services.set(service.name, service)
    return service
  }

  /** Changes one to four services. One that is not there comes back. */
  next(): Change {
    const set = new Map<string, Service>()
    const gone = new Set<string>()
    for (let left = 1 + this.#random.below(4); left > 0; left--) {
      const fresh = serviceOf(this.#random, this.#random.below(this.#count))
      const { name } = fresh
      const old = this.services.get(name)
      const changed = old === undefined ? fresh : this.#random.pick(Object.values(changes))(this.#random, old)
      set.delete(name)
      gone.delete(name)
      if (changed === undefined) {
        this.services.delete(name)
        gone.add(name)
      } else set.set(name, this.#keep(changed))
    }
    return { set: [...set.values()], delete: [...gone] }
  }

  /** One of those that are there. */
  any(): Service {
    return this.#random.pick([...this.services.values()])
  }
}

/** Who answers clients from outside at the service's first frontend: `address:port`, sorted. Nobody: it refuses, or drops where endpoints of other nodes would answer. */
export function answering({ endpoints, frontends }: Service): readonly string[] {
  const isLocal = frontends[0]!.trafficPolicy === 'local'
  const usable = endpoints.filter(({ local }) => !isLocal || local === true)
  const ready = usable.filter(({ state = 'ready' }) => state === 'ready')
  const chosen = ready.length > 0 ? ready : usable.filter(({ state }) => state === 'serving')
  return chosen.map(({ address, port }) => `${address}:${port}`).sort()
}
