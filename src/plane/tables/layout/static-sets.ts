/**
 * Sets whose elements do not come from services: prefixes of options, and this node's addresses.
 */
import { parseAddress, type AddressFamily } from '../../../core/address.js'
import type { Ruleset, SetElement, Transaction } from '../../../nftables/index.js'
import type { Step } from '../../../nftables/steps.js'
import { FAMILIES } from '../../core/frontend.js'
import type { NodeAddressList } from '../../core/node/addresses.js'
import { localSourcesSet, nodeAddressesSet, ROUTE_LOCALNET_SET, serviceRangesSet, type LayoutSet } from './declarations.js'
import type { TableOptions } from './table.js'
import type { FoundSetting } from '../../core/node/route-localnet.js'

/** A set with all it holds. */
export interface StaticSet {
  readonly set: LayoutSet
  readonly elements: readonly SetElement[]
}

/** What sets hold that services do not fill, and that is not known from options. */
export interface StaticContents {
  readonly nodeAddresses: NodeAddressList
  /** What the setting was before a plane switched it on; 0 where that is not known. */
  readonly routeLocalnet: FoundSetting | undefined
}

/** The sets of a table that services do not fill. */
export function staticSets(
  family: AddressFamily,
  options: TableOptions,
  { nodeAddresses, routeLocalnet = 0 }: StaticContents
): StaticSet[] {
  const { localSources, serviceRanges, loopbackNodePorts } = options
  const ofRanges = (set: LayoutSet, ranges: readonly { readonly from: Uint8Array; readonly to: Uint8Array }[]): StaticSet => ({
    set,
    elements: ranges.map((key) => ({ key }))
  })
  return [
    ...(localSources?.by === 'prefixes' ? [ofRanges(localSourcesSet(family), localSources.ranges[family])] : []),
    ...(serviceRanges === undefined ? [] : [ofRanges(serviceRangesSet(family), serviceRanges[family])]),
    ...(loopbackNodePorts && family === 'ip' ? [{ set: ROUTE_LOCALNET_SET, elements: [{ key: routeLocalnet }] }] : []),
    { set: nodeAddressesSet(family), elements: addressElements(nodeAddresses[family]) }
  ]
}

/** What a listed table says of the setting; undefined: nothing, or nothing that a plane has written. */
export function notedSetting({ elements }: Pick<Ruleset, 'elements'>): FoundSetting | undefined {
  const listed = elements.find(({ set }) => set.name === ROUTE_LOCALNET_SET.name)
  const keys = [...(listed ?? [])].map(({ key }) => key)
  return keys.length === 1 && (keys[0] === 0 || keys[0] === 1) ? keys[0] : undefined
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

/** Makes the sets of this node's addresses hold these and no others, where they do not. */
export function addressRepair(
  { addressFaults }: { readonly addressFaults: readonly string[] },
  table: string,
  addresses: NodeAddressList
): Step[] {
  if (addressFaults.length === 0) return []
  const queue = (tx: Transaction): void => {
    for (const family of FAMILIES) {
      const set = { family, table, ...nodeAddressesSet(family) }
      tx.flush.set(set)
      if (addresses[family].length > 0) tx.add.elements(set, addressElements(addresses[family]))
    }
  }
  return [{ bytes: 800 + (addresses.ip.length + addresses.ip6.length) * 80, queue }]
}

const addressElements = (addresses: readonly string[]): SetElement[] => addresses.map((address) => ({ key: parseAddress(address)! }))

/** Brings this node's addresses from one list to another. */
export function nodeAddressSteps(table: string, before: NodeAddressList, after: NodeAddressList): Step[] {
  return FAMILIES.map((family) => nodeAddressStep(family, table, before[family], after[family])).filter((step) => step !== undefined)
}

function nodeAddressStep(family: AddressFamily, table: string, before: readonly string[], after: readonly string[]): Step | undefined {
  const set = { family, table, ...nodeAddressesSet(family) }
  const missing = (from: readonly string[], list: readonly string[]) => addressElements(from.filter((address) => !list.includes(address)))
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
