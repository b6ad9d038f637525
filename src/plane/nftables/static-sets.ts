/**
 * Sets whose elements do not come from services: prefixes of options, and this node's addresses.
 */
import { parseAddress, type AddressFamily } from '../../core/address.js'
import type { SetElement } from '../../nftables/index.js'
import type { Step } from '../../nftables/steps.js'
import type { NodeAddressList } from '../core/node-addresses.js'
import { localSourcesSet, nodeAddressesSet, serviceRangesSet, type LayoutSet } from './declarations.js'
import type { TableOptions } from './layout.js'

/** A set with all it holds. */
export interface StaticSet {
  readonly set: LayoutSet
  readonly elements: readonly SetElement[]
}

/** The sets of a table that services do not fill. */
export function staticSets(family: AddressFamily, options: TableOptions, nodeAddresses: NodeAddressList): StaticSet[] {
  const { localSources, serviceRanges } = options
  const ofRanges = (set: LayoutSet, ranges: readonly { readonly from: Uint8Array; readonly to: Uint8Array }[]): StaticSet => ({
    set,
    elements: ranges.map((key) => ({ key }))
  })
  return [
    ...(localSources?.by === 'prefixes' ? [ofRanges(localSourcesSet(family), localSources.ranges[family])] : []),
    ...(serviceRanges === undefined ? [] : [ofRanges(serviceRangesSet(family), serviceRanges[family])]),
    { set: nodeAddressesSet(family), elements: nodeAddresses[family].map((address) => ({ key: parseAddress(address)! })) }
  ]
}

/** Makes a set with all it holds. */
export function staticStep(family: AddressFamily, table: string, { set, elements }: StaticSet): Step {
  return {
    bytes: 400 + elements.length * 80,
    queue: (tx) => {
      tx.add.set({ family, table, ...set })
      if (elements.length > 0) tx.add.elements({ family, table, ...set }, [...elements], { exclusive: true })
    }
  }
}

/** Brings this node's addresses from one list to another; nothing where they are the same. */
export function nodeAddressStep(
  family: AddressFamily,
  table: string,
  before: readonly string[],
  after: readonly string[]
): Step | undefined {
  const set = { family, table, ...nodeAddressesSet(family) }
  const missing = (from: readonly string[], list: readonly string[]) =>
    from.filter((address) => !list.includes(address)).map((address) => ({ key: parseAddress(address)! }))
  const [gone, come] = [missing(before, after), missing(after, before)]
  if (gone.length === 0 && come.length === 0) return undefined
  return {
    bytes: 400 + (gone.length + come.length) * 80,
    queue: (tx) => {
      if (gone.length > 0) tx.delete.elements(set, gone, { exclusive: true })
      if (come.length > 0) tx.add.elements(set, come, { exclusive: true })
    }
  }
}
