import type { Endpoint, Frontend, Service } from '../../src/index.js'
import type { Random } from './random.js'

const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const

function endpointOf(random: Random, isV6: boolean): Endpoint {
  const host = 1 + random.below(12)
  return {
    address: isV6 ? `fd00:1::${host}` : `10.1.0.${host}`,
    port: 8080,
    ...(random.chance(20) ? { weight: random.below(5) } : {}),
    ...(random.chance(30) ? { local: true } : {}),
    ...(random.chance(10) ? { state: 'draining' as const } : {})
  }
}

function distinct(endpoints: readonly Endpoint[]): Endpoint[] {
  return [...new Map(endpoints.map((endpoint) => [endpoint.address, endpoint])).values()]
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
  const endpoints = distinct(Array.from({ length: random.below(6) }, () => endpointOf(random, random.chance(30))))
  return {
    name: `default/service-${number}:http`,
    protocol: PROTOCOLS[number % 3]!,
    frontends,
    endpoints,
    ...(random.chance(20) ? { scheduler: 'hash' as const } : {})
  }
}
