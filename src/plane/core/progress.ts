/**
 * What a call has done so far, and what its report says of it.
 */
import type { Service, Services } from '../model.js'
import type { SyncDetails, SyncReport } from '../types.js'
import { sumOf, type Applied, type Backend, type ObjectCounts, type Refusal } from './backend.js'
import { countChanges, rebase, type ServiceChange } from './changes/change.js'
import type { GradualProposal } from './changes/gradual.js'
import type { PlanEntry, Quarantined } from './changes/plan.js'
import type { Run, Withdrawal } from './run.js'

/** What a call did so far. */
export interface Progress {
  /** Changes that are in. */
  changes: readonly ServiceChange[]
  quarantined: readonly Quarantined[]
  /** Of those, what is to be tried again, by name. */
  readonly postponed: Map<string, Service>
  /** Where changes and quarantine come from while services are still being checked. */
  readonly source: GradualProposal | undefined
  /** What a first sync has to do, as the kernel was when it was first read. */
  entries?: readonly PlanEntry[]
  /** Objects that the call wrote and deleted to put right what others had changed. */
  repaired: ObjectCounts
  /** Committed services that the kernel refused when they were put back. */
  dropped: readonly Refusal[]
  inspectMs: number
  applyMs: number
}

/** What a try did. */
export interface Done {
  readonly changes: readonly ServiceChange[]
  readonly applied: Applied
  /** What there was to do, as the kernel said: of a first sync, which does not know what was there. */
  readonly entries: readonly PlanEntry[] | undefined
}

/** The beginning of a call. */
export function makeProgress(
  changes: readonly ServiceChange[],
  quarantined: readonly Quarantined[],
  source: GradualProposal | undefined
): Progress {
  return { changes, quarantined, postponed: new Map(), source, repaired: { written: 0, deleted: 0 }, dropped: [], inspectMs: 0, applyMs: 0 }
}

/** Puts down to a call what it repaired on its way. */
export function addRepair(progress: Progress, { objects, withdrawn }: Applied, committed: Services): void {
  progress.repaired = sumOf(progress.repaired, objects)
  if (withdrawn === undefined) return
  progress.dropped = [...progress.dropped, ...withdrawn]
  progress.changes = rebase(progress.changes, committed)
}

/** What a call says in the end; `requests` of its run include those of repairs on its way. */
export function reportOf(
  progress: Progress,
  done: Done,
  { requests }: Run,
  { startedAt, acceptMs }: { readonly startedAt: number; readonly acceptMs: number },
  details: SyncDetails
): SyncReport {
  const { repaired, inspectMs, applyMs, quarantined } = progress
  return {
    services: countServices(done),
    objects: sumOf(repaired, done.applied.objects),
    requests,
    durationMs: { total: performance.now() - startedAt, accept: acceptMs, inspect: inspectMs, apply: applyMs },
    quarantined,
    details
  }
}

/** How many services a call added, changed and removed. */
function countServices({ changes, entries }: Done): SyncReport['services'] {
  if (entries === undefined) return countChanges(changes)
  const kept = new Set(changes.map(({ name }) => name))
  const count = (action: string): number =>
    entries.filter((entry) => entry.action === action && (action === 'remove' || kept.has(entry.service))).length
  return { added: count('add'), changed: count('change'), removed: count('remove') }
}

/** Adds the time that some work takes to a call's. */
export async function timed<T>(progress: Progress, field: 'inspectMs' | 'applyMs', work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now()
  try {
    return await work()
  } finally {
    progress[field] += performance.now() - startedAt
  }
}

/** The changes that are in, once those that were withdrawn are in quarantine. */
export function settle({ withdrawn = [] }: Applied, progress: Progress): readonly ServiceChange[] {
  if (withdrawn.length === 0) return progress.changes
  const names = new Set(withdrawn.map(({ service }) => service))
  progress.quarantined = [...progress.quarantined, ...withdrawn]
  progress.changes = progress.changes.filter(({ name }) => !names.has(name))
  return progress.changes
}

/** The removal of refused services that are committed, and that no change is about. */
export function removalsOf(refusals: readonly Refusal[], changes: readonly ServiceChange[], committed: Services): ServiceChange[] {
  const changed = new Set(changes.map(({ name }) => name))
  return refusals.flatMap(({ service }): ServiceChange[] => {
    const before = committed.get(service)
    return before === undefined || changed.has(service) ? [] : [{ name: service, before }]
  })
}

/**
 * Services that the kernel refuses go into quarantine, and those that need what they keep. A committed one that is only to be written again is not there any more.
 *
 * @param withdrawal What stays without them.
 */
export function leaveOut(
  progress: Progress,
  refusals: readonly Refusal[],
  { kept, withdrawn, refusals: all }: Withdrawal,
  { backend, committed }: { readonly backend: Pick<Backend, 'mayPass'>; readonly committed: Services }
): void {
  const gone = removalsOf(refusals, progress.changes, committed)
  if (kept.length === progress.changes.length && gone.length === 0) throw refusals[0]!.error
  postpone(progress, refusals, withdrawn, backend)
  progress.changes = [...kept, ...gone]
  progress.quarantined = [...progress.quarantined, ...all]
}

/** What was refused for what may pass is tried again, and with it what waits for that. */
function postpone(
  { postponed }: Progress,
  refusals: readonly Refusal[],
  withdrawn: readonly ServiceChange[],
  backend: Pick<Backend, 'mayPass'>
): void {
  const lasting = new Set(refusals.filter(({ error }) => backend.mayPass?.(error) !== true).map(({ service }) => service))
  if (lasting.size === refusals.length) return
  for (const { name, after } of withdrawn) if (after !== undefined && !lasting.has(name)) postponed.set(name, after)
}

/** Puts into quarantine what the kernel refused to take back, unless the call has put something else in its place, or is glad that it is gone. */
export function addDropped(progress: Progress, named: ReadonlySet<string> | undefined, committed: Services): void {
  const settled = new Set(progress.quarantined.map(({ service }) => service))
  for (const { name, after } of progress.changes) if (after === undefined) settled.add(name)
  const dropped = progress.dropped.filter(({ service }) => {
    const isMeant = named === undefined || named.has(service)
    return isMeant && !settled.has(service) && !committed.has(service)
  })
  progress.quarantined = [...progress.quarantined, ...dropped]
}
