// Services of several sizes: what the rows about dispatch and traffic load.
import type { Frontend, Service } from 'netplane'
import { dottedQuad } from './expressions.js'

/** How many services there are; service n has `sizes[n % sizes.length]` endpoints. */
export interface MixedOptions {
  readonly services: number
  readonly sizes: readonly number[]
  /** Gives services further frontends, one of {@link FURTHER_KINDS} after the other; default: addresses of the cluster alone. */
  readonly hasAllKinds?: boolean
}

/** One service, before any layout. */
export interface MixedService {
  readonly name: string
  readonly address: string
  readonly endpoints: readonly string[]
}

/** 10.96.0.0 */
const firstService = 0x0a60_0000
/** 10.128.0.0 */
const firstEndpoint = 0x0a80_0000

/** The first service's address. */
export const firstServiceAddress = dottedQuad(firstService)
/** The first endpoint's address. */
export const firstEndpointAddress = dottedQuad(firstEndpoint)
/** The port of every service. */
export const servicePort = 80
/** The port of every endpoint. */
export const endpointPort = 8080

/** Number of endpoints of a service. */
export function sizeOf({ sizes }: Pick<MixedOptions, 'sizes'>, index: number): number {
  return sizes[index % sizes.length] ?? 0
}

/** The n-th service; the endpoints of all are different. */
export function mixedService(options: MixedOptions, index: number, size = sizeOf(options, index)): MixedService {
  const room = Math.max(...options.sizes) + 1
  const endpoints = Array.from({ length: size }, (_, slot) => dottedQuad(firstEndpoint + index * room + slot))
  return { name: `default/service-${index}:http`, address: dottedQuad(firstService + index), endpoints }
}

/** All services. */
export function mixedServices(options: MixedOptions): MixedService[] {
  return Array.from({ length: options.services }, (_, index) => mixedService(options, index))
}

/** 203.0.113.0 */
const firstOutside = 0xcb00_7100
const firstNodePort = 20_000

/** What services have beside their address of the cluster. */
const FURTHER_KINDS: readonly ((index: number) => Frontend[])[] = [
  () => [],
  (index) => [{ kind: 'external', address: dottedQuad(firstOutside + index), port: servicePort }],
  (index) => [{ kind: 'loadBalancer', address: dottedQuad(firstOutside + index), port: servicePort }],
  (index) => [
    { kind: 'loadBalancer', address: dottedQuad(firstOutside + index), port: servicePort, sourceRanges: { allow: ['198.51.100.0/24'] } }
  ],
  (index) => [{ kind: 'node', port: firstNodePort + Math.floor(index / 6) }],
  (index) => [{ kind: 'external', address: dottedQuad(firstOutside + index), port: servicePort, trafficPolicy: 'local' }]
]

/** As the plane takes them. */
export function modelServices(options: MixedOptions, protocol: Service['protocol']): Map<string, Service> {
  return new Map(
    mixedServices(options).map(({ name, address, endpoints }, index) => {
      const further = options.hasAllKinds === true ? FURTHER_KINDS[index % FURTHER_KINDS.length]!(index) : []
      const frontends: Frontend[] = [{ kind: 'cluster', address, port: servicePort }, ...further]
      return [name, { name, protocol, frontends, endpoints: endpoints.map((to) => ({ address: to, port: endpointPort })) }] as const
    })
  )
}
