/**
 * Elements given as objects, on their way into columns. Few are encoded at once; many, or as many as an iterable gives, in short slices when the transaction is sent.
 */
import { toList } from '../core/checks.js'
import type { Slices } from '../core/slices.js'
import { ColumnsBuilder, type ElementColumns } from './columns.js'
import { encodeElement, type SetElement } from './elements.js'
import type { SetForm } from './sets.js'

/** Elements that are encoded at once: about a millisecond. */
const FEW = 256
/** How many elements are worked on between two looks at the clock. */
const PIECE = 64

/** The elements of one operation. */
export class ElementBatch {
  readonly #form: SetForm
  readonly #elements: SetElement[] = []
  readonly #builder = new ColumnsBuilder()
  /** Which element a row came from; empty where every element has one row. */
  readonly #sources: number[] = []
  #rest: Iterator<SetElement> | undefined
  #encoded: ElementColumns | undefined
  #columns: Promise<ElementColumns> | undefined

  /**
   * Lists of up to 256 elements are encoded here, so that the caller may change them afterwards.
   *
   * @throws {ValidationError} With the element's index in its path.
   */
  constructor(elements: Iterable<SetElement>, form: SetForm) {
    this.#form = form
    if (Array.isArray(elements) && elements.length <= FEW) {
      for (const element of elements as SetElement[]) this.#push(element)
      this.#encoded = this.#builder.finish()
    } else {
      // A list may change while it is read in slices.
      this.#rest = (Array.isArray(elements) ? toList('elements', elements as SetElement[]) : elements)[Symbol.iterator]()
    }
  }

  /** The index of the element that a row stands for. */
  source(row: number): number {
    return this.#sources[row] ?? row
  }

  /** The caller's element that a row stands for; all of them without a row. */
  object(row?: number): unknown {
    return row === undefined ? this.#elements : this.#elements[this.source(row)]
  }

  /** The columns, encoded when they are first asked for: the rows of each element behind those of the one before. @throws {ValidationError} With the element's index in its path. */
  async columns(slices: Slices): Promise<ElementColumns> {
    if (this.#encoded !== undefined) return this.#encoded
    this.#columns ??= this.#encode(slices)
    return (this.#encoded = await this.#columns)
  }

  /** As {@link ElementBatch.columns}, at once, however long it takes. */
  columnsHere(): ElementColumns {
    if (this.#encoded !== undefined) return this.#encoded
    for (let next = this.#rest!.next(); next.done !== true; next = this.#rest!.next()) this.#push(next.value)
    this.#rest = undefined
    return (this.#encoded = this.#builder.finish())
  }

  /** The columns, where they have been encoded. */
  get encoded(): ElementColumns | undefined {
    return this.#encoded
  }

  /** Encodes all elements that are left. */
  async #encode(slices: Slices): Promise<ElementColumns> {
    for (let next = this.#rest!.next(); next.done !== true; next = this.#rest!.next()) {
      if (this.#push(next.value) % PIECE === 0 && slices.isOver) await slices.turn()
    }
    this.#rest = undefined
    return this.#builder.finish()
  }

  #push(element: SetElement): number {
    const source = this.#elements.push(element) - 1
    encodeElement(element, source, this.#form, (row) => {
      this.#builder.push(row)
      if (this.#form.isInterval) this.#sources.push(source)
    })
    return source
  }
}
