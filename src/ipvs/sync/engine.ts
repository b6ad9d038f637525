/**
 * Plan, sync and draining of one client: what was desired, what drains, and how one leads to the other.
 */
import { TransactionError, type NetlinkError } from '../../errors.js'
import { Slices } from '../../slices.js'
import { ROW_APPLIED, ROW_UNCHANGED } from '../column-types.js'
import { serverKey, type Accepted } from './accept.js'
import { apply, type Applied } from './apply.js'
import type { DrainingState, ServerOperation } from './diff.js'
import { Drains, type Drain, type DrainEnd } from './drains.js'
import { Journal, readServices } from './journal.js'
import { makePlan } from './plan.js'
import { prepare, type Memory, type Prepared } from './prepare.js'
import type { Limits, SyncTarget } from './target.js'
import type {
  ChangedObjects,
  Desired,
  DrainedServer,
  DrainReport,
  IpvsPlan,
  IpvsPlanOptions,
  IpvsSyncOptions,
  IpvsSyncReport
} from './types.js'

/** Refusals that say: the kernel does not hold what was remembered. */
const STALE = new Set(['EEXIST', 'ESRCH', 'ENOENT'])

function isStale(errors: readonly NetlinkError[]): boolean {
  return errors.some(({ code }) => STALE.has(code))
}

function sum(left: ChangedObjects, right: ChangedObjects): ChangedObjects {
  return { added: left.added + right.added, updated: left.updated + right.updated, removed: left.removed + right.removed }
}

const ends: Partial<Record<NonNullable<ServerOperation['why']>, DrainEnd>> = { idle: 'idle', 'if-idle': 'idle', deadline: 'deadline' }

/** A real server that goes now. */
interface Due {
  readonly drain: Drain
  readonly how: 'idle' | 'deadline'
  readonly operation: ServerOperation
}

/** One for each client; its calls are made one after the other. */
export class SyncEngine {
  readonly drains: Drains
  readonly #memory: Memory

  /** @param now A clock in milliseconds that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.drains = new Drains(now)
    this.#memory = { services: new Map(), drains: this.drains, isWhole: false }
  }

  /** What {@link SyncEngine.sync} would do. */
  async plan(target: SyncTarget, desired: Desired, options: IpvsPlanOptions): Promise<IpvsPlan> {
    const prepared = await prepare(this.#memory, target, desired, options)
    return this.#describe(prepared)
  }

  /**
   * Makes the kernel hold what is desired.
   *
   * @param limits Of the way forward; undoing has `undoMs` more.
   */
  async sync(target: SyncTarget, desired: Desired, options: IpvsSyncOptions, limits: Limits, undoMs: number): Promise<IpvsSyncReport> {
    const startedAt = performance.now()
    // An iterable can be asked once, and may be needed twice.
    const given = Symbol.iterator in desired ? [...desired] : desired
    const first = await this.#attempt(target, given, options, limits, undoMs)
    const isRepeated = 'error' in first || isStale(first.applied.failed.flatMap(({ errors }) => errors))
    const last =
      isRepeated && first.isFromMemory ? await this.#attempt(target, given, { ...options, from: 'kernel' }, limits, undoMs) : first
    if ('error' in last) throw last.error
    const { plan, applied } = last
    const before = last === first || 'error' in first ? undefined : first.applied
    return {
      plan: 'plan' in first ? first.plan : plan,
      services: before === undefined ? applied.services : sum(before.services, applied.services),
      realServers: before === undefined ? applied.realServers : sum(before.realServers, applied.realServers),
      failed: applied.failed,
      draining: this.drains.list().map((drain) => this.drains.describe(drain)),
      ...(applied.stopped !== undefined && { stopped: applied.stopped.cause }),
      systemCalls: applied.systemCalls + (before?.systemCalls ?? 0),
      durationMs: performance.now() - startedAt
    }
  }

  /** One try. What was remembered wrongly is an error that can be tried again; others are thrown. */
  async #attempt(
    target: SyncTarget,
    desired: Desired,
    options: IpvsSyncOptions,
    limits: Limits,
    undoMs: number
  ): Promise<{ readonly isFromMemory: boolean } & ({ readonly plan: IpvsPlan; readonly applied: Applied } | { readonly error: unknown })> {
    const prepared = await prepare(this.#memory, target, desired, options)
    const plan = this.#describe(prepared)
    const { onError = 'atomic' } = options
    const { isFromMemory } = prepared
    let applied: Applied
    try {
      applied = await apply(target, prepared.changes, { name: 'ipvs.sync', onError, limits, undoMs })
    } catch (error) {
      this.#forget(prepared)
      if (isFromMemory && error instanceof TransactionError && isStale(error.errors)) return { isFromMemory, error }
      throw error
    }
    await this.#remember(prepared, applied)
    return { isFromMemory, plan, applied }
  }

  #describe({ changes, notes }: Prepared): IpvsPlan {
    const known = changes.draining.filter(({ key, server }) => this.drains.of(key).some((other) => serverKey(other) === serverKey(server)))
    return makePlan(
      changes,
      known.map((state) => this.drains.preview(state)),
      notes
    )
  }

  /** Nobody knows any more what the kernel holds of these. */
  #forget({ compared, changes }: Prepared): void {
    for (const { key } of [...compared, ...changes.removeServices]) this.#doubt(key)
  }

  #doubt(key: string): void {
    const remembered = this.#memory.services.get(key)
    if (remembered?.isCertain === true) this.#memory.services.set(key, { accepted: remembered.accepted, isCertain: false })
  }

  async #remember({ compared, changes, isWhole }: Prepared, { failedKeys, removed }: Applied): Promise<void> {
    const { services } = this.#memory
    const slices = new Slices()
    const gone = new Map<string, ServerOperation['why']>()
    await slices.each(removed, ({ key, server, why }) => gone.set(`${key} ${serverKey(server)}`, why))
    const draining = new Map<string, DrainingState[]>()
    await slices.each(changes.draining, (state) => {
      if (gone.has(`${state.key} ${serverKey(state.server)}`)) return
      const list = draining.get(state.key)
      if (list === undefined) draining.set(state.key, [state])
      else list.push(state)
    })
    await slices.each(compared, (wanted) => {
      const { key } = wanted
      if (failedKeys.has(key)) {
        this.#doubt(key)
        return
      }
      services.set(key, { accepted: wanted, isCertain: true })
      this.drains.set(key, draining.get(key) ?? [], (server) => endOf(wanted, server, gone.get(`${key} ${server}`)))
    })
    await slices.each(changes.removeServices, ({ key }) => {
      if (failedKeys.has(key)) this.#doubt(key)
      else {
        services.delete(key)
        this.drains.set(key, [], () => 'gone')
      }
    })
    this.#memory.isWhole ||= isWhole
  }

  /**
   * Looks at what drains, and removes what has no connections or is past its deadline.
   *
   * @throws The kernel cannot be read; nothing was removed.
   */
  async drain(target: SyncTarget, limits: Limits): Promise<DrainReport> {
    const removed: DrainedServer[] = []
    const drains = this.drains.list()
    const found = await readServices(target, drains)
    const slices = new Slices()
    const due: Due[] = []
    for (const drain of drains) {
      if (slices.isOver) await slices.turn()
      const { key, service, server } = drain
      const state = found.get(key)?.realServers.find((candidate) => serverKey(candidate) === serverKey(server))
      if (state === undefined || state.weight > 0) {
        const ended = this.drains.end(drain, state === undefined ? 'gone' : 'restored')
        if (ended !== undefined) removed.push(ended)
        // Somebody else was here: the next comparison reads the service again.
        this.#doubt(key)
        continue
      }
      drain.activeConnections = state.activeConnections
      drain.inactiveConnections = state.inactiveConnections
      const isIdle = state.activeConnections + state.inactiveConnections === 0
      if (!isIdle && this.drains.seconds(key, serverKey(server)) < drain.deadlineSeconds) continue
      due.push({ drain, how: isIdle ? 'idle' : 'deadline', operation: { of: 'realServer', verb: 'remove', key, service, server } })
    }
    const errors = await this.#removeDue(target, due, limits, removed)
    return { removed, draining: this.drains.list().map((drain) => this.drains.describe(drain)), errors }
  }

  async #removeDue(target: SyncTarget, due: readonly Due[], limits: Limits, removed: DrainedServer[]): Promise<NetlinkError[]> {
    const journal = new Journal(target, 'ipvs.drain')
    const entries = await journal.send(
      due.map(({ operation }) => operation),
      limits
    )
    for (const [index, { drain, how }] of due.entries()) {
      const outcome = entries[index]?.outcome
      if (outcome !== ROW_APPLIED && outcome !== ROW_UNCHANGED) continue
      const ended = this.drains.end(drain, outcome === ROW_APPLIED ? how : 'gone')
      if (ended !== undefined) removed.push(ended)
    }
    const errors = entries.flatMap(({ error }) => (error === undefined ? [] : [error]))
    for (const error of errors) this.drains.push({ type: 'error', error })
    if (journal.stopped !== undefined) throw journal.stopped.cause
    return errors
  }
}

/** How a real server that is desired no longer ended: it was removed, it has been asked for again, or it had gone. */
function endOf(wanted: Accepted, server: string, why: ServerOperation['why']): DrainEnd {
  if (why !== undefined) return ends[why] ?? 'deadline'
  return wanted.servers.some((candidate) => serverKey(candidate) === server) ? 'restored' : 'gone'
}
