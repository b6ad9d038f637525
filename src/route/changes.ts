/**
 * Changing many addresses: in pieces, with an exact account of every row.
 */
import { BulkRun, type RowRefusal, lateError, rowRefusals } from '../core/bulk-run.js'
import type { BulkReport } from '../core/bulk-run.js'
import { EADDRNOTAVAIL, EEXIST, EPERM } from '../core/errno.js'
import { NetlinkError } from '../core/errors.js'
import { failureError, PERMISSION_HINT, unwrapOutcome } from '../core/failures.js'
import { AF_INET, AF_INET6 } from '../core/protocols.js'
import type { NativeAddressReport, NativeColumns, NativeLinkReference, NativeRouteSocket } from '../native/index.js'
import { describeRow, isIPv6Row, lastsAsWanted, pickRows, pickSettings, sliceColumns } from './columns.js'

/** Rows of one job and system call: between two an abort and the deadline are noticed, and other users of the thread pool have their turn. */
const ROWS_PER_JOB = 2048

/** A change of addresses as it is asked for. */
export interface AddressChange {
  readonly verb: 'add' | 'delete'
  /** Names the call in errors: `route.addAddresses`. */
  readonly operation: string
  readonly link: NativeLinkReference
  readonly columns: NativeColumns
  readonly ensure: boolean
  readonly signal: AbortSignal | undefined
  /** `performance.now()` at which the call must be done. */
  readonly deadlineAt: number
}

/** Carries out a change and keeps its account. */
export class AddressRun {
  readonly #socket: NativeRouteSocket
  readonly #change: AddressChange
  readonly #run: BulkRun
  /** Rows that were on the link, and have the lifetimes now that were wanted: there is nothing to undo. */
  readonly #renewed = new Set<number>()

  constructor(socket: NativeRouteSocket, change: AddressChange) {
    this.#socket = socket
    this.#change = change
    const { operation, columns, signal, deadlineAt } = change
    this.#run = new BulkRun({
      operation,
      noun: 'addresses',
      rows: columns.rows,
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
   * @throws {NetlinkError} The link does not exist, or this process may change nothing here (`EPERM`): nothing was changed.
   */
  async apply(): Promise<void> {
    const { rows } = this.#change.columns
    let link = this.#change.link
    // At least one job, so that a link that does not exist is noticed even where there is nothing to do.
    for (let from = 0; from === 0 || from < rows; from += ROWS_PER_JOB) {
      if (this.#run.stopIfDue()) return
      const report = await this.#send(link, from, Math.min(from + ROWS_PER_JOB, rows))
      if (this.#run.hasStopped || report === undefined) return
      link = report.linkIndex
    }
    if (this.#change.verb === 'add' && this.#change.ensure) await this.#compareWithPresent(link)
  }

  /** The account. */
  report(): BulkReport {
    return this.#run.report()
  }

  /** The error to throw: of the one address there was, or of all with what became of each. */
  async error(undone?: AddressUndo): Promise<unknown> {
    if (undone === undefined) return await this.#run.error()
    const isUndone = (row: number): boolean => !undone.left.has(row) && !this.#renewed.has(row)
    return await this.#run.error({ isUndone, errors: undone.errors })
  }

  async #send(link: NativeLinkReference, from: number, to: number): Promise<NativeAddressReport | undefined> {
    const { verb, operation, columns } = this.#change
    const subject = `link ${link}`
    const piece = sliceColumns(columns, from, to)
    const outcome = await this.#socket.changeAddresses({ verb, link, columns: piece, deadlineMs: this.#run.leftMs })
    if (outcome.failure !== undefined) {
      const cause = failureError(outcome.failure, { operation, subject })
      if (from === 0) throw cause
      // The link has gone meanwhile, say: what was applied before is accounted for.
      this.#run.stop(cause)
      return undefined
    }
    await this.#run.take(outcome.value, (row) => from + row, subject)
    return outcome.value
  }

  #refusal(refusal: RowRefusal): NetlinkError | undefined {
    const { verb, operation, link, ensure, columns } = this.#change
    const { errno } = refusal
    if (ensure && errno === (verb === 'add' ? EEXIST : EADDRNOTAVAIL)) return undefined
    // The kernel asks for CAP_NET_ADMIN at every message (rtnetlink_rcv_msg): nothing was changed, and nothing will be.
    if (errno === EPERM)
      throw new NetlinkError({ errno, operation, subject: `${columns.rows} addresses on link ${link}`, hint: PERMISSION_HINT })
    return this.#errorOf(refusal)
  }

  #errorOf({ index, errno, kernelMessage, field }: RowRefusal): NetlinkError {
    return new NetlinkError({ errno, operation: this.#change.operation, subject: this.#subject(index), kernelMessage, field, index })
  }

  #subject(index: number): string {
    return `${describeRow(this.#change.columns, index)} on link ${this.#change.link}`
  }

  /** What is on the link under the addresses that were to be added may differ in what EEXIST does not tell: prefix length and lifetimes. */
  async #compareWithPresent(link: NativeLinkReference): Promise<void> {
    const { columns, operation } = this.#change
    const unchanged = this.#run.rowsOf('unchanged')
    if (unchanged.length === 0) return
    const families = new Set(unchanged.map((row) => isIPv6Row(columns, row)))
    const family = families.size > 1 ? 0 : families.has(true) ? AF_INET6 : AF_INET
    const listed = await this.#socket.listAddresses({ family, link, deadlineMs: this.#run.leftMs })
    const pieces = unwrapOutcome(listed, { operation, subject: `link ${link}` })
    const present = new Map(
      pieces.flatMap((piece) => Array.from({ length: piece.rows }, (_, row) => [describeRow(piece, row), { piece, row }] as const))
    )
    const outdated: number[] = []
    for (const row of unchanged) {
      const found = present.get(describeRow(columns, row))
      // EEXIST for IPv6 means the address, whatever its prefix length (ipv6_add_addr, net/ipv6/addrconf.c).
      if (found === undefined && isIPv6Row(columns, row)) this.#run.refuse(row, this.#errorOf(otherPrefix(row)))
      else if (found !== undefined && !lastsAsWanted(columns, row, found.piece, found.row)) outdated.push(row)
    }
    await this.#renew(link, outdated)
  }

  /** Gives addresses that are on the link the lifetimes that are wanted (inet_rtm_newaddr, inet6_rtm_newaddr with NLM_F_REPLACE). */
  async #renew(link: NativeLinkReference, rows: readonly number[]): Promise<void> {
    const { operation, columns } = this.#change
    const subject = `link ${link}`
    for (let from = 0; from < rows.length; from += ROWS_PER_JOB) {
      if (this.#run.stopIfDue()) return
      const piece = rows.slice(from, from + ROWS_PER_JOB)
      const request = { verb: 'replace', link, columns: pickSettings(columns, piece), deadlineMs: this.#run.leftMs } as const
      const report = unwrapOutcome(await this.#socket.changeAddresses(request), { operation, subject })
      await this.#run.take(report, (row) => piece[row] ?? 0, subject)
      for (const row of piece) this.#renewed.add(row)
      if (this.#run.hasStopped) return
    }
  }

  /**
   * Removes what was added, last first, so that a primary address goes after its secondaries. What may have been added stays: it may have been there before.
   *
   * @returns The rows that could not be removed.
   */
  async undo(deadlineAt: number): Promise<AddressUndo> {
    const { operation, link } = this.#change
    const rows = this.#run
      .rowsOf('applied')
      .filter((row) => !this.#renewed.has(row))
      .reverse()
    const left: number[] = []
    const errors: NetlinkError[] = []
    for (let from = 0; from < rows.length; from += ROWS_PER_JOB) {
      if (performance.now() >= deadlineAt) {
        left.push(...rows.slice(from))
        errors.push(lateError(operation))
        break
      }
      const piece = rows.slice(from, from + ROWS_PER_JOB)
      const columns = pickRows(this.#change.columns, piece)
      const deadlineMs = Math.max(1, deadlineAt - performance.now())
      const outcome = await this.#socket.changeAddresses({ verb: 'delete', link, columns, deadlineMs })
      if (outcome.failure !== undefined) {
        left.push(...rows.slice(from))
        errors.push(failureError(outcome.failure, { operation, subject: 'undoing' }))
        break
      }
      const { unknownFrom, stopped } = outcome.value
      for (const refusal of rowRefusals(outcome.value, (row) => piece[row] ?? 0)) {
        // EADDRNOTAVAIL: another process has removed it.
        if (refusal.errno === EADDRNOTAVAIL) continue
        left.push(refusal.index)
        errors.push(this.#errorOf(refusal))
      }
      if (stopped === undefined) continue
      left.push(...rows.slice(from + unknownFrom))
      errors.push(failureError(stopped, { operation, subject: 'undoing' }))
      break
    }
    return { left: new Set(left), errors }
  }
}

function otherPrefix(index: number): RowRefusal {
  return { index, errno: EEXIST, kernelMessage: 'the address is on the link with another prefix length', field: 'prefixLength' }
}

/** What undoing left. */
export interface AddressUndo {
  /** Rows that are, or may be, still there. */
  readonly left: ReadonlySet<number>
  readonly errors: readonly NetlinkError[]
}
