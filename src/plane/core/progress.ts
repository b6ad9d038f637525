/**
 * What a call has done so far, and how long it took.
 */
import type { SyncReport } from '../types.js'
import type { Applied } from './backend.js'
import { countChanges, type ServiceChange } from './change.js'
import type { GradualProposal } from './gradual.js'
import type { PlanEntry, Quarantined } from './plan.js'

/** What a call did so far. */
export interface Progress {
  /** Changes that are in. */
  changes: readonly ServiceChange[]
  quarantined: readonly Quarantined[]
  /** Where changes and quarantine come from while services are still being checked. */
  readonly source: GradualProposal | undefined
  /** What a first sync has to do, as the kernel was when it was first read. */
  entries?: readonly PlanEntry[]
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

/** How many services a try added, changed and removed. */
export function countServices({ changes, entries }: Done): SyncReport['services'] {
  if (entries === undefined) return countChanges(changes)
  const kept = new Set(changes.map(({ name }) => name))
  const count = (action: string): number =>
    entries.filter((entry) => entry.action === action && (action === 'remove' || kept.has(entry.service))).length
  return { added: count('add'), changed: count('change'), removed: count('remove') }
}

/** Runs work and adds its milliseconds to a field. */
export async function timed<T>(progress: Progress, field: 'inspectMs' | 'applyMs', work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now()
  try {
    return await work()
  } finally {
    progress[field] += performance.now() - startedAt
  }
}
