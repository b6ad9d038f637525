/** Text that repeats, as indexes into a table. */
import { NO_SYMBOL } from '../core/columns.js'

/** A symbol column that is filled row by row. */
export class Symbols {
  readonly #indexes: Uint32Array
  /** In the order of their indexes; grows. */
  readonly table: string[] = []

  /** @param indexes What is filled: none at first. */
  constructor(indexes: Uint32Array) {
    this.#indexes = indexes.fill(NO_SYMBOL)
  }

  /** There are few different ones, and the last is most often meant again. */
  set(row: number, text: string): void {
    let index = this.table.lastIndexOf(text)
    if (index < 0) index = this.table.push(text) - 1
    this.#indexes[row] = index
  }
}

/** Rows of a symbol column. */
export interface SymbolRows {
  readonly indexes: Uint32Array
  readonly table: readonly string[]
}

/** Rows of several symbol columns, one behind the other: indexes into the table of each become those into a common one. */
export function joinSymbols(pieces: readonly SymbolRows[]): SymbolRows {
  const indexes = new Uint32Array(pieces.reduce((sum, piece) => sum + piece.indexes.length, 0))
  const table: string[] = []
  const numbers = new Map<string, number>()
  let own: readonly string[] | undefined
  let common: number[] = []
  let row = 0
  for (const piece of pieces) {
    if (piece.table !== own) {
      own = piece.table
      common = own.map((text) => {
        const known = numbers.get(text) ?? table.push(text) - 1
        numbers.set(text, known)
        return known
      })
    }
    // Not `for … of`: until it is compiled it makes an object for each entry, and a first sync is not.
    const from = piece.indexes
    for (let at = 0; at < from.length; at += 1) indexes[row++] = common[from[at] ?? NO_SYMBOL] ?? NO_SYMBOL
  }
  return { indexes, table }
}
