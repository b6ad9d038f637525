/**
 * Carrying out changes in phases: nothing is removed before all that is added or changed is known to be in place.
 */
import { TransactionError, type NetlinkError } from '../../errors.js'
import { Slices } from '../../slices.js'
import { ROW_APPLIED } from '../column-types.js'
import type { VirtualService } from '../types.js'
import { serverKey } from './accept.js'
import type { Changes, Operation, ServerOperation } from './diff.js'
import { isDone, Journal, readServices, type Entry } from './journal.js'
import type { Limits, SyncTarget } from './target.js'
import type { ChangedObjects, IpvsSyncFailure } from './types.js'
import { undo, type UndoReport } from './undo.js'

/** How changes are carried out. */
export interface ApplyOptions {
  /** Names the call in errors. */
  readonly name: string
  readonly onError: 'atomic' | 'isolate'
  readonly limits: Limits
  /** Undoing has a time of its own, and no signal stops it. */
  readonly undoMs: number
}

/** What became of the changes. */
export interface Applied {
  readonly services: ChangedObjects
  readonly realServers: ChangedObjects
  readonly failed: readonly IpvsSyncFailure[]
  /** Keys of services with anything that was refused, undone or left out. */
  readonly failedKeys: ReadonlySet<string>
  /** Removals that were done. */
  readonly removed: readonly ServerOperation[]
  readonly stopped: { readonly cause: unknown } | undefined
  readonly systemCalls: number
}

/**
 * Of the real servers that go only if they are idle, those that are: by now their weight is 0, and no new connection can come. What cannot be read is not
 * removed.
 */
async function idleOnly(target: SyncTarget, removals: readonly ServerOperation[]): Promise<ServerOperation[]> {
  const conditional = removals.filter(({ why }) => why === 'if-idle')
  if (conditional.length === 0) return [...removals]
  const found = await readServices(target, conditional).catch(() => undefined)
  return removals.filter(({ why, key, server }) => {
    if (why !== 'if-idle') return true
    const state = found?.get(key)?.realServers.find((candidate) => serverKey(candidate) === serverKey(server))
    return state !== undefined && state.weight === 0 && state.activeConnections + state.inactiveConnections === 0
  })
}

/** What was done, without what was put back. */
interface Done {
  readonly services: ChangedObjects
  readonly realServers: ChangedObjects
  readonly removed: readonly ServerOperation[]
}

async function countDone(entries: readonly Entry[], failed: ReadonlySet<string>): Promise<Done> {
  const counts = { service: { add: 0, update: 0, remove: 0 }, realServer: { add: 0, update: 0, remove: 0 } }
  const removed: ServerOperation[] = []
  await new Slices().each(entries, ({ operation, outcome }) => {
    if (outcome !== ROW_APPLIED) return
    if (operation.of === 'realServer' && operation.verb === 'remove') removed.push(operation)
    if (!failed.has(operation.key)) counts[operation.of][operation.verb] += 1
  })
  const changed = ({ add, update, remove }: (typeof counts)['service']): ChangedObjects => ({
    added: add,
    updated: update,
    removed: remove
  })
  return { services: changed(counts.service), realServers: changed(counts.realServer), removed }
}

/** Runs the phases. Stops adding to the journal what belongs to a service with a refusal. */
async function runPhases(target: SyncTarget, changes: Changes, options: ApplyOptions, journal: Journal): Promise<Set<string>> {
  const failed = new Set<string>()
  const phases: (() => Promise<readonly Operation[]> | readonly Operation[])[] = [
    () => changes.updateServices,
    () => changes.addServices,
    () => changes.addServers,
    () => changes.updateServers,
    async () =>
      await idleOnly(
        target,
        changes.removeServers.filter(({ key }) => !failed.has(key))
      ),
    () => changes.removeServices
  ]
  for (const phase of phases) {
    if (failed.size > 0 && options.onError === 'atomic') break
    const all = await phase()
    const operations = failed.size === 0 ? all : all.filter(({ key }) => !failed.has(key))
    const entries = await journal.send(operations, options.limits)
    for (const entry of entries) if (!isDone(entry)) failed.add(entry.operation.key)
  }
  return failed
}

function errorsOf(entries: readonly Entry[]): NetlinkError[] {
  const errors: NetlinkError[] = []
  for (const { error } of entries) if (error !== undefined) errors.push(error)
  return errors
}

/** The error of a sync that is all or nothing. */
function transactionError(options: ApplyOptions, journal: Journal, undone: UndoReport): unknown {
  const errors = errorsOf(journal.entries)
  const cause = errors[0] ?? journal.stopped?.cause
  const sent = undone.applied.length + undone.undone.length + undone.unknown.length
  if (sent === 0 && errors.length === 0) return cause
  const parts = [`${errors.length} refused`, `${undone.undone.length} undone`]
  if (undone.applied.length > 0) parts.push(`${undone.applied.length} applied that could not be undone`)
  if (undone.unknown.length > 0) parts.push(`${undone.unknown.length} unknown`)
  if (undone.lost.length > 0) parts.push(`${undone.lost.length} removals came back without connections and statistics`)
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  return new TransactionError(`${options.name}: ${parts.join(', ')}${why}`, undone, [...errors, ...undone.errors], cause)
}

/** Puts back services with a refusal as they were. */
async function putBack(
  target: SyncTarget,
  journal: Journal,
  failed: ReadonlySet<string>,
  options: ApplyOptions
): Promise<{ readonly failures: IpvsSyncFailure[]; readonly systemCalls: number }> {
  const byKey = new Map<string, Entry[]>()
  const all = failed.size === 0 ? [] : journal.entries.filter(({ operation: { key } }) => failed.has(key))
  for (const entry of all) {
    const { key } = entry.operation
    const own = byKey.get(key)
    if (own === undefined) byKey.set(key, [entry])
    else own.push(entry)
  }
  const undone = await undo(target, options.name, all, undoLimits(options))
  const failures = [...byKey.values()].map((entries): IpvsSyncFailure => {
    const { applied, unknown, lost, errors } = undone.report(entries)
    return { service: entries[0]?.operation.service as VirtualService, errors: [...errorsOf(entries), ...errors], applied, unknown, lost }
  })
  return { failures, systemCalls: undone.systemCalls }
}

function undoLimits({ undoMs }: ApplyOptions): Limits {
  return { signal: undefined, end: performance.now() + undoMs }
}

/**
 * Carries out changes.
 *
 * @throws {TransactionError} With `atomic`: something was refused or ended it early; what was applied has been undone, as far as the error says.
 * @throws The cause, where nothing was sent.
 */
export async function apply(target: SyncTarget, changes: Changes, options: ApplyOptions): Promise<Applied> {
  const journal = new Journal(target, options.name)
  const failed = await runPhases(target, changes, options, journal)
  if (failed.size > 0 && options.onError === 'atomic') {
    const undone = await undo(target, options.name, journal.entries, undoLimits(options))
    throw transactionError(options, journal, undone.report(journal.entries))
  }
  const isUntouched = journal.stopped !== undefined && !journal.entries.some(({ outcome }) => outcome === ROW_APPLIED)
  if (isUntouched && errorsOf(journal.entries).length === 0) throw journal.stopped?.cause
  const { failures, systemCalls } = await putBack(target, journal, failed, options)
  return {
    ...(await countDone(journal.entries, failed)),
    failed: failures,
    failedKeys: failed,
    stopped: journal.stopped,
    systemCalls: journal.systemCalls + systemCalls
  }
}
