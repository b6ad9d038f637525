/**
 * How a transaction is sent: its ranges are checked, its operations handed to the native side, and what the kernel refuses is told in the caller's words.
 */
import { asNative } from '../core/columns.js'
import { ENOENT, ERESTART } from '../core/errno.js'
import { locate, ValidationError } from '../core/errors.js'
import { failureError, invalidError } from '../core/failures.js'
import { Slices } from '../core/slices.js'
import type { NativeBatch, NativeCommitRequest, NativeCommitResult, NativeItemError, NativeListing } from '../native/index.js'
import { fromNative } from './columns.js'
import type { ElementColumns } from './columns.js'
import { placeOf } from './describe.js'
import { IntervalChecks, type Reading, type ReadSet, type ReadSets, type SentElements } from './intervals/checks.js'
import { intervalOperation, type IntervalOperation } from './intervals/operations.js'
import { isUnstated, knownSet, type UnstatedOperation } from './intervals/unstated.js'
import {
  echoOf,
  whenQueued,
  type CommitOptions,
  type CommitReport,
  type OrderedCommitOptions,
  type QueuedOperation,
  type TransactionHost
} from './transaction-types.js'
import { readListed } from './wire/operation.js'

/** How often a transaction that depends on what it read is begun again after another process committed. */
export const MAX_READS = 16

/** A fault of the caller's object, with where it stands in the transaction. */
export function locateOperation(place: string, object: unknown, error: unknown): unknown {
  if (error instanceof ValidationError) return locate(error, `${place}.`)
  if (error instanceof TypeError || error instanceof RangeError) return malformed(place, object, error)
  // Functions, proxies and the like.
  if (error instanceof DOMException && error.name === 'DataCloneError')
    return new ValidationError(place, object, 'plain data, which can be copied')
  return error
}

/** A part that was read is nothing that has such parts: a hole in a list, a number for a list, an object that the rule builder did not make. */
function malformed(place: string, object: unknown, cause: Error): ValidationError {
  const error = new ValidationError(place, object, 'what its type describes')
  return Object.defineProperty(error, 'cause', { value: cause })
}

/** Where the run ends that an operation begins: behind the last whose bytes follow those before, and which is echoed as they are. */
function endOfRun(operations: readonly QueuedOperation[], from: number, isEchoed: (index: number) => boolean): number {
  let { wire } = operations[from]!
  const echoes = isEchoed(from)
  let index = from + 1
  for (; index < operations.length; index++) {
    const queued = operations[index]!
    if (queued.kind === 'elements' || queued.wire.bytes !== wire.bytes || queued.wire.from !== wire.to || isEchoed(index) !== echoes) break
    wire = queued.wire
  }
  return index
}

/** Which operations the kernel is asked to say the handles of. */
export const echoedBy = ({ echo, [echoOf]: isAsked = () => true }: OrderedCommitOptions): ((index: number) => boolean) =>
  echo === true ? isAsked : () => false

/**
 * Hands operations to the native side, which copies them: those whose bytes lie next to each other at once. Yields after each run of them.
 *
 * @param columnsOf The elements of an operation, by its index.
 * @param isEchoed Whether the kernel is asked to say the handle of what an operation makes, by its index.
 * @throws {ValidationError}
 */
export function* handOver(
  batch: NativeBatch,
  operations: readonly QueuedOperation[],
  columnsOf: (index: number) => ElementColumns | undefined,
  isEchoed: (index: number) => boolean
): Generator<void> {
  for (let index = 0; index < operations.length;) {
    const first = operations[index]!
    const next = first.kind === 'elements' ? index + 1 : endOfRun(operations, index, isEchoed)
    const run = first.wire.bytes.subarray(first.wire.from, operations[next - 1]!.wire.to)
    const columns = columnsOf(index)
    const refused = first.kind === 'elements' ? batch.addElements(run, columns && asNative(columns)) : batch.add(run, isEchoed(index))
    if (refused !== undefined) {
      const at = index + (refused.index ?? 0)
      throw invalidError(placeOf(operations[at]!, at), refused)
    }
    index = next
    yield
  }
}

/** What the native side is told of a commit. */
export function commitRequest({ record }: CommitOptions, deadlineMs: number, generation: number | undefined): NativeCommitRequest {
  return { deadlineMs, ...(generation === undefined ? {} : { generation }), ...(record === true ? { record: true } : {}) }
}

/** What a commit did, in the caller's words. @param operations How many there were. */
export function commitReport(result: NativeCommitResult, operations: number): CommitReport {
  const { generation, bytes, systemCalls, echoes, datagram } = result
  const handles = echoes.flatMap(({ index, value }) => (typeof value['handle'] === 'bigint' ? [[index, value['handle']] as const] : []))
  return { generation, operations, bytes, systemCalls, handles: new Map(handles), datagram }
}

/** One sending of a transaction. */
export class Sending {
  readonly #host: TransactionHost
  readonly #operations: readonly QueuedOperation[]
  readonly #operation: string
  readonly #options: OrderedCommitOptions
  readonly #dryRun: boolean
  readonly #slices = new Slices()
  readonly #columns = new Map<number, ElementColumns | undefined>()

  /** @param operation Names the call in errors. */
  constructor(host: TransactionHost, operations: readonly QueuedOperation[], operation: string, options: CommitOptions, dryRun: boolean) {
    this.#host = host
    this.#operations = operations
    this.#operation = operation
    this.#options = options
    this.#dryRun = dryRun
  }

  /** Sends. A refusal of the kernel is in the result, not thrown. */
  async send(): Promise<{ readonly result: NativeCommitResult; readonly startedAt: number }> {
    const checks = await this.#prepare()
    if (checks.reads.size > 0) {
      const startedAt = performance.now()
      return {
        result: await this.#host.run(this.#operation, this.#options, (deadlineMs) => this.#readAndCommit(checks, deadlineMs)),
        startedAt
      }
    }
    const sent = await checks.plan(this.#operation, new Map(), this.#slices)
    const batch = await this.#encode(sent)
    const startedAt = performance.now()
    const running = this.#host.run(this.#operation, this.#options, (deadlineMs) =>
      this.#commit(batch, sent, deadlineMs, this.#options.generation)
    )
    this.#options[whenQueued]?.()
    return { result: await running, startedAt }
  }

  /** Encodes the elements, and reads the ranges among them. */
  async #prepare(): Promise<IntervalChecks> {
    const intervals: IntervalOperation[] = []
    const unstated: UnstatedOperation[] = []
    for (const [index, queued] of this.#operations.entries()) {
      if (queued.kind !== 'elements') continue
      const columns = await this.#columnsOf(queued, index)
      this.#columns.set(index, columns)
      const interval = columns === undefined ? undefined : await intervalOperation(queued, index, columns, this.#slices)
      if (interval !== undefined) intervals.push(interval)
      else if (columns !== undefined && isUnstated(queued, columns)) unstated.push({ index, queued })
      if (this.#slices.isOver) await this.#slices.turn()
    }
    return new IntervalChecks(this.#operations, intervals, unstated)
  }

  async #columnsOf(queued: QueuedOperation, index: number): Promise<ElementColumns | undefined> {
    try {
      return await queued.columns?.(this.#slices)
    } catch (error) {
      throw locateOperation(placeOf(queued, index), queued.object(), error)
    }
  }

  async #encode(sent: ReadonlyMap<number, SentElements>): Promise<NativeBatch> {
    const batch = this.#host.beginBatch()
    const columns = (index: number): ElementColumns | undefined => sent.get(index)?.columns ?? this.#columns.get(index)
    const handing = handOver(batch, this.#operations, columns, echoedBy(this.#options))
    while (handing.next().done !== true) if (this.#slices.isOver) await this.#slices.turn()
    return batch
  }

  async #commit(
    batch: NativeBatch,
    sent: ReadonlyMap<number, SentElements>,
    deadlineMs: number,
    generation: number | undefined
  ): Promise<NativeCommitResult> {
    const result = await batch.commit({ ...commitRequest(this.#options, deadlineMs, generation), dryRun: this.#dryRun })
    const original = (error: NativeItemError): NativeItemError => {
      const rows = sent.get(error.index)?.rows
      return error.row === undefined || rows === undefined ? error : { ...error, row: rows[error.row]! }
    }
    return { ...result, errors: result.errors.map(original) }
  }

  /** Reads sets, and commits what was checked against them, unless another process commits in between: then it begins again. */
  async #readAndCommit(checks: IntervalChecks, deadlineMs: number): Promise<NativeCommitResult> {
    const until = performance.now() + deadlineMs
    const leftMs = (): number => Math.max(1, until - performance.now())
    // The kernel takes 0 for "any".
    const wanted = this.#options.generation === 0 ? undefined : this.#options.generation
    for (let read = 1; ; read++) {
      const isLast = read >= MAX_READS || wanted !== undefined
      const { sets, generation } = await this.#read(checks.reads, wanted, leftMs)
      if (sets === undefined && !isLast) continue
      // The kernel refuses what was read of another generation.
      const sent = sets === undefined ? new Map<number, SentElements>() : await checks.plan(this.#operation, sets, this.#slices)
      // Declarations that were the same all the time are no reason to give up.
      const isFree = wanted === undefined && read >= MAX_READS && sets !== undefined && !checks.readsElements
      const result = await this.#commit(await this.#encode(sent), sent, leftMs(), isFree ? undefined : generation)
      if (result.failure?.errno !== ERESTART || isLast) return result
    }
  }

  async #generation(deadlineMs: number): Promise<number> {
    const outcome = await this.#host.generation(deadlineMs)
    if (outcome.failure !== undefined) throw failureError(outcome.failure, { operation: this.#operation })
    return outcome.value['id'] as number
  }

  /** The sets, and their generation: the one that is wanted, or whichever it is. No sets where they are not all of it. */
  async #read(
    reads: IntervalChecks['reads'],
    wanted: number | undefined,
    leftMs: () => number
  ): Promise<{ readonly sets: ReadSets | undefined; readonly generation: number }> {
    const sets = new Map<string, ReadSet | undefined>()
    let generation = wanted
    for (const [key, reading] of reads) {
      let listing = await this.#list(reading, leftMs())
      if (listing === undefined && generation === undefined) {
        generation = await this.#generation(leftMs())
        listing = await this.#list(reading, leftMs())
      }
      generation ??= listing!.generation
      if (listing !== undefined && listing.generation !== generation) return { sets: undefined, generation }
      sets.set(key, listing === undefined ? undefined : readSet(listing))
    }
    return { sets, generation: generation! }
  }

  /** Reads a set; undefined where there is none. */
  async #list({ set, elements }: Reading, deadlineMs: number): Promise<NativeListing | undefined> {
    const { family, table, name } = set
    const outcome = await this.#host.list({ family, table, name, sets: true, elements, deadlineMs })
    if (outcome.failure === undefined) return outcome.value
    if (outcome.failure.errno === ENOENT) return undefined
    throw failureError(outcome.failure, { operation: this.#operation, subject: `set ${family} ${table} ${name}` })
  }
}

/** A set as it was listed. */
export function readSet(listing: NativeListing): ReadSet | undefined {
  const [listed] = readListed(listing.take('sets', 0, 1))
  if (listed === undefined) return undefined
  const elements = listing.takeElements(0, 1)
  return {
    ...knownSet(listed.value),
    keyLength: listed.value['keyLength'] as number,
    chunks: elements.flatMap(({ chunks }) => chunks.map(fromNative))
  }
}
