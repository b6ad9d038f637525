/**
 * Changing many services or real servers: in pieces, with an exact account of every row.
 */
import { EPERM, ETIMEDOUT } from '../core/errno.js'
import { NetlinkError, TransactionError } from '../core/errors.js'
import { failureError } from '../core/failures.js'
import { Slices } from '../core/slices.js'
import type { NativeBatchReport, NativeColumns, NativeIpvsSocket } from '../native/index.js'
import { ADDRESS_WIDTH, sliceRows } from './column-forms.js'
import {
  ROW_APPLIED,
  ROW_NOT_SENT,
  ROW_REFUSED,
  ROW_UNCHANGED,
  ROW_UNKNOWN,
  type ChangeReport,
  type RealServerKeyColumns,
  type ServiceColumns,
  type ServiceKeyColumns
} from './column-types.js'
import { describeServiceRow } from './keys.js'
import { hintOf, ipvsFailure, isAsWanted, type ChangeKind, type RefusedServer } from './refusals.js'
import { describeServerRow } from './server-rows.js'

/** Rows of one job: between two an abort and the deadline are noticed, and other users of the thread pool have their turn. */
const ROWS_PER_JOB = 8192

/** A change as it is asked for. */
export interface Change extends ChangeKind {
  /** Names the call in errors: `ipvs.addServices`. */
  readonly operation: string
  readonly services: ServiceKeyColumns | ServiceColumns
  /** Of a change of real servers. */
  readonly servers?: RealServerKeyColumns
  readonly ensure: boolean
  readonly signal: AbortSignal | undefined
  /** `performance.now()` at which the call must be done. */
  readonly end: number
}

/** Carries out a change and keeps its account. */
export class ChangeRun {
  readonly #socket: NativeIpvsSocket
  readonly #change: Change
  readonly #outcomes: Uint8Array
  readonly #refused: NetlinkError[] = []
  #systemCalls = 0
  /** Why it ended early. */
  #stopped: { readonly cause: unknown } | undefined

  constructor(socket: NativeIpvsSocket, change: Change) {
    this.#socket = socket
    this.#change = change
    this.#outcomes = new Uint8Array((change.servers ?? change.services).rows)
  }

  get hasFailed(): boolean {
    return this.#refused.length > 0 || this.#stopped !== undefined
  }

  /**
   * Sends everything, unless the signal, the deadline or lost replies stop it.
   *
   * @throws {NetlinkError} Nothing was sent, or nobody may change anything here (`EPERM`): nothing was changed.
   */
  async apply(): Promise<void> {
    const rows = this.#outcomes.length
    for (let from = 0; from < rows && this.#stopped === undefined; from += ROWS_PER_JOB) {
      this.#stopped = this.#reasonToStop()
      if (this.#stopped === undefined) await this.#send(from, Math.min(from + ROWS_PER_JOB, rows))
    }
  }

  #reasonToStop(): { readonly cause: unknown } | undefined {
    const { signal, end, operation } = this.#change
    if (signal?.aborted === true) return { cause: signal.reason }
    if (performance.now() < end) return undefined
    return { cause: new NetlinkError({ errno: ETIMEDOUT, operation, subject: 'the deadline passed between two system calls' }) }
  }

  async #send(from: number, to: number): Promise<void> {
    const { verb, operation, services, servers, end } = this.#change
    const deadlineMs = Math.max(1, end - performance.now())
    const request =
      servers === undefined
        ? { services: asNative(sliceRows(services, from, to)) }
        : { services: asNative(services), servers: asNative(sliceRows(servers, from, to)) }
    const outcome = await this.#socket.change({ verb, ...request, deadlineMs })
    if (outcome.failure !== undefined) {
      const cause = ipvsFailure(outcome.failure, operation)
      if (from === 0) throw cause
      this.#stopped = { cause }
      return
    }
    const report = outcome.value
    this.#systemCalls += report.systemCalls
    this.#outcomes.fill(ROW_APPLIED, from, from + report.unknownFrom)
    this.#outcomes.fill(ROW_UNKNOWN, from + report.unknownFrom, from + report.sent)
    if (report.stopped !== undefined) this.#stopped = { cause: failureError(report.stopped, { operation }) }
    await this.#takeErrors(report, from)
  }

  async #takeErrors({ errors }: NativeBatchReport, from: number): Promise<void> {
    const { operation, ensure } = this.#change
    const slices = new Slices()
    const complete = this.#change.servers === undefined && 'scheduler' in this.#change.services ? this.#change.services : undefined
    for (let row = 0; row < errors.rows; row += 1) {
      if (slices.isOver) await slices.turn()
      const index = from + ((errors.index as Uint32Array)[row] ?? 0)
      const errno = (errors.errno as Uint32Array)[row] ?? 0
      if (ensure && isAsWanted(this.#change, errno)) {
        this.#outcomes[index] = ROW_UNCHANGED
        continue
      }
      const hint = hintOf(this.#change, errno, complete, index, this.#server(index))
      // The kernel asks for CAP_NET_ADMIN at every message (genl_family_rcv_msg): nothing was changed, and nothing will be.
      if (errno === EPERM) throw new NetlinkError({ errno, operation, hint })
      const kernelMessage = (errors.messageTable as readonly string[])[(errors.message as Uint32Array)[row] ?? 0] ?? ''
      this.#outcomes[index] = ROW_REFUSED
      this.#refused.push(new NetlinkError({ errno, operation, index, subject: this.#subject(index), kernelMessage, hint }))
    }
  }

  #server(row: number): RefusedServer | undefined {
    const { services, servers } = this.#change
    if (servers === undefined) return undefined
    const address = servers.address.subarray(row * ADDRESS_WIDTH, (row + 1) * ADDRESS_WIDTH)
    return { family: servers.family[row] ?? 0, address, serviceFamily: services.family[servers.service[row] ?? 0] ?? 0 }
  }

  #subject(row: number): string {
    const { services, servers } = this.#change
    if (servers === undefined) return `service ${describeServiceRow(services, row)}`
    return `real server ${describeServerRow(servers, row)} of ${describeServiceRow(services, servers.service[row] ?? 0)}`
  }

  report(): ChangeReport {
    const counts = [0, 0, 0, 0, 0]
    for (const outcome of this.#outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1
    return {
      applied: counts[ROW_APPLIED] ?? 0,
      unchanged: counts[ROW_UNCHANGED] ?? 0,
      refused: this.#refused,
      unknown: counts[ROW_UNKNOWN] ?? 0,
      notSent: counts[ROW_NOT_SENT] ?? 0,
      ...(this.#stopped !== undefined && { stopped: this.#stopped.cause }),
      outcomes: this.#outcomes,
      systemCalls: this.#systemCalls
    }
  }

  /** The error to throw: of the one row there was, or of all with what became of each. */
  async error(): Promise<unknown> {
    const { operation, of } = this.#change
    const [first] = this.#refused
    if (this.#outcomes.length === 1) return this.#stopped === undefined ? first : this.#stopped.cause
    const { applied, unknown, notSent } = this.report()
    const counts = [`${this.#refused.length} refused`, `${applied} applied`]
    if (unknown > 0) counts.push(`${unknown} unknown`)
    if (notSent > 0) counts.push(`${notSent} not tried`)
    const cause = this.#stopped?.cause ?? first
    const why = cause instanceof Error ? `: ${cause.message}` : ''
    const what = of === 'service' ? 'services' : 'real servers'
    const outcome = { applied: await this.#subjects(ROW_APPLIED), undone: [], unknown: await this.#subjects(ROW_UNKNOWN) }
    return new TransactionError(
      `${operation}: of ${this.#outcomes.length} ${what} ${counts.join(', ')}${why}`,
      outcome,
      this.#refused,
      cause
    )
  }

  async #subjects(outcome: number): Promise<string[]> {
    const subjects: string[] = []
    const slices = new Slices()
    for (let row = 0; row < this.#outcomes.length; row += 1) {
      if (this.#outcomes[row] !== outcome) continue
      if (slices.isOver) await slices.turn()
      subjects.push(this.#subject(row))
    }
    return subjects
  }
}

/** Typed columns as the addon takes them. */
export function asNative(columns: { readonly rows: number }): NativeColumns {
  return columns
}
