/**
 * Elements given as objects, on their way into columns. Few are encoded at once; many, or as many as an iterable gives, in short slices when the transaction is sent.
 */
import { ColumnsBuilder, toColumns, type ElementColumns, type ElementRow } from './columns.js'
import { compareRows, encodeElement, encodeElements, needsOrder, type SetElement } from './elements.js'
import type { SetForm } from './sets.js'
import type { Slices } from '../slices.js'

/** Elements that are encoded at once: about a millisecond. */
const FEW = 256
/** How many elements or rows are worked on between two looks at the clock. */
const PIECE = 64

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

/** The elements of one operation. */
export class ElementBatch {
  readonly #form: SetForm
  readonly #elements: SetElement[] = []
  #rest: Iterator<SetElement> | undefined
  #encoded: ElementColumns | undefined
  #columns: Promise<ElementColumns> | undefined
  /** Which element a row came from; absent: the one with its number. */
  #sources: ArrayLike<number> | undefined

  /**
   * Lists of up to 256 elements are encoded here, so that the caller may change them afterwards.
   *
   * @throws {ValidationError} With the element's index in its path.
   */
  constructor(elements: Iterable<SetElement>, form: SetForm) {
    this.#form = form
    if (Array.isArray(elements) && elements.length <= FEW) {
      this.#elements.push(...(elements as SetElement[]))
      const { rows, sources } = encodeElements(this.#elements, form)
      this.#encoded = toColumns(rows)
      this.#sources = sources
    } else {
      // A list may change while it is read in slices.
      this.#rest = (Array.isArray(elements) ? (elements as SetElement[]).slice() : elements)[Symbol.iterator]()
    }
  }

  /** The caller's element that a row stands for; all of them without a row. */
  object(row?: number): unknown {
    return row === undefined ? this.#elements : this.#elements[this.#sources === undefined ? row : this.#sources[row]!]
  }

  /** The columns, encoded when they are first asked for. @throws {ValidationError} With the element's index in its path. */
  async columns(slices: Slices): Promise<ElementColumns> {
    if (this.#encoded !== undefined) return this.#encoded
    this.#columns ??= needsOrder(this.#form) ? this.#encodeInOrder(slices) : this.#encode(slices)
    return (this.#encoded = await this.#columns)
  }

  /** The columns, where they have been encoded. */
  get encoded(): ElementColumns | undefined {
    return this.#encoded
  }

  async #encode(slices: Slices): Promise<ElementColumns> {
    const builder = new ColumnsBuilder()
    await this.#each(slices, (row) => builder.push(row))
    return builder.finish()
  }

  async #encodeInOrder(slices: Slices): Promise<ElementColumns> {
    const rows: ElementRow[] = []
    const sources: number[] = []
    await this.#each(slices, (row, source) => {
      rows.push(row)
      sources.push(source)
    })
    const identity = Uint32Array.from({ length: rows.length }, (_, row) => row)
    const order = await sortInSlices(identity, (left, right) => compareRows(rows[left]!, rows[right]!), slices)
    const builder = new ColumnsBuilder()
    for (const [place, row] of order.entries()) {
      builder.push(rows[row]!)
      if (place % PIECE === 0 && slices.isOver) await slices.turn()
    }
    this.#sources = order.map((row) => sources[row]!)
    return builder.finish()
  }

  /** Encodes all elements that are left. */
  async #each(slices: Slices, push: (row: ElementRow, source: number) => void): Promise<void> {
    for (let next = this.#rest!.next(); next.done !== true; next = this.#rest!.next()) {
      const source = this.#elements.push(next.value) - 1
      encodeElement(next.value, source, this.#form, (row) => push(row, source))
      if (source % PIECE === 0 && slices.isOver) await slices.turn()
    }
    this.#rest = undefined
  }
}
