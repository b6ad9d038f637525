/**
 * The ranges that rows of a plain interval set stand for: a row where a range starts, and one behind its end, unless it ends with the last key there is.
 */
import type { Slices } from '../../core/slices.js'
import { CATCHALL, INTERVAL_END, type ElementColumns } from '../columns.js'
import { pickFixed } from './pick.js'
import { compareWords, isZero, wordsOf, writeLast, writePredecessor, writeWords } from './words.js'

/** Ranges in ascending order, as words. */
export interface Ranges {
  readonly keyLength: number
  readonly count: number
  /** First and last key of each, both inside it. */
  readonly first: Uint32Array
  readonly last: Uint32Array
  /** The row where each starts, and the row of its end or {@link NO_ROW}. */
  readonly startRow: Uint32Array
  readonly endRow: Uint32Array
}

/** A range has no such row. */
export const NO_ROW = 0xffff_ffff

/** How many items are worked on between two looks at the clock. */
const PIECE = 1024

/** Sorts in slices: merges sorted runs, pair by pair. Stable. */
async function sortInSlices(order: Uint32Array, compare: (left: number, right: number) => number, slices: Slices): Promise<Uint32Array> {
  let from: Uint32Array = order
  let to: Uint32Array = new Uint32Array(order.length)
  let done = 0
  for (let width = 1; width < order.length; width *= 2) {
    for (let start = 0; start < order.length; start += 2 * width) {
      const middle = Math.min(start + width, order.length)
      const end = Math.min(start + 2 * width, order.length)
      for (let left = start, right = middle, at = start; at < end; at++) {
        const takesLeft = left < middle && (right >= end || compare(from[left]!, from[right]!) <= 0)
        to[at] = takesLeft ? from[left++]! : from[right++]!
        if (++done % PIECE === 0 && slices.isOver) await slices.turn()
      }
    }
    ;[from, to] = [to, from]
  }
  return from
}

/** Rows, of one list of columns or several, with their keys as words. */
interface Rows {
  readonly keyLength: number
  readonly count: number
  readonly keys: Uint32Array
  readonly flags: Uint32Array
}

async function readRows(chunks: readonly ElementColumns[], keyLength: number, slices: Slices): Promise<Rows> {
  const words = wordsOf(keyLength)
  const count = chunks.reduce((sum, { rows }) => sum + rows, 0)
  const rows = { keyLength, count, keys: new Uint32Array(count * words), flags: new Uint32Array(count) }
  let at = 0
  for (const { rows: length, key, flags } of chunks) {
    if (flags !== undefined) rows.flags.set(flags.subarray(0, length), at)
    const from = at
    await slices.times(length, (row) => writeWords(key, row * keyLength, keyLength, rows.keys, (from + row) * words))
    at += length
  }
  return rows
}

class RangesBuilder {
  readonly #rows: Rows
  readonly #words: number
  readonly #first: Uint32Array
  readonly #last: Uint32Array
  readonly #startRow: Uint32Array
  readonly #endRow: Uint32Array
  #count = 0

  constructor(rows: Rows) {
    this.#rows = rows
    this.#words = wordsOf(rows.keyLength)
    this.#first = new Uint32Array(rows.count * this.#words)
    this.#last = new Uint32Array(rows.count * this.#words)
    this.#startRow = new Uint32Array(rows.count)
    this.#endRow = new Uint32Array(rows.count)
  }

  /** Appends the range from a row to before another; to the last key where there is none. */
  push(start: number, before: number | undefined, endRow: number): void {
    const at = this.#count * this.#words
    const { keys, keyLength } = this.#rows
    for (let word = 0; word < this.#words; word++) this.#first[at + word] = keys[start * this.#words + word]!
    if (before === undefined) writeLast(keyLength, this.#last, at)
    else writePredecessor(keys, before * this.#words, this.#last, at, this.#words)
    this.#startRow[this.#count] = start
    this.#endRow[this.#count++] = endRow
  }

  finish(): Ranges {
    const keys = this.#count * this.#words
    return {
      keyLength: this.#rows.keyLength,
      count: this.#count,
      first: this.#first.subarray(0, keys),
      last: this.#last.subarray(0, keys),
      startRow: this.#startRow.subarray(0, this.#count),
      endRow: this.#endRow.subarray(0, this.#count)
    }
  }
}

function kindOf(flags: number): 'start' | 'end' | 'other' {
  if ((flags & CATCHALL) !== 0) return 'other'
  return (flags & INTERVAL_END) === 0 ? 'start' : 'end'
}

/**
 * Ranges whose rows follow each other, start and end, in any order of the ranges; undefined where rows lie otherwise.
 *
 * @param isPaired Whether that is known: then several starts without an end are as many ranges to the last key.
 */
async function pairNeighbours(rows: Rows, isPaired: boolean, slices: Slices): Promise<Ranges | undefined> {
  const builder = new RangesBuilder(rows)
  const words = wordsOf(rows.keyLength)
  let hasOpen = false
  for (let row = 0; row < rows.count; row++) {
    if (row % PIECE === 0 && slices.isOver) await slices.turn()
    const kind = kindOf(rows.flags[row]!)
    if (kind === 'other' || (kind === 'end' && isZero(rows.keys, row * words, words))) continue
    if (kind === 'end') return undefined
    const next = row + 1
    const isPair =
      next < rows.count && kindOf(rows.flags[next]!) === 'end' && compareWords(rows.keys, row * words, rows.keys, next * words, words) < 0
    if (isPair) builder.push(row++, next, next)
    else if (hasOpen && !isPaired) return undefined
    else {
      hasOpen = true
      builder.push(row, undefined, NO_ROW)
    }
  }
  return builder.finish()
}

/** Where rows of ranges do not make ranges. */
export interface StrayRow {
  readonly row: number
  readonly kind: 'start' | 'end'
}

/** Ranges from rows in any order, as they follow each other by value. `onStray` is told of starts without an end and ends without a start. */
async function pairByValue(rows: Rows, slices: Slices, onStray: (stray: StrayRow) => void): Promise<Ranges> {
  const builder = new RangesBuilder(rows)
  const words = wordsOf(rows.keyLength)
  const rank = (row: number): number => (kindOf(rows.flags[row]!) === 'start' ? 1 : 0)
  const compare = (left: number, right: number): number =>
    compareWords(rows.keys, left * words, rows.keys, right * words, words) || rank(left) - rank(right)
  // The kernel lists trees from the highest key down.
  const given = indexes(rows.count).reverse()
  const order = (await isAscending(given, compare, slices)) ? given : await sortInSlices(given, compare, slices)
  let open: number | undefined
  for (const [place, row] of order.entries()) {
    if (place % PIECE === 0 && slices.isOver) await slices.turn()
    const kind = kindOf(rows.flags[row]!)
    if (kind === 'other') continue
    if (open === undefined) {
      if (kind === 'end' && !isZero(rows.keys, row * words, words)) onStray({ row, kind })
    } else if (kind === 'end') builder.push(open, row, row)
    else {
      onStray({ row: open, kind })
      if (compareWords(rows.keys, open * words, rows.keys, row * words, words) < 0) builder.push(open, row, NO_ROW)
    }
    open = kind === 'start' ? row : undefined
  }
  if (open !== undefined) builder.push(open, undefined, NO_ROW)
  return builder.finish()
}

/** The numbers from 0 to below `count`. */
export function indexes(count: number): Uint32Array {
  const all = new Uint32Array(count)
  for (let index = 0; index < count; index++) all[index] = index
  return all
}

async function isAscending(order: Uint32Array, compare: (left: number, right: number) => number, slices: Slices): Promise<boolean> {
  for (let index = 1; index < order.length; index++) {
    if (compare(order[index - 1]!, order[index]!) > 0) return false
    if (index % PIECE === 0 && slices.isOver) await slices.turn()
  }
  return true
}

/** These ranges, in this order. */
export async function selectedRanges(ranges: Ranges, order: Uint32Array, slices: Slices): Promise<Ranges> {
  const words = wordsOf(ranges.keyLength)
  return {
    keyLength: ranges.keyLength,
    count: order.length,
    first: await pickFixed(ranges.first, words, order, slices),
    last: await pickFixed(ranges.last, words, order, slices),
    startRow: await pickFixed(ranges.startRow, 1, order, slices),
    endRow: await pickFixed(ranges.endRow, 1, order, slices)
  }
}

async function sorted(ranges: Ranges, slices: Slices): Promise<Ranges> {
  const words = wordsOf(ranges.keyLength)
  const compare = (left: number, right: number): number =>
    compareWords(ranges.first, left * words, ranges.first, right * words, words) ||
    compareWords(ranges.last, left * words, ranges.last, right * words, words)
  const given = indexes(ranges.count)
  if (await isAscending(given, compare, slices)) return ranges
  return await selectedRanges(ranges, await sortInSlices(given, compare, slices), slices)
}

/**
 * The ranges that a caller gives. They may overlap.
 *
 * @param isPaired Whether every start is known to be followed by its end.
 * @param onStray Told of rows that make no range; it should throw.
 */
export async function givenRanges(
  columns: ElementColumns,
  keyLength: number,
  isPaired: boolean,
  slices: Slices,
  onStray: (stray: StrayRow) => void
): Promise<Ranges> {
  const rows = await readRows([columns], keyLength, slices)
  const pairs = await pairNeighbours(rows, isPaired, slices)
  return pairs === undefined ? await pairByValue(rows, slices, onStray) : await sorted(pairs, slices)
}

/** The ranges that a set holds, from its listing. They do not overlap. */
export async function listedRanges(chunks: readonly ElementColumns[], keyLength: number, slices: Slices): Promise<Ranges> {
  // What is left of a range that expired, or was made by hand, holds nothing.
  return await pairByValue(await readRows(chunks, keyLength, slices), slices, () => undefined)
}
