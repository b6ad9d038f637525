/** Rows of columns, as functions that queue them one by one are given them. */
import type { RepeatedColumns, RepeatedRow } from '../../src/nftables/repeat/columns.js'

/** A row. */
export function rowOf<Columns extends RepeatedColumns>(columns: Columns, rows: number, row: number): RepeatedRow<Columns> {
  const values = Object.entries(columns).map(([name, column]) => {
    if (!(column instanceof Uint8Array)) return [name, column[row]]
    const width = column.length / rows
    return [name, column.slice(row * width, (row + 1) * width)]
  })
  return Object.fromEntries(values) as RepeatedRow<Columns>
}
