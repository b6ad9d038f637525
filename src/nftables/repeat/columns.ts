/**
 * What differs from row to row of operations that are repeated.
 */
import { types } from 'node:util'
import { ValidationError } from '../../core/errors.js'
import { isObject } from '../fields.js'

/**
 * Values of one kind, a row each. In a `Uint8Array` the rows lie back to back: bytes as they are in a packet, such as addresses. The other arrays hold numbers (ports, marks) and counters, and a list
 * holds texts (names, comments).
 */
export type RepeatedColumn = Uint8Array | Uint16Array | Uint32Array | BigUint64Array | readonly string[]

/** Columns by their names. */
export type RepeatedColumns = Readonly<Record<string, RepeatedColumn>>

/** What a column is in one row. */
export type RepeatedValue<Column> = Column extends readonly string[]
  ? string
  : Column extends BigUint64Array
    ? bigint
    : Column extends Uint16Array | Uint32Array
      ? number
      : Uint8Array

/** One row. */
export type RepeatedRow<Columns> = { readonly [Name in keyof Columns]: RepeatedValue<Columns[Name]> }

/** A value of a row. */
export type RowValue = Uint8Array | number | bigint | string

/** A row whose columns are not known. */
export type AnyRow = Readonly<Record<string, RowValue>>

/** How the values of a column are held. */
export type ColumnKind = 'bytes' | 'number' | 'count' | 'text'

/** A column, whose values nobody else can change. */
export interface OwnColumn {
  readonly name: string
  readonly kind: ColumnKind
  /** Bytes of a value; 0 of texts. */
  readonly width: number
  readonly values: RepeatedColumn
}

/** More rows than any transaction can hold. */
const MAX_ROWS = 2 ** 24

const KINDS = 'a Uint8Array, a Uint16Array, a Uint32Array, a BigUint64Array or a list of texts'

function kindOf(values: unknown): ColumnKind | undefined {
  if (Array.isArray(values)) return 'text'
  if (types.isUint8Array(values)) return 'bytes'
  if (types.isUint16Array(values) || types.isUint32Array(values)) return 'number'
  return types.isBigUint64Array(values) ? 'count' : undefined
}

function widthOf(kind: ColumnKind, values: RepeatedColumn, rows: number): number {
  if (kind === 'text') return 0
  return kind === 'bytes' ? values.length / rows : (values as Uint16Array).BYTES_PER_ELEMENT
}

function checkTexts(path: string, values: readonly unknown[]): void {
  for (let row = 0; row < values.length; row++)
    if (typeof values[row] !== 'string') throw new ValidationError(`${path}[${row}]`, values[row], 'a text')
}

function ownColumn(name: string, values: unknown, rows: number): OwnColumn {
  const path = `columns.${name}`
  const kind = kindOf(values)
  if (kind === undefined) throw new ValidationError(path, values, KINDS)
  const { length } = values as RepeatedColumn
  const isWhole = kind === 'bytes' ? length > 0 && length % rows === 0 : length === rows
  if (!isWhole)
    throw new ValidationError(`${path}.length`, length, kind === 'bytes' ? `${rows} values of one length` : `${rows}, as there are rows`)
  if (kind === 'text') checkTexts(path, values as readonly unknown[])
  return { name, kind, width: widthOf(kind, values as RepeatedColumn, rows), values: (values as Uint8Array).slice() }
}

/** A copy of the columns. @throws {ValidationError} One is no column, or has not so many rows. */
export function ownColumns(rows: number, columns: RepeatedColumns): readonly OwnColumn[] {
  if (!Number.isInteger(rows) || rows < 0 || rows > MAX_ROWS)
    throw new ValidationError('rows', rows, `a whole number from 0 to ${MAX_ROWS}`)
  if (!isObject(columns) || Array.isArray(columns) || ArrayBuffer.isView(columns))
    throw new ValidationError('columns', columns, `an object, whose fields are ${KINDS}`)
  return rows === 0 ? [] : Object.entries(columns).map(([name, values]) => ownColumn(name, values, rows))
}

/** The value of a column in a row. Bytes are those of the column. */
export function valueAt({ kind, width, values }: OwnColumn, row: number): RowValue {
  return kind === 'bytes' ? (values as Uint8Array).subarray(row * width, (row + 1) * width) : (values as readonly RowValue[])[row]!
}

/** A row, which its receiver may keep. */
export function rowAt(columns: readonly OwnColumn[], row: number): AnyRow {
  return Object.fromEntries(
    columns.map((column) => {
      const value = valueAt(column, row)
      return [column.name, typeof value === 'object' ? value.slice() : value]
    })
  )
}
