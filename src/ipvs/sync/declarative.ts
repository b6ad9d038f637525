/**
 * The part of the client that is told what shall be, not what to do.
 */
import type { CallOptions } from '../../client.js'
import type { SyncCalls } from './calls.js'
import type {
  Desired,
  Drainer,
  DrainerOptions,
  DrainingServer,
  DrainReport,
  IpvsPlan,
  IpvsPlanOptions,
  IpvsSyncOptions,
  IpvsSyncReport
} from './types.js'

/** Base of {@link Ipvs}: plan, sync and draining. */
export abstract class DeclarativeIpvs {
  readonly #calls: SyncCalls

  /** @internal */
  protected constructor(calls: SyncCalls) {
    this.#calls = calls
  }

  /**
   * What {@link DeclarativeIpvs.sync} would do. Reads the kernel, or with `from: 'memory'` only what this client does not remember; changes nothing.
   *
   * @throws {ValidationError} What is desired, or an option, is not what it should be, or a desired service is not covered by `owns`; nothing was read.
   */
  async plan(desired: Desired, options: IpvsPlanOptions = {}): Promise<IpvsPlan> {
    return await this.#calls.plan(desired, options)
  }

  /**
   * Makes the kernel hold what is desired, in phases, each of which is known to be done before the next begins: services, real servers and their weights, and
   * only then removals. Real servers that are desired no longer drain ({@link DrainPolicy}). What is desired is frozen: an unchanged reference is an unchanged
   * service. At the deadline or on the signal it stops; undoing has as much time again.
   *
   * @throws {ValidationError} As {@link DeclarativeIpvs.plan}.
   * @throws {TransactionError} With `atomic`: something was refused, or the signal, the deadline or lost replies ended it early. It says what was undone, what
   * could not be, what is unknown, and what undoing cannot bring back.
   * @throws {NetlinkError} `EPERM`, or the kernel could not be read: nothing was changed.
   */
  async sync(desired: Desired, options: IpvsSyncOptions = {}): Promise<IpvsSyncReport> {
    return await this.#calls.sync(desired, options)
  }

  /** Looks once at the real servers that drain since a `sync` of this client, and removes those without connections or past their deadline. */
  async drain(options: CallOptions = {}): Promise<DrainReport> {
    return await this.#calls.drain(options)
  }

  /** Calls {@link DeclarativeIpvs.drain} again and again, and tells what happens to real servers that drain, whoever removes them. */
  drainer(options: DrainerOptions = {}): Drainer {
    return this.#calls.drainer(options)
  }

  /** Real servers that drain, as last read. */
  listDraining(): DrainingServer[] {
    return this.#calls.listDraining()
  }
}
