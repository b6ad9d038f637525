/**
 * Operations sent in bulk, with an account of what became of each.
 */
import type { BulkReport, RowOutcome } from '../../core/bulk-run.js'
import { reasonToStop } from '../../core/bulk-run.js'
import { ENOBUFS } from '../../core/errno.js'
import { NetlinkError } from '../../core/errors.js'
import { Slices } from '../../core/slices.js'
import { gatherRows, Scratch, serverForms, serverKeyForms, serviceKeyForms, type Run } from '../column-forms.js'
import type { RealServerKeyColumns, ServiceKeyColumns } from '../column-types.js'
import { rowsOf, rowsOfAll, singles, type Operation, type ServerOperation } from './diff.js'
import { operationText } from './plan.js'
import { addRun, findServer, gatherServices, listedServices, sameServer, sameService, type ServiceRow } from './rows.js'
import type { ChangeRows, Limits, SyncTarget } from './target.js'

/** Rows of one call: between two an abort and the deadline are noticed. Few enough for memory that is used again by the next one, on both sides of the binding. */
const ROWS_PER_CALL = 2048

/** Whether it is as wanted now. */
export function isDone({ outcome }: Operation): boolean {
  return outcome === 'applied' || outcome === 'unchanged'
}

/** What is about a service. */
interface OfService {
  readonly service: ServiceRow
}

/** Services, each once. */
class Owners {
  readonly #indexes = new Map<ServiceRow, number>()
  readonly #runs: Run[] = []
  #last: ServiceRow | undefined
  #index = 0

  /** The row of a service. */
  indexOf(service: ServiceRow): number {
    // Most often what is about one service follows each other.
    if (service === this.#last) return this.#index
    this.#last = service
    this.#index = this.#indexes.get(service) ?? this.#indexes.size
    if (this.#index === this.#indexes.size) {
      this.#indexes.set(service, this.#index)
      addRun(this.#runs, service.services, service.row)
    }
    return this.#index
  }

  get columns(): ServiceKeyColumns {
    return gatherRows(this.#runs, serviceKeyForms) as unknown as ServiceKeyColumns
  }
}

function encodeServers(verb: Operation['verb'], operations: readonly ServerOperation[], scratch: Scratch): ChangeRows {
  const runs: Run[] = []
  // Counted loops: until they are compiled others make an object for each operation, and a first sync is not.
  for (let index = 0; index < operations.length; index += 1) {
    const { servers, row, to } = operations[index] as ServerOperation
    addRun(runs, servers, row, to)
  }
  const columns = gatherRows(runs, verb === 'remove' ? serverKeyForms : serverForms, scratch) as unknown as RealServerKeyColumns
  const owners = new Owners()
  let at = 0
  for (let index = 0; index < operations.length; index += 1) {
    const { service, row, to } = operations[index] as ServerOperation
    const owner = owners.indexOf(service)
    for (const end = at + to - row; at < end; at += 1) columns.service[at] = owner
  }
  return { verb, of: 'realServer', services: owners.columns, servers: columns }
}

/** Rows of operations that share a verb and a kind. Those of real servers are in `scratch`. */
function encode(operations: readonly Operation[], scratch: Scratch): ChangeRows {
  const { verb, of } = operations[0] as Operation
  if (of === 'realServer') return encodeServers(verb, operations as readonly ServerOperation[], scratch)
  const runs: Run[] = []
  for (const { service } of operations) addRun(runs, service.services, service.row)
  const services = verb === 'remove' ? (gatherRows(runs, serviceKeyForms) as unknown as ServiceKeyColumns) : gatherServices(runs)
  return { verb, of, services }
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
  const owners = new Owners()
  for (const { service } of operations) owners.indexOf(service)
  return await readServices(target, owners.columns)
}

/** The operation behind the last one that belongs to a call: at least one, and with more not more rows than a call has. */
function endOfCall(operations: readonly Operation[], from: number): number {
  let rows = 0
  let to = from
  while (to < operations.length && (to === from || rows + rowsOf(operations[to] as Operation) <= ROWS_PER_CALL))
    rows += rowsOf(operations[to++] as Operation)
  return to
}

/** Notes in operations of one row each what became of them. */
function note(operations: readonly Operation[], { outcomes, refused }: BulkReport): void {
  let row = 0
  for (const operation of operations) operation.outcome = outcomes[row++] ?? 'not-sent'
  for (const error of refused) {
    const operation = operations[error.index ?? -1]
    if (operation !== undefined) operation.error = error
  }
}

/** Sends operations and remembers what became of them, in the order of sending. */
export class Journal {
  readonly #target: SyncTarget
  readonly #name: string
  readonly #sent: ((rows: number) => void) | undefined
  readonly #scratch = new Scratch()
  /** Everything that was sent, or should have been. Where rows of one operation may have fared differently, there is one for each row instead. */
  readonly operations: Operation[] = []
  systemCalls = 0
  /** Why it ended early; nothing is sent any more. */
  stopped: { readonly cause: unknown } | undefined

  /** @param sent Told of virtual and real servers that have been sent; absent: nobody asks. */
  constructor(target: SyncTarget, name: string, sent?: (rows: number) => void) {
    this.#target = target
    this.#name = name
    this.#sent = sent
  }

  /**
   * Sends operations of one verb and kind, and notes in each what became of it. What is left out because it has been `stopped` counts as not sent.
   *
   * @returns Those that are not as wanted now, a row each.
   */
  async send(operations: readonly Operation[], limits: Limits): Promise<readonly Operation[]> {
    const slices = new Slices()
    const left: Operation[] = []
    for (let from = 0; from < operations.length;) {
      if (slices.isOver) await slices.turn()
      const to = endOfCall(operations, from)
      const some = from === 0 && to === operations.length ? operations : operations.slice(from, to)
      const sent = await this.#sendSome(some, limits)
      this.#sent?.(rowsOfAll(some))
      for (let index = 0; index < sent.length; index += 1) {
        const operation = sent[index] as Operation
        this.operations.push(operation)
        if (!isDone(operation)) left.push(operation)
      }
      from = to
    }
    return left
  }

  /** @returns The operations, or where they did not all get done those of one row each. */
  async #sendSome(operations: readonly Operation[], limits: Limits): Promise<readonly Operation[]> {
    const report = this.#mayCall(limits) ? await this.#call(operations, limits) : undefined
    if (report !== undefined && report.refused.length + report.unknown + report.notSent + report.unchanged === 0) {
      for (let index = 0; index < operations.length; index += 1) (operations[index] as Operation).outcome = 'applied'
      return operations
    }
    const rows = operations.flatMap((operation) => singles<Operation>(operation))
    if (report !== undefined) await this.#sendRest(rows, report, limits)
    return rows
  }

  /** Lost replies end a call early: what it left unsent goes into the next, as long as every call gets on. */
  async #sendRest(operations: readonly Operation[], first: BulkReport, limits: Limits): Promise<void> {
    let rest = operations
    let report: BulkReport | undefined = first
    while (report !== undefined) {
      note(rest, report)
      await this.#settle(rest, report)
      const left = report.notSent === 0 ? [] : rest.filter(({ outcome }) => outcome === 'not-sent')
      if (report.stopped !== undefined && left.length === rest.length) {
        this.stopped = { cause: report.stopped }
        return
      }
      rest = left
      report = rest.length > 0 && this.#mayCall(limits) ? await this.#call(rest, limits) : undefined
    }
  }

  #mayCall(limits: Limits): boolean {
    this.stopped ??= reasonToStop({ ...limits, operation: this.#name })
    return this.stopped === undefined
  }

  async #call(operations: readonly Operation[], limits: Limits): Promise<BulkReport | undefined> {
    try {
      const report = await this.#target.change(encode(operations, this.#scratch), limits)
      this.systemCalls += report.systemCalls
      return report
    } catch (cause) {
      this.stopped = { cause }
      return undefined
    }
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
