/**
 * The operations of a transaction that are about ranges, and what a transaction says of sets before it reads any.
 */
import { ValidationError } from '../../core/errors.js'
import type { Slices } from '../../core/slices.js'
import { CATCHALL, INTERVAL_END, rowAt, type ElementColumns } from '../columns.js'
import { keyLength as lengthOf } from '../datatypes.js'
import { placeOf } from '../describe.js'
import { intervalKind, type IntervalKind } from '../sets.js'
import { isRemoval, type QueuedElements, type QueuedOperation } from '../transaction-types.js'
import { givenRanges, NO_ROW, selectedRanges, type Ranges } from './ranges.js'
import { compareWords, wordsOf } from './words.js'

/** One operation on the elements of an interval set. */
export interface IntervalOperation {
  readonly index: number
  readonly queued: QueuedOperation
  readonly elements: QueuedElements
  readonly columns: ElementColumns
  readonly keyLength: number
  /** In ascending order, each once; absent of concatenations. */
  readonly ranges: Ranges | undefined
  /** Of additions of ranges: the rows to send, in their order; absent where these are all as they are. */
  readonly rows: Uint32Array | undefined
}

/** A name for the set of an operation, the same for all of them; anonymous sets that have a number are told apart by it. */
export function setName({ family, value }: Pick<QueuedOperation, 'family' | 'value'>, name: unknown): string {
  return `${family} ${String(value['table'])} ${String(name)}`
}

/** The set that an operation on elements is about. */
export function setOf({ queued }: Pick<IntervalOperation, 'queued'>): string {
  const { set, setId } = queued.value
  const isNumbered = queued.elements?.form?.isAnonymous === true && setId !== undefined
  return setName(queued, isNumbered ? `#${setId as number}` : set)
}

function hasEnds({ flags, rows }: ElementColumns): boolean {
  for (let row = 0; row < rows; row++) if (((flags?.[row] ?? 0) & INTERVAL_END) !== 0) return true
  return false
}

/** What kind of interval set rows are for; undefined where they are for none. The declaration says so, or the rows themselves. */
export function kindOf({ form }: QueuedElements, columns: ElementColumns): IntervalKind | undefined {
  if (columns.keyEnd !== undefined) return 'concatenated'
  if (form !== undefined) return intervalKind(form)
  return hasEnds(columns) ? 'plain' : undefined
}

/** Whether columns are as long as their rows say, so that ranges can be read from them. The native side refuses others, and says why. */
function isReadable({ rows, key, keyEnd, flags }: ElementColumns, keyLength: number): boolean {
  const bytes = rows * keyLength
  return key.length === bytes && (keyEnd?.length ?? bytes) === bytes && (flags?.length ?? rows) === rows
}

function isExtra({ flags, key }: ElementColumns, keyLength: number, row: number): boolean {
  const flag = flags?.[row] ?? 0
  if ((flag & CATCHALL) !== 0) return true
  if ((flag & INTERVAL_END) === 0) return false
  for (let at = row * keyLength; at < (row + 1) * keyLength; at++) if (key[at] !== 0) return false
  return true
}

/**
 * The rows of these ranges: what is no part of a range first, then each start with its end behind it, as newer kernels want them (Linux 7.0).
 *
 * @param keepsStart Whether the row where a range starts is one of them.
 * @param keepsEnd The same for the row of its end, if it has one.
 */
export async function rowsOf(
  columns: ElementColumns,
  ranges: Ranges,
  slices: Slices,
  keepsStart: (index: number) => boolean = () => true,
  keepsEnd: (index: number) => boolean = keepsStart
): Promise<Uint32Array | undefined> {
  const rows = new Uint32Array(columns.rows)
  let count = 0
  if (columns.flags !== undefined)
    await slices.times(columns.rows, (row) => {
      if (isExtra(columns, ranges.keyLength, row)) rows[count++] = row
    })
  await slices.times(ranges.count, (index) => {
    if (keepsStart(index)) rows[count++] = ranges.startRow[index]!
    if (ranges.endRow[index] !== NO_ROW && keepsEnd(index)) rows[count++] = ranges.endRow[index]!
  })
  return isIdentity(rows, count, columns.rows) ? undefined : rows.subarray(0, count)
}

function isIdentity(rows: Uint32Array, count: number, all: number): boolean {
  if (count !== all) return false
  for (let row = 0; row < count; row++) if (rows[row] !== row) return false
  return true
}

/** In sets of rules an end where the next range begins would hide that range; where there are no data, the beginning is left out too, as nft does. */
export async function joinedRows(
  columns: ElementColumns,
  ranges: Ranges,
  hasData: boolean,
  slices: Slices
): Promise<Uint32Array | undefined> {
  const words = wordsOf(ranges.keyLength)
  const touchesNext = (index: number): boolean => {
    if (index < 0 || index + 1 >= ranges.count || ranges.endRow[index] === NO_ROW) return false
    const [end, next] = [ranges.endRow[index]! * ranges.keyLength, ranges.startRow[index + 1]! * ranges.keyLength]
    for (let byte = 0; byte < ranges.keyLength; byte++) if (columns.key[end + byte] !== columns.key[next + byte]) return false
    return compareWords(ranges.last, index * words, ranges.first, (index + 1) * words, words) < 0
  }
  const keepsStart = (index: number): boolean => hasData || !touchesNext(index - 1)
  return await rowsOf(columns, ranges, slices, keepsStart, (index) => !touchesNext(index))
}

function isSameContent(columns: ElementColumns, left: number, right: number): boolean {
  const content = (row: number): string => {
    const { data, verdict, chain, object } = rowAt(columns, row)
    return JSON.stringify([data === undefined ? [] : Array.from(data), verdict, chain, object])
  }
  return content(left) === content(right)
}

/** A fault of one range, in the caller's words. */
export function invalidRange(queued: QueuedOperation, index: number, row: number, allowed: string): ValidationError {
  const { place, range } = queued.elements!
  return new ValidationError(`${placeOf(queued, index)}.${place(row)}`, range(row), allowed)
}

/** Leaves out ranges that are given twice, and refuses those that overlap. */
async function withoutRepetitions(
  queued: QueuedOperation,
  place: number,
  columns: ElementColumns,
  ranges: Ranges,
  slices: Slices
): Promise<Ranges> {
  const { elements } = queued
  const words = wordsOf(ranges.keyLength)
  const kept: number[] = []
  const compare = (left: Uint32Array, index: number, right: Uint32Array, other: number): number =>
    compareWords(left, index * words, right, other * words, words)
  await slices.times(ranges.count, (index) => {
    const before = kept.at(-1)
    if (before === undefined || compare(ranges.first, index, ranges.last, before) > 0) {
      kept.push(index)
      return
    }
    const [row, other] = [ranges.startRow[index]!, ranges.startRow[before]!]
    const isSame = compare(ranges.first, index, ranges.first, before) === 0 && compare(ranges.last, index, ranges.last, before) === 0
    if (isSame && queued.verb === 'destroy') return
    if (isSame && queued.verb === 'add' && isSameContent(columns, row, other)) return
    if (isSame) throw invalidRange(queued, place, row, `each range once: ${elements!.place(other)} is the same`)
    if (isRemoval(queued)) kept.push(index)
    else throw invalidRange(queued, place, row, `ranges that do not overlap: ${elements!.place(other)} is ${elements!.range(other)}`)
  })
  return kept.length === ranges.count ? ranges : await selectedRanges(ranges, Uint32Array.from(kept), slices)
}

async function addedRows(
  { form }: QueuedElements,
  columns: ElementColumns,
  ranges: Ranges,
  slices: Slices
): Promise<Uint32Array | undefined> {
  if (form?.isAnonymous === true) return await joinedRows(columns, ranges, form.holds !== 'nothing', slices)
  return await rowsOf(columns, ranges, slices)
}

/** Reads the ranges of an operation; undefined where it is not about ranges. @throws {ValidationError} Its rows are no ranges, or overlap. */
export async function intervalOperation(
  queued: QueuedOperation,
  index: number,
  columns: ElementColumns,
  slices: Slices
): Promise<IntervalOperation | undefined> {
  const { elements } = queued
  if (elements === undefined || elements.isChecked || !(columns.rows > 0)) return undefined
  const kind = kindOf(elements, columns)
  const keyLength = elements.form === undefined ? Math.floor(columns.key.length / columns.rows) : lengthOf(elements.form.key)
  if (kind === undefined || !isReadable(columns, keyLength)) return undefined
  if (kind === 'concatenated') return { index, queued, elements, columns, keyLength, ranges: undefined, rows: undefined }
  const given = await givenRanges(columns, keyLength, elements.isPaired, slices, ({ row, kind: missing }) => {
    throw invalidRange(
      queued,
      index,
      row,
      missing === 'start' ? 'a start with its end behind it: only the last range of all has none' : 'an end with its start before it'
    )
  })
  const ranges = await withoutRepetitions(queued, index, columns, given, slices)
  const rows = isRemoval(queued) ? undefined : await addedRows(elements, columns, ranges, slices)
  return { index, queued, elements, columns, keyLength, ranges, rows }
}
