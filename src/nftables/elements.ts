/**
 * Elements as callers write and read them, to and from the kernel's rows. Intervals are the difference: a range is one element for the caller, two rows (its start, and an end that
 * does not belong to it) in a plain interval set, and one row with an inclusive end in a concatenation.
 */
import { Buffer } from 'node:buffer'
import { locate, ValidationError } from '../core/errors.js'
import { formatBounds, formatDataRange, parseBounds, parseDataRange, predecessor, successor, type KeyField } from './bounds.js'
import { CATCHALL, INTERVAL_END, isEnd, rowAt, type ElementColumns, type ElementRow } from './columns.js'
import { formatFields, keyLength, parseFields } from './datatypes.js'
import { intervalKind, setForm, type SetForm, type SetSpec } from './sets.js'
import { commentEntry, commentedBy, COMMENT_TYPE, ELEMENT_FLAGS_TYPE, encodeUserdata, isOnlyComment, numberEntry } from './userdata.js'
import { verdictName, verdictNumber, type VerdictName } from './verdicts.js'

/** An element of a set or map. */
export interface SetElement {
  /** One field, a list of them for a concatenation, or `*`: what no other element matches (Linux 5.13). */
  readonly key: KeyField | readonly KeyField[]
  /** Of maps to values; of maps to ranges also a range or a prefix. */
  readonly data?: KeyField | readonly KeyField[] | undefined
  /** Of verdict maps. */
  readonly verdict?: VerdictName | undefined
  /** For `jump` and `goto`. */
  readonly chain?: string | undefined
  /** Of object maps: the object's name. */
  readonly object?: string | undefined
  /** Milliseconds the element lives when it is not refreshed; default the set's. */
  readonly timeoutMs?: number | undefined
  /** Milliseconds it has left. */
  readonly expirationMs?: number | undefined
  /** At most 128 bytes, without quotation marks and control characters. */
  readonly comment?: string | undefined
  /** Of sets whose elements count. */
  readonly counter?: { readonly packets: bigint; readonly bytes: bigint } | undefined
  /** The whole userdata, where a comment alone would not give the same bytes. */
  readonly userdata?: Uint8Array | undefined
  /** NFTA_SET_ELEM_EXPRESSIONS as listed, where there is more than a counter; written back unchanged. */
  readonly expressions?: Uint8Array | undefined
}

function checkNumber(path: string, value: number | undefined): number {
  if (value === undefined) return 0
  if (!Number.isSafeInteger(value) || value < 0) throw new ValidationError(path, value, 'a whole number of milliseconds')
  return value
}

/** EXPR_F_INTERVAL_OPEN of nft, on the last range where it goes on to the largest value. */
const OPEN_END = numberEntry(ELEMENT_FLAGS_TYPE, 1)

function userdataFor(element: SetElement, openEnded: boolean): Uint8Array | undefined {
  if (element.userdata !== undefined) return element.userdata
  if (element.comment === undefined && !openEnded) return undefined
  const entries = element.comment === undefined ? [] : [commentEntry('comment', COMMENT_TYPE.element, element.comment)]
  if (openEnded) entries.push(OPEN_END)
  return encodeUserdata(entries)
}

function checkContent(element: SetElement, holds: SetForm['holds']): void {
  if (holds !== 'values' && element.data !== undefined)
    throw new ValidationError('data', element.data, 'no data: the set does not map to values')
  if (holds !== 'verdicts' && element.verdict !== undefined)
    throw new ValidationError('verdict', element.verdict, 'no verdict: the set is no verdict map')
  if (holds !== 'objects' && element.object !== undefined)
    throw new ValidationError('object', element.object, 'no object: the set does not map to objects')
}

function parseData(data: unknown, form: SetForm): Uint8Array {
  return form.isDataInterval ? parseDataRange('data', data, form.data!) : parseFields('data', data, form.data!)
}

function formatData(bytes: Uint8Array, form: SetForm): Pick<SetElement, 'data'> {
  return { data: form.isDataInterval ? formatDataRange(bytes, form.data!) : formatFields(bytes, form.data!) }
}

function rowOf(
  element: SetElement,
  form: SetForm,
  key: Uint8Array,
  keyEnd: Uint8Array | undefined,
  flags: number,
  openEnded = false
): ElementRow {
  checkContent(element, form.holds)
  return {
    key,
    keyEnd,
    flags,
    data: element.data === undefined ? undefined : parseData(element.data, form),
    verdict: element.verdict === undefined ? undefined : verdictNumber('verdict', element.verdict, element.chain),
    chain: element.verdict === undefined ? undefined : element.chain,
    timeoutMs: checkNumber('timeoutMs', element.timeoutMs),
    expirationMs: checkNumber('expirationMs', element.expirationMs),
    userdata: userdataFor(element, openEnded),
    object: element.object,
    counter: element.counter,
    expressions: element.expressions
  }
}

/** Appends the rows of one element: one, or two where a range of a plain interval set has an end. */
function pushRows(element: SetElement, form: SetForm, push: (row: ElementRow) => void): void {
  if (element.key === '*') return push(rowOf(element, form, new Uint8Array(keyLength(form.key)), undefined, CATCHALL))
  const kind = intervalKind(form)
  if (kind === undefined) return push(rowOf(element, form, parseFields('key', element.key, form.key), undefined, 0))
  const { first, last } = parseBounds('key', element.key, form.key)
  if (kind === 'concatenated') return push(rowOf(element, form, first, last, 0))
  const end = successor(last)
  push(rowOf(element, form, first, undefined, 0, end === undefined))
  if (end !== undefined) push({ key: end, flags: INTERVAL_END, timeoutMs: 0, expirationMs: 0 })
}

/** Encodes one element; `push` takes its rows. @throws {ValidationError} With the element's index in its path. */
export function encodeElement(element: SetElement, index: number, form: SetForm, push: (row: ElementRow) => void): void {
  if (typeof (element as unknown) !== 'object' || (element as unknown) === null)
    throw new ValidationError(`elements[${index}]`, element, 'an element: { key, … }')
  try {
    pushRows(element, form, push)
  } catch (error) {
    throw locate(error, `elements[${index}].`)
  }
}

/** Ascending; where one range ends as the next begins, the end comes first. */
export function compareRows(left: ElementRow, right: ElementRow): number {
  return Buffer.compare(left.key, right.key) || right.flags - left.flags
}

/** Rows of elements, and which element each row came from. Plain intervals come in ascending order. */
export interface EncodedElements {
  readonly rows: readonly ElementRow[]
  readonly sources: readonly number[]
}

/** Encodes elements. @throws {ValidationError} With the element's index in its path. */
export function encodeElements(elements: Iterable<SetElement>, form: SetForm): EncodedElements {
  const rows: ElementRow[] = []
  const sources: number[] = []
  let source = 0
  const push = (row: ElementRow): void => {
    rows.push(row)
    sources.push(source)
  }
  for (const element of elements) {
    encodeElement(element, source, form, push)
    source++
  }
  if (intervalKind(form) !== 'plain') return { rows, sources }
  const order = Array.from(rows.keys()).sort((left, right) => compareRows(rows[left]!, rows[right]!))
  return { rows: order.map((row) => rows[row]!), sources: order.map((row) => sources[row]!) }
}

function describeContent(row: ElementRow, form: SetForm): Partial<SetElement> {
  const { userdata, comment } = commentedBy('element', row.userdata)
  // The mark of an open end is said by the range itself.
  const isOwn = userdata === undefined || isOnlyComment('element', userdata, comment, [OPEN_END])
  return {
    ...(row.data === undefined || form.data === undefined ? {} : formatData(row.data, form)),
    ...(row.verdict === undefined ? {} : { verdict: verdictName(row.verdict) }),
    ...(row.chain === undefined ? {} : { chain: row.chain }),
    ...(row.object === undefined ? {} : { object: row.object }),
    ...(row.timeoutMs === 0 ? {} : { timeoutMs: row.timeoutMs }),
    ...(row.expirationMs === 0 ? {} : { expirationMs: row.expirationMs }),
    ...(comment === undefined ? {} : { comment }),
    ...(row.counter === undefined ? {} : { counter: row.counter }),
    ...(isOwn ? {} : { userdata }),
    ...(row.expressions === undefined ? {} : { expressions: row.expressions })
  }
}

/** Elements of a plain interval set: starts and ends are paired by value, as the kernel lists them in any order. */
function* decodeIntervals(rows: ElementRow[], form: SetForm): Generator<SetElement> {
  rows.sort(compareRows)
  let open: ElementRow | undefined
  const close = (start: ElementRow, last: Uint8Array, end?: ElementRow): SetElement => ({
    key: formatBounds({ first: start.key, last }, form.key),
    ...describeContent(start.userdata === undefined ? { ...start, userdata: end?.userdata } : start, form)
  })
  for (const row of rows) {
    // In sets of rules a range that touches the next has no end of its own. nft begins sets with an end at 0, which ends nothing.
    if (open !== undefined && (isEnd(row) || Buffer.compare(open.key, row.key) !== 0)) {
      yield close(open, predecessor(row.key), isEnd(row) ? row : undefined)
      open = undefined
    }
    if (!isEnd(row)) open ??= row
  }
  if (open !== undefined) yield close(open, new Uint8Array(open.key.length).fill(0xff))
}

function decodeRow(row: ElementRow, form: SetForm): SetElement {
  const isRange = form.isInterval || row.keyEnd !== undefined
  const key = isRange ? formatBounds({ first: row.key, last: row.keyEnd ?? row.key }, form.key) : formatFields(row.key, form.key)
  return { key, ...describeContent(row, form) }
}

/** Reads elements from columns, one at a time; plain intervals are collected first. */
export function* decodeElements(chunks: Iterable<ElementColumns>, form: SetForm): Generator<SetElement> {
  const isPlain = intervalKind(form) === 'plain'
  const intervals: ElementRow[] = []
  for (const columns of chunks) {
    for (let index = 0; index < columns.rows; index++) {
      const row = rowAt(columns, index)
      if ((row.flags & CATCHALL) !== 0) yield { key: '*', ...describeContent(row, form) }
      else if (isPlain) intervals.push(row)
      else yield decodeRow(row, form)
    }
  }
  if (intervals.length > 0) yield* decodeIntervals(intervals, form)
}

/**
 * The elements that columns hold, as objects: those of `ElementChange`, for one.
 *
 * @param declaration Of the set, as it was declared or listed.
 * @throws {ValidationError} The declaration has no such types.
 */
export function* readElements(
  columns: ElementColumns,
  declaration: Pick<SetSpec, 'key' | 'data' | 'flags' | 'typeof'>
): Generator<SetElement> {
  yield* decodeElements([columns], setForm(declaration))
}
