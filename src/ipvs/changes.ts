/**
 * Changing many services or real servers: in pieces, with an exact account of every row.
 */
import { BulkRun, type BulkReport, type RowRefusal } from '../core/bulk-run.js'
import { asNative } from '../core/columns.js'
import { EPERM } from '../core/errno.js'
import { NetlinkError } from '../core/errors.js'
import type { NativeIpvsSocket } from '../native/index.js'
import { ADDRESS_WIDTH, sliceRows } from './column-forms.js'
import type { RealServerKeyColumns, ServiceColumns, ServiceKeyColumns } from './column-types.js'
import { describeServiceRow } from './keys.js'
import { hintOf, ipvsFailure, isAsWanted, type ChangeKind, type RefusedServer } from './refusals.js'
import { describeServerRow } from './server-rows.js'

/**
 * Rows of one job: between two an abort and the deadline are noticed, and other users of the thread pool have their turn. The columns of so many are copied into
 * memory that the allocator has at hand; larger ones it asks the system for, which is a page fault for every 4 KiB.
 */
const ROWS_PER_JOB = 2048

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
  readonly deadlineAt: number
}

/** Real servers [from, to), with no more of the services than lie between the first and the last of theirs. */
function cut(services: ServiceKeyColumns, servers: RealServerKeyColumns, from: number, to: number) {
  const rows = sliceRows(servers, from, to)
  let first = services.rows
  let end = 0
  for (const service of rows.service) {
    first = Math.min(first, service)
    end = Math.max(end, service + 1)
  }
  if (first === 0) return { services: asNative(end === services.rows ? services : sliceRows(services, 0, end)), servers: asNative(rows) }
  const moved: RealServerKeyColumns = { ...rows, service: rows.service.map((service) => service - first) }
  return { services: asNative(sliceRows(services, first, end)), servers: asNative(moved) }
}

/** Carries out a change and keeps its account. */
export class ChangeRun {
  readonly #socket: NativeIpvsSocket
  readonly #change: Change
  readonly #run: BulkRun

  constructor(socket: NativeIpvsSocket, change: Change) {
    this.#socket = socket
    this.#change = change
    const { operation, of, signal, deadlineAt } = change
    this.#run = new BulkRun({
      operation,
      noun: of === 'service' ? 'services' : 'real servers',
      rows: (change.servers ?? change.services).rows,
      signal,
      deadlineAt,
      subject: (row) => this.#subject(row),
      refusal: (refusal) => this.#refusal(refusal)
    })
  }

  get hasFailed(): boolean {
    return this.#run.hasFailed
  }

  /**
   * Sends everything, unless the signal, the deadline or lost replies stop it.
   *
   * @throws {NetlinkError} Nothing was sent, or this process may change nothing here (`EPERM`): nothing was changed.
   */
  async apply(): Promise<void> {
    const { servers, services } = this.#change
    const { rows } = servers ?? services
    for (let from = 0; from < rows && !this.#run.stopIfDue(); from += ROWS_PER_JOB) {
      await this.#send(from, Math.min(from + ROWS_PER_JOB, rows))
      if (this.#run.hasStopped) return
    }
  }

  report(): BulkReport {
    return this.#run.report()
  }

  /** The error to throw: of the one row there was, or of all with what became of each. */
  async error(): Promise<unknown> {
    return await this.#run.error()
  }

  async #send(from: number, to: number): Promise<void> {
    const { verb, operation, services, servers } = this.#change
    const request = servers === undefined ? { services: asNative(sliceRows(services, from, to)) } : cut(services, servers, from, to)
    const outcome = await this.#socket.change({ verb, ...request, deadlineMs: this.#run.leftMs })
    if (outcome.failure !== undefined) {
      const cause = ipvsFailure(outcome.failure, operation)
      if (from === 0) throw cause
      return this.#run.stop(cause)
    }
    await this.#run.take(outcome.value, (row) => from + row)
  }

  #refusal({ index, errno, kernelMessage }: RowRefusal): NetlinkError | undefined {
    const { operation, ensure, services, servers } = this.#change
    if (ensure && isAsWanted(this.#change, errno)) return undefined
    const complete = servers === undefined && 'scheduler' in services ? services : undefined
    const hint = hintOf(this.#change, errno, complete, index, this.#server(index))
    // The kernel asks for CAP_NET_ADMIN at every message (genl_family_rcv_msg): nothing was changed, and nothing will be.
    if (errno === EPERM) throw new NetlinkError({ errno, operation, hint })
    return new NetlinkError({ errno, operation, index, subject: this.#subject(index), kernelMessage, hint })
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
}
