/**
 * What a plain interval set holds while a transaction is worked off: the kernel compares rows, so whoever wants to know whether ranges overlap has to remember ranges.
 */
import type { Slices } from '../../core/slices.js'
import type { Ranges } from './ranges.js'
import { compareWords, wordsOf } from './words.js'

/** Instead of an operation's index: the range was there before. */
export const NO_OPERATION = 0xffff_ffff

/** Ranges that do not overlap, in ascending order, and where each came from. */
interface Layer {
  readonly first: Uint32Array
  readonly last: Uint32Array
  /** Index of the operation that added the range, or {@link NO_OPERATION}, and its row there. */
  readonly operation: Uint32Array
  readonly row: Uint32Array
  /** 1 where the range was removed. */
  readonly gone: Uint8Array
  readonly count: number
}

/** A range that is held. */
export interface HeldRange {
  /** Words. */
  readonly first: Uint32Array
  readonly last: Uint32Array
  readonly operation: number
  readonly row: number
}

/** Whether a range is held. `unknown`: nothing says so, and what was there before was not read. */
export type Presence = 'exact' | { readonly overlaps: HeldRange } | 'absent' | 'unknown'

/** The first place from `from` on whose key is not below the one given, in ascending keys. Near ones are found fast. */
function seek(keys: Uint32Array, count: number, from: number, key: Uint32Array, keyAt: number, words: number): number {
  const isBelow = (place: number): boolean => compareWords(keys, place * words, key, keyAt, words) < 0
  let low = from
  let step = 1
  while (low + step <= count && isBelow(low + step - 1)) {
    low += step
    step *= 2
  }
  let high = Math.min(low + step - 1, count)
  while (low < high) {
    const middle = (low + high) >> 1
    if (isBelow(middle)) low = middle + 1
    else high = middle
  }
  return low
}

/** The ranges of one set. */
export class HeldRanges {
  readonly #words: number
  /** Each newer and smaller than the one before it. */
  readonly #layers: Layer[] = []
  /** Whether there may be ranges that are not in the layers. */
  readonly #isPartial: boolean

  /** @param held What the set held before the transaction; absent where that is not known. */
  constructor(keyLength: number, held: Ranges | undefined) {
    this.#words = wordsOf(keyLength)
    this.#isPartial = held === undefined
    if (held !== undefined && held.count > 0) this.#layers.push(layerOf(held, NO_OPERATION))
  }

  /** Holds these ranges from now on; those it holds already, it holds once. */
  async add(ranges: Ranges, operation: number, slices: Slices): Promise<void> {
    this.#layers.push(layerOf(ranges, operation))
    for (let top = this.#layers.length - 1; top > 0; top--) {
      const [older, newer] = [this.#layers[top - 1]!, this.#layers[top]!]
      if (older.count > 2 * newer.count) break
      this.#layers.splice(top - 1, 2, await this.#merged(older, newer, slices))
    }
  }

  /** Says of each range, in order, whether it is held. */
  async look(ranges: Ranges, slices: Slices, visit: (index: number, presence: Presence) => void): Promise<void> {
    const places = this.#layers.map(() => 0)
    await slices.times(ranges.count, (index) => visit(index, this.#presence(ranges, index, places)))
  }

  /** Holds a range no more, wherever it is. */
  async remove(ranges: Ranges, indexes: Iterable<number>, slices: Slices): Promise<void> {
    const places = this.#layers.map(() => 0)
    await slices.each(indexes, (index) => {
      for (const [depth, layer] of this.#layers.entries()) {
        const place = (places[depth] = this.#seek(layer, places[depth]!, ranges, index))
        if (place < layer.count && this.#isSame(layer, place, ranges, index)) layer.gone[place] = 1
      }
    })
  }

  /** `places` says where to go on in each layer: ranges are asked for in ascending order. */
  #presence(ranges: Ranges, index: number, places: number[]): Presence {
    const at = index * this.#words
    let overlapped: HeldRange | undefined
    for (const [depth, layer] of this.#layers.entries()) {
      let place = (places[depth] = this.#seek(layer, places[depth]!, ranges, index))
      for (; place < layer.count; place++) {
        if (compareWords(layer.first, place * this.#words, ranges.last, at, this.#words) > 0) break
        if (layer.gone[place] === 1) continue
        if (this.#isSame(layer, place, ranges, index)) return 'exact'
        overlapped ??= this.#heldAt(layer, place)
      }
    }
    if (overlapped !== undefined) return { overlaps: overlapped }
    return this.#isPartial ? 'unknown' : 'absent'
  }

  /** The first place whose range does not end before this one. */
  #seek(layer: Layer, from: number, ranges: Ranges, index: number): number {
    return seek(layer.last, layer.count, from, ranges.first, index * this.#words, this.#words)
  }

  #isSame(layer: Layer, place: number, ranges: Ranges, index: number): boolean {
    const [left, right] = [place * this.#words, index * this.#words]
    return (
      compareWords(layer.first, left, ranges.first, right, this.#words) === 0 &&
      compareWords(layer.last, left, ranges.last, right, this.#words) === 0
    )
  }

  #heldAt(layer: Layer, place: number): HeldRange {
    const [from, to] = [place * this.#words, (place + 1) * this.#words]
    return {
      first: layer.first.slice(from, to),
      last: layer.last.slice(from, to),
      operation: layer.operation[place]!,
      row: layer.row[place]!
    }
  }

  /** One layer of two, of what is still held, without repetitions. */
  async #merged(left: Layer, right: Layer, slices: Slices): Promise<Layer> {
    const words = this.#words
    const max = left.count + right.count
    const merged = emptyLayer(max, words)
    let count = 0
    const take = (layer: Layer, place: number): void => {
      if (layer.gone[place] === 1) return
      const [from, to] = [place * words, count * words]
      if (count > 0 && compareWords(merged.first, to - words, layer.first, from, words) === 0) return
      for (let word = 0; word < words; word++) {
        merged.first[to + word] = layer.first[from + word]!
        merged.last[to + word] = layer.last[from + word]!
      }
      merged.operation[count] = layer.operation[place]!
      merged.row[count++] = layer.row[place]!
    }
    let [a, b] = [0, 0]
    await slices.times(max, () => {
      const takesLeft = b >= right.count || (a < left.count && compareWords(left.first, a * words, right.first, b * words, words) <= 0)
      if (takesLeft) take(left, a++)
      else take(right, b++)
    })
    return {
      first: merged.first.subarray(0, count * words),
      last: merged.last.subarray(0, count * words),
      operation: merged.operation.subarray(0, count),
      row: merged.row.subarray(0, count),
      gone: merged.gone.subarray(0, count),
      count
    }
  }
}

function emptyLayer(count: number, words: number): Layer {
  return {
    first: new Uint32Array(count * words),
    last: new Uint32Array(count * words),
    operation: new Uint32Array(count),
    row: new Uint32Array(count),
    gone: new Uint8Array(count),
    count
  }
}

function layerOf({ first, last, startRow, count }: Ranges, operation: number): Layer {
  return { first, last, operation: new Uint32Array(count).fill(operation), row: startRow, gone: new Uint8Array(count), count }
}
