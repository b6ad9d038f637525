/**
 * Services that never rest: the endpoints of most of them cannot be reached, so only the kernel's tables and `explain` are asked about them.
 */
import type { Endpoint, Frontend, Service } from '../../src/index.js'
import type { Random } from '../support/random.js'
import { distinct } from '../support/random-services.js'
import type { Kind } from './churn.js'

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

export const CHURNING_SERVICES: Kind<Service> = {
  make: serviceOf,
  changes: {
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
}

/** Who answers clients from outside at the service's first frontend: `address:port`, sorted. Nobody: it refuses, or drops where endpoints of other nodes would answer. */
export function answering({ endpoints, frontends }: Service): readonly string[] {
  const isLocal = frontends[0]!.trafficPolicy === 'local'
  const usable = endpoints.filter(({ local }) => !isLocal || local === true)
  const ready = usable.filter(({ state = 'ready' }) => state === 'ready')
  const chosen = ready.length > 0 ? ready : usable.filter(({ state }) => state === 'serving')
  return chosen.map(({ address, port }) => `${address}:${port}`).sort()
}
