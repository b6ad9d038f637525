/**
 * The data types of nf_tables, by the names that nft uses: how a value becomes the bytes of a key, and back. The kernel knows lengths only; the identifiers are an agreement
 * of user space (nftables, include/datatype.h) and serve `nft list`.
 */
import { Buffer } from 'node:buffer'
import { formatAddress, requireAddress } from '../core/address.js'
import { ValidationError } from '../core/errors.js'
import {
  CT_DIRECTIONS,
  CT_STATES,
  CT_STATUSES,
  DAYS,
  DSCP_CODES,
  ECN_CODES,
  FIB_TYPES,
  ICMP_CODES,
  ICMP_TYPES,
  ICMPV6_CODES,
  ICMPV6_TYPES,
  ICMPX_CODES,
  PACKET_TYPES,
  PROTOCOLS
} from './symbols.js'
import { momentNs, secondsOfDay } from './times.js'
import { numberOfName } from './users.js'

/** A value of a data type as callers write it: text, number, or raw bytes as they lie in the register. */
export type KeyValue = string | number | bigint | Uint8Array

/**
 * Names of data types. `integer8` … `integer512` are nft's `integer` with its width in bits, in steps of 8, in network order as in packets; `host_integer16` … are what the kernel makes
 * itself, in host order: numbers of `numgen` and `jhash`, conntrack zones, counts. `time_date`, `day` and `hour` are what `meta time`, `meta day` and `meta hour` have.
 */
export type DataTypeName =
  | 'ipv4_addr'
  | 'ipv6_addr'
  | 'ether_addr'
  | 'ether_type'
  | 'inet_proto'
  | 'inet_service'
  | 'mark'
  | 'ifname'
  | 'iface_index'
  | 'iface_type'
  | 'icmp_type'
  | 'icmp_code'
  | 'icmpv6_type'
  | 'icmpv6_code'
  | 'icmpx_code'
  | 'tcp_flag'
  | 'ct_state'
  | 'ct_dir'
  | 'ct_status'
  | 'ct_label'
  | 'pkt_type'
  | 'fib_addrtype'
  | 'nf_proto'
  | 'arp_op'
  | 'realm'
  | 'classid'
  | 'uid'
  | 'gid'
  | 'devgroup'
  | 'dscp'
  | 'ecn'
  | 'boolean'
  | 'time'
  | 'time_date'
  | 'day'
  | 'hour'
  | 'integer8'
  | 'integer16'
  | 'integer32'
  | 'integer64'
  | 'integer128'
  | `integer${number}`
  | 'host_integer16'
  | 'host_integer32'
  | 'host_integer64'
  | 'string'

/** What is known of a data type. */
export interface DataType {
  readonly name: DataTypeName
  /** NFTA_SET_KEY_TYPE, for display by nft. */
  readonly id: number
  /** Bytes. In a concatenation each field takes the next multiple of 4. */
  readonly length: number
  /** How integers lie in registers; `none` for bytes and text. */
  readonly byteOrder: 'big' | 'host' | 'none'
  /** Names for numbers. */
  readonly symbols?: Readonly<Record<string, number>>
}

const IFNAMSIZ = 16
/** Whether numbers in host order have their last byte first. */
export const IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

type Row = readonly [
  name: DataTypeName,
  id: number,
  length: number,
  byteOrder: DataType['byteOrder'],
  symbols?: Readonly<Record<string, number>>
]

const ROWS: readonly Row[] = [
  ['nf_proto', 2, 1, 'host', { ipv4: 2, ipv6: 10 }],
  ['integer8', 4, 1, 'big'],
  // Before those in network order, which stand for integers of unknown order.
  ['host_integer16', 4, 2, 'host'],
  ['host_integer32', 4, 4, 'host'],
  ['host_integer64', 4, 8, 'host'],
  ['integer16', 4, 2, 'big'],
  ['integer32', 4, 4, 'big'],
  ['integer64', 4, 8, 'big'],
  ['integer128', 4, 16, 'big'],
  ['string', 5, IFNAMSIZ, 'none'],
  ['ipv4_addr', 7, 4, 'big'],
  ['ipv6_addr', 8, 16, 'big'],
  ['ether_addr', 9, 6, 'big'],
  ['ether_type', 10, 2, 'big', { ip: 0x0800, arp: 0x0806, ip6: 0x86dd, vlan: 0x8100 }],
  ['arp_op', 11, 2, 'big', { request: 1, reply: 2, rrequest: 3, rreply: 4, inrequest: 8, inreply: 9, nak: 10 }],
  ['inet_proto', 12, 1, 'big', PROTOCOLS],
  ['inet_service', 13, 2, 'big'],
  ['icmp_type', 14, 1, 'big', ICMP_TYPES],
  ['tcp_flag', 15, 1, 'big', { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ecn: 64, cwr: 128 }],
  ['time', 18, 4, 'host'],
  ['mark', 19, 4, 'host'],
  ['iface_index', 20, 4, 'host'],
  ['iface_type', 21, 2, 'host'],
  ['realm', 22, 4, 'host'],
  ['classid', 23, 4, 'host'],
  ['uid', 24, 4, 'host'],
  ['gid', 25, 4, 'host'],
  ['ct_state', 26, 4, 'host', CT_STATES],
  ['ct_dir', 27, 1, 'host', CT_DIRECTIONS],
  ['ct_status', 28, 4, 'host', CT_STATUSES],
  ['icmpv6_type', 29, 1, 'big', ICMPV6_TYPES],
  ['ct_label', 30, 16, 'host'],
  ['pkt_type', 31, 1, 'host', PACKET_TYPES],
  ['icmp_code', 32, 1, 'big', ICMP_CODES],
  ['icmpv6_code', 33, 1, 'big', ICMPV6_CODES],
  ['icmpx_code', 34, 1, 'big', ICMPX_CODES],
  ['devgroup', 35, 4, 'host'],
  ['dscp', 36, 1, 'big', DSCP_CODES],
  ['ecn', 37, 1, 'big', ECN_CODES],
  ['fib_addrtype', 38, 4, 'host', FIB_TYPES],
  ['boolean', 39, 1, 'host'],
  ['ifname', 41, IFNAMSIZ, 'none'],
  ['time_date', 43, 8, 'host'],
  ['hour', 44, 4, 'host'],
  ['day', 45, 1, 'host', DAYS]
]

const TYPES: ReadonlyMap<string, DataType> = new Map(
  ROWS.map(([name, id, length, byteOrder, symbols]) => [
    name,
    { name, id, length, byteOrder, ...(symbols === undefined ? {} : { symbols }) }
  ])
)

/** Data types by identifier, for sets made by others; integers are told apart by length. */
const TYPES_BY_ID: ReadonlyMap<string, DataType> = new Map([...TYPES.values()].map((type) => [`${type.id} ${type.length}`, type]))

const INTEGER_ID = 4
const MAX_INTEGER_BYTES = 64

/** An integer in network order of any width that a key may have; undefined for others. */
function integerType(bytes: number): DataType | undefined {
  if (!Number.isInteger(bytes) || bytes < 1 || bytes > MAX_INTEGER_BYTES) return undefined
  return TYPES.get(`integer${bytes * 8}`) ?? { name: `integer${bytes * 8}`, id: INTEGER_ID, length: bytes, byteOrder: 'big' }
}

/** The type of a name. @throws {ValidationError} */
export function dataType(path: string, name: unknown): DataType {
  const bits = typeof name === 'string' ? /^integer([1-9]\d{0,2})$/.exec(name)?.[1] : undefined
  const type = bits !== undefined ? integerType(Number(bits) / 8) : TYPES.get(name as string)
  if (type === undefined)
    throw new ValidationError(path, name, `${[...TYPES.keys()].join(', ')}, or an integer of another width: integer24`)
  return type
}

/** The type with an identifier and length, or undefined. */
export function findDataType(id: number, length: number): DataType | undefined {
  return TYPES_BY_ID.get(`${id} ${length}`) ?? (id === INTEGER_ID ? integerType(length) : undefined)
}

/** Bytes that a field takes in a concatenation. */
export function paddedLength(length: number): number {
  return (length + 3) & ~3
}

/** Bytes of a key of these types, as NFTA_SET_KEY_LEN has it: each field of a concatenation padded. */
export function keyLength(types: readonly DataType[]): number {
  return types.length === 1 ? types[0]!.length : types.reduce((sum, { length }) => sum + paddedLength(length), 0)
}

const TYPE_BITS = 6

/** NFTA_SET_KEY_TYPE of a concatenation: six bits a field, the first highest; five fields at most. */
export function concatenatedId(types: readonly DataType[]): number {
  return types.reduce((id, type) => id * 2 ** TYPE_BITS + type.id, 0)
}

/** What is known of the fields of a set beside its identifier. */
export interface FieldHint {
  /** Bytes. */
  readonly length?: number | undefined
  /** Whether integers lie in host order. */
  readonly isHostOrder?: boolean | undefined
}

/** An integer of so many bytes. */
function hintedInteger(length: number, isHostOrder: boolean): DataType | undefined {
  return (isHostOrder ? TYPES.get(`host_integer${length * 8}`) : undefined) ?? integerType(length)
}

/**
 * The types of a set's key or data, from what the kernel keeps; undefined where user space of other making left none that are known.
 *
 * @param hints What the set's userdata and description say of each field: a concatenation does not say how wide its integers are. Of a single one without a hint, what the others leave is its width.
 */
export function splitTypes(id: number, length: number, hints: readonly FieldHint[] = []): DataType[] | undefined {
  const ids: number[] = []
  for (let rest = id; rest > 0; rest = Math.floor(rest / 2 ** TYPE_BITS)) ids.unshift(rest % 2 ** TYPE_BITS)
  if (ids.length === 1) {
    const single = id === INTEGER_ID ? hintedInteger(length, hints[0]?.isHostOrder === true) : findDataType(id, length)
    return single === undefined ? undefined : [single]
  }
  const types = ids.map((part, index): DataType | undefined => {
    if (part !== INTEGER_ID) return [...TYPES.values()].find((type) => type.id === part)
    const { length: bytes, isHostOrder = false } = hints[index] ?? {}
    return bytes === undefined ? undefined : hintedInteger(bytes, isHostOrder)
  })
  if (types.some((type, index) => type === undefined && ids[index] !== INTEGER_ID)) return undefined
  const missing = types.filter((type) => type === undefined).length
  const left = length - types.reduce((sum, type) => sum + (type === undefined ? 0 : paddedLength(type.length)), 0)
  if (missing > 0 && left % (4 * missing) !== 0) return undefined
  const all = types.map((type, index) => type ?? hintedInteger(left / missing, hints[index]?.isHostOrder === true))
  return all.every((type) => type !== undefined) && keyLength(all) === length ? all : undefined
}

/** Integers of up to 4 bytes, which need no bigint. */
function smallBytes(value: number, length: number, byteOrder: DataType['byteOrder']): Uint8Array {
  const bytes = new Uint8Array(length)
  const isReversed = byteOrder === 'host' && IS_LITTLE_ENDIAN
  for (let index = 0, rest = value; index < length; index++, rest >>>= 8) bytes[isReversed ? index : length - 1 - index] = rest & 0xff
  return bytes
}

function integerBytes(value: bigint, length: number, byteOrder: DataType['byteOrder']): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let index = length - 1, rest = value; index >= 0; index--, rest >>= 8n) bytes[index] = Number(rest & 0xffn)
  return byteOrder === 'host' && IS_LITTLE_ENDIAN ? bytes.reverse() : bytes
}

function integerOf(bytes: Uint8Array, byteOrder: DataType['byteOrder']): bigint {
  const ordered = byteOrder === 'host' && IS_LITTLE_ENDIAN ? Uint8Array.from(bytes).reverse() : bytes
  return ordered.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n)
}

const MAX_SMALL_BYTES = 4

function parseInteger(path: string, value: unknown, type: DataType): Uint8Array {
  const symbol =
    typeof value === 'string' && type.symbols !== undefined && Object.hasOwn(type.symbols, value) ? type.symbols[value] : undefined
  const number = symbol ?? value
  if (
    typeof number === 'number' &&
    type.length <= MAX_SMALL_BYTES &&
    Number.isInteger(number) &&
    number >= 0 &&
    number < 2 ** (8 * type.length)
  ) {
    return smallBytes(number, type.length, type.byteOrder)
  }
  const max = (1n << BigInt(type.length * 8)) - 1n
  const whole =
    typeof number === 'bigint' ? number : typeof number === 'number' && Number.isSafeInteger(number) ? BigInt(number) : undefined
  if (whole === undefined || whole < 0n || whole > max) {
    const names = type.symbols === undefined ? '' : `${Object.keys(type.symbols).join(', ')}, or `
    throw new ValidationError(path, value, `${names}an integer from 0 to ${max}`)
  }
  return integerBytes(whole, type.length, type.byteOrder)
}

function parseText(path: string, value: unknown, length: number): Uint8Array {
  const bytes = typeof value === 'string' ? Buffer.from(value) : undefined
  if (bytes === undefined || bytes.length === 0 || bytes.length >= length || bytes.includes(0))
    throw new ValidationError(path, value, `1 to ${length - 1} bytes of text without NUL`)
  const padded = new Uint8Array(length)
  padded.set(bytes)
  return padded
}

function parseMac(path: string, value: unknown): Uint8Array {
  if (typeof value !== 'string' || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(value))
    throw new ValidationError(path, value, 'a hardware address such as 52:54:00:12:34:56')
  return Uint8Array.from(value.split(':'), (part) => Number.parseInt(part, 16))
}

function parseMoment(path: string, value: unknown): Uint8Array | undefined {
  return typeof value === 'string' ? integerBytes(momentNs(path, value), 8, 'host') : undefined
}

function parseHour(path: string, value: unknown): Uint8Array | undefined {
  return typeof value === 'string' ? smallBytes(secondsOfDay(path, value), 4, 'host') : undefined
}

function parseOwner(kind: 'uid' | 'gid'): (path: string, value: unknown) => Uint8Array | undefined {
  return (path, value) => (typeof value === 'string' ? smallBytes(numberOfName(path, kind, value), 4, 'host') : undefined)
}

const PARSERS: Readonly<Partial<Record<DataTypeName, (path: string, value: unknown) => Uint8Array | undefined>>> = {
  ipv4_addr: (path, value) => requireAddress(path, value, 'ip'),
  ipv6_addr: (path, value) => requireAddress(path, value, 'ip6'),
  ether_addr: parseMac,
  time_date: parseMoment,
  hour: parseHour,
  uid: parseOwner('uid'),
  gid: parseOwner('gid'),
  ifname: (path, value) => parseText(path, value, IFNAMSIZ),
  string: (path, value) => parseText(path, value, IFNAMSIZ)
}

/** The bytes of one value, `type.length` of them. @throws {ValidationError} */
export function parseValue(path: string, value: unknown, type: DataType): Uint8Array {
  if (value instanceof Uint8Array) {
    if (value.length !== type.length) throw new ValidationError(path, value, `${type.length} bytes`)
    return value
  }
  return PARSERS[type.name]?.(path, value) ?? parseInteger(path, value, type)
}

/** What {@link parseValue} would take: text for addresses and names, a name where the type has one for the number, else a number (a bigint above 32 bits). */
export function formatValue(bytes: Uint8Array, type: DataType): string | number | bigint {
  if (type.name === 'ipv4_addr' || type.name === 'ipv6_addr') return formatAddress(bytes)
  if (type.name === 'ether_addr') return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':')
  if (type.byteOrder === 'none') return Buffer.from(bytes.subarray(0, bytes.indexOf(0) < 0 ? bytes.length : bytes.indexOf(0))).toString()
  const number = integerOf(bytes, type.byteOrder)
  if (type.length > 4) return number
  for (const name in type.symbols) if (BigInt(type.symbols[name]!) === number) return name
  return Number(number)
}

/** Runs what parses field `index` of a list; an error's path gets the index. Paths of what goes well are never built. */
function atField<T>(path: string, index: number, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error
    throw new ValidationError(`${path}[${index}]${error.path.slice(path.length)}`, error.value, error.allowed)
  }
}

/** Calls `visit` for each field of a concatenation, with its place in the key. @throws {ValidationError} Where there are not as many fields as types. */
export function eachField(
  path: string,
  value: unknown,
  types: readonly DataType[],
  visit: (field: unknown, type: DataType, offset: number) => void
): void {
  const fields = Array.isArray(value) ? (value as readonly unknown[]) : undefined
  if (fields?.length !== types.length)
    throw new ValidationError(path, value, `a list of ${types.length} values: ${types.map(({ name }) => name).join(', ')}`)
  let offset = 0
  let index = 0
  const parse = (): void => visit(fields[index], types[index]!, offset)
  for (; index < types.length; index++) {
    atField(path, index, parse)
    offset += paddedLength(types[index]!.length)
  }
}

/** The bytes of a key or concatenated data: fields padded to 4 when there are several. @throws {ValidationError} */
export function parseFields(path: string, value: unknown, types: readonly DataType[]): Uint8Array {
  if (types.length === 1 && !Array.isArray(value)) return parseValue(path, value, types[0]!)
  const length = keyLength(types)
  if (value instanceof Uint8Array && value.length === length) return value
  const bytes = new Uint8Array(length)
  eachField(path, value, types, (field, type, offset) => put(bytes, parseValue(path, field, type), offset))
  return bytes
}

/** As `set`, which takes longer to get going than a few bytes take. */
function put(target: Uint8Array, bytes: Uint8Array, offset: number): void {
  for (let index = 0; index < bytes.length; index++) target[offset + index] = bytes[index]!
}

/** The values in the bytes of a key: one value, or a list for a concatenation. */
export function formatFields(bytes: Uint8Array, types: readonly DataType[]): KeyValue | KeyValue[] {
  if (types.length === 1) return formatValue(bytes, types[0]!)
  let offset = 0
  return types.map((type) => {
    const value = formatValue(bytes.subarray(offset, offset + type.length), type)
    offset += paddedLength(type.length)
    return value
  })
}
