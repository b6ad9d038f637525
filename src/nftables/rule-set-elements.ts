/**
 * Single look-ups in sets of plain ranges. The kernel may answer with rows that do not belong together: in the sets of rules, a range that touches the next one has no end of its own.
 */
import { Buffer } from 'node:buffer'
import { parseBounds } from './bounds.js'
import { ColumnsBuilder, type ElementColumns } from './columns.js'
import type { KeyField } from './bounds.js'
import { encodeElement } from './elements.js'
import type { ListedElements } from './listing.js'
import { intervalKind, type SetForm } from './sets.js'

/** Whether ranges of such a set have to be looked for in its listing. */
export function hasJoinedRanges(form: SetForm): boolean {
  return form.isAnonymous && intervalKind(form) === 'plain'
}

/** Of a listing, the ranges that hold one of these keys. */
export function pickHolding(listed: ListedElements, keys: readonly (KeyField | readonly KeyField[])[], form: SetForm): ElementColumns {
  const wanted = keys.map((key) => parseBounds('key', key, form.key))
  const builder = new ColumnsBuilder()
  for (const element of listed) {
    if (element.key === '*') continue
    const { first, last } = parseBounds('key', element.key, form.key)
    const isHeld = wanted.some((key) => Buffer.compare(first, key.first) <= 0 && Buffer.compare(key.last, last) <= 0)
    if (isHeld) encodeElement(element, 0, form, (row) => builder.push(row))
  }
  return builder.finish()
}
