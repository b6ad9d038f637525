/**
 * Operations sent in bulk, with an account of what became of each.
 */
import type { BulkReport, RowOutcome } from '../../core/bulk-run.js'
import { reasonToStop } from '../../core/bulk-run.js'
import { ENOBUFS } from '../../core/errno.js'
import { NetlinkError } from '../../core/errors.js'
import { Slices } from '../../core/slices.js'
import { gatherRows, serverForms, serverKeyForms, serviceKeyForms, type Run } from '../column-forms.js'
import type { RealServerKeyColumns, ServiceKeyColumns } from '../column-types.js'
import type { Operation, ServerOperation } from './diff.js'
import { operationText } from './plan.js'
import { addRun, findServer, gatherServices, listedServices, sameServer, sameService, type ServiceRow } from './rows.js'
import type { ChangeRows, Limits, SyncTarget } from './target.js'

/** Rows of one call: between two an abort and the deadline are noticed. */
const ROWS_PER_CALL = 8192

/** Whether it is as wanted now. */
export function isDone({ outcome }: Operation): boolean {
  return outcome === 'applied' || outcome === 'unchanged'
}

/** What is about a service. */
interface OfService {
  readonly service: ServiceRow
}

/** The services of operations, each once, and which of them each operation is about. */
function ownersOf(operations: readonly OfService[]): { readonly services: ServiceKeyColumns; readonly owners: Uint32Array } {
  const indexes = new Map<ServiceRow, number>()
  const runs: Run[] = []
  const owners = new Uint32Array(operations.length)
  let last: ServiceRow | undefined
  let owner = 0
  let row = 0
  for (const { service } of operations) {
    // Most often those of one service follow each other.
    if (service !== last) {
      last = service
      owner = indexes.get(service) ?? indexes.size
      if (owner === indexes.size) {
        indexes.set(service, owner)
        addRun(runs, service.services, service.row)
      }
    }
    owners[row++] = owner
  }
  return { services: gatherRows(runs, serviceKeyForms) as unknown as ServiceKeyColumns, owners }
}

/** Rows of operations that share a verb and a kind. */
function encode(operations: readonly Operation[]): ChangeRows {
  const { verb, of } = operations[0] as Operation
  const runs: Run[] = []
  if (of === 'service') {
    for (const { service } of operations) addRun(runs, service.services, service.row)
    return {
      verb,
      of,
      services: verb === 'remove' ? (gatherRows(runs, serviceKeyForms) as unknown as ServiceKeyColumns) : gatherServices(runs)
    }
  }
  for (const { servers, row } of operations as readonly ServerOperation[]) addRun(runs, servers, row)
  const { services, owners } = ownersOf(operations)
  const columns = gatherRows(runs, verb === 'remove' ? serverKeyForms : serverForms) as unknown as RealServerKeyColumns
  columns.service.set(owners)
  return { verb, of, services, servers: columns }
}

/** What a state that was read says about an operation whose outcome is unknown. */
function settledOutcome(operation: Operation, found: ServiceRow | undefined): RowOutcome {
  const { verb } = operation
  if (operation.of === 'service') {
    if (verb === 'remove') return found === undefined ? 'applied' : 'refused'
    if (found === undefined) return 'refused'
    return verb === 'add' || sameService(found, operation.service) ? 'applied' : 'refused'
  }
  const row = found === undefined ? undefined : findServer(found, operation)
  if (verb === 'remove') return row === undefined ? 'applied' : 'refused'
  if (found === undefined || row === undefined) return 'refused'
  return verb === 'add' || sameServer(found.servers, row, operation.servers, operation.row) ? 'applied' : 'refused'
}

/** Reads services with their real servers, by key; undefined: all. */
export async function readServices(
  target: SyncTarget,
  keys: ServiceKeyColumns | undefined,
  slices = new Slices()
): Promise<Map<string, ServiceRow>> {
  const found = new Map<string, ServiceRow>()
  if (keys?.rows === 0) return found
  await slices.each(listedServices(await target.list(keys)), (service) => found.set(service.key, service))
  return found
}

/** Reads the services of operations, or of what drains. */
export async function readServicesOf(target: SyncTarget, operations: readonly OfService[]): Promise<Map<string, ServiceRow>> {
  return await readServices(target, ownersOf(operations).services)
}

/** Sends operations and remembers what became of them, in the order of sending. */
export class Journal {
  readonly #target: SyncTarget
  readonly #name: string
  /** Everything that was sent, or should have been. */
  readonly operations: Operation[] = []
  systemCalls = 0
  /** Why it ended early; nothing is sent any more. */
  stopped: { readonly cause: unknown } | undefined

  constructor(target: SyncTarget, name: string) {
    this.#target = target
    this.#name = name
  }

  /**
   * Sends operations of one verb and kind, and notes in each what became of it. What is left out because it has been `stopped` counts as not sent.
   *
   * @returns Whether all is as wanted now.
   */
  async send(operations: readonly Operation[], limits: Limits): Promise<boolean> {
    const slices = new Slices()
    let isAllDone = true
    for (let from = 0; from < operations.length; from += ROWS_PER_CALL) {
      if (slices.isOver) await slices.turn()
      const some = operations.slice(from, from + ROWS_PER_CALL)
      for (const operation of some) this.operations.push(operation)
      isAllDone = this.stopped === undefined && (await this.#sendSome(some, limits)) && isAllDone
    }
    return isAllDone
  }

  /** Lost replies end a call early: what it left unsent goes into the next, as long as every call gets on. */
  async #sendSome(operations: readonly Operation[], limits: Limits): Promise<boolean> {
    let rest = operations
    while (rest.length > 0) {
      this.stopped = reasonToStop({ ...limits, operation: this.#name })
      if (this.stopped !== undefined) return false
      const report = await this.#call(rest, limits)
      if (report === undefined) return false
      if (report.applied + report.unchanged === operations.length) return true
      await this.#settle(rest, report)
      const left = report.notSent === 0 ? [] : rest.filter(({ outcome }) => outcome === 'not-sent')
      if (report.stopped !== undefined && left.length === rest.length) {
        this.stopped = { cause: report.stopped }
        return false
      }
      rest = left
    }
    return operations.every(isDone)
  }

  async #call(operations: readonly Operation[], limits: Limits): Promise<BulkReport | undefined> {
    let report: BulkReport
    try {
      report = await this.#target.change(encode(operations), limits)
    } catch (cause) {
      this.stopped = { cause }
      return undefined
    }
    this.systemCalls += report.systemCalls
    let row = 0
    for (const operation of operations) operation.outcome = report.outcomes[row++] ?? 'not-sent'
    for (const error of report.refused) {
      const operation = operations[error.index ?? -1]
      if (operation !== undefined) operation.error = error
    }
    return report
  }

  /** Where replies were lost, the kernel is asked what it holds. */
  async #settle(operations: readonly Operation[], { unknown: count, stopped }: BulkReport): Promise<void> {
    if (count === 0) return
    const unknown = operations.filter(({ outcome }) => outcome === 'unknown')
    let found: Map<string, ServiceRow>
    try {
      found = await readServicesOf(this.#target, unknown)
    } catch (error) {
      this.stopped = { cause: error }
      return
    }
    for (const operation of unknown) {
      operation.outcome = settledOutcome(operation, found.get(operation.service.key))
      if (operation.outcome === 'refused') operation.error = lostReply(this.#name, operation, stopped)
    }
  }
}

function lostReply(operation: string, what: Operation, cause: unknown): NetlinkError {
  const known = cause instanceof NetlinkError ? -cause.errno : ENOBUFS
  return new NetlinkError({
    errno: known,
    operation,
    subject: operationText(what),
    hint: 'replies were lost, and the kernel does not hold it: it was refused, for an unknown reason',
    cause
  })
}
