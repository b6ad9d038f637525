/**
 * Ranges are checked here, because the kernel cannot: of a plain interval set it compares single rows, so that adding a range may shrink one that is there, and removing one may join two
 * others (nft_rbtree_insert, nft_rbtree_deactivate); of concatenations it removes whichever range holds the start that was named. So a transaction is worked off on a
 * model first: what it adds must not overlap, and what it removes must be there exactly.
 */
import { NetlinkError } from '../../errors.js'
import type { Slices } from '../../slices.js'
import { describeBounds } from '../bounds.js'
import type { ElementColumns } from '../columns.js'
import type { NameReference, QueuedOperation } from '../transaction-types.js'
import { HeldConcatenations } from './held-concatenations.js'
import { HeldRanges, NO_OPERATION, type HeldRange, type Presence } from './held-ranges.js'
import { invalidRange, referenceOf, rowsOf, setName, setOf, type IntervalOperation } from './operations.js'
import { pickRows } from './pick.js'
import { listedRanges, type Ranges } from './ranges.js'
import { readWords } from './words.js'

/** What is sent of an operation's columns. */
export interface SentElements {
  readonly columns: ElementColumns
  /** The row of the operation's columns that each row sent came from; absent: the same. */
  readonly rows?: Uint32Array | undefined
}

/** Elements of a set as they were read. */
export interface ReadSet {
  readonly isInterval: boolean
  readonly keyLength: number
  readonly chunks: readonly ElementColumns[]
}

/** What was read, by {@link IntervalChecks.reads}; undefined for a set that does not exist. */
export type ReadSets = ReadonlyMap<string, ReadSet | undefined>

const EEXIST = 17
const ENOENT = 2

/** Which sets are empty or new at a point of the transaction, whatever was there before. */
class EmptiedSets {
  readonly #sets = new Set<string>()
  readonly #tables = new Set<string>()
  #isAll = false

  /** Takes an operation into account that is not about elements. Returns what it empties. */
  take({ verb, kind, family, value }: QueuedOperation): ((set: string) => boolean) | undefined {
    const isRemoval = verb === 'delete' || verb === 'destroy'
    if (kind === 'table' && verb === 'flush' && value['name'] === undefined) {
      this.#isAll = true
      return () => true
    }
    if (kind === 'table' && isRemoval) {
      const prefix = `${family} ${String(value['name'])} `
      this.#tables.add(prefix)
      return (set) => set.startsWith(prefix)
    }
    if (kind === 'set' && (isRemoval || verb === 'flush' || verb === 'create')) {
      const name = setName({ family, value }, value['name'])
      this.#sets.add(name)
      return (set) => set === name
    }
    return undefined
  }

  has({ queued, elements }: IntervalOperation, name: string): boolean {
    const table = `${queued.family} ${String(queued.value['table'])} `
    return this.#isAll || elements.form?.isAnonymous === true || this.#tables.has(table) || this.#sets.has(name)
  }
}

/** Whether an operation can only be checked against what the set holds. */
function needsHeld({ ranges, queued }: IntervalOperation): boolean {
  return ranges !== undefined || queued.verb === 'delete' || queued.verb === 'destroy'
}

type Model = HeldRanges | HeldConcatenations

/** The checks of one transaction. */
export class IntervalChecks {
  readonly #queued: readonly QueuedOperation[]
  readonly #operations: ReadonlyMap<number, IntervalOperation>
  /** Sets whose elements have to be read first. */
  readonly reads: ReadonlyMap<string, NameReference>
  /** Sets of concatenations from which something is removed. */
  readonly #removedFrom = new Set<string>()

  constructor(queued: readonly QueuedOperation[], operations: readonly IntervalOperation[]) {
    this.#queued = queued
    this.#operations = new Map(operations.map((operation) => [operation.index, operation]))
    this.reads = this.#findReads()
  }

  /**
   * What to send of each operation that is about ranges, by its index.
   *
   * @throws {ValidationError} Ranges of two operations overlap.
   * @throws {NetlinkError} `EEXIST`: a range overlaps one that is there. `ENOENT`: a range to delete is not there.
   */
  async plan(operation: string, read: ReadSets, slices: Slices): Promise<Map<number, SentElements>> {
    const sent = new Map<number, SentElements>()
    const emptied = new EmptiedSets()
    const models = new Map<string, Model>()
    for (const [index, queued] of this.#queued.entries()) {
      const interval = this.#operations.get(index)
      if (interval === undefined) {
        const isEmptied = emptied.take(queued)
        if (isEmptied !== undefined) for (const name of models.keys()) if (isEmptied(name)) models.delete(name)
        continue
      }
      const name = setOf(interval)
      const model = models.get(name) ?? (await this.#model(interval, emptied.has(interval, name) ? 'empty' : read.get(name), slices))
      models.set(name, model)
      const rows =
        model instanceof HeldRanges
          ? await this.#workOffRanges(operation, interval, interval.ranges!, model, slices)
          : await this.#workOffConcatenations(operation, interval, model, slices)
      sent.set(
        index,
        rows === undefined ? { columns: interval.columns } : { columns: await pickRows(interval.columns, rows, slices), rows }
      )
    }
    return sent
  }

  #findReads(): Map<string, NameReference> {
    const reads = new Map<string, NameReference>()
    const emptied = new EmptiedSets()
    for (const [index, queued] of this.#queued.entries()) {
      const interval = this.#operations.get(index)
      if (interval === undefined) {
        emptied.take(queued)
        continue
      }
      const name = setOf(interval)
      if (interval.ranges === undefined && needsHeld(interval)) this.#removedFrom.add(name)
      if (needsHeld(interval) && !interval.elements.isExclusive && !emptied.has(interval, name)) reads.set(name, referenceOf(interval))
    }
    return reads
  }

  async #model({ ranges, keyLength }: IntervalOperation, read: ReadSet | 'empty' | undefined, slices: Slices): Promise<Model> {
    // The kernel refuses everything itself where there is no such set, or one of another form.
    const isKnown = read === 'empty' || (read?.isInterval === true && read.keyLength === keyLength)
    const chunks = read === undefined || read === 'empty' ? [] : read.chunks
    if (ranges !== undefined) return new HeldRanges(keyLength, isKnown ? await listedRanges(chunks, keyLength, slices) : undefined)
    const model = new HeldConcatenations(keyLength, !isKnown)
    if (isKnown) for (const columns of chunks) await model.add(columns, slices)
    return model
  }

  async #workOffRanges(
    operation: string,
    interval: IntervalOperation,
    ranges: Ranges,
    model: HeldRanges,
    slices: Slices
  ): Promise<Uint32Array | undefined> {
    const { verb } = interval.queued
    if (verb === 'add' || verb === 'create') {
      await model.look(ranges, slices, (index, presence) => {
        if (typeof presence === 'object') throw this.#overlap(operation, interval, ranges.startRow[index]!, presence.overlaps)
      })
      model.add(ranges, interval.index)
      return interval.rows
    }
    const isKept = new Uint8Array(ranges.count)
    await model.look(ranges, slices, (index, presence) => {
      isKept[index] = presence === 'exact' || presence === 'unknown' ? 1 : 0
      if (isKept[index] === 0 && verb === 'delete') throw this.#absence(operation, interval, ranges.startRow[index]!, presence)
    })
    model.remove(ranges, indexesOf(isKept))
    return rowsOf(interval.columns, ranges, (index) => isKept[index] === 1)
  }

  async #workOffConcatenations(
    operation: string,
    interval: IntervalOperation,
    model: HeldConcatenations,
    slices: Slices
  ): Promise<Uint32Array | undefined> {
    const { columns, queued } = interval
    if (queued.verb === 'add' || queued.verb === 'create') {
      if (this.#removedFrom.has(setOf(interval))) await model.add(columns, slices)
      return undefined
    }
    const absent = new Set<number>()
    await model.remove(columns, slices, (row) => {
      if (queued.verb === 'delete') throw this.#absence(operation, interval, row, 'absent')
      absent.add(row)
    })
    return absent.size === 0 ? undefined : Uint32Array.from({ length: columns.rows }, (_, row) => row).filter((row) => !absent.has(row))
  }

  #describe({ keyLength, elements }: IntervalOperation, { first, last }: HeldRange): string {
    const bounds = { first: readWords(first, 0, keyLength), last: readWords(last, 0, keyLength) }
    if (elements.form !== undefined) return describeBounds(bounds, elements.form.key)
    const hex = (bytes: Uint8Array): string => `0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
    return `${hex(bounds.first)}-${hex(bounds.last)}`
  }

  #overlap(operation: string, interval: IntervalOperation, row: number, held: HeldRange): Error {
    const text = this.#describe(interval, held)
    if (held.operation === NO_OPERATION)
      return this.#refusal(operation, interval, row, EEXIST, `${text} is there, and ranges of a set do not overlap`)
    const other = this.#queued[held.operation]!
    const place = `operations[${held.operation}].${other.elements!.place(held.row)}`
    return invalidRange(interval.queued, interval.index, row, `ranges that do not overlap: ${place} is ${text}`)
  }

  #absence(operation: string, interval: IntervalOperation, row: number, presence: Presence): Error {
    const hint =
      typeof presence === 'object'
        ? `${this.#describe(interval, presence.overlaps)} is there: ranges are removed as they were added, as a whole`
        : 'no such range is there'
    return this.#refusal(operation, interval, row, ENOENT, hint)
  }

  #refusal(operation: string, { queued, index }: IntervalOperation, row: number, errno: number, hint: string): NetlinkError {
    return new NetlinkError({
      errno,
      operation,
      subject: `${queued.verb} ${queued.subject(row)}`,
      index,
      object: queued.object(row),
      hint
    })
  }
}

function* indexesOf(isKept: Uint8Array): Generator<number> {
  for (let index = 0; index < isKept.length; index++) if (isKept[index] === 1) yield index
}
