/**
 * Rows that a function makes things of: of a few it is asked, and the others are made by copying what it made.
 */
import { ValidationError } from '../../core/errors.js'
import type { AttributeBuffer } from '../wire/buffer.js'
import type { OperationBytes } from '../wire/operation.js'
import { rowAt, type AnyRow, type OwnColumn } from './columns.js'
import { MAX_COLUMNS } from './probes.js'
import type { Piece, Template } from './template.js'
import { Variant } from './variant.js'

/** Who takes what rows make. */
export interface RowTaker<P extends Piece> {
  /** Makes what a row makes by itself, by the caller's function; undefined where it cannot, or where each row's has numbers of its own. */
  make(row: AnyRow): readonly P[] | undefined
  /** Lets the caller's function do its work for a row. */
  run(row: AnyRow): void
  /** Takes a piece of a row, whose bytes in the buffer are these. @param index Which of the row's. */
  take(piece: P, bytes: OperationBytes, row: number, index: number): void
  /** Whether a text means something by itself. */
  isReserved?(text: string): boolean
}

/** Texts that are longer are left to the function. */
const MAX_TEXT = 256

/** Rows of which the function is asked all the same: fewer and fewer. */
function isSample(row: number): boolean {
  return (row & (row - 1)) === 0
}

/** Rows of one call. */
export class Repetition<P extends Piece> {
  readonly #columns: readonly OwnColumn[]
  readonly #texts: readonly OwnColumn[]
  readonly #taker: RowTaker<P>
  readonly #variants = new Map<number, Variant<P>>()

  constructor(columns: readonly OwnColumn[], taker: RowTaker<P>) {
    this.#columns = columns
    this.#texts = columns.filter(({ kind }) => kind === 'text')
    this.#taker = taker
  }

  /** Makes all rows, in their order. @param out Where the bytes go. @throws {ValidationError} The function decides by values. */
  run(rows: number, out: AttributeBuffer): void {
    // Of two rows nothing is gained: three are made up.
    const isWorth = rows > 2 && this.#columns.length <= MAX_COLUMNS
    for (let row = 0; row < rows; row++) {
      const template = isWorth ? this.#checked(this.#templateOf(row), row) : undefined
      if (template === undefined) this.#taker.run(rowAt(this.#columns, row))
      else this.#copy(template, row, out)
    }
  }

  #copy(template: Template<P>, row: number, out: AttributeBuffer): void {
    out.start()
    let from = template.write(this.#columns, row, out)
    const { bytes } = out
    for (let index = 0; index < template.pieces.length; index++) {
      const piece = template.pieces[index]!
      const to = from + piece.bytes.length
      this.#taker.take(piece, { bytes, from, to }, row, index)
      from = to
    }
  }

  /** What is thrown for a row that is asked for besides says nothing of the rows, for which the function is called then. */
  #make(row: AnyRow): readonly P[] | undefined {
    try {
      return this.#taker.make(row)
    } catch {
      return undefined
    }
  }

  /** Asks the function for some of the rows that would be copied; what is malformed is left to it. */
  #checked(template: Template<P> | undefined, row: number): Template<P> | undefined {
    if (template === undefined || !isSample(row)) return template
    const values = rowAt(this.#columns, row)
    const pieces = this.#make(values)
    if (pieces === undefined || template.gives(this.#columns, row, pieces)) return pieces && template
    throw new ValidationError(
      `row ${row}`,
      values,
      'values that do not decide what is queued: what depends on them is queued by calls of its own'
    )
  }

  #templateOf(row: number): Template<P> | undefined {
    let key = 0
    for (const { values } of this.#texts) {
      const text = (values as readonly string[])[row]!
      if (text.length >= MAX_TEXT || this.#taker.isReserved?.(text) === true) return undefined
      key = key * MAX_TEXT + text.length
    }
    if (!Number.isSafeInteger(key)) return undefined
    const variant = this.#variants.get(key) ?? this.#variantOf(key, row)
    return variant.holds(this.#columns, row) ? variant.template : undefined
  }

  #variantOf(key: number, row: number): Variant<P> {
    const lengths = this.#columns.map(({ kind, values }) => (kind === 'text' ? (values as readonly string[])[row]!.length : 0))
    const variant = new Variant(this.#columns, lengths, (columns) => this.#make(rowAt(columns, 0)))
    this.#variants.set(key, variant)
    return variant
  }
}
