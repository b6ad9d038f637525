/**
 * What is said of drift: once when it is found, once when it is gone.
 */
import { type Broadcast } from '../../core/events/broadcast.js'
import { traceResync } from '../../core/tracing.js'
import type { PlaneEvent } from '../types.js'
import type { Services } from '../model.js'
import { driftOf, type Applied, type Backend, type Inspection } from './backend.js'
import type { ServiceChange } from './changes/change.js'
import type { Watch } from './watch.js'

/**
 * What the kernel holds otherwise than committed, in words.
 *
 * @param seen The kernel compared with what is desired.
 * @param synced What is committed, and what leads from there to what is desired. Absent, before the first sync: what is not as any plane would have made it.
 */
export async function driftFrom(
  backend: Pick<Backend, 'inspect'>,
  seen: Inspection,
  synced: { readonly changes: readonly ServiceChange[]; readonly committed: Services } | undefined
): Promise<readonly string[]> {
  if (synced === undefined) return seen.isNew ? [] : seen.faults
  return driftOf(synced.changes.length === 0 ? seen : await backend.inspect(synced.committed))
}

/** Tells of drift, and counts it. */
export class DriftLog {
  readonly #events: Broadcast<PlaneEvent>
  readonly #watch: Watch
  /** It was told, and no repair since. */
  #isDrifted = false
  #count = 0

  constructor(events: Broadcast<PlaneEvent>, watch: Watch) {
    this.#events = events
    this.#watch = watch
  }

  /** Times that drift was found. */
  get count(): number {
    return this.#count
  }

  /** The kernel is not as it was left. */
  begin(seen: Inspection): void {
    if (this.#isDrifted) return
    this.#isDrifted = true
    this.#count++
    traceResync({ operation: 'plane.repair', reason: 'drift' })
    this.#events.push({ type: 'drift', objects: driftOf(seen) })
  }

  /** The kernel is as it should be again. */
  end({ objects }: Applied, durationMs: number): void {
    if (!this.#isDrifted) return
    this.#isDrifted = false
    this.#events.push({ type: 'repaired', objects, durationMs })
    const repairs = this.#watch.repaired(durationMs)
    if (repairs !== undefined) this.#events.push({ type: 'contended', repairs })
  }
}
