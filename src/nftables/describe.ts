/**
 * The kernel's rows in the caller's words, for errors.
 */
import { CATCHALL, rowAt, type ElementColumns } from './columns.js'
import { formatFields } from './datatypes.js'
import type { SetForm } from './sets.js'

/** An element's key as nft writes it: `10.0.0.5 . tcp . 80`; hexadecimal where the set's types are not known. */
export function describeRow(columns: ElementColumns, row: number, form: SetForm | undefined): string {
  const { key, flags } = rowAt(columns, row)
  if ((flags & CATCHALL) !== 0) return '*'
  if (form === undefined) return `0x${Array.from(key, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
  const fields = formatFields(key, form.key)
  return Array.isArray(fields) ? fields.map(String).join(' . ') : String(fields)
}
