/**
 * Ranges are checked here, because the kernel cannot: of a plain interval set it compares single rows, so that adding a range may shrink one that is there, and removing one may join two
 * others (nft_rbtree_insert, nft_rbtree_deactivate); of concatenations it removes whichever range holds the start that was named. So a transaction is worked off on a
 * model first: what it adds must not overlap, and what it removes must be there exactly.
 */
import { EEXIST, ENOENT } from '../../core/errno.js'
import { NetlinkError } from '../../core/errors.js'
import type { Slices } from '../../core/slices.js'
import { describeBounds } from '../bounds.js'
import type { ElementColumns } from '../columns.js'
import { describeBytes } from '../describe.js'
import { isRemoval, type NameReference, type QueuedOperation } from '../transaction-types.js'
import { HeldConcatenations } from './held-concatenations.js'
import { HeldRanges, NO_OPERATION, type HeldRange, type Presence } from './held-ranges.js'
import { invalidRange, rowsOf, setName, setOf, type IntervalOperation } from './operations.js'
import { pickRows } from './pick.js'
import { indexes, listedRanges, type Ranges } from './ranges.js'
import { checkStated, checkUnstated, knownSet, referenceOf, type KnownSet, type UnstatedOperation } from './unstated.js'
import { readWords } from './words.js'

/** What is sent of an operation's columns. */
export interface SentElements {
  readonly columns: ElementColumns
  /** The row of the operation's columns that each row sent came from; absent: the same. */
  readonly rows?: Uint32Array | undefined
}

/** A set to be read before the transaction can be checked. */
export interface Reading {
  readonly set: NameReference
  /** Whether its elements are needed too, or its declaration only. */
  elements: boolean
}

/** A set as it was read. */
export interface ReadSet extends KnownSet {
  readonly keyLength: number
  /** Its elements, where they were read. */
  readonly chunks: readonly ElementColumns[]
}

/** What was read, by {@link IntervalChecks.reads}; undefined for a set that does not exist. */
export type ReadSets = ReadonlyMap<string, ReadSet | undefined>

/** What a transaction says of sets up to a point of it: which are empty or new, whatever was there before, and how they are declared. */
class SaidSets {
  readonly #sets = new Set<string>()
  readonly #tables = new Set<string>()
  readonly #declared = new Map<string, KnownSet>()
  #isAll = false

  /** Takes an operation into account that is not about elements. Returns what it empties. */
  take(queued: QueuedOperation): ((set: string) => boolean) | undefined {
    const { verb, kind, family } = queued
    // Values of others are not looked at: they would have to be decoded.
    if (kind !== 'set' && kind !== 'table') return undefined
    const { value } = queued
    // An added set that exists already must have the same flags.
    if (kind === 'set' && (verb === 'add' || verb === 'create')) this.#declared.set(setName(queued, value['name']), knownSet(value))
    if (kind === 'table' && verb === 'flush' && value['name'] === undefined) {
      this.#isAll = true
      return () => true
    }
    if (kind === 'table' && isRemoval(queued)) {
      const prefix = `${family} ${String(value['name'])} `
      this.#tables.add(prefix)
      return (set) => set.startsWith(prefix)
    }
    if (kind === 'set' && (isRemoval(queued) || verb === 'flush' || verb === 'create')) {
      const name = setName({ family, value }, value['name'])
      this.#sets.add(name)
      return (set) => set === name
    }
    return undefined
  }

  /** How the transaction declares a set. */
  declared(name: string): KnownSet | undefined {
    return this.#declared.get(name)
  }

  isEmptied({ queued }: UnstatedOperation, name: string): boolean {
    const table = `${queued.family} ${String(queued.value['table'])} `
    return this.#isAll || queued.elements?.form?.isAnonymous === true || this.#tables.has(table) || this.#sets.has(name)
  }
}

/** Whether an operation can only be checked against what the set holds. */
function needsHeld({ ranges, queued }: IntervalOperation): boolean {
  return ranges !== undefined || isRemoval(queued)
}

type Model = HeldRanges | HeldConcatenations

/** What sets hold. Operations that do not agree on the form of a set have models of their own: the kernel refuses at least one of them. */
class Models {
  readonly #bySet = new Map<string, Map<string, Model>>()

  find(name: string, operation: IntervalOperation): Model | undefined {
    return this.#bySet.get(name)?.get(this.#form(operation))
  }

  keep(name: string, operation: IntervalOperation, model: Model): void {
    const models = this.#bySet.get(name) ?? new Map<string, Model>()
    this.#bySet.set(name, models.set(this.#form(operation), model))
  }

  forget(isEmptied: (set: string) => boolean): void {
    for (const name of this.#bySet.keys()) if (isEmptied(name)) this.#bySet.delete(name)
  }

  #form({ ranges, keyLength }: IntervalOperation): string {
    return `${ranges === undefined ? 'concatenated' : 'plain'} ${keyLength}`
  }
}

/** The checks of one transaction. */
export class IntervalChecks {
  readonly #queued: readonly QueuedOperation[]
  readonly #operations: ReadonlyMap<number, IntervalOperation>
  readonly #unstated: ReadonlyMap<number, UnstatedOperation>
  /** Sets that have to be read first. */
  readonly reads: ReadonlyMap<string, Reading>
  /** Sets of concatenations from which something is removed. */
  readonly #removedFrom = new Set<string>()

  constructor(queued: readonly QueuedOperation[], operations: readonly IntervalOperation[], unstated: readonly UnstatedOperation[]) {
    // Where nothing is to be checked, declarations are not looked at either: they would have to be decoded.
    this.#queued = operations.length + unstated.length === 0 ? [] : queued
    this.#operations = new Map(operations.map((operation) => [operation.index, operation]))
    this.#unstated = new Map(unstated.map((operation) => [operation.index, operation]))
    this.reads = this.#findReads()
  }

  /** Whether elements have to be read, so that it matters what others commit meanwhile. */
  get readsElements(): boolean {
    return [...this.reads.values()].some(({ elements }) => elements)
  }

  /**
   * What to send of each operation that is about ranges, by its index.
   *
   * @throws {ValidationError} Ranges of two operations overlap, or an operation and its set do not agree on whether there are ranges.
   * @throws {NetlinkError} `EEXIST`: a range overlaps one that is there. `ENOENT`: a range to delete is not there.
   */
  async plan(operation: string, read: ReadSets, slices: Slices): Promise<Map<number, SentElements>> {
    const sent = new Map<number, SentElements>()
    const said = new SaidSets()
    const models = new Models()
    for (const [index, queued] of this.#queued.entries()) {
      if (slices.isOver) await slices.turn()
      const known = (name: string): KnownSet | undefined => said.declared(name) ?? read.get(name)
      const unstated = this.#unstated.get(index)
      if (unstated !== undefined) checkUnstated(unstated, known(setOf(unstated)))
      const interval = this.#operations.get(index)
      if (interval === undefined) {
        const isEmptied = said.take(queued)
        if (isEmptied !== undefined) models.forget(isEmptied)
        continue
      }
      const name = setOf(interval)
      checkStated(interval, known(name))
      const model =
        models.find(name, interval) ?? (await this.#model(interval, said.isEmptied(interval, name) ? 'empty' : read.get(name), slices))
      models.keep(name, interval, model)
      sent.set(index, await this.#workOff(operation, interval, model, slices))
    }
    return sent
  }

  /**
   * As {@link IntervalChecks.plan}, where no operation is about ranges, at once.
   *
   * @throws {ValidationError} A set holds ranges.
   */
  checkUnstated(read: ReadSets): void {
    const said = new SaidSets()
    for (const [index, queued] of this.#queued.entries()) {
      const unstated = this.#unstated.get(index)
      if (unstated === undefined) said.take(queued)
      else checkUnstated(unstated, said.declared(setOf(unstated)) ?? read.get(setOf(unstated)))
    }
  }

  async #workOff(operation: string, interval: IntervalOperation, model: Model, slices: Slices): Promise<SentElements> {
    const rows =
      model instanceof HeldRanges
        ? await this.#workOffRanges(operation, interval, interval.ranges!, model, slices)
        : await this.#workOffConcatenations(operation, interval, model, slices)
    return rows === undefined ? { columns: interval.columns } : { columns: await pickRows(interval.columns, rows, slices), rows }
  }

  #findReads(): Map<string, Reading> {
    const reads = new Map<string, Reading>()
    const said = new SaidSets()
    for (const [index, queued] of this.#queued.entries()) {
      const interval = this.#operations.get(index)
      const operation = interval ?? this.#unstated.get(index)
      if (operation === undefined) {
        said.take(queued)
        continue
      }
      const name = setOf(operation)
      if (interval !== undefined && interval.ranges === undefined && needsHeld(interval)) this.#removedFrom.add(name)
      const elements = interval !== undefined && needsHeld(interval) && !said.isEmptied(operation, name)
      const needsRead = elements || (interval === undefined && said.declared(name) === undefined)
      if (!needsRead || queued.elements!.isExclusive) continue
      const reading = reads.get(name) ?? { set: referenceOf(queued), elements }
      reading.elements ||= elements
      reads.set(name, reading)
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
      await model.add(ranges, interval.index, slices)
      return interval.rows
    }
    const isKept = new Uint8Array(ranges.count)
    await model.look(ranges, slices, (index, presence) => {
      isKept[index] = presence === 'exact' || presence === 'unknown' ? 1 : 0
      if (isKept[index] === 0 && verb === 'delete') throw this.#absence(operation, interval, ranges.startRow[index]!, presence)
    })
    await model.remove(ranges, indexesOf(isKept), slices)
    return await rowsOf(interval.columns, ranges, slices, (index) => isKept[index] === 1)
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
    return absent.size === 0 ? undefined : indexes(columns.rows).filter((row) => !absent.has(row))
  }

  #describe({ keyLength, elements }: IntervalOperation, { first, last }: HeldRange): string {
    const bounds = { first: readWords(first, 0, keyLength), last: readWords(last, 0, keyLength) }
    if (elements.form !== undefined) return describeBounds(bounds, elements.form.key)
    return `${describeBytes(bounds.first)}-${describeBytes(bounds.last)}`
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
