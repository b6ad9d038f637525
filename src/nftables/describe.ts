/**
 * The kernel's rows, and queued operations, in the caller's words, for errors.
 */
import { Buffer } from 'node:buffer'
import { describeBounds, predecessor } from './bounds.js'
import { CATCHALL, isEnd, rowAt, type ElementColumns, type ElementRow } from './columns.js'
import { formatFields } from './datatypes.js'
import { intervalKind, type SetForm } from './sets.js'

/** Characters of an object's description that a message shows. */
const MAX_SUBJECT = 200

/** Names may be as long as callers like, messages not. */
function clip(text: string): string {
  return text.length > MAX_SUBJECT ? `${text.slice(0, MAX_SUBJECT)}…` : text
}

/** Where an operation stands in its transaction, and what it is about. */
export function placeOf({ subject }: { readonly subject: () => string }, index: number): string {
  return `operations[${index}] (${clip(subject())})`
}

/** Names an object of a table, or a table. @param word `chain`, `set` and so on. */
export function describeNamed(
  word: string,
  { family, table, name }: { readonly family: string; readonly table?: string | undefined; readonly name: string }
): string {
  return table === undefined ? `${word} ${family} ${name}` : `${word} ${family} ${table} ${name}`
}

/** Names a rule by its place and comment: it has no other name before it is there. */
export function describeRule({
  family,
  table,
  chain,
  comment
}: {
  readonly family: string
  readonly table: string
  readonly chain: string
  readonly comment?: string | undefined
}): string {
  return `rule of chain ${family} ${table} ${chain}${comment === undefined ? '' : ` "${comment}"`}`
}

/** The start and the end of the range that a row is the start or the end of: they lie next to each other. */
function rangeOf(columns: ElementColumns, row: number): { readonly start?: ElementRow | undefined; readonly end?: ElementRow | undefined } {
  const own = rowAt(columns, row)
  const neighbours = (isEnd(own) ? [row - 1, row + 1] : [row + 1, row - 1]).filter((other) => other >= 0 && other < columns.rows)
  const other = neighbours
    .map((neighbour) => rowAt(columns, neighbour))
    .find((candidate) => isEnd(candidate) !== isEnd(own) && Buffer.compare(candidate.key, own.key) === (isEnd(own) ? -1 : 1))
  return isEnd(own) ? { start: other, end: own } : { start: own, end: other }
}

/** Bytes whose types are not known. */
export function describeBytes(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes).toString('hex')}`
}

/** An element's key as nft writes it: `10.0.0.5 . tcp . 80`, `10.0.0.0/8`; hexadecimal where the set's types are not known. */
export function describeRow(columns: ElementColumns, row: number, form: SetForm | undefined): string {
  const { key, keyEnd, flags } = rowAt(columns, row)
  if ((flags & CATCHALL) !== 0) return '*'
  if (form === undefined) return describeBytes(key)
  if (intervalKind(form) === 'plain' && keyEnd === undefined) {
    const { start, end } = rangeOf(columns, row)
    const last = end === undefined ? new Uint8Array(key.length).fill(0xff) : predecessor(end.key)
    return describeBounds({ first: start?.key ?? last, last }, form.key)
  }
  if (form.isInterval || keyEnd !== undefined) return describeBounds({ first: key, last: keyEnd ?? key }, form.key)
  const fields = formatFields(key, form.key)
  return Array.isArray(fields) ? fields.map(String).join(' . ') : String(fields)
}
