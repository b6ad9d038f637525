import type { PlaneStatus } from 'netplane'
import type { Health } from './http.js'
import type { SourceStatus } from './sources/types.js'

/** What health is made of. */
export interface HealthFacts {
  readonly plane: PlaneStatus
  readonly source: SourceStatus
  /** Whether the kernel holds what was understood last. */
  readonly isKeepingUp: boolean
  readonly isEligible: boolean
  readonly hasSynced: boolean
  readonly lagMs: number
  /** Why the last sync failed. */
  readonly syncError: Error | undefined
  /** What there is to say beside. */
  readonly notes: Readonly<Record<string, unknown>>
}

/** Healthy means that the kernel holds what the source says. Mistakes in a manifest that were always there harm its service alone, and are named. */
export function healthOf({ plane, source, isKeepingUp, isEligible, hasSynced, lagMs, syncError, notes }: HealthFacts): Health {
  const { services, quarantined, drifts, takenPorts } = plane
  const { name, problems, outdated, error, isNeeded } = source
  const isHealthy = isKeepingUp && (error === undefined || !isNeeded) && outdated.length === 0
  const body = {
    healthy: isHealthy,
    synced: hasSynced,
    lagMs,
    services,
    drifts,
    quarantined: quarantined.map(({ service }) => service),
    ...(takenPorts === undefined ? {} : { takenPorts }),
    outdated,
    problems,
    ...(error === undefined ? {} : { [name]: error.message }),
    ...(syncError === undefined ? {} : { sync: syncError.message }),
    ...notes
  }
  return { isHealthy, isEligible, body }
}
