/**
 * What makes two frontends, or two endpoints, the same one, and how they are written.
 */
import { canonicalAddress, formatSocketAddress } from '../../core/address.js'
import type { AddressFamily } from '../../core/address.js'
import type { Protocol } from '../../core/protocols.js'
import type { Endpoint, Frontend, Service } from '../model.js'

/** Both families of addresses. */
export const FAMILIES: readonly AddressFamily[] = ['ip', 'ip6']

/** An address with a port. */
export type Target = Pick<Endpoint | Frontend, 'address' | 'port'>

/** The identity of an endpoint within a service, equal for all spellings of its address. */
export function endpointKey({ address, port }: Target): string {
  return `${canonicalAddress(address)} ${port}`
}

/** The identity of a frontend, equal for all spellings of its address: what two services may not both have. */
export function frontendKey(protocol: Protocol, { address, port }: Target): string {
  return `${protocol} ${canonicalAddress(address)} ${port}`
}

const keys = new WeakMap<Service, readonly string[]>()

/** The identities of the frontends of an accepted service, in their order. They are put together once. */
export function frontendKeys(service: Service): readonly string[] {
  let made = keys.get(service)
  if (made === undefined) keys.set(service, (made = service.frontends.map((frontend) => frontendKey(service.protocol, frontend))))
  return made
}

/** An address and port as people write them: `10.0.0.1:80`, `[fd00::1]:80`. */
export function formatTarget({ address, port }: Target): string {
  return formatSocketAddress(address, port)
}
