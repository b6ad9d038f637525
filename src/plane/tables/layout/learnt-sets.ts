/**
 * Sets that packets fill: clients that are remembered, and what is counted. They are always there, and their elements are nobody's to compare.
 */
import type { AddressFamily } from '../../../core/address.js'
import { affinityMap } from './balancing.js'
import { countingSets } from '../counting/chains.js'
import type { LayoutSet } from './declarations.js'
import type { TableOptions } from './table.js'
import { ADDRESS_LENGTH, frontendLength, SCOPES } from './sets.js'

/** A set with the bytes of its elements. */
export interface LearntSet {
  readonly set: LayoutSet & { readonly size: number }
  readonly keyWidth: number
  readonly dataWidth: number
}

/** All of a table. */
export function learntSets(
  family: AddressFamily,
  { affinityClients, counters, relays }: Pick<TableOptions, 'affinityClients' | 'counters' | 'relays'>
): LearntSet[] {
  // Relays remember and count by themselves.
  if (relays !== undefined) return []
  return SCOPES.flatMap((scope) => {
    const [length, frontend] = [ADDRESS_LENGTH[family], frontendLength(family, scope)]
    const affinity = { set: { ...affinityMap(family, scope), size: affinityClients }, keyWidth: length + frontend, dataWidth: length + 4 }
    if (!counters) return [affinity]
    const { frontends, endpoints } = countingSets(family, scope)
    return [
      affinity,
      { set: frontends, keyWidth: frontend, dataWidth: 0 },
      { set: endpoints, keyWidth: frontend + length + 4, dataWidth: 0 }
    ]
  })
}
