/** Text that repeats, as indexes into a table. */

/** The index that means "none" (native/netlink/columns.h). */
export const NO_SYMBOL = 0xffffffff

/** A symbol column that is filled row by row. */
export class Symbols {
  readonly indexes: Uint32Array
  readonly #table = new Map<string, number>()

  constructor(rows: number) {
    this.indexes = new Uint32Array(rows).fill(NO_SYMBOL)
  }

  set(row: number, text: string): void {
    let index = this.#table.get(text)
    if (index === undefined) this.#table.set(text, (index = this.#table.size))
    this.indexes[row] = index
  }

  table(): string[] {
    return [...this.#table.keys()]
  }
}
