// Services of several sizes: what the rows about dispatch and traffic load.
import type { Service } from 'netplane'
import { dottedQuad } from './expressions.js'

/** How many services there are; service n has `sizes[n % sizes.length]` endpoints. */
export interface MixedOptions {
  readonly services: number
  readonly sizes: readonly number[]
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

/** As the plane takes them. */
export function modelServices(services: readonly MixedService[], protocol: Service['protocol']): Map<string, Service> {
  return new Map(
    services.map(({ name, address, endpoints }) => {
      const frontends = [{ kind: 'cluster' as const, address, port: servicePort }]
      return [name, { name, protocol, frontends, endpoints: endpoints.map((to) => ({ address: to, port: endpointPort })) }] as const
    })
  )
}
