/**
 * Elements of the tables beside IPVS, which several services may need: the address of a frontend, a frontend, a local endpoint.
 */
import { Buffer } from 'node:buffer'
import { formatAddress } from '../../core/address.js'
import type { Slices } from '../../core/slices.js'
import type { ServiceChange } from '../core/changes/change.js'
import { FAMILIES } from '../core/frontend.js'
import { ReferenceCounts } from '../core/refcount.js'
import type { Services } from '../model.js'
import { countElements } from './compile.js'
import { SURROUNDINGS, type SurroundingsSet } from './layout.js'

/** How many services need each element, by the bytes of its key as Latin-1, or by how much that number changes. */
export type Elements = ReferenceCounts<SurroundingsSet>

/** Elements by set: the bytes of their keys as Latin-1. */
export type ElementKeys = ReadonlyMap<SurroundingsSet, ReadonlySet<string>>

const ALL_SETS = FAMILIES.flatMap((family) => Object.values(SURROUNDINGS[family]))

/** Elements that services need together. */
export async function elementsOf(services: Services, slices: Slices): Promise<Elements> {
  const elements: Elements = new ReferenceCounts()
  for (const service of services.values()) {
    countElements(elements, service, 1)
    if (slices.isOver) await slices.turn()
  }
  return elements
}

/** How many more or fewer services need each element. */
export function elementChange(changes: readonly ServiceChange[]): Elements {
  const by: Elements = new ReferenceCounts()
  for (const { before, after } of changes) {
    if (before !== undefined) countElements(by, before, -1)
    if (after !== undefined) countElements(by, after, 1)
  }
  return by
}

/** Elements that a change brings, or takes away. */
export function differenceOf(elements: Elements, by: Elements, isAdded: boolean): ElementKeys {
  const found = new Map(ALL_SETS.map((set) => [set, new Set<string>()]))
  for (const { set, key, isAdded: added } of elements.differences(by)) if (added === isAdded) found.get(set)?.add(key)
  return found
}

/** All elements, by set. */
export function keysOf(elements: Elements): ElementKeys {
  return new Map(ALL_SETS.map((set) => [set, new Set(elements.keys(set))]))
}

/** What one has and the other lacks. */
export function minus(left: ElementKeys, right: ElementKeys): ElementKeys {
  return new Map(ALL_SETS.map((set) => [set, new Set([...(left.get(set) ?? [])].filter((key) => right.get(set)?.has(key) !== true))]))
}

/** What one or the other has. */
export function union(left: ElementKeys, right: ElementKeys): ElementKeys {
  return new Map(ALL_SETS.map((set) => [set, new Set([...(left.get(set) ?? []), ...(right.get(set) ?? [])])]))
}

/** How many elements there are. */
export function sizeOf(elements: ElementKeys): number {
  let sum = 0
  for (const keys of elements.values()) sum += keys.size
  return sum
}

/** The addresses among elements. */
export function addressesOf(elements: ElementKeys): string[] {
  const keys = FAMILIES.flatMap((family) => [...(elements.get(SURROUNDINGS[family].vips) ?? [])])
  return keys.map((key) => formatAddress(Buffer.from(key, 'latin1')))
}
