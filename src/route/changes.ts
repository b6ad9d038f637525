/**
 * Changing many addresses: in pieces, with an exact account of every row.
 */
import { EADDRNOTAVAIL, EEXIST, EPERM, ETIMEDOUT } from '../core/errno.js'
import { NetlinkError, TransactionError } from '../core/errors.js'
import { failureError, PERMISSION_HINT, unwrapOutcome } from '../core/failures.js'
import { AF_INET, AF_INET6 } from '../core/protocols.js'
import { Slices } from '../core/slices.js'
import { type NativeAddressReport, type NativeColumns, type NativeLinkReference, type NativeRouteSocket } from '../native/index.js'
import { describeRow, isIPv6Row, lastsAsWanted, pickRows, pickSettings, sliceColumns, symbolOf } from './columns.js'
import type { AddressReport } from './types.js'

// include/uapi/asm-generic/errno-base.h, errno.h

/** Rows of one job and system call: between two an abort and the deadline are noticed, and other users of the thread pool have their turn. */
const ROWS_PER_JOB = 2048

/** What became of a row. */
const NOT_SENT = 0
const APPLIED = 1
const REFUSED = 2
const UNCHANGED = 3
const UNKNOWN = 4
/** Was on the link, and has the lifetimes now that were wanted. Nothing to be undone: it was there before. */
const RENEWED = 5

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
  readonly end: number
}

/** Carries out a change and keeps its account. */
export class AddressRun {
  readonly #socket: NativeRouteSocket
  readonly #change: AddressChange
  readonly #states: Uint8Array
  readonly #refused: NetlinkError[] = []
  #systemCalls = 0
  /** Why it ended early. */
  #stopped: { readonly cause: unknown } | undefined

  constructor(socket: NativeRouteSocket, change: AddressChange) {
    this.#socket = socket
    this.#change = change
    this.#states = new Uint8Array(change.columns.rows)
  }

  get hasFailed(): boolean {
    return this.#refused.length > 0 || this.#stopped !== undefined
  }

  /** Whether it ended before every row had been tried. */
  get hasStopped(): boolean {
    return this.#stopped !== undefined
  }

  /**
   * Sends everything, unless the signal, the deadline or lost replies stop it.
   *
   * @throws {NetlinkError} The link does not exist, or nobody may change anything here (`EPERM`): nothing was changed.
   */
  async apply(): Promise<void> {
    const { rows } = this.#change.columns
    let link = this.#change.link
    // At least one job, so that a link that does not exist is noticed even where there is nothing to do.
    for (let from = 0; from === 0 || from < rows; from += ROWS_PER_JOB) {
      this.#stopped = this.#reasonToStop()
      if (this.#stopped !== undefined) return
      const report = await this.#send(link, from, Math.min(from + ROWS_PER_JOB, rows))
      if (this.hasStopped || report === undefined) return
      link = report.linkIndex
    }
    if (this.#change.verb === 'add' && this.#change.ensure) await this.#compareWithPresent(link)
  }

  #reasonToStop(): { readonly cause: unknown } | undefined {
    const { signal, end } = this.#change
    if (signal?.aborted === true) return { cause: signal.reason }
    return performance.now() < end ? undefined : { cause: this.#late() }
  }

  #late(): NetlinkError {
    return new NetlinkError({
      errno: ETIMEDOUT,
      operation: this.#change.operation,
      subject: 'the deadline passed between two system calls'
    })
  }

  async #send(link: NativeLinkReference, from: number, to: number): Promise<NativeAddressReport | undefined> {
    const { verb, operation, columns, end } = this.#change
    const context = { operation, subject: `link ${link}` }
    const deadlineMs = Math.max(1, end - performance.now())
    const outcome = await this.#socket.changeAddresses({ verb, link, columns: sliceColumns(columns, from, to), deadlineMs })
    if (outcome.failure !== undefined) {
      const cause = failureError(outcome.failure, context)
      if (from === 0) throw cause
      // The link has gone meanwhile, say: what was applied before is accounted for.
      this.#stopped = { cause }
      return undefined
    }
    const report = outcome.value
    this.#systemCalls += report.systemCalls
    this.#states.fill(APPLIED, from, from + report.unknownFrom)
    this.#states.fill(UNKNOWN, from + report.unknownFrom, from + report.sent)
    if (report.stopped !== undefined) this.#stopped = { cause: failureError(report.stopped, context) }
    await this.#takeErrors(report, from)
    return report
  }

  async #takeErrors({ errors }: NativeAddressReport, from: number): Promise<void> {
    const { verb, operation, link, ensure, columns } = this.#change
    const fine = ensure ? (verb === 'add' ? EEXIST : EADDRNOTAVAIL) : 0
    const slices = new Slices()
    for (let row = 0; row < errors.rows; row += 1) {
      if (slices.isOver) await slices.turn()
      const index = from + ((errors.index as Uint32Array)[row] ?? 0)
      const errno = (errors.errno as Uint32Array)[row] ?? 0
      if (errno === fine) {
        this.#states[index] = UNCHANGED
        continue
      }
      // The kernel asks for CAP_NET_ADMIN at every message (rtnetlink_rcv_msg): nothing was changed, and nothing will be.
      if (errno === EPERM)
        throw new NetlinkError({ errno, operation, subject: `${columns.rows} addresses on link ${link}`, hint: PERMISSION_HINT })
      const error = this.#errorOf(index, errno, symbolOf(errors, 'message', row), symbolOf(errors, 'field', row))
      this.#refuse(index, error)
    }
  }

  #refuse(index: number, error: NetlinkError): void {
    this.#states[index] = REFUSED
    this.#refused.push(error)
  }

  #errorOf(index: number, errno: number, kernelMessage: string | undefined, field: string | undefined): NetlinkError {
    return new NetlinkError({
      errno,
      operation: this.#change.operation,
      subject: this.#subject(index),
      kernelMessage,
      field,
      index
    })
  }

  #subject(index: number): string {
    return `${describeRow(this.#change.columns, index)} on link ${this.#change.link}`
  }

  /** What is on the link under the addresses that were to be added may differ in what EEXIST does not tell: prefix length and lifetimes. */
  async #compareWithPresent(link: NativeLinkReference): Promise<void> {
    const { columns, operation, end } = this.#change
    if (!this.#states.includes(UNCHANGED)) return
    const families = new Set(this.#rowsOf(UNCHANGED).map((row) => isIPv6Row(columns, row)))
    const family = families.size > 1 ? 0 : families.has(true) ? AF_INET6 : AF_INET
    const deadlineMs = Math.max(1, end - performance.now())
    const pieces = unwrapOutcome(await this.#socket.listAddresses({ family, link, deadlineMs }), { operation, subject: `link ${link}` })
    const present = new Map(
      pieces.flatMap((piece) => Array.from({ length: piece.rows }, (_, row) => [describeRow(piece, row), { piece, row }] as const))
    )
    const outdated: number[] = []
    for (const row of this.#rowsOf(UNCHANGED)) {
      const found = present.get(describeRow(columns, row))
      // EEXIST for IPv6 means the address, whatever its prefix length (ipv6_add_addr, net/ipv6/addrconf.c).
      if (found === undefined && isIPv6Row(columns, row))
        this.#refuse(row, this.#errorOf(row, EEXIST, 'the address is on the link with another prefix length', 'prefixLength'))
      else if (found !== undefined && !lastsAsWanted(columns, row, found.piece, found.row)) outdated.push(row)
    }
    await this.#renew(link, outdated)
  }

  /** Gives addresses that are on the link the lifetimes that are wanted (inet_rtm_newaddr, inet6_rtm_newaddr with NLM_F_REPLACE). */
  async #renew(link: NativeLinkReference, rows: readonly number[]): Promise<void> {
    const { operation, columns, end } = this.#change
    for (let from = 0; from < rows.length; from += ROWS_PER_JOB) {
      this.#stopped = this.#reasonToStop()
      if (this.#stopped !== undefined) return
      const piece = rows.slice(from, from + ROWS_PER_JOB)
      const request = {
        verb: 'replace',
        link,
        columns: pickSettings(columns, piece),
        deadlineMs: Math.max(1, end - performance.now())
      } as const
      const { errors, sent, unknownFrom, stopped, systemCalls } = unwrapOutcome(await this.#socket.changeAddresses(request), {
        operation,
        subject: `link ${link}`
      })
      this.#systemCalls += systemCalls
      for (const [place, row] of piece.entries()) if (place < sent) this.#states[row] = place < unknownFrom ? RENEWED : UNKNOWN
      for (let error = 0; error < errors.rows; error += 1) {
        const row = piece[(errors.index as Uint32Array)[error] ?? 0] ?? 0
        const errno = (errors.errno as Uint32Array)[error] ?? 0
        this.#refuse(row, this.#errorOf(row, errno, symbolOf(errors, 'message', error), symbolOf(errors, 'field', error)))
      }
      if (stopped === undefined) continue
      this.#stopped = { cause: failureError(stopped, { operation, subject: `link ${link}` }) }
      return
    }
  }

  #rowsOf(state: number): number[] {
    return [...this.#states.keys()].filter((row) => this.#states[row] === state)
  }

  /**
   * Removes what was added, last first, so that a primary address goes after its secondaries. What may have been added stays: it may have been there before.
   *
   * @returns The rows that could not be removed.
   */
  async undo(end: number): Promise<AddressUndo> {
    const rows = this.#rowsOf(APPLIED).reverse()
    const left: number[] = []
    const errors: NetlinkError[] = []
    for (let from = 0; from < rows.length; from += ROWS_PER_JOB) {
      if (performance.now() >= end) {
        left.push(...rows.slice(from))
        errors.push(this.#late())
        break
      }
      const piece = rows.slice(from, from + ROWS_PER_JOB)
      const columns = pickRows(this.#change.columns, piece)
      const deadlineMs = Math.max(1, end - performance.now())
      const outcome = await this.#socket.changeAddresses({ verb: 'delete', link: this.#change.link, columns, deadlineMs })
      if (outcome.failure !== undefined) {
        left.push(...rows.slice(from))
        errors.push(failureError(outcome.failure, { operation: this.#change.operation, subject: 'undoing' }))
        break
      }
      const { errors: refused, unknownFrom, stopped } = outcome.value
      for (let row = 0; row < refused.rows; row += 1) {
        const errno = (refused.errno as Uint32Array)[row] ?? 0
        const index = piece[(refused.index as Uint32Array)[row] ?? 0] ?? 0
        // EADDRNOTAVAIL: somebody else has removed it.
        if (errno === EADDRNOTAVAIL) continue
        left.push(index)
        errors.push(this.#errorOf(index, errno, symbolOf(refused, 'message', row), ''))
      }
      if (stopped === undefined) continue
      left.push(...rows.slice(from + unknownFrom))
      errors.push(failureError(stopped, { operation: this.#change.operation, subject: 'undoing' }))
      break
    }
    return { left: new Set(left), errors }
  }

  /** The account, where nothing stopped it. */
  report(): AddressReport {
    const count = (state: number): number => this.#states.reduce((sum, current) => (current === state ? sum + 1 : sum), 0)
    return {
      applied: count(APPLIED) + count(RENEWED),
      unchanged: count(UNCHANGED),
      refused: this.#sortedErrors(),
      systemCalls: this.#systemCalls
    }
  }

  #sortedErrors(): NetlinkError[] {
    return this.#refused.sort((a, b) => (a.index ?? 0) - (b.index ?? 0))
  }

  /** The error to throw: of the one address there was, or of all with what became of each. */
  async error(undone?: AddressUndo): Promise<NetlinkError | TransactionError> {
    const { columns, operation } = this.#change
    const errors = this.#sortedErrors()
    const [first] = errors
    if (columns.rows === 1 && first !== undefined && this.#stopped === undefined) return first
    const isUndone = (row: number): boolean => undone !== undefined && !undone.left.has(row)
    const outcome = {
      applied: await this.#subjects((row) => this.#states[row] === RENEWED || (this.#states[row] === APPLIED && !isUndone(row))),
      undone: await this.#subjects((row) => this.#states[row] === APPLIED && isUndone(row)),
      unknown: await this.#subjects((row) => this.#states[row] === UNKNOWN)
    }
    const notSent = this.#states.reduce((sum, state) => (state === NOT_SENT ? sum + 1 : sum), 0)
    const counts = [
      `${errors.length} refused`,
      `${outcome.applied.length} applied`,
      ...(undone === undefined ? [] : [`${outcome.undone.length} undone`]),
      ...(outcome.unknown.length === 0 ? [] : [`${outcome.unknown.length} unknown`]),
      ...(notSent === 0 ? [] : [`${notSent} not tried`])
    ]
    const cause = this.#stopped?.cause ?? first
    const why = cause instanceof Error ? `: ${cause.message}` : ''
    const message = `${operation}: of ${columns.rows} addresses ${counts.join(', ')}${why}`
    return new TransactionError(message, outcome, [...errors, ...(undone?.errors ?? [])], cause)
  }

  async #subjects(isWanted: (row: number) => boolean): Promise<string[]> {
    const subjects: string[] = []
    const slices = new Slices()
    for (let row = 0; row < this.#states.length; row += 1) {
      if (!isWanted(row)) continue
      if (slices.isOver) await slices.turn()
      subjects.push(this.#subject(row))
    }
    return subjects
  }
}

/** What undoing left. */
export interface AddressUndo {
  /** Rows that are, or may be, still there. */
  readonly left: ReadonlySet<number>
  readonly errors: readonly NetlinkError[]
}
