/**
 * How a transaction is sent: its ranges are checked, its operations handed to the native side, and what the kernel refuses is told in the caller's words.
 */
import { failureError, invalidError } from '../client.js'
import { ValidationError } from '../errors.js'
import type { NativeBatch, NativeCommitResult, NativeItemError, NativeListing } from '../native.js'
import { Slices } from '../slices.js'
import type { ElementColumns } from './columns.js'
import { placeOf } from './describe.js'
import { IntervalChecks, type ReadSet, type ReadSets, type SentElements } from './intervals/checks.js'
import { intervalOperation, type IntervalOperation } from './intervals/operations.js'
import type { CommitOptions, NameReference, QueuedOperation, TransactionHost } from './transaction-types.js'

const ENOENT = 2
const ERESTART = 85
/** How often a transaction that depends on what it read is begun again after somebody else committed. */
const MAX_READS = 16

/** A fault of the caller's object, with where it stands in the transaction. */
export function locate(place: string, object: unknown, error: unknown): unknown {
  if (error instanceof ValidationError) return new ValidationError(`${place}.${error.path}`, error.value, error.allowed)
  // Functions, proxies and the like.
  if (error instanceof DOMException && error.name === 'DataCloneError')
    return new ValidationError(place, object, 'plain data, which can be copied')
  return error
}

/** One sending of a transaction. */
export class Sending {
  readonly #host: TransactionHost
  readonly #operations: readonly QueuedOperation[]
  readonly #operation: string
  readonly #options: CommitOptions
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
    const result = await this.#host.run(this.#operation, this.#options, (deadlineMs) =>
      this.#commit(batch, sent, deadlineMs, this.#options.generation)
    )
    return { result, startedAt }
  }

  /** Encodes the elements, and reads the ranges among them. */
  async #prepare(): Promise<IntervalChecks> {
    const intervals: IntervalOperation[] = []
    for (const [index, queued] of this.#operations.entries()) {
      if (queued.kind !== 'elements') continue
      const columns = await this.#columnsOf(queued, index)
      this.#columns.set(index, columns)
      const interval = columns === undefined ? undefined : await intervalOperation(queued, index, columns, this.#slices)
      if (interval !== undefined) intervals.push(interval)
      if (this.#slices.isOver) await this.#slices.turn()
    }
    return new IntervalChecks(this.#operations, intervals)
  }

  async #columnsOf(queued: QueuedOperation, index: number): Promise<ElementColumns | undefined> {
    try {
      return await queued.columns?.(this.#slices)
    } catch (error) {
      throw locate(placeOf(queued, index), queued.object(), error)
    }
  }

  /** Hands the operations to the native side, which checks and copies them. */
  async #encode(sent: ReadonlyMap<number, SentElements>): Promise<NativeBatch> {
    const batch = this.#host.beginBatch()
    const echoes = this.#options.echo === true
    for (const [index, queued] of this.#operations.entries()) {
      const { verb, kind, family, value } = queued
      const isEchoed = echoes && verb !== 'delete' && verb !== 'destroy' && verb !== 'flush'
      const invalid =
        kind === 'elements'
          ? batch.addElements(verb, family as NameReference['family'], value, sent.get(index)?.columns ?? this.#columns.get(index))
          : batch.add(verb, kind, family, value, isEchoed)
      if (invalid !== undefined) throw invalidError(placeOf(queued, index), invalid)
      if (this.#slices.isOver) await this.#slices.turn()
    }
    return batch
  }

  async #commit(
    batch: NativeBatch,
    sent: ReadonlyMap<number, SentElements>,
    deadlineMs: number,
    generation: number | undefined
  ): Promise<NativeCommitResult> {
    const result = await batch.commit({
      dryRun: this.#dryRun,
      deadlineMs,
      ...(generation === undefined ? {} : { generation }),
      ...(this.#options.record === true ? { record: true } : {})
    })
    const original = (error: NativeItemError): NativeItemError => {
      const rows = sent.get(error.index)?.rows
      return error.row === undefined || rows === undefined ? error : { ...error, row: rows[error.row]! }
    }
    return { ...result, errors: result.errors.map(original) }
  }

  /** Reads sets, and commits what was checked against them, unless somebody else commits in between: then it begins again. */
  async #readAndCommit(checks: IntervalChecks, deadlineMs: number): Promise<NativeCommitResult> {
    const until = performance.now() + deadlineMs
    const leftMs = (): number => Math.max(1, until - performance.now())
    // The kernel takes 0 for "any".
    const wanted = this.#options.generation === 0 ? undefined : this.#options.generation
    for (let read = 1; ; read++) {
      const generation = wanted ?? (await this.#generation(leftMs()))
      const sets = await this.#read(checks, generation, leftMs)
      if (sets === undefined && read < MAX_READS && wanted === undefined) continue
      // The kernel refuses what was read of another generation.
      const sent = sets === undefined ? new Map<number, SentElements>() : await checks.plan(this.#operation, sets, this.#slices)
      const result = await this.#commit(await this.#encode(sent), sent, leftMs(), generation)
      const isOutrun = result.failure?.errno === ERESTART && wanted === undefined
      if (!isOutrun || read >= MAX_READS) return result
    }
  }

  async #generation(deadlineMs: number): Promise<number> {
    const outcome = await this.#host.generation(deadlineMs)
    if (outcome.failure !== undefined) throw failureError(outcome.failure, { operation: this.#operation })
    return outcome.value['id'] as number
  }

  /** The sets, or undefined where they are of another generation. */
  async #read(checks: IntervalChecks, generation: number, leftMs: () => number): Promise<ReadSets | undefined> {
    const sets = new Map<string, ReadSet | undefined>()
    for (const [key, { family, table, name }] of checks.reads) {
      const outcome = await this.#host.list({ family, table, name, sets: true, elements: true, deadlineMs: leftMs() })
      if (outcome.failure !== undefined && outcome.failure.errno !== ENOENT)
        throw failureError(outcome.failure, { operation: this.#operation, subject: `set ${family} ${table} ${name}` })
      if (outcome.failure === undefined && outcome.value.generation !== generation) return undefined
      sets.set(key, outcome.failure === undefined ? readSet(outcome.value) : undefined)
    }
    return sets
  }
}

function readSet(listing: NativeListing): ReadSet | undefined {
  const [listed] = listing.take('sets', 0, 1)
  if (listed === undefined) return undefined
  const { flags, keyLength } = listed.value as { readonly flags?: readonly unknown[]; readonly keyLength: number }
  const elements = listing.takeElements(0, 1)
  return {
    isInterval: flags?.includes('interval') === true,
    keyLength,
    chunks: elements.flatMap(({ chunks }) => chunks as readonly ElementColumns[])
  }
}
