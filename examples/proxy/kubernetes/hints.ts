import type { ThisNode } from './node.js'
import type { EndpointHints } from './types.js'

/** Whether an endpoint is one of those that this node should use. */
export type Preference = (hints: EndpointHints | null | undefined) => boolean

/** The kinds of hints, the stronger one first, and what this node looks for in each. */
const KINDS = [
  { field: 'forNodes', own: 'name' },
  { field: 'forZones', own: 'zone' }
] as const

/**
 * Which of the ready endpoints of one family should be used here: those with hints for this node, else those with hints for its zone. Hints of a kind count only if every ready endpoint has some, and one
 * of them is for here. Undefined: all are used.
 *
 * @param ready Hints of all ready endpoints.
 */
export function preferenceOf(ready: readonly (EndpointHints | null | undefined)[], node: ThisNode): Preference | undefined {
  for (const { field, own } of KINDS) {
    const here = node[own]
    if (here === undefined) continue
    const isForHere: Preference = (hints) => hints?.[field]?.some(({ name }) => name === here) === true
    if (ready.every((hints) => (hints?.[field] ?? []).length > 0) && ready.some(isForHere)) return isForHere
  }
  return undefined
}
