/**
 * Larger sets in place of those whose declared size does not suffice any more.
 *
 * No kernel grows a set everywhere: before Linux 6.18 a second declaration with a larger size is ignored (nf_tables_newset). So rules are taken from the set, a larger one is filled, and they are put
 * back, in one transaction: a packet sees the old rules and the old set, or the new ones.
 */
import type { ElementBuffer, Transaction } from '../../nftables/index.js'
import type { Contents, SetChange, SetKey } from './changes.js'
import { isEndpoints } from './compile.js'
import { layoutChains, looksUp, mapNames, type PlacedSize } from './layout.js'
import { nothingQueued, queueDispatchRule, queueSet, type QueuedObjects, type ServiceObjects } from './objects.js'
import type { TableOptions } from './tables.js'

/** A set, and how many elements it is to hold. */
export interface Overfull extends SetKey {
  readonly rows: number
}

/**
 * The sets that additions would overfill. Elements deleted earlier in the same transaction make room (`set->ndeact`, nft_add_set_elem in net/netfilter/nf_tables_api.c); those that later phases
 * delete do not.
 */
export function overfull(changes: readonly SetChange[], capacities: ReadonlyMap<string, number>, contents: Contents): Overfull[] {
  return changes.flatMap(({ family, set, add, remove }) => {
    const capacity = capacities.get(`${family} ${set}`)
    if (capacity === undefined) return []
    const rows = contents.rows(family, set) + add.rows - remove.rows
    return rows > capacity ? [{ family, set, rows }] : []
  })
}

/**
 * Queues a larger set with the same elements.
 *
 * A map's elements are inactive from the commit on that deletes it (nft_map_deactivate), so a packet that was already under way to it would find nothing: a larger map has another name, and the old
 * one is deleted by a later transaction. Elements of plain sets stay as they are until no packet can see the set any more.
 */
export function queueGrowth(
  tx: Transaction,
  options: TableOptions,
  objects: ServiceObjects,
  { family, set, rows }: Overfull,
  elements: ElementBuffer
): QueuedObjects {
  const table = { family, table: options.name } as const
  const made = nothingQueued()
  const before = [...objects.sizes[family].values()].map(({ size }) => size)
  const after = before.map((size) => (mapNames(size)[0] === set ? otherMap(size) : size))
  const grown = after.find((size) => mapNames(size)[0] === set)
  const name = grown?.map ?? set
  const chains = layoutChains(family, after, options.localSources !== undefined).filter(({ rules }) =>
    rules.some((expressions) => looksUp(expressions, name))
  )
  for (const { chain } of chains) tx.flush.chain({ ...table, name: chain.name })
  if (!isEndpoints(set)) tx.delete.set({ ...table, name })
  queueSet(tx, table, set, rows, made, name)
  for (const { chain, rules } of chains) {
    if (chain.name === 'services') for (const size of after) queueDispatchRule(tx, table, size, made)
    else for (const expressions of rules) tx.add.rule({ ...table, chain: chain.name, expressions })
  }
  if (elements.rows > 0) tx.add.elements({ ...table, name }, elements)
  if (grown !== undefined) {
    made.moved.push({ family, size: grown })
    made.stale.push({ family, name: before.find((size) => mapNames(size)[0] === set)!.map })
  }
  return made
}

function otherMap(size: PlacedSize): PlacedSize {
  return { ...size, map: mapNames(size).find((name) => name !== size.map)! }
}
