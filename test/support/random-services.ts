import type { Endpoint, Frontend, Service } from '../../src/index.js'
import type { Random } from './random.js'

const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const

/** Chances in a hundred that an endpoint has something. */
function endpointOf(random: Random, isV6: boolean): Endpoint {
  const host = 1 + random.below(12)
  return {
    address: isV6 ? `fd00:1::${host}` : `10.1.0.${host}`,
    port: 8080,
    ...(random.chance(20) ? { weight: random.below(5) } : {}),
    ...(random.chance(30) ? { local: true } : {}),
    ...(random.chance(10) ? { state: 'draining' as const } : {}),
    ...(random.chance(15) ? { state: 'serving' as const } : {}),
    ...(random.chance(10) ? { side: random.pick(['cluster', 'local'] as const) } : {})
  }
}

/** The last endpoint of each address. */
export function distinct(endpoints: readonly Endpoint[]): Endpoint[] {
  return [...new Map(endpoints.map((endpoint) => [endpoint.address, endpoint])).values()]
}

const RANGES = [
  { allow: ['192.0.2.0/24', '198.51.100.7'] },
  { deny: ['192.0.2.0/25'] },
  { allow: ['192.0.0.0/8'], deny: ['192.0.2.0/25'] },
  { allow: ['192.0.2.0/24'], deny: [] }
]

function moreFrontends(random: Random, number: number): Frontend[] {
  const frontends: Frontend[] = []
  if (random.chance(25)) frontends.push({ kind: 'node', port: 30_000 + number, ...(random.chance(30) ? { family: 'ip6' } : {}) })
  if (random.chance(25)) {
    const ranges = random.chance(60) ? { sourceRanges: random.pick(RANGES) } : {}
    frontends.push({ kind: 'loadBalancer', address: '203.0.113.2', port: 1000 + number, ...ranges })
  }
  return frontends
}

/** A policy for some of the frontends. */
function withPolicies(random: Random, frontends: readonly Frontend[]): Frontend[] {
  return frontends.map((frontend) =>
    random.chance(30) ? { ...frontend, trafficPolicy: random.pick(['local', 'local', 'cluster']) } : frontend
  )
}

function moreOf(random: Random): Partial<Service> {
  return {
    ...(random.chance(4) ? { scheduler: 'consistent' } : {}),
    ...(random.chance(20) ? { affinity: { timeoutSeconds: random.pick([60, 10_800]) } } : {}),
    ...(random.chance(20) ? { priority: random.below(3) } : {})
  }
}

/** A service with one number, so that no two numbers claim one frontend; everything else is random. */
export function randomService(random: Random, number: number): Service {
  const families = random.chance(30) ? [false, true] : [random.chance(30)]
  const frontends: Frontend[] = families.map((isV6) => ({
    kind: 'cluster',
    address: isV6 ? `fd00:96::${number + 1}` : `10.96.0.${number + 1}`,
    port: 80
  }))
  if (random.chance(20)) frontends.push({ kind: 'external', address: '203.0.113.1', port: 1000 + number })
  frontends.push(...moreFrontends(random, number))
  const endpoints = distinct(Array.from({ length: random.below(6) }, () => endpointOf(random, random.chance(30))))
  return {
    name: `default/service-${number}:http`,
    protocol: PROTOCOLS[number % 3]!,
    frontends: withPolicies(random, frontends),
    endpoints,
    ...(random.chance(20) ? { scheduler: 'hash' as const } : {}),
    ...moreOf(random)
  }
}
