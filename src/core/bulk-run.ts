/**
 * Many changes of one kind in few system calls: what became of each, and how it is told. Every client's bulk calls are made of it.
 */
import type { NativeBatchReport } from '../native/index.js'
import { ETIMEDOUT } from './errno.js'
import { NetlinkError, TransactionError, ValidationError } from './errors.js'
import { failureError } from './failures.js'
import { requireEnsure, type CallOptions } from './options.js'
import { Slices } from './slices.js'

/**
 * What became of one row. `applied`: the kernel did it. `unchanged`: it was as wanted already (option `ensure`). `refused`: one of {@link BulkReport.refused} says why.
 * `unknown`: it was sent, and the reply was lost. `not-sent`: the call ended before.
 */
export type RowOutcome = 'applied' | 'unchanged' | 'refused' | 'unknown' | 'not-sent'

/** What became of every row that was given. The counts add up to the number of rows. */
export interface BulkReport {
  readonly applied: number
  /** Rows that were as wanted already (option `ensure`). */
  readonly unchanged: number
  /** One error for each row refused: `index` is the row, `subject` names it. Ascending. */
  readonly refused: readonly NetlinkError[]
  /** Rows of which it is not known: their replies were lost. */
  readonly unknown: number
  /** Rows that were not sent, because `stopped`. */
  readonly notSent: number
  /** Why the call ended early or why something is unknown: the signal's reason, the deadline, lost replies. */
  readonly stopped?: unknown
  /** By row. */
  readonly outcomes: readonly RowOutcome[]
  /** System calls that sent something. */
  readonly systemCalls: number
}

/** Options of every bulk call. */
export interface BulkOptions extends CallOptions {
  /** Takes for done what is as wanted: adding what exists, removing what does not. It counts as `unchanged`. Default false. */
  readonly ensure?: boolean | undefined
  /**
   * What happens when the kernel refuses a row. All others are tried in either case. `throw` (default): then the promise rejects. `isolate`: the report says
   * everything, also why it stopped early, and once anything has been sent the promise does not reject.
   */
  readonly onError?: 'throw' | 'isolate' | undefined
}

/** Checks the options of a bulk call. @throws {ValidationError} */
export function requireBulkOptions<OnError extends string>(
  options: CallOptions & { readonly ensure?: boolean | undefined; readonly onError?: OnError | undefined },
  allowed: readonly string[] = ['throw', 'isolate']
): { readonly onError: OnError | 'throw'; readonly ensure: boolean; readonly signal: AbortSignal | undefined } {
  const ensure = requireEnsure(options)
  const { onError = 'throw', signal } = options
  if (!allowed.includes(onError)) throw new ValidationError('options.onError', onError, allowed.map((name) => `'${name}'`).join(', '))
  return { onError, ensure, signal }
}

/** One row that the kernel refused. */
export interface RowRefusal {
  readonly index: number
  readonly errno: number
  readonly kernelMessage: string
  readonly field: string
}

/** What a bulk call is about. */
export interface BulkForm {
  /** Names the call in errors: `ipvs.addServices`. */
  readonly operation: string
  /** Many of what is changed: `real servers`. */
  readonly noun: string
  readonly rows: number
  readonly signal: AbortSignal | undefined
  /** `performance.now()` at which the call must be done. */
  readonly deadlineAt: number
  /** Names a row in errors. */
  readonly subject: (row: number) => string
  /** The error for a refused row; undefined: it is as wanted. May throw what refuses all. */
  readonly refusal: (refusal: RowRefusal) => NetlinkError | undefined
}

/** Which rows were undone, and what went wrong in undoing. */
export interface Undone {
  readonly isUndone: (row: number) => boolean
  readonly errors: readonly NetlinkError[]
}

/** The error for a deadline that passed between two system calls. */
export function lateError(operation: string): NetlinkError {
  return new NetlinkError({ errno: ETIMEDOUT, operation, subject: 'the deadline passed between two system calls' })
}

/** Why a call must send no more: its signal, or its deadline. */
export function reasonToStop(call: Pick<BulkForm, 'operation' | 'signal' | 'deadlineAt'>): { readonly cause: unknown } | undefined {
  if (call.signal?.aborted === true) return { cause: call.signal.reason }
  return performance.now() < call.deadlineAt ? undefined : { cause: lateError(call.operation) }
}

/** The account of one bulk call. */
export class BulkRun {
  readonly outcomes: RowOutcome[]
  systemCalls = 0
  readonly #form: BulkForm
  readonly #refused: NetlinkError[] = []
  #stopped: { readonly cause: unknown } | undefined

  constructor(form: BulkForm) {
    this.#form = form
    this.outcomes = new Array<RowOutcome>(form.rows).fill('not-sent')
  }

  get hasStopped(): boolean {
    return this.#stopped !== undefined
  }

  get hasFailed(): boolean {
    return this.hasStopped || this.#refused.length > 0
  }

  /** Milliseconds until the deadline, at least 1. */
  get leftMs(): number {
    return Math.max(1, this.#form.deadlineAt - performance.now())
  }

  /** Ends the call early, if the signal or the deadline says so. Returns whether it has ended. */
  stopIfDue(): boolean {
    this.#stopped ??= reasonToStop(this.#form)
    return this.hasStopped
  }

  /** The call has ended early. */
  stop(cause: unknown): void {
    this.#stopped = { cause }
  }

  /**
   * Takes what the native side says of some rows.
   *
   * @param rowOf The row of this call that a row of the report is.
   */
  async take(report: NativeBatchReport, rowOf: (row: number) => number, subject?: string): Promise<void> {
    const { sent, unknownFrom, stopped, systemCalls } = report
    this.systemCalls += systemCalls
    for (let row = 0; row < sent; row++) this.outcomes[rowOf(row)] = row < unknownFrom ? 'applied' : 'unknown'
    if (stopped !== undefined) this.stop(failureError(stopped, { operation: this.#form.operation, subject }))
    const slices = new Slices()
    for (const refusal of rowRefusals(report, rowOf)) {
      if (slices.isOver) await slices.turn()
      const error = this.#form.refusal(refusal)
      if (error === undefined) this.outcomes[refusal.index] = 'unchanged'
      else this.refuse(refusal.index, error)
    }
  }

  refuse(row: number, error: NetlinkError): void {
    this.outcomes[row] = 'refused'
    this.#refused.push(error)
  }

  /** The rows of an outcome, ascending. */
  rowsOf(outcome: RowOutcome): number[] {
    return [...this.outcomes.keys()].filter((row) => this.outcomes[row] === outcome)
  }

  report(): BulkReport {
    const counts: Record<RowOutcome, number> = { applied: 0, unchanged: 0, refused: 0, unknown: 0, 'not-sent': 0 }
    for (const outcome of this.outcomes) counts[outcome]++
    return {
      applied: counts.applied,
      unchanged: counts.unchanged,
      refused: this.#sortedRefusals(),
      unknown: counts.unknown,
      notSent: counts['not-sent'],
      ...(this.#stopped !== undefined && { stopped: this.#stopped.cause }),
      outcomes: this.outcomes,
      systemCalls: this.systemCalls
    }
  }

  /** The error to throw: of the one row there was, or of all with what became of each. */
  async error(undone?: Undone): Promise<unknown> {
    const { operation, noun, rows } = this.#form
    const errors = this.#sortedRefusals()
    const [first] = errors
    if (rows === 1 && undone === undefined) return this.#stopped === undefined ? first : this.#stopped.cause
    if (rows === 1 && first !== undefined) return first
    const isUndone = (row: number): boolean => undone?.isUndone(row) === true
    const outcome = {
      applied: await this.#subjects((row) => this.outcomes[row] === 'applied' && !isUndone(row)),
      undone: await this.#subjects((row) => this.outcomes[row] === 'applied' && isUndone(row)),
      unknown: await this.#subjects((row) => this.outcomes[row] === 'unknown')
    }
    const notSent = this.report().notSent
    const counts = [
      `${errors.length} refused`,
      `${outcome.applied.length} applied`,
      ...(undone === undefined ? [] : [`${outcome.undone.length} undone`]),
      ...(outcome.unknown.length === 0 ? [] : [`${outcome.unknown.length} unknown`]),
      ...(notSent === 0 ? [] : [`${notSent} not tried`])
    ]
    const cause = this.#stopped?.cause ?? first
    const why = cause instanceof Error ? `: ${cause.message}` : ''
    const message = `${operation}: of ${rows} ${noun} ${counts.join(', ')}${why}`
    return new TransactionError(message, outcome, [...errors, ...(undone?.errors ?? [])], cause)
  }

  #sortedRefusals(): NetlinkError[] {
    return this.#refused.sort((a, b) => (a.index ?? 0) - (b.index ?? 0))
  }

  async #subjects(isWanted: (row: number) => boolean): Promise<string[]> {
    const subjects: string[] = []
    const slices = new Slices()
    for (let row = 0; row < this.outcomes.length; row++) {
      if (!isWanted(row)) continue
      if (slices.isOver) await slices.turn()
      subjects.push(this.#form.subject(row))
    }
    return subjects
  }
}

/** The refusals of a report, a row each. */
export function* rowRefusals({ errors }: Pick<NativeBatchReport, 'errors'>, rowOf: (row: number) => number): Generator<RowRefusal> {
  const symbol = (name: string, at: number): string =>
    (errors[`${name}Table`] as readonly string[] | undefined)?.[(errors[name] as Uint32Array | undefined)?.[at] ?? 0] ?? ''
  for (let at = 0; at < errors.rows; at++) {
    const index = rowOf((errors['index'] as Uint32Array)[at] ?? 0)
    const errno = (errors['errno'] as Uint32Array)[at] ?? 0
    yield { index, errno, kernelMessage: symbol('message', at), field: symbol('field', at) }
  }
}
