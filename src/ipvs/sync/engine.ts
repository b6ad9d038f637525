/**
 * Plan, sync and draining of one client: what was desired, what drains, and how one leads to the other.
 */
import { TransactionError, type NetlinkError } from '../../core/errors.js'
import { Slices } from '../../core/slices.js'
import { apply, type Applied } from './apply.js'
import { connectionsOf, serverName, serverOperation, countOf, type DrainingState, type ServerOperation } from './diff.js'
import { Drains, type Drain, type DrainEnd } from './drains.js'
import { Journal, readServicesOf } from './journal.js'
import { whenSent, type FollowedSyncOptions } from './followed.js'
import { makePlan } from './plan.js'
import { acceptDesired, prepare, type AcceptedDesired, type Memory, type Prepared } from './prepare.js'
import { findServer, type ServiceRow } from './rows.js'
import type { Limits, SyncTarget } from './target.js'
import type { ChangedObjects, Desired, DrainedServer, DrainReport, IpvsPlan, IpvsPlanOptions, IpvsSyncReport } from './types.js'

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

/** One try. */
type Attempt = { readonly isFromMemory: boolean } & ({ readonly plan: IpvsPlan; readonly applied: Applied } | { readonly error: unknown })

const NONE: ChangedObjects = { added: 0, updated: 0, removed: 0 }
const isNone = ({ added, updated, removed }: ChangedObjects): boolean => added + updated + removed === 0

/** A repetition that failed before it did anything, of a try that did something: the whole ended early. @throws The error, where the first try did nothing either. */
function stoppedAfter(first: Attempt, error: unknown): Attempt {
  if ('error' in first) throw error
  const { services, realServers, failed } = first.applied
  const isUntouched = isNone(services) && isNone(realServers) && failed.every((one) => one.applied.length + one.unknown.length === 0)
  if (isUntouched) throw error
  return { ...first, applied: { ...first.applied, services: NONE, realServers: NONE, systemCalls: 0, stopped: { cause: error } } }
}

/** One for each client; its calls are made one after the other. */
export class SyncEngine {
  readonly drains: Drains
  readonly #memory: Memory

  /** @param now A clock in milliseconds that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.drains = new Drains(now)
    this.#memory = { services: new Map(), doubtful: new Set(), drains: this.drains, isWhole: false }
  }

  /** What {@link SyncEngine.sync} would do. */
  async plan(target: SyncTarget, desired: Desired, options: IpvsPlanOptions): Promise<IpvsPlan> {
    const wanted = await acceptDesired(desired, options)
    const prepared = await prepare(this.#memory, target, wanted, options)
    return this.#describe(prepared)
  }

  /**
   * Makes the kernel hold what is desired.
   *
   * @param limits Of the way forward; undoing has `undoMs` more.
   */
  async sync(target: SyncTarget, desired: Desired, options: FollowedSyncOptions, limits: Limits, undoMs: number): Promise<IpvsSyncReport> {
    const startedAt = performance.now()
    const wanted = await acceptDesired(desired, options)
    const first = await this.#attempt(target, wanted, options, limits, undoMs)
    const isRepeated = 'error' in first || isStale(first.applied.failed.flatMap(({ errors }) => errors))
    const again = async (): Promise<Attempt> => await this.#attempt(target, wanted, { ...options, from: 'kernel' }, limits, undoMs)
    const last = isRepeated && first.isFromMemory ? await again().catch((error: unknown) => stoppedAfter(first, error)) : first
    if ('error' in last) throw last.error
    const { plan, applied } = last
    const before = last === first || 'error' in first ? undefined : first.applied
    return {
      plan: 'plan' in first ? first.plan : plan,
      services: before === undefined ? applied.services : sum(before.services, applied.services),
      realServers: before === undefined ? applied.realServers : sum(before.realServers, applied.realServers),
      failed: applied.failed,
      draining: this.drains.describeAll(),
      ...(applied.stopped !== undefined && { stopped: applied.stopped.cause }),
      systemCalls: applied.systemCalls + (before?.systemCalls ?? 0),
      durationMs: performance.now() - startedAt
    }
  }

  /** One try. What was remembered wrongly is an error that can be tried again; others are thrown. */
  async #attempt(
    target: SyncTarget,
    wanted: AcceptedDesired,
    options: FollowedSyncOptions,
    limits: Limits,
    undoMs: number
  ): Promise<Attempt> {
    const prepared = await prepare(this.#memory, target, wanted, options)
    const plan = this.#describe(prepared)
    const { onError = 'isolate' } = options
    const { isFromMemory } = prepared
    let applied: Applied
    try {
      applied = await apply(target, prepared.changes, { name: 'ipvs.sync', onError, limits, undoMs, sent: options[whenSent] })
    } catch (error) {
      this.#forget(prepared)
      if (isFromMemory && error instanceof TransactionError && isStale(error.errors)) return { isFromMemory, error }
      throw error
    }
    await this.#remember(prepared, applied)
    return { isFromMemory, plan, applied }
  }

  #describe({ changes, notes }: Prepared): IpvsPlan {
    const known = changes.draining.filter((state) => this.drains.has(state))
    return makePlan(
      changes,
      known.map((state) => this.drains.preview(state)),
      notes
    )
  }

  /** It is unknown what the kernel holds of these. */
  #forget({ compared, changes }: Prepared): void {
    for (const { key } of compared) this.#doubt(key)
    for (const { service } of changes.removeServices) this.#doubt(service.key)
  }

  #doubt(key: string): void {
    if (this.#memory.services.has(key)) this.#memory.doubtful.add(key)
  }

  async #remember({ compared, changes, isWhole }: Prepared, { failedKeys, removed }: Applied): Promise<void> {
    const { services, doubtful } = this.#memory
    const slices = new Slices()
    const gone = new Map<string, ServerOperation['why']>()
    await slices.each(removed, (operation) => gone.set(`${operation.service.key} ${serverName(operation)}`, operation.why))
    const draining = new Map<string, DrainingState[]>()
    await slices.each(changes.draining, (state) => {
      const { key } = state.service
      if (gone.has(`${key} ${serverName(state.server)}`)) return
      const list = draining.get(key)
      if (list === undefined) draining.set(key, [state])
      else list.push(state)
    })
    await slices.each(compared, (wanted) => {
      const { key } = wanted
      if (failedKeys.has(key)) {
        this.#doubt(key)
        return
      }
      services.set(key, wanted)
      doubtful.delete(key)
      const states = draining.get(key)
      if (states === undefined && !this.drains.hasAny(key)) return
      this.drains.set(key, states ?? [], (drain, name) => endOf(wanted, drain, gone.get(`${key} ${name}`)))
    })
    await slices.each(changes.removeServices, ({ service: { key } }) => {
      if (failedKeys.has(key)) this.#doubt(key)
      else {
        services.delete(key)
        doubtful.delete(key)
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
    const found = await readServicesOf(target, drains)
    const slices = new Slices()
    const due: Due[] = []
    for (const drain of drains) {
      if (slices.isOver) await slices.turn()
      const { service, server } = drain
      const listed = found.get(service.key)
      const row = listed === undefined ? undefined : findServer(listed, server)
      if (listed === undefined || row === undefined || listed.servers.weight[row] !== 0) {
        const ended = this.drains.end(drain, row === undefined ? 'gone' : 'restored')
        if (ended !== undefined) removed.push(ended)
        // Another process changed it: the next comparison reads the service again.
        this.#doubt(service.key)
        continue
      }
      drain.connections = connectionsOf({ servers: listed.servers, row })
      const how = countOf(drain.connections) === 0 ? 'idle' : 'deadline'
      if (how === 'deadline' && this.drains.seconds(service.key, serverName(server)) < drain.deadlineSeconds) continue
      due.push({ drain, how, operation: serverOperation('remove', service, server.servers, server.row) })
    }
    const errors = await this.#removeDue(target, due, limits, removed)
    return { removed, draining: this.drains.describeAll(), errors }
  }

  async #removeDue(target: SyncTarget, due: readonly Due[], limits: Limits, removed: DrainedServer[]): Promise<NetlinkError[]> {
    const journal = new Journal(target, 'ipvs.drain')
    const operations = due.map(({ operation }) => operation)
    await journal.send(operations, limits)
    for (const { drain, how, operation } of due) {
      const { outcome } = operation
      if (outcome !== 'applied' && outcome !== 'unchanged') continue
      const ended = this.drains.end(drain, outcome === 'applied' ? how : 'gone')
      if (ended !== undefined) removed.push(ended)
    }
    const errors = operations.flatMap(({ error }) => (error === undefined ? [] : [error]))
    for (const error of errors) this.drains.push({ type: 'error', error })
    if (journal.stopped !== undefined) throw journal.stopped.cause
    return errors
  }
}

/** How a real server that is desired no longer ended: it was removed, it has been asked for again, or it had gone. */
function endOf(wanted: ServiceRow, { server }: Drain, why: ServerOperation['why']): DrainEnd {
  if (why !== undefined) return ends[why] ?? 'deadline'
  return findServer(wanted, server) === undefined ? 'gone' : 'restored'
}
