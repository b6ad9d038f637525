/**
 * Ranges as callers write them, and the bytes of their first and last value. Bytes are in the order in which a larger value is later, as interval sets keep them.
 */
import { Buffer } from 'node:buffer'
import { parsePrefix, prefixRange } from '../core/address.js'
import { ValidationError } from '../core/errors.js'
import {
  type DataType,
  eachField,
  formatFields,
  IS_LITTLE_ENDIAN,
  keyLength,
  type KeyValue,
  paddedLength,
  parseValue
} from './datatypes.js'

/** A range of values, both ends included. */
export interface KeyRange {
  readonly from: KeyValue
  readonly to: KeyValue
}

/** One field of a key: a value or, in interval sets, a range, a prefix (`10.0.0.0/8`), or the beginning of a link's name (`eth*`). */
export type KeyField = KeyValue | KeyRange

/** The first and the last value of a range. */
export interface Bounds {
  readonly first: Uint8Array
  readonly last: Uint8Array
}

/** Whether a field is written as a range. */
export function isRange(value: unknown): value is KeyRange {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array) && 'from' in value && 'to' in value
}

/** Whether a field of this type lies in registers with its last byte first. */
function isReversed(type: DataType): boolean {
  return type.byteOrder === 'host' && IS_LITTLE_ENDIAN
}

/** Bytes so ordered that a larger value is later: host-order integers lie reversed in little-endian registers, but interval sets keep them big-endian. */
function parseBound(path: string, value: unknown, type: DataType): Uint8Array {
  const bytes = parseValue(path, value, type)
  return isReversed(type) && !(value instanceof Uint8Array) ? Uint8Array.from(bytes).reverse() : bytes
}

/** All names that begin so: the rest of the 16 bytes may be anything. */
function parseWildcard(path: string, value: string, type: DataType): Bounds {
  const start = value.slice(0, -1)
  const first = parseValue(path, start, type)
  const last = Uint8Array.from(first).fill(0xff, Buffer.byteLength(start))
  return { first, last }
}

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

/** The bounds of a key: of one field, or field by field of a concatenation. @throws {ValidationError} */
export function parseBounds(path: string, key: unknown, types: readonly DataType[]): Bounds {
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

/** Calls `visit` for the bytes of each field. */
function forEachField(bytes: Uint8Array, types: readonly DataType[], visit: (field: Uint8Array, type: DataType) => void): void {
  let offset = 0
  for (const type of types) {
    visit(bytes.subarray(offset, offset + type.length), type)
    offset += paddedLength(type.length)
  }
}

/** Bounds as they lie in registers, from bounds in order, and back. */
function swapped(bytes: Uint8Array, types: readonly DataType[]): Uint8Array {
  if (!types.some(isReversed)) return bytes
  const copy = Uint8Array.from(bytes)
  forEachField(copy, types, (field, type) => {
    if (isReversed(type)) field.reverse()
  })
  return copy
}

/** Data that are ranges, as nft lays them down: the first value, then the last, each as it lies in registers. @throws {ValidationError} */
export function parseDataRange(path: string, data: unknown, types: readonly DataType[]): Uint8Array {
  const { first, last } = parseBounds(path, data, types)
  return Buffer.concat([swapped(first, types), swapped(last, types)])
}

function formatBound(bytes: Uint8Array, type: DataType): KeyValue {
  return formatFields(swapped(bytes, [type]), [type]) as KeyValue
}

/** Bits of the prefix that spans the bounds, or undefined where none does. */
function prefixLength({ first, last }: Bounds): number | undefined {
  let length = 0
  while (length < first.length * 8 && ((first[length >> 3]! ^ last[length >> 3]!) & (0x80 >> (length & 7))) === 0) length++
  const range = prefixRange({ address: first, length })
  return Buffer.compare(range.first, first) === 0 && Buffer.compare(range.last, last) === 0 ? length : undefined
}

function formatField(bounds: Bounds, type: DataType): KeyField {
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

/** What {@link parseBounds} would take: a value, prefix, name's beginning or range; a list of them for a concatenation. */
export function formatBounds({ first, last }: Bounds, types: readonly DataType[]): KeyField | KeyField[] {
  if (types.length === 1) return formatField({ first, last }, types[0]!)
  let offset = 0
  return types.map((type) => {
    const slice = (bytes: Uint8Array): Uint8Array => bytes.subarray(offset, offset + type.length)
    const field = formatField({ first: slice(first), last: slice(last) }, type)
    offset += paddedLength(type.length)
    return field
  })
}

/** The range in the bytes that {@link parseDataRange} makes. */
export function formatDataRange(bytes: Uint8Array, types: readonly DataType[]): KeyField | KeyField[] {
  const middle = bytes.length / 2
  return formatBounds({ first: swapped(bytes.subarray(0, middle), types), last: swapped(bytes.subarray(middle), types) }, types)
}

/** A field as nft writes it. */
export function describeField(field: KeyField): string {
  return isRange(field) ? `${String(field.from)}-${String(field.to)}` : String(field)
}

/** Bounds as nft writes them: `10.0.0.0/8`, `1024-65535`, `10.0.0.5 . 80-90`. */
export function describeBounds(bounds: Bounds, types: readonly DataType[]): string {
  const fields = formatBounds(bounds, types)
  return Array.isArray(fields) ? fields.map(describeField).join(' . ') : describeField(fields)
}

/** The value after these bytes, or undefined where there is none. */
export function successor(bytes: Uint8Array): Uint8Array | undefined {
  const next = Uint8Array.from(bytes)
  for (let index = next.length - 1; index >= 0; index--) {
    next[index] = (next[index]! + 1) & 0xff
    if (next[index] !== 0) return next
  }
  return undefined
}

/** The value before these bytes; of the first value the last. */
export function predecessor(bytes: Uint8Array): Uint8Array {
  const previous = Uint8Array.from(bytes)
  for (let index = previous.length - 1; index >= 0; index--) {
    previous[index] = (previous[index]! - 1) & 0xff
    if (previous[index] !== 0xff) break
  }
  return previous
}
