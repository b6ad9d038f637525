/**
 * What a plane needs of the kernel subsystem that carries its services. Everything else, from the queue of calls to drift and quarantine, is done once, in {@link ServicePlane}.
 */
import type { InNetworkNamespace } from '../../core/options.js'
import type { Service, Services } from '../model.js'
import type { StatusDetails, SyncDetails } from '../types.js'
import type { ServiceChange } from './changes/change.js'
import type { Findings, Question } from './explain/explain.js'
import type { FrontendKey } from './frontend.js'
import type { ChangeListener } from './listener.js'
import type { PlaneCounters } from './counters.js'
import type { NodeAddressList } from './node/addresses.js'
import type { PlanEntry } from './changes/plan.js'
import type { Run } from './run.js'
import type { Sentinel } from './watch.js'

/** Objects of the kernel written and deleted; a changed one counts as both where it is replaced. */
export interface ObjectCounts {
  readonly written: number
  readonly deleted: number
}

/** Both together. */
export function sumOf(left: ObjectCounts, right: ObjectCounts): ObjectCounts {
  return { written: left.written + right.written, deleted: left.deleted + right.deleted }
}

/** What would be done. */
export interface Work {
  readonly entries: readonly PlanEntry[]
  readonly objects: ObjectCounts
  /** Whether all that is there is replaced, so that the numbers are those of everything. Absent: it is not. */
  readonly isMadeAnew?: boolean | undefined
}

/** The kernel compared with services. What else the back end has read stays with it. */
export interface Inspection {
  /** Objects that are not as any plane makes them, in words: foreign, missing and changed ones; those that carry services aside. */
  readonly faults: readonly string[]
  /** Nothing of ours is there. */
  readonly isNew: boolean
  /** True where the kernel holds exactly these services. */
  readonly isEmpty: boolean
  /** Objects that carry services which are missing and foreign; absent where they were not compared. */
  readonly differences?: ObjectCounts | undefined
  /** What would have to be done, as far as the kernel tells. Worked out when it is asked for. @param inWords Whether somebody reads what becomes of each service; else the numbers of objects do. */
  work(inWords: boolean): Promise<Work>
}

/** A service that the kernel refused, and why. */
export interface Refusal {
  readonly service: string
  readonly error: Error
}

/** What was done. */
export interface Applied {
  readonly objects: ObjectCounts
  /** Changes that were left out, so that their services are as they were before; absent: none. */
  readonly withdrawn?: readonly Refusal[] | undefined
}

/**
 * What may be tried after a failure.
 *
 * - `again`: another process changed the kernel in between, or it is not as it was taken to be.
 * - `refused`: single services are to blame; without them the rest can be applied.
 * - `final`: trying again does not help.
 */
export type FailureKind = 'again' | 'refused' | 'final'

/** Thrown by back ends; callers of the plane get its cause. */
export class BackendFailure extends Error {
  readonly kind: FailureKind
  /** The kernel holds what is committed, as far as is known: nothing was applied, and nothing points to a difference. */
  readonly isKnown: boolean
  readonly refusals: readonly Refusal[]

  constructor(kind: FailureKind, isKnown: boolean, cause: unknown, refusals: readonly Refusal[] = []) {
    super(`${kind}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    this.kind = kind
    this.isKnown = isKnown
    this.refusals = refusals
  }

  /** Nothing was applied, and the same can be tried once more. */
  get isRace(): boolean {
    return this.kind === 'again' && this.isKnown
  }

  /** The same failure, after something else was applied. */
  unknown(): BackendFailure {
    return this.isKnown ? new BackendFailure(this.kind, false, this.cause, this.refusals) : this
  }
}

/** Services that are handed out one after the other, as they are checked. */
export interface ServiceSource {
  /** All that there may be, before they are checked: for estimates alone, as anything may be wrong with them. */
  readonly candidates: Services
  /** Visits each service that is accepted, and waits for what the visit returns. @throws What a visit throws. */
  each(visit: (service: Service) => Promise<void> | undefined): Promise<void>
}

/** What still needs a back end that leads no new connections any more. */
export interface Retired {
  /** Connections that go on by it, as far as it can tell. Connection tracking carries those of most back ends by itself, and they are not among them. */
  readonly connections: number
  /** Nobody needs it any more. */
  readonly isDone: boolean
}

/** A kernel subsystem that carries services. Calls never overlap. */
export interface Backend extends InNetworkNamespace {
  /**
   * Whether another process has changed the kernel since the last call here, at a cost that does not depend on what it holds; undefined where the subsystem cannot tell.
   */
  hasChanged(): Promise<boolean | undefined>
  /** Makes what tells that another process may have changed the kernel since the last call here. Absent: only looks find out. */
  sentinel?(changed: () => void): Sentinel
  /** Why an accepted service cannot be carried; undefined: it can. */
  unsupported(service: Service): Error | undefined
  /** Whether what a service was refused for may pass by itself, so that it is worth while to try again. Absent: nothing does. */
  mayPass?(error: Error): boolean
  /**
   * Compares the kernel with services. Changes nothing.
   *
   * @param changes What leads from the committed services to these, where {@link Backend.hasChanged} is false: then nothing need be read.
   * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: an object of our name is not ours.
   */
  inspect(services: Services, changes?: readonly ServiceChange[]): Promise<Inspection>
  /**
   * Makes the kernel hold services where it holds nothing of ours, and begins before all of them are checked; undefined where it holds something: then nothing was done. Absent: the back end
   * only takes services that are all checked.
   *
   * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: an object of our name is not ours.
   * @throws {BackendFailure}
   */
  fill?(source: ServiceSource, run: Run): Promise<Applied | undefined>
  /**
   * Makes the kernel hold exactly these services, whatever it holds.
   *
   * @param seen The last thing that {@link Backend.inspect} or {@link Backend.audit} said about the same services.
   * @throws {BackendFailure}
   */
  adopt(services: Services, seen: Inspection, run: Run): Promise<Applied>
  /**
   * Changes the kernel from the committed services, at a cost that follows the changes.
   *
   * @throws {BackendFailure}
   */
  apply(changes: readonly ServiceChange[], committed: Services, run: Run): Promise<Applied>
  /**
   * Looks whether the kernel still holds the committed services, as thoroughly as seems worth while; undefined: nothing points to a difference.
   *
   * @param isAsked It is for a call, which relies on it, and not one of the looks now and then.
   */
  audit(committed: Services, isAsked: boolean): Promise<Inspection | undefined>
  /**
   * This node's addresses at which frontends of kind `node` are served: those known before anything is written, and later ones as they change.
   *
   * @param isCommitted The kernel holds the committed services: it is brought up to date, else the next call that writes does that.
   * @throws {BackendFailure} `again`, where {@link BackendFailure.isKnown}: it has the addresses of before, and may be told once more.
   */
  setNodeAddresses(addresses: NodeAddressList, isCommitted: boolean, run: Run): Promise<void>
  /**
   * Says what becomes of a packet, by what the kernel holds. Changes nothing.
   *
   * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: an object of our name is not ours.
   */
  explain(question: Question): Promise<Findings>
  /**
   * What was counted of services.
   *
   * @throws {UnsupportedError} Nothing is counted.
   * @throws {NetlinkError}
   */
  counters(services: Services): Promise<PlaneCounters>
  /** What a report says beside what all planes have in common. */
  details(run: Run): SyncDetails
  /** What a status says beside what all planes have in common. @param ownerOf The committed service that has a frontend. */
  status(ownerOf: (frontend: FrontendKey) => string | undefined): StatusDetails
  /** What is to follow changes in place of who looks for stale flows, because these lead elsewhere than to endpoints. Absent: they do not. */
  follower?(listener: ChangeListener): ChangeListener
  /** Makes settings of the system as they must be: another plane that had set them, too, has put them back. Absent: it needs none. */
  settle?(): Promise<void>
  /**
   * Leads no new connections any more, because another back end carries the services by now; what established ones need stays until {@link Backend.cleanUp}. Calls of other methods do not follow, but for those of
   * {@link Backend.retirement} and to end it. May be called again after it has failed.
   *
   * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: an object of our name is not ours.
   */
  retire(): Promise<void>
  /** How far it has come since {@link Backend.retire}. */
  retirement(): Retired
  /**
   * Removes everything that is ours.
   *
   * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: an object of our name is not ours; nothing was removed.
   */
  cleanUp(): Promise<void>
  /** Whether connections end with {@link Backend.close}, because this process carries them. Absent: they do not. */
  readonly carriesConnections?: boolean
  close(): Promise<void>
}

/** Everything that differs from what is committed, in words. */
export function driftOf({ faults, differences: { written, deleted } = { written: 0, deleted: 0 } }: Inspection): readonly string[] {
  return written + deleted === 0 ? faults : [...faults, `${written} missing and ${deleted} foreign elements`]
}

/** What is no failure of a back end cannot be mended by trying again. */
export function asFailure(error: unknown): BackendFailure {
  return error instanceof BackendFailure ? error : new BackendFailure('final', false, error)
}

/** What callers of the plane get. */
export function causeOf(error: unknown): unknown {
  return error instanceof BackendFailure ? error.cause : error
}
