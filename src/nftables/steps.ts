/**
 * Work on nf_tables in steps: as many in each transaction as one message may hold. A socket without CAP_NET_ADMIN in the initial user namespace sends 400 KiB at most in one message.
 */
import { NetlinkError } from '../core/errors.js'
import { Slices } from '../core/slices.js'
import type { Nftables } from './client.js'
import type { ElementColumns } from './columns.js'
import { ElementBuffer } from './element-buffer.js'
import { boundOf, type TransactionBound } from './pace.js'
import type { Transaction } from './transaction.js'
import {
  echoOf,
  whenQueued,
  type NameReference,
  type CommitOptions,
  type CommitReport,
  type OrderedCommitOptions
} from './transaction-types.js'

/** Names of who has an element, by row; of operations that add elements, by their index. */
export type Owners = ReadonlyMap<number, readonly (string | undefined)[]>

/** Something that must be in one transaction. */
export interface Step {
  /** Bytes that it adds to the message, about. */
  readonly bytes: number
  /** Queues operations. */
  readonly queue: (tx: Transaction) => void
  /** Instead of `queue`, of elements that belong to somebody. */
  readonly queueOwned?: ((tx: Transaction) => Owners) | undefined
  /** The kernel is to say the handles of what is made. */
  readonly echo?: boolean | undefined
  /** The same in two steps, where that is possible. */
  readonly halves?: (() => readonly [Step, Step]) | undefined
  /** Whether it makes no difference to packets that the halves are two transactions: then it is halved to keep others from waiting, too. */
  readonly isDivisible?: boolean | undefined
  /** What comes about with it, of what {@link StepHooks.advanced} counts; default 0. */
  readonly advance?: number | undefined
  /** It is committed; `index` is that of its first operation. */
  readonly done?: ((report: CommitReport, index: number) => void) | undefined
}

/** Rows that are handed over in one go: the event loop turns in between. */
const ROWS_PER_OPERATION = 16_384

/** No kernel grants a socket less: a message of this size can be sent always. */
const MIN_MESSAGE_BYTES = 2048

function slice(buffer: ElementBuffer, from: number, to: number): ElementBuffer {
  const part = new ElementBuffer(buffer.keyWidth, buffer.dataWidth, Math.max(to - from, 1), buffer.isRange)
  for (let row = from; row < to; row++) {
    const userdata = buffer.userdataAt(row)
    part.push(buffer.keyAt(row), buffer.dataWidth === 0 ? undefined : buffer.dataAt(row), userdata.length === 0 ? undefined : userdata)
  }
  return part
}

/** Messages of like size differ by the elements of a service. */
const ABOUT = 9 / 8

/** A buffer in pieces of which each is handed over in one go; as it is where it is small. */
function* pieces(
  buffer: ElementBuffer
): Generator<{ readonly from: number; readonly to: number; readonly rows: ElementBuffer | ElementColumns }> {
  for (let from = 0; from < buffer.rows; from += ROWS_PER_OPERATION) {
    const to = Math.min(from + ROWS_PER_OPERATION, buffer.rows)
    yield { from, to, rows: to - from === buffer.rows ? buffer : buffer.columns(from, to) }
  }
}

/** Elements of one set to delete and to add. What is deleted to be added again stands in the order of the additions. */
export interface ElementRows {
  readonly remove: ElementBuffer
  readonly add: ElementBuffer
  /** Names of who has an element, by row of `add`. */
  readonly owners: readonly (string | undefined)[]
}

/**
 * Deletes and adds elements of a set that no other process changes. What is deleted to be added again stays in one step with it.
 *
 * @param rowBytes Bytes of one element in a message, about.
 */
export function elementsStep(target: NameReference, rows: ElementRows, rowBytes: number): Step {
  const { remove, add, owners } = rows
  const count = remove.rows + add.rows
  return {
    bytes: 200 + count * rowBytes,
    queue: () => undefined,
    queueOwned: (tx) => {
      for (const { rows: part } of pieces(remove)) tx.delete.elements(target, part, { exclusive: true })
      const added = new Map<number, readonly (string | undefined)[]>()
      for (const { from, to, rows: part } of pieces(add)) {
        added.set(tx.size, to - from === add.rows ? owners : owners.slice(from, to))
        tx.add.elements(target, part, { exclusive: true })
      }
      return added
    },
    isDivisible: true,
    halves: count < 2 || add.rows === 1 ? undefined : () => halve(rows).map((half) => elementsStep(target, half, rowBytes)) as [Step, Step]
  }
}

function halve({ remove, add, owners }: ElementRows): [ElementRows, ElementRows] {
  const middle = add.rows >> 1
  let split = add.rows === 0 ? remove.rows >> 1 : 0
  for (let row = 0; row < middle && split < remove.rows; row++) if (remove.hasKey(split, add.keyAt(row))) split++
  const part = (from: number, to: number, first: number, last: number): ElementRows => ({
    remove: slice(remove, first, last),
    add: slice(add, from, to),
    owners: owners.slice(from, to)
  })
  return [part(0, middle, 0, split), part(middle, add.rows, split, remove.rows)]
}

/** Steps that must be in one transaction together, in their order. */
export function joined(steps: readonly Step[]): Step {
  let first: number[] = []
  return {
    bytes: bytesOf(steps),
    echo: steps.some(({ echo }) => echo === true),
    queue: () => undefined,
    queueOwned: (tx) => {
      first = []
      const owners = new Map<number, readonly (string | undefined)[]>()
      for (const step of steps) {
        first.push(tx.size)
        for (const [index, names] of queued(step, tx)) owners.set(index, names)
      }
      return owners
    },
    done: (report) => {
      for (const [index, { done }] of steps.entries()) done?.(report, first[index]!)
    }
  }
}

const NO_OWNERS: Owners = new Map()

/** Of which operations the kernel is to say the handles: what it says takes the main thread's time. @param first The first operation of each step. */
function echoes(batch: readonly Step[], first: readonly number[], operations: number): Pick<OrderedCommitOptions, 'echo' | typeof echoOf> {
  if (!batch.some(({ echo }) => echo === true)) return { echo: false }
  const isAsked = new Uint8Array(operations)
  for (const [index, { echo }] of batch.entries()) if (echo === true) isAsked.fill(1, first[index], first[index + 1])
  return { echo: true, [echoOf]: (index) => isAsked[index] === 1 }
}

/** Queues what a step does. */
function queued({ queue, queueOwned }: Step, tx: Transaction): Owners {
  if (queueOwned !== undefined) return queueOwned(tx)
  queue(tx)
  return NO_OWNERS
}

/** What happens around each transaction. */
export interface StepHooks {
  /** Before it is put together; may throw. */
  readonly before: () => void
  /** Asked once for each transaction, in the order in which they are sent; `ended` is called for each. */
  readonly options: () => CommitOptions
  readonly ended?: (() => void) | undefined
  readonly committed: (report: CommitReport) => void
  /** Behind `committed`, where steps of the transaction say it. */
  readonly advanced?: ((advance: number) => void) | undefined
  /** The error to throw for a refusal. */
  readonly refused: (error: NetlinkError, owners: Owners) => unknown
}

const advanceOf = (steps: readonly Step[]): number => steps.reduce((sum, { advance = 0 }) => sum + advance, 0)

/** Bytes of steps together, about. */
export const bytesOf = (steps: readonly Step[]): number => steps.reduce((sum, { bytes }) => sum + bytes, 0)

/** Commits steps, in their order, in as few transactions as can be sent. */
export class StepWriter {
  readonly #nft: Nftables
  readonly #hooks: StepHooks
  /** Most bytes of a message, as far as is known: what is larger than the socket's buffer is refused before it is sent. */
  maxBytes = Infinity
  /** Bytes of the largest message that was sent, about. */
  #sentBytes = 0
  /** Ends when the transaction before stands in the client's queue. */
  #queued: Promise<void> = Promise.resolve()
  readonly #bound: TransactionBound

  /** @param bound Of transactions; default: they are as large as one message may be. */
  constructor(nft: Nftables, hooks: StepHooks, bound = boundOf(Infinity)) {
    this.#nft = nft
    this.#hooks = hooks
    this.#bound = bound
  }

  /** Whether these steps are one message that the socket very likely takes: one about as large went through before. */
  isOneMessage(steps: readonly Step[]): boolean {
    return bytesOf(steps) <= Math.min(this.#sentBytes * ABOUT, this.maxBytes, this.#bound.maxBytes)
  }

  /**
   * @param isWhole Whether all is to be one transaction where one message can hold it, whatever the bound.
   * @throws {NetlinkError} What was committed before stays. `EMSGSIZE`: a step that cannot be made smaller does not fit.
   */
  async write(steps: readonly Step[], isWhole = false): Promise<void> {
    let rest = [...steps]
    while (rest.length > 0) {
      const bound = isWhole ? Infinity : this.#bound.maxBytes
      rest = this.#splitFirst(rest, bound)
      const count = this.#fitting(rest, bound)
      const batch = rest.slice(0, count)
      this.#hooks.before()
      try {
        await this.#commit(batch)
        rest = rest.slice(count)
      } catch (error) {
        if (!(error instanceof NetlinkError) || error.code !== 'EMSGSIZE') throw error
        rest = [...this.#smaller(batch, error), ...rest.slice(count)]
      }
    }
  }

  /** What is known to be too large is not even tried. */
  #splitFirst(steps: Step[], bound: number): Step[] {
    let [first, ...rest] = steps as [Step, ...Step[]]
    for (let halves = first.halves; halves !== undefined && first.bytes > this.#most(first, bound); halves = first.halves) {
      const [left, right] = halves()
      rest = [{ ...right, advance: first.advance }, ...rest]
      first = left
    }
    return first === steps[0] ? steps : [first, ...rest]
  }

  /** Bytes of a step at most. */
  #most({ isDivisible = false }: Step, bound: number): number {
    return isDivisible ? Math.min(this.maxBytes, bound) : this.maxBytes
  }

  /** How many steps fit one message; one at least. */
  #fitting(steps: readonly Step[], bound: number): number {
    let bytes = 0
    const most = Math.min(this.maxBytes, bound)
    const index = steps.findIndex((step) => (bytes += step.bytes) > most)
    return index < 0 ? steps.length : Math.max(index, 1)
  }

  /** After a message that was too large: smaller ones from now on. */
  #smaller(batch: readonly Step[], error: NetlinkError): readonly Step[] {
    this.maxBytes = Math.max(MIN_MESSAGE_BYTES, Math.min(this.maxBytes, bytesOf(batch)) / 2)
    if (batch.length > 1) return batch
    const halves = batch[0]!.halves?.()
    if (halves === undefined) throw error
    return [halves[0], { ...halves[1], advance: batch[0]!.advance }]
  }

  async #commit(batch: readonly Step[]): Promise<void> {
    const tx = this.#nft.transaction()
    const first: number[] = []
    const owners = new Map<number, readonly (string | undefined)[]>()
    const slices = new Slices()
    for (const step of batch) {
      first.push(tx.size)
      for (const [index, names] of queued(step, tx)) owners.set(index, names)
      if (slices.isOver) await slices.turn()
    }
    if (tx.size === 0) return
    let report: CommitReport
    try {
      report = await this.#send(tx, batch, first)
    } catch (error) {
      throw error instanceof NetlinkError && error.code !== 'EMSGSIZE' ? this.#hooks.refused(error, owners) : error
    }
    this.#sentBytes = Math.max(this.#sentBytes, bytesOf(batch))
    for (const [index, step] of batch.entries()) step.done?.(report, first[index]!)
    const advance = advanceOf(batch)
    if (advance > 0) this.#hooks.advanced?.(advance)
  }

  /** Sends a transaction behind the one before, which may be under way. */
  async #send(tx: Transaction, batch: readonly Step[], first: readonly number[]): Promise<CommitReport> {
    const before = this.#queued
    let leave = (): void => undefined
    this.#queued = new Promise((resolve) => (leave = () => resolve()))
    await before
    const options: OrderedCommitOptions = { ...this.#hooks.options(), ...echoes(batch, first, tx.size), [whenQueued]: leave }
    const sentAt = performance.now()
    try {
      const report = await tx.commit(options)
      // At once: what is sent next builds on it.
      this.#hooks.committed(report)
      this.#bound.ended(bytesOf(batch), sentAt)
      return report
    } finally {
      this.#hooks.ended?.()
      leave()
    }
  }
}
