/**
 * Carrying out changes in phases: nothing is removed before all that is added or changed is known to be in place.
 */
import { TransactionError, type NetlinkError } from '../../core/errors.js'
import { Slices } from '../../core/slices.js'
import { connectionsOf, isIdle } from './diff.js'
import { rowsOf, rowsOfAll, singles, type Changes, type Operation, type ServerOperation } from './diff.js'
import { Journal, readServicesOf } from './journal.js'
import { findServer, serviceOf } from './rows.js'
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
  /** Told after each batch: which part of all rows it was. */
  readonly sent?: ((part: number) => void) | undefined
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
  const found = await readServicesOf(target, conditional).catch(() => undefined)
  return removals.filter((operation) => {
    if (operation.why !== 'if-idle') return true
    const service = found?.get(operation.service.key)
    const row = service === undefined ? undefined : findServer(service, operation)
    if (service === undefined || row === undefined) return false
    const { servers } = service
    const connections = connectionsOf({ servers, row })
    return servers.weight[row] === 0 && connections !== undefined && isIdle(connections)
  })
}

/** What was done, without what was put back. */
interface Done {
  readonly services: ChangedObjects
  readonly realServers: ChangedObjects
  readonly removed: readonly ServerOperation[]
}

async function countDone(operations: readonly Operation[], failed: ReadonlySet<string>): Promise<Done> {
  const counts = { service: { add: 0, update: 0, remove: 0 }, realServer: { add: 0, update: 0, remove: 0 } }
  const removed: ServerOperation[] = []
  await new Slices().each(operations, (operation) => {
    if (operation.outcome !== 'applied') return
    if (operation.of === 'realServer' && operation.verb === 'remove') removed.push(operation)
    if (failed.size === 0 || !failed.has(operation.service.key)) counts[operation.of][operation.verb] += rowsOf(operation)
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
        changes.removeServers.filter(({ service: { key } }) => !failed.has(key))
      ),
    () => changes.removeServices
  ]
  for (const phase of phases) {
    if (failed.size > 0 && options.onError === 'atomic') break
    const all = await phase()
    const operations = failed.size === 0 ? all : all.filter(({ service: { key } }) => !failed.has(key))
    for (const { service } of await journal.send(operations, options.limits)) failed.add(service.key)
  }
  return failed
}

function errorsOf(operations: readonly Operation[]): NetlinkError[] {
  const errors: NetlinkError[] = []
  for (const { error } of operations) if (error !== undefined) errors.push(error)
  return errors
}

/** The error of a sync that is all or nothing. */
function transactionError(options: ApplyOptions, journal: Journal, undone: UndoReport): unknown {
  const errors = errorsOf(journal.operations)
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
  const byKey = new Map<string, Operation[]>()
  if (failed.size === 0) return { failures: [], systemCalls: 0 }
  const all = journal.operations.filter(({ service: { key } }) => failed.has(key)).flatMap((operation) => singles(operation))
  for (const operation of all) {
    const { key } = operation.service
    const own = byKey.get(key)
    if (own === undefined) byKey.set(key, [operation])
    else own.push(operation)
  }
  const undone = await undo(target, options.name, all, undoLimits(options))
  const failures: IpvsSyncFailure[] = []
  for (const operations of byKey.values()) {
    const [{ service }] = operations as [Operation]
    const { applied, unknown, lost, errors } = undone.report(operations)
    failures.push({ service: serviceOf(service), errors: [...errorsOf(operations), ...errors], applied, unknown, lost })
  }
  return { failures, systemCalls: undone.systemCalls }
}

function undoLimits({ undoMs }: ApplyOptions): Limits {
  return { signal: undefined, deadlineAt: performance.now() + undoMs }
}

/** Tells of each batch as a part of all rows. */
function partsTeller(changes: Changes, sent: ((part: number) => void) | undefined): ((rows: number) => void) | undefined {
  if (sent === undefined) return undefined
  const { updateServices, addServices, addServers, updateServers, removeServers, removeServices } = changes
  const all = [updateServices, addServices, addServers, updateServers, removeServers, removeServices]
  const rows = all.reduce((sum, operations) => sum + rowsOfAll(operations), 0)
  return (some) => sent(some / rows)
}

/**
 * Carries out changes.
 *
 * @throws {TransactionError} With `atomic`: something was refused or ended it early; what was applied has been undone, as far as the error says.
 * @throws The cause, where nothing was sent.
 */
export async function apply(target: SyncTarget, changes: Changes, options: ApplyOptions): Promise<Applied> {
  const journal = new Journal(target, options.name, partsTeller(changes, options.sent))
  const failed = await runPhases(target, changes, options, journal)
  if (failed.size > 0 && options.onError === 'atomic') {
    const operations = journal.operations.flatMap((operation) => singles(operation))
    const undone = await undo(target, options.name, operations, undoLimits(options))
    throw transactionError(options, journal, undone.report(operations))
  }
  const isUntouched =
    journal.stopped !== undefined && !journal.operations.some(({ outcome }) => outcome === 'applied' || outcome === 'unknown')
  if (isUntouched && errorsOf(journal.operations).length === 0) throw journal.stopped?.cause
  const { failures, systemCalls } = await putBack(target, journal, failed, options)
  return {
    ...(await countDone(journal.operations, failed)),
    failed: failures,
    failedKeys: failed,
    stopped: journal.stopped,
    systemCalls: journal.systemCalls + systemCalls
  }
}
