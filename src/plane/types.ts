import type { NetplaneError } from '../errors.js'
import type { StaleFlowReport } from './flows/engine.js'
import type { Service, Services } from './model.js'
import type { Plan, Quarantined } from './plan.js'

/** How a sync treats a service that cannot be applied. */
export interface SyncOptions {
  /**
   * `isolate` (default): the service goes into quarantine, is reported, and tried again with the next sync; the others are applied. `atomic`: nothing is applied and the call
   * rejects.
   */
  readonly onError?: 'isolate' | 'atomic'
  /** Cancels between two kernel transactions; the error then says that the state is known and what was applied. */
  readonly signal?: AbortSignal
}

/** Services to set (new or changed) and names to delete; all others stay as they are. */
export interface ServiceUpdate {
  readonly set?: Iterable<Service>
  /** Deleting what is not there is not an error. */
  readonly delete?: Iterable<string>
}

/** What a sync or update did. */
export interface SyncReport {
  /** Services written, changed and removed. */
  readonly services: { readonly added: number; readonly changed: number; readonly removed: number }
  /** Set and map elements written and deleted; a changed one counts as both. */
  readonly elements: { readonly added: number; readonly removed: number }
  /** Kernel transactions committed. */
  readonly commits: number
  /** Bytes of netlink messages sent. */
  readonly bytes: number
  /** From call to completion, milliseconds. */
  readonly durationMs: number
  /** How often the work was begun again because somebody else had changed the ruleset in between. */
  readonly retries: number
  readonly quarantined: readonly Quarantined[]
}

/** Something a plane did or found by itself. */
export type PlaneEvent =
  /** The kernel did not hold what was committed: somebody else changed our tables. A repair follows. */
  | { readonly type: 'drift'; readonly objects: readonly string[] }
  /** The drift is gone. */
  | { readonly type: 'repaired'; readonly elements: { readonly added: number; readonly removed: number }; readonly durationMs: number }
  /** A service could not be applied. */
  | { readonly type: 'quarantined'; readonly service: string; readonly error: Error }
  /** A service left quarantine: it was applied or is no longer desired. */
  | { readonly type: 'released'; readonly service: string }
  /** Flows that were astray after a change were looked for, and cut. */
  | { readonly type: 'flows'; readonly report: StaleFlowReport }
  /** A check, a repair or a look at the flows failed; it is tried again. */
  | { readonly type: 'error'; readonly error: NetplaneError }
  /** A slow consumer missed this many events. */
  | { readonly type: 'lost'; readonly count: number }

/** What a plane holds at the moment. */
export interface PlaneStatus {
  /** Services in the kernel. */
  readonly services: number
  readonly quarantined: readonly Quarantined[]
  /** Times that drift was found since the plane was opened. */
  readonly drifts: number
  /** Generation of the ruleset after our last commit or check; 0 before the first. */
  readonly generation: number
  /** Stale flows cut since the plane was opened, and frontends whose flows are still to be looked at; absent where none are cut. */
  readonly flows?: { readonly deleted: number; readonly pending: number } | undefined
}

/**
 * A data plane that makes services reachable. Every plane has the same semantics; they differ in the kernel subsystem they use. Calls run in call order.
 */
export interface Plane extends AsyncDisposable {
  /** What {@link Plane.sync} would do. Reads the kernel, changes nothing. */
  plan(services: Services): Promise<Plan>
  /**
   * Makes the kernel hold exactly these services. The first call adopts what an earlier process left: nothing is written where nothing differs.
   *
   * @throws {ValidationError} With `atomic`: a service is malformed, or two claim one frontend. Otherwise they go into quarantine.
   * @throws {NetlinkError} The kernel refused the whole (`EPERM`, `ENOMEM`, `ENFILE`) or, with `atomic`, any part.
   * @throws {ClosedError} After `close()`.
   */
  sync(services: Services, options?: SyncOptions): Promise<SyncReport>
  /**
   * As {@link Plane.sync} for the named services alone, at a cost that does not depend on how many others there are. Needs one `sync` before.
   */
  update(update: ServiceUpdate, options?: SyncOptions): Promise<SyncReport>
  /** What the plane does and finds by itself, from now on. Ends with `close()` or the signal. */
  events(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<PlaneEvent>
  status(): PlaneStatus
  /**
   * Waits for calls under way and stops watching. The rules stay, so traffic goes on; with `cleanup` everything that is ours is removed.
   * Idempotent.
   */
  close(options?: { readonly cleanup?: boolean }): Promise<void>
}
