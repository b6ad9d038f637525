/**
 * What a call would do, without doing it.
 */
import type { Backend } from './backend.js'
import { makePlan, planEntries, type Plan } from './changes/plan.js'
import type { Proposal, Registry } from './changes/registry.js'
import { driftFrom } from './drift.js'

/** What a plan goes by. */
export interface PlanParts {
  readonly backend: Backend
  readonly registry: Registry
  /** The kernel holds what the registry says, as far as no other process changed it. */
  readonly isCommitted: boolean
  readonly hasSynced: boolean
}

/** The plan of a proposal. */
export async function planOf({ changes, quarantined }: Proposal, { backend, registry, isCommitted, hasSynced }: PlanParts): Promise<Plan> {
  const isUntouched = isCommitted && (await backend.hasChanged()) === false
  const seen = await backend.inspect(registry.after(changes), isUntouched ? changes : undefined)
  const drift = isUntouched ? [] : await driftFrom(backend, seen, hasSynced ? { changes, committed: registry.services } : undefined)
  const { entries, objects, isMadeAnew = false } = await seen.work(true)
  return makePlan({ entries: hasSynced ? planEntries(changes) : entries, drift, quarantined, objects, isMadeAnew })
}
