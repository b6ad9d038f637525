/**
 * How many services need each address on the device.
 */
import { canonicalAddress } from '../../core/address.js'
import type { ServiceChange } from '../core/changes/change.js'
import { isAddressed } from '../core/frontend.js'
import { ReferenceCounts } from '../core/refcount.js'
import type { Service, Services } from '../model.js'

const ADDRESSES = 'addresses'
type Counts = ReferenceCounts<typeof ADDRESSES>

/** The addresses of a service, each once. */
export function addressesOf({ frontends }: Service): ReadonlySet<string> {
  const addresses = new Set<string>()
  for (let index = 0; index < frontends.length; index++) {
    const frontend = frontends[index]!
    if (isAddressed(frontend)) addresses.add(canonicalAddress(frontend.address))
  }
  return addresses
}

/** Addresses that a change brings, and those that it takes away. */
export interface AddressChange {
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

/** Counts of committed services. */
export class AddressCounts {
  readonly #counts: Counts = new ReferenceCounts()

  /** Of these services. */
  static of(services: Services): AddressCounts {
    const counts = new AddressCounts()
    for (const service of services.values()) for (const address of addressesOf(service)) counts.#counts.add(ADDRESSES, address, 1)
    return counts
  }

  /** Which addresses come and go with a change. */
  differences(changes: readonly ServiceChange[]): AddressChange {
    const found = [...this.#counts.differences(countsOf(changes))]
    const keys = (wanted: boolean): string[] => found.filter(({ isAdded }) => isAdded === wanted).map(({ key }) => key)
    return { added: keys(true), removed: keys(false) }
  }

  /** Takes a change over. */
  apply(changes: readonly ServiceChange[]): void {
    this.#counts.apply(countsOf(changes))
  }

  /** Whether a service needs an address. */
  has(address: string): boolean {
    return this.#counts.get(ADDRESSES, address) > 0
  }

  /** All addresses. */
  list(): Iterable<string> {
    return this.#counts.keys(ADDRESSES)
  }
}

function countsOf(changes: readonly ServiceChange[]): Counts {
  const counts: Counts = new ReferenceCounts()
  for (const { before, after } of changes) {
    if (before !== undefined) for (const address of addressesOf(before)) counts.add(ADDRESSES, address, -1)
    if (after !== undefined) for (const address of addressesOf(after)) counts.add(ADDRESSES, address, 1)
  }
  return counts
}
