/**
 * What a call has changed, for its report.
 */
import { sumOf, type ObjectCounts } from '../core/backend.js'
import type { SyncDetails } from '../types.js'

type Details = Extract<SyncDetails, { readonly mode: 'ipvs' }>

/** What a call has changed. */
export interface Counts {
  virtualServices: Details['virtualServices']
  realServers: Details['realServers']
  addresses: ObjectCounts
  commits: number
}

/** Of a repair on the way, and of the change itself. */
export function addCounts(before: Counts | undefined, counts: Counts): Counts {
  if (before === undefined) return counts
  const changed = (left: Counts['realServers'], right: Counts['realServers']): Counts['realServers'] => ({
    added: left.added + right.added,
    updated: left.updated + right.updated,
    removed: left.removed + right.removed
  })
  return {
    virtualServices: changed(before.virtualServices, counts.virtualServices),
    realServers: changed(before.realServers, counts.realServers),
    addresses: sumOf(before.addresses, counts.addresses),
    commits: before.commits + counts.commits
  }
}

const NONE = { added: 0, updated: 0, removed: 0 } as const

/** Of a call that has changed nothing. */
export const NO_COUNTS: Counts = { virtualServices: NONE, realServers: NONE, addresses: { written: 0, deleted: 0 }, commits: 0 }
