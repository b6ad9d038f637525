/**
 * What services need beside IPVS, compared with what is there.
 */
import { NetplaneError } from '../../errors.js'
import type { AddressFamily } from '../../address.js'
import type { Service } from '../model.js'
import { elementName, Ledger, type Transition } from './ledger.js'
import type { Parts } from './parts.js'
import type { CompanionElement } from './translate.js'

/** What the kernel holds beside IPVS, compared with what it should. */
export interface Surroundings {
  /** Addresses on the device. */
  readonly addresses: ReadonlySet<string>
  readonly add: readonly CompanionElement[]
  readonly remove: readonly CompanionElement[]
  /** The tables must be made anew. */
  readonly rebuild: boolean
  readonly present: readonly AddressFamily[]
  readonly missingAddresses: readonly string[]
  readonly foreignAddresses: readonly string[]
  /** In words. */
  readonly drift: readonly string[]
  /** Of the ruleset that was read; undefined where somebody committed meanwhile. */
  readonly generation: number | undefined
}

/** The addresses among elements. */
export function vipsOf(elements: Iterable<CompanionElement>): string[] {
  return [...elements].filter(({ set }) => set === 'vips').map(({ key }) => String(key[0]))
}

/** All elements that services need. */
export function* elementsOf(services: Iterable<Service>): Generator<CompanionElement> {
  const ledger = new Ledger()
  ledger.apply([...services].map((service): Transition => [undefined, service]))
  yield* ledger.elements()
}

/**
 * Compares.
 *
 * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: a table of our name is not ours.
 */
export async function lookAround(parts: Pick<Parts, 'companion' | 'addresses'>, services: Iterable<Service>): Promise<Surroundings> {
  const wanted = new Map([...elementsOf(services)].map((element) => [elementName(element), element]))
  const state = await parts.companion.read()
  const addresses = (await parts.addresses.read()) ?? new Set<string>()
  if (state.foreign.length > 0) throw new NetplaneError('ERR_NETPLANE_FOREIGN', state.foreign[0]!)
  const vips = new Set(vipsOf(wanted.values()))
  const add = [...wanted].filter(([name]) => !state.elements.has(name)).map(([, element]) => element)
  const remove = [...state.elements].filter(([name]) => !wanted.has(name)).map(([, element]) => element)
  const missingAddresses = [...vips].filter((address) => !addresses.has(address))
  const foreignAddresses = [...addresses].filter((address) => !vips.has(address))
  const drift = [
    ...(state.isWhole || state.present.length === 0 ? [] : ['the companion tables lack something']),
    ...(missingAddresses.length > 0 && addresses.size > 0 ? [`${missingAddresses.length} addresses are missing`] : []),
    ...(foreignAddresses.length > 0 ? [`${foreignAddresses.length} addresses are not desired`] : [])
  ]
  const { isWhole, present, generation } = state
  return { addresses, add, remove, rebuild: !isWhole, present, missingAddresses, foreignAddresses, drift, generation }
}
