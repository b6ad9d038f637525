/**
 * What a call has changed, for its report.
 */
import { sumOf, type ObjectCounts } from '../core/backend.js'
import type { IpvsSyncReport } from '../../ipvs/index.js'
import type { SyncDetails } from '../types.js'

type ChangedObjects = IpvsSyncReport['services']
type Details = Extract<SyncDetails, { readonly mode: 'ipvs' }>

/** What a call has changed. */
export interface Counts {
  virtualServices: Details['virtualServices']
  realServers: Details['realServers']
  addresses: ObjectCounts
  commits: number
}

/** What counts of a sync of virtual services. */
export type SyncCounts = Pick<IpvsSyncReport, 'services' | 'realServers'>

function sumOfChanged(left: ChangedObjects, right: ChangedObjects): ChangedObjects {
  return { added: left.added + right.added, updated: left.updated + right.updated, removed: left.removed + right.removed }
}

/** Of two syncs, one after the other. */
export function sumOfSyncs(left: SyncCounts, right: SyncCounts): SyncCounts {
  return { services: sumOfChanged(left.services, right.services), realServers: sumOfChanged(left.realServers, right.realServers) }
}

/** Of a repair on the way, and of the change itself. */
export function addCounts(before: Counts | undefined, counts: Counts): Counts {
  if (before === undefined) return counts
  return {
    virtualServices: sumOfChanged(before.virtualServices, counts.virtualServices),
    realServers: sumOfChanged(before.realServers, counts.realServers),
    addresses: sumOf(before.addresses, counts.addresses),
    commits: before.commits + counts.commits
  }
}

const NONE = { added: 0, updated: 0, removed: 0 } as const

/** Of a call that has changed nothing. */
export const NO_COUNTS: Counts = { virtualServices: NONE, realServers: NONE, addresses: { written: 0, deleted: 0 }, commits: 0 }
