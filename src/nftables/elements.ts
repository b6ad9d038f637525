/**
 * Elements as callers write and read them, to and from the kernel's rows. Intervals are the difference: a range is one element for the caller, two rows (its start, and an end that
 * does not belong to it) in a plain interval set, and one row with an inclusive end in a concatenation.
 */
import { Buffer } from 'node:buffer'
import { parsePrefix, prefixRange } from '../address.js'
import { locate, ValidationError } from '../errors.js'
import { CATCHALL, INTERVAL_END, rowAt, type ElementColumns, type ElementRow } from './columns.js'
import { eachField, formatFields, keyLength, paddedLength, parseFields, parseValue, type DataType, type KeyValue } from './datatypes.js'
import type { SetForm } from './sets.js'
import { commentEntry, commentedBy, COMMENT_TYPE, decodeUserdata, ELEMENT_FLAGS_TYPE, encodeUserdata, numberEntry } from './userdata.js'
import { verdictName, verdictNumber, type VerdictName } from './verdicts.js'

/** A range of values, both ends included. */
export interface KeyRange {
  readonly from: KeyValue
  readonly to: KeyValue
}

/** One field of a key: a value or, in interval sets, a range, a prefix (`10.0.0.0/8`), or the beginning of a link's name (`eth*`). */
export type KeyField = KeyValue | KeyRange

/** An element of a set or map. */
export interface SetElement {
  /** One field, a list of them for a concatenation, or `*`: what no other element matches (Linux 5.13). */
  readonly key: KeyField | readonly KeyField[]
  /** Of maps to values. */
  readonly data?: KeyValue | readonly KeyValue[] | undefined
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
  /** 1–127 bytes. */
  readonly comment?: string | undefined
  /** Of sets whose elements count. */
  readonly counter?: { readonly packets: bigint; readonly bytes: bigint } | undefined
  /** The whole userdata, where it holds more than a comment. */
  readonly userdata?: Uint8Array | undefined
  /** NFTA_SET_ELEM_EXPRESSIONS as listed, where there is more than a counter; written back unchanged. */
  readonly expressions?: Uint8Array | undefined
}

interface Bounds {
  readonly first: Uint8Array
  readonly last: Uint8Array
}

function isRange(value: unknown): value is KeyRange {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array) && 'from' in value && 'to' in value
}

/** Bytes so ordered that a larger value is later: host-order integers lie reversed in little-endian registers, but interval sets keep them big-endian. */
function parseBound(path: string, value: unknown, type: DataType): Uint8Array {
  const bytes = parseValue(path, value, type)
  return type.byteOrder === 'host' && !(value instanceof Uint8Array) && IS_LITTLE_ENDIAN ? Uint8Array.from(bytes).reverse() : bytes
}

const IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

function parseFieldBounds(path: string, value: unknown, type: DataType): Bounds {
  if (isRange(value)) {
    const first = parseBound(`${path}.from`, value.from, type)
    const last = parseBound(`${path}.to`, value.to, type)
    if (Buffer.compare(first, last) > 0) throw new ValidationError(path, value, 'a range whose end is not below its start')
    return { first, last }
  }
  if (typeof value === 'string' && value.includes('/') && (type.name === 'ipv4_addr' || type.name === 'ipv6_addr')) {
    const prefix = parsePrefix(value)
    if (prefix?.address.length !== type.length) throw new ValidationError(path, value, 'a prefix such as 10.0.0.0/8')
    return prefixRange(prefix)
  }
  if (type.name === 'ifname' && typeof value === 'string' && value.endsWith('*')) return parseWildcard(path, value, type)
  const bytes = parseBound(path, value, type)
  return { first: bytes, last: bytes }
}

/** All names that begin so: the rest of the 16 bytes may be anything. */
function parseWildcard(path: string, value: string, type: DataType): Bounds {
  const start = value.slice(0, -1)
  const first = parseValue(path, start, type)
  const last = Uint8Array.from(first).fill(0xff, Buffer.byteLength(start))
  return { first, last }
}

function parseBounds(path: string, key: unknown, types: readonly DataType[]): Bounds {
  if (types.length === 1 && !Array.isArray(key)) return parseFieldBounds(path, key, types[0]!)
  const first = new Uint8Array(keyLength(types))
  const last = new Uint8Array(first.length)
  eachField(path, key, types, (field, type, offset) => {
    const bounds = parseFieldBounds(path, field, type)
    first.set(bounds.first, offset)
    last.set(bounds.last, offset)
  })
  return { first, last }
}

/** The value after these bytes, or undefined where there is none. */
function successor(bytes: Uint8Array): Uint8Array | undefined {
  const next = Uint8Array.from(bytes)
  for (let index = next.length - 1; index >= 0; index--) {
    next[index] = (next[index]! + 1) & 0xff
    if (next[index] !== 0) return next
  }
  return undefined
}

function predecessor(bytes: Uint8Array): Uint8Array {
  const previous = Uint8Array.from(bytes)
  for (let index = previous.length - 1; index >= 0; index--) {
    previous[index] = (previous[index]! - 1) & 0xff
    if (previous[index] !== 0xff) break
  }
  return previous
}

function checkNumber(path: string, value: number | undefined): number {
  if (value === undefined) return 0
  if (!Number.isSafeInteger(value) || value < 0) throw new ValidationError(path, value, 'a whole number of milliseconds')
  return value
}

function userdataFor(element: SetElement, openEnded: boolean): Uint8Array | undefined {
  if (element.userdata !== undefined) return element.userdata
  if (element.comment === undefined && !openEnded) return undefined
  const entries = element.comment === undefined ? [] : [commentEntry('comment', COMMENT_TYPE.element, element.comment)]
  if (openEnded) entries.push(numberEntry(ELEMENT_FLAGS_TYPE, 1))
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
    data: element.data === undefined ? undefined : parseFields('data', element.data, form.data!),
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
  if (!form.isInterval) return push(rowOf(element, form, parseFields('key', element.key, form.key), undefined, 0))
  const { first, last } = parseBounds('key', element.key, form.key)
  if (form.key.length > 1) return push(rowOf(element, form, first, last, 0))
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

/** Whether rows have to be in ascending order: plain intervals, as the kernel's trees like them. */
export function needsOrder(form: SetForm): boolean {
  return form.isInterval && form.key.length === 1
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
  if (!needsOrder(form)) return { rows, sources }
  const order = Array.from(rows.keys()).sort((left, right) => compareRows(rows[left]!, rows[right]!))
  return { rows: order.map((row) => rows[row]!), sources: order.map((row) => sources[row]!) }
}

function formatBound(bytes: Uint8Array, type: DataType): KeyValue {
  const ordered = type.byteOrder === 'host' && IS_LITTLE_ENDIAN ? Uint8Array.from(bytes).reverse() : bytes
  return formatFields(ordered, [type]) as KeyValue
}

/** Bits of the prefix that spans the bounds, or undefined where none does. */
function prefixLength({ first, last }: Bounds): number | undefined {
  let length = 0
  while (length < first.length * 8 && ((first[length >> 3]! ^ last[length >> 3]!) & (0x80 >> (length & 7))) === 0) length++
  const range = prefixRange({ address: first, length })
  return Buffer.compare(range.first, first) === 0 && Buffer.compare(range.last, last) === 0 ? length : undefined
}

function formatBounds(bounds: Bounds, type: DataType): KeyField {
  const from = formatBound(bounds.first, type)
  if (Buffer.compare(bounds.first, bounds.last) === 0) return from
  if (type.name === 'ifname') {
    const end = bounds.first.indexOf(0)
    if (end >= 0 && bounds.last.every((byte, index) => byte === (index < end ? bounds.first[index] : 0xff))) return `${String(from)}*`
  }
  const isAddress = type.name === 'ipv4_addr' || type.name === 'ipv6_addr'
  const length = isAddress ? prefixLength(bounds) : undefined
  return length === undefined ? { from, to: formatBound(bounds.last, type) } : `${String(from)}/${length}`
}

function describeContent(row: ElementRow, form: SetForm): Partial<SetElement> {
  const { userdata, comment } = commentedBy('element', row.userdata)
  // The mark of an open end is said by the range itself.
  const isOwn =
    userdata === undefined || decodeUserdata(userdata).every(({ type }) => type === ELEMENT_FLAGS_TYPE || type === COMMENT_TYPE.element)
  return {
    ...(row.data === undefined || form.data === undefined ? {} : { data: formatFields(row.data, form.data) }),
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

function describeConcatenation(row: ElementRow, form: SetForm): KeyField[] {
  let offset = 0
  return form.key.map((type) => {
    const slice = (bytes: Uint8Array): Uint8Array => bytes.subarray(offset, offset + type.length)
    const field = formatBounds({ first: slice(row.key), last: slice(row.keyEnd ?? row.key) }, type)
    offset += paddedLength(type.length)
    return field
  })
}

/** Elements of a plain interval set: starts and ends are paired by value, as the kernel lists them in any order. */
function* decodeIntervals(rows: ElementRow[], form: SetForm): Generator<SetElement> {
  const type = form.key[0]!
  rows.sort((left, right) => Buffer.compare(left.key, right.key) || right.flags - left.flags)
  let open: ElementRow | undefined
  for (const row of rows) {
    if ((row.flags & INTERVAL_END) === 0) {
      open = row
      continue
    }
    // nft begins a set with an end at 0, which ends nothing.
    if (open !== undefined)
      yield { key: formatBounds({ first: open.key, last: predecessor(row.key) }, type), ...describeContent(open, form) }
    open = undefined
  }
  if (open !== undefined)
    yield { key: formatBounds({ first: open.key, last: new Uint8Array(type.length).fill(0xff) }, type), ...describeContent(open, form) }
}

function decodeRow(row: ElementRow, form: SetForm): SetElement {
  const key = form.isInterval && form.key.length > 1 ? describeConcatenation(row, form) : formatFields(row.key, form.key)
  return { key, ...describeContent(row, form) }
}

/** Reads elements from columns, one at a time; plain intervals are collected first. */
export function* decodeElements(chunks: Iterable<ElementColumns>, form: SetForm): Generator<SetElement> {
  const intervals: ElementRow[] = []
  for (const columns of chunks) {
    for (let index = 0; index < columns.rows; index++) {
      const row = rowAt(columns, index)
      if ((row.flags & CATCHALL) !== 0) yield { key: '*', ...describeContent(row, form) }
      else if (form.isInterval && form.key.length === 1) intervals.push(row)
      else yield decodeRow(row, form)
    }
  }
  if (intervals.length > 0) yield* decodeIntervals(intervals, form)
}
