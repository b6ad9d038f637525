/**
 * Checks of columns that a caller made: whether they can be walked. What they mean is checked on the native side.
 */
import { asNative } from '../core/columns.js'
import { ValidationError } from '../core/errors.js'
import type { ElementColumns } from './columns.js'

/** As native/addon/convert_columns.cc has it. */
const MAX_ROWS = 67_108_863
/** What the kernel takes (nf_msecs_to_jiffies64): less than 2^64 nanoseconds. Infinity: never. */
const MAX_MILLISECONDS = 18_446_744_073_708

interface ColumnForm {
  readonly array: new (length: number) => { readonly length: number }
  /** Values beyond one a row; absent: the column has a length of its own. */
  readonly beyond?: number
  /** The column that this one cannot be without. */
  readonly with?: string
}

const FORMS: Readonly<Record<string, ColumnForm>> = {
  keyEnd: { array: Uint8Array, beyond: 0 },
  flags: { array: Uint32Array, beyond: 0 },
  data: { array: Uint8Array, with: 'dataOffsets' },
  dataOffsets: { array: Uint32Array, beyond: 1 },
  verdict: { array: Int32Array, beyond: 0 },
  verdictChain: { array: Uint32Array, beyond: 0, with: 'verdictChainTable' },
  timeoutMs: { array: Float64Array, beyond: 0 },
  expirationMs: { array: Float64Array, beyond: 0 },
  userdata: { array: Uint8Array, with: 'userdataOffsets' },
  userdataOffsets: { array: Uint32Array, beyond: 1 },
  objectReference: { array: Uint32Array, beyond: 0, with: 'objectReferenceTable' },
  counterPackets: { array: BigUint64Array, beyond: 0 },
  counterBytes: { array: BigUint64Array, beyond: 0 },
  hasCounter: { array: Uint8Array, beyond: 0 },
  expressions: { array: Uint8Array, with: 'expressionsOffsets' },
  expressionsOffsets: { array: Uint32Array, beyond: 1 }
}
const TABLES = ['verdictChainTable', 'objectReferenceTable'] as const

function checkColumn(name: string, form: ColumnForm, columns: ElementColumns): void {
  const all = asNative(columns)
  const column = all[name]
  if (column === undefined) return
  const { array, beyond } = form
  if (!(column instanceof array) || (beyond !== undefined && column.length < columns.rows + beyond))
    throw new ValidationError(name, column, `a ${array.name}${beyond === undefined ? '' : ` of ${columns.rows + beyond} values`}`)
  if (form.with !== undefined && all[form.with] === undefined) throw new ValidationError(form.with, undefined, `a column beside ${name}`)
}

function checkTimes(name: string, times: Float64Array | undefined): void {
  const wrong = times?.findIndex((time) => !((time >= 0 && time <= MAX_MILLISECONDS) || time === Infinity)) ?? -1
  if (wrong >= 0) throw new ValidationError(`${name}[${wrong}]`, times![wrong], `0 to ${MAX_MILLISECONDS} milliseconds, or Infinity`)
}

/** What is walked before the native side checks the rest. @throws {ValidationError} */
export function checkColumns(columns: ElementColumns): void {
  const { rows, key } = columns
  if (!Number.isInteger(rows) || rows < 0 || rows > MAX_ROWS) throw new ValidationError('rows', rows, `an integer from 0 to ${MAX_ROWS}`)
  if (!(key instanceof Uint8Array) || key.length < rows)
    throw new ValidationError('key', key, 'a Uint8Array with at least a byte for every row')
  for (const [name, form] of Object.entries(FORMS)) checkColumn(name, form, columns)
  for (const name of TABLES) {
    const table: unknown = columns[name]
    if (table !== undefined && (!Array.isArray(table) || table.some((text) => typeof text !== 'string')))
      throw new ValidationError(name, table, 'a list of texts')
  }
  checkTimes('timeoutMs', columns.timeoutMs)
  checkTimes('expirationMs', columns.expirationMs)
}
