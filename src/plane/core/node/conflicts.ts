/**
 * Addresses that are this node's, and that a frontend has for its own.
 */
import { canonicalAddress } from '../../../core/address.js'
import { ValidationError } from '../../../core/errors.js'
import type { Service, Services } from '../../model.js'
import type { Refusal } from '../backend.js'
import type { NodeAddressList } from './addresses.js'
import { quarantineOf } from '../changes/refusals.js'

/**
 * What becomes of a service with a frontend of kind `external` or `loadBalancer` at an address of this node at which frontends of kind `node` are served. `refuse`: it is in quarantine. `serve`: it is
 * served; at that address and port it comes before a frontend of kind `node`.
 */
export type OwnAddresses = 'refuse' | 'serve'

const ALLOWED =
  "an address that is none of this node's at which its ports are served (option nodeAddresses), or option ownAddresses 'serve'"

function conflictIn({ frontends }: Service, own: ReadonlySet<string>): ValidationError | undefined {
  for (let index = 0; index < frontends.length; index++) {
    const frontend = frontends[index]!
    if (frontend.kind !== 'external' && frontend.kind !== 'loadBalancer') continue
    if (own.has(canonicalAddress(frontend.address))) return new ValidationError(`.frontends[${index}].address`, frontend.address, ALLOWED)
  }
  return undefined
}

/** Finds accepted services with frontends of kind `external` or `loadBalancer` at addresses of this node. */
export class NodeConflicts {
  #list: NodeAddressList | undefined
  #own: ReadonlySet<string> = new Set()

  /** Why a service cannot be applied while this node has these addresses; undefined: it can. */
  of(service: Service, addresses: NodeAddressList): Error | undefined {
    if (this.#list !== addresses) {
      this.#list = addresses
      this.#own = new Set([...addresses.ip, ...addresses.ip6])
    }
    const conflict = this.#own.size === 0 ? undefined : conflictIn(service, this.#own)
    return conflict === undefined ? undefined : quarantineOf(service.name, conflict).error
  }

  /** All services that cannot be applied. */
  among(services: Services, addresses: NodeAddressList): Refusal[] {
    const refusals: Refusal[] = []
    for (const service of services.values()) {
      const error = this.of(service, addresses)
      if (error !== undefined) refusals.push({ service: service.name, error })
    }
    return refusals
  }
}
