/**
 * Sets, maps and verdict maps: what callers declare, and the record that the kernel gets and gives.
 */
import { ValidationError } from '../errors.js'
import type { NativeListed, NativeRecord } from '../native.js'
import { concatenatedId, dataType, keyLength, splitTypes, type DataType, type DataTypeName } from './datatypes.js'
import type { Expression } from './expressions.js'
import { family, type Family } from './families.js'
import {
  checkTypeof,
  defaultTypeof,
  describedEntry,
  describedIntegers,
  describeExpression,
  needsTypeof,
  plainConcatenationEntry,
  typeofEntry,
  type TypeofName
} from './typeof.js'
import { commentEntry, decodeUserdata, encodeUserdata, findComment, numberEntry, SET_USERDATA, type UserdataEntry } from './userdata.js'

/** NFT_SET_* in words. `map`, `concat`, `object`, `anonymous`, `eval` and `expression` follow from the rest of a declaration and need not be given. */
export type SetFlag = 'anonymous' | 'constant' | 'interval' | 'map' | 'timeout' | 'eval' | 'object' | 'concat' | 'expression' | number

/** Kinds of stateful objects that an object map may refer to. */
export type ObjectKind =
  'counter' | 'quota' | 'ct-helper' | 'limit' | 'connlimit' | 'tunnel' | 'ct-timeout' | 'secmark' | 'ct-expect' | 'synproxy' | number

/** Expressions whose values a set holds, one for each type: they must have the same width and byte order. */
export interface TypeofDeclaration {
  readonly key: readonly TypeofName[]
  /** Of maps to values; default: an expression for each type. */
  readonly data?: readonly TypeofName[] | undefined
}

/** A set, or (with `data`) a map. */
export interface SetSpec {
  readonly family: Family
  readonly table: string
  /** 1–255 bytes. */
  readonly name: string
  /** A type, or several for a concatenation (at most five, 64 bytes together). */
  readonly key: DataTypeName | readonly DataTypeName[]
  /** For maps: a type, a concatenation, ranges of these (nft: `interval ipv4_addr`), `verdict`, or a kind of object. Without it: a set. */
  readonly data?:
    | DataTypeName
    | 'verdict'
    | readonly DataTypeName[]
    | { readonly interval: DataTypeName | readonly DataTypeName[] }
    | { readonly object: ObjectKind }
    | undefined
  readonly flags?: readonly SetFlag[] | undefined
  /** Default time-out of elements, milliseconds; sets the flag `timeout`. */
  readonly timeoutMs?: number | undefined
  /** How often expired elements are collected, milliseconds. */
  readonly gcIntervalMs?: number | undefined
  /** Most elements; a set that is full refuses with ENFILE. Not declared: no limit. */
  readonly size?: number | undefined
  readonly policy?: 'performance' | 'memory' | undefined
  /** At most 128 bytes, without quotation marks and control characters. */
  readonly comment?: string | undefined
  /** Expressions that every element carries (Linux 5.7): `[{ type: 'counter' }]`. */
  readonly expressions?: readonly Expression[] | undefined
  /**
   * What nft prints instead of type names; display only. Without it, types that nft can only print so (`integer…`, `host_integer…`, `string`) are described by an
   * expression of theirs: `ct zone`, `numgen random mod 2`, `tcp sequence`, `@nh,0,64`.
   */
  readonly typeof?: TypeofDeclaration | undefined
  /** The whole userdata, instead of what would be made from `comment` and `typeof`. */
  readonly userdata?: Uint8Array | undefined
  /** Id inside a transaction; only for anonymous sets, which rules of the same transaction refer to. */
  readonly id?: number | undefined
}

/** A set as the kernel has it. Can be declared again as it is. */
export interface ListedSet extends SetSpec {
  readonly handle: bigint
  /** Elements, where the kernel counts them (Linux 6.18). */
  readonly count?: number | undefined
  /** The kernel's own fields, for what the typed ones cannot express (types of user space of other making). */
  readonly raw: NativeRecord
}

/** NFT_DATA_VERDICT, include/uapi/linux/netfilter/nf_tables.h. */
const DATA_VERDICT = 0xffff_ff00

const OBJECT_KINDS: readonly string[] = [
  '',
  'counter',
  'quota',
  'ct-helper',
  'limit',
  'connlimit',
  'tunnel',
  'ct-timeout',
  'secmark',
  'ct-expect',
  'synproxy'
]

/** Byte orders in userdata (nftables, include/datatype.h enum byteorder). */
const ORDER_NUMBER = { none: 1, host: 1, big: 2 } as const
/** Of concatenations, verdicts and objects. */
const NO_ORDER = 0
/** Types of one byte for which nft states no order. */
const UNSTATED_ORDER: ReadonlySet<string> = new Set(['inet_proto', 'nf_proto', 'ct_dir'])

/** The types of a key or of data. @throws {ValidationError} */
export function resolveTypes(path: string, names: DataTypeName | readonly DataTypeName[]): DataType[] {
  const list = typeof names === 'string' ? [names] : names
  if (!Array.isArray(list) || list.length === 0 || list.length > 5)
    throw new ValidationError(path, names, 'one data type, or a list of up to five')
  const types = list.map((name: DataTypeName, index) => dataType(list.length === 1 ? path : `${path}[${index}]`, name))
  if (keyLength(types) > 64) throw new ValidationError(path, names, 'types that take at most 64 bytes together')
  return types
}

/** What a set holds, resolved. */
export interface SetForm {
  readonly key: readonly DataType[]
  /** Of maps to values. */
  readonly data: readonly DataType[] | undefined
  readonly holds: 'nothing' | 'values' | 'verdicts' | 'objects'
  readonly isInterval: boolean
  /** Whether data are ranges: the first value, then the last. */
  readonly isDataInterval: boolean
  /** Whether it belongs to a rule: there the kernel wants no end where the next range begins. */
  readonly isAnonymous: boolean
}

type RangeData = Extract<SetSpec['data'], { readonly interval: unknown }>

function isRangeData(data: SetSpec['data']): data is RangeData {
  return typeof data === 'object' && 'interval' in data
}

function holdsOf(data: SetSpec['data']): SetForm['holds'] {
  if (data === undefined) return 'nothing'
  if (data === 'verdict') return 'verdicts'
  return typeof data === 'object' && 'object' in data ? 'objects' : 'values'
}

/** Resolves the types of a declaration. @throws {ValidationError} */
export function setForm(spec: Pick<SetSpec, 'key' | 'data' | 'flags' | 'typeof'>): SetForm {
  const holds = holdsOf(spec.data)
  const key = resolveTypes('key', spec.key)
  const data = holds === 'values' ? dataTypes(spec.data) : undefined
  if (spec.typeof !== undefined) checkExpressions(spec.typeof, key, data)
  return {
    key,
    data,
    holds,
    isInterval: spec.flags?.includes('interval') === true,
    isDataInterval: isRangeData(spec.data),
    isAnonymous: spec.flags?.includes('anonymous') === true
  }
}

function checkExpressions(expressions: TypeofDeclaration, key: readonly DataType[], data: readonly DataType[] | undefined): void {
  const resolve = (name: DataTypeName): DataType => dataType('typeof', name)
  checkTypeof('typeof.key', expressions.key, key, resolve)
  if (expressions.data === undefined) return
  if (data === undefined) throw new ValidationError('typeof.data', expressions.data, 'nothing, as the set does not map to values')
  checkTypeof('typeof.data', expressions.data, data, resolve)
}

function dataTypes(data: SetSpec['data']): DataType[] {
  return isRangeData(data)
    ? resolveTypes('data.interval', data.interval)
    : resolveTypes('data', data as DataTypeName | readonly DataTypeName[])
}

/** Bytes of the data of an element. */
function dataLength(form: SetForm): number {
  return keyLength(form.data!) * (form.isDataInterval ? 2 : 1)
}

/** The byte order of an expression's value, as userdata has it. */
export function byteOrderNumber(type: DataType): number {
  return ORDER_NUMBER[type.byteOrder]
}

/** The byte order of declared types, as userdata has it. */
export function byteOrderOf(types: readonly DataType[] | undefined): number {
  const only = types?.length === 1 ? types[0]! : undefined
  return only === undefined || UNSTATED_ORDER.has(only.name) ? NO_ORDER : byteOrderNumber(only)
}

/**
 * What to print instead of type names. nft takes the expressions of a key only where the data has some too; and without any it cannot print integers, whose width it would not know:
 * nft 1.0.6 even aborts.
 */
function expressionsOf(spec: SetSpec, { key, data }: SetForm): TypeofDeclaration | undefined {
  const isNeeded = [...key, ...(data ?? [])].some(needsTypeof)
  if (data !== undefined && data.length > 1) checkPrintable(data)
  if (spec.typeof === undefined && !isNeeded) return undefined
  return { key: spec.typeof?.key ?? defaultTypeof(key), data: data === undefined ? undefined : (spec.typeof?.data ?? defaultTypeof(data)) }
}

/** In concatenated data nft goes by the types alone: it prints other numbers than are there, or aborts. @throws {ValidationError} */
function checkPrintable(data: readonly DataType[]): void {
  const index = data.findIndex(needsTypeof)
  if (index >= 0)
    throw new ValidationError(
      `data[${index}]`,
      data[index]!.name,
      'a type with a name in nft, which cannot print others in data of several fields'
    )
}

/** The entries of a declaration's expressions, or what stands in their place where there are none. */
function typeofEntries(spec: SetSpec, form: SetForm): UserdataEntry[] {
  const { keyTypeof, dataTypeof } = SET_USERDATA
  const expressions = expressionsOf(spec, form)
  if (expressions === undefined) {
    const plain = (type: number, types: readonly DataType[] = []): UserdataEntry[] =>
      types.length > 1 ? [plainConcatenationEntry(type)] : []
    return [...plain(keyTypeof, form.key), ...plain(dataTypeof, form.data)]
  }
  const entries = [typeofEntry('typeof.key', keyTypeof, expressions.key)]
  if (form.holds === 'verdicts') entries.push(describedEntry(dataTypeof, describeExpression('verdict')))
  if (expressions.data !== undefined) entries.push(typeofEntry('typeof.data', dataTypeof, expressions.data))
  return entries
}

/** The entries nft writes for a declaration, in its order: with them, `nft list` prints the set as it was declared. */
function setUserdata(spec: SetSpec, form: SetForm): Uint8Array {
  const entries: UserdataEntry[] = [numberEntry(SET_USERDATA.keyByteOrder, byteOrderOf(form.key))]
  const isMap = form.holds === 'values' || form.holds === 'verdicts'
  if (isMap) entries.push(numberEntry(SET_USERDATA.dataByteOrder, byteOrderOf(form.data)))
  entries.push(...typeofEntries(spec, form))
  if (isMap || form.holds === 'objects') entries.push(numberEntry(SET_USERDATA.dataInterval, form.isDataInterval ? 1 : 0))
  if (spec.comment !== undefined) entries.push(commentEntry('comment', SET_USERDATA.comment, spec.comment))
  return encodeUserdata(entries)
}

function setFlags(spec: SetSpec, form: SetForm): SetFlag[] {
  const flags = new Set(spec.flags)
  if (form.holds === 'values' || form.holds === 'verdicts') flags.add('map')
  if (form.holds === 'objects') flags.add('object')
  if (spec.timeoutMs !== undefined) flags.add('timeout')
  // The kernel wants the fields of a concatenation only for ranges in it (pipapo).
  if (form.isInterval && form.key.length > 1) flags.add('concat')
  // One expression goes without the flag, as it did before there could be two (Linux 5.11).
  if ((spec.expressions?.length ?? 0) > 1) flags.add('expression')
  return [...flags]
}

function dataFields(spec: SetSpec, form: SetForm): NativeRecord {
  if (form.holds === 'values') return { dataType: concatenatedId(form.data!), dataLength: dataLength(form) }
  if (form.holds === 'verdicts') return { dataType: DATA_VERDICT, dataLength: 0 }
  if (form.holds !== 'objects') return {}
  const { object } = spec.data as { object: ObjectKind }
  const number = typeof object === 'number' ? object : OBJECT_KINDS.indexOf(object)
  if (number < 1) throw new ValidationError('data.object', object, OBJECT_KINDS.slice(1).join(', '))
  return { objectType: number }
}

function descriptionOf(spec: SetSpec, form: SetForm): NativeRecord | undefined {
  const fields = form.isInterval && form.key.length > 1 ? form.key.map(({ length }) => ({ length })) : undefined
  if (fields === undefined && spec.size === undefined) return undefined
  return { ...(spec.size === undefined ? {} : { size: spec.size }), ...(fields === undefined ? {} : { fields }) }
}

/** The native record of a declaration. `id` is what rules of the same transaction may use; the kernel demands one. @throws {ValidationError} */
export function toNativeSet(spec: SetSpec, id: number): NativeRecord {
  const form = setForm(spec)
  const description = descriptionOf(spec, form)
  return {
    table: spec.table,
    name: spec.name,
    flags: setFlags(spec, form),
    keyType: concatenatedId(form.key),
    keyLength: keyLength(form.key),
    ...dataFields(spec, form),
    ...(spec.policy === undefined ? {} : { policy: spec.policy }),
    ...(description === undefined ? {} : { description }),
    id: spec.id ?? id,
    ...(spec.timeoutMs === undefined ? {} : { timeoutMs: spec.timeoutMs }),
    ...(spec.gcIntervalMs === undefined ? {} : { gcIntervalMs: spec.gcIntervalMs }),
    ...(spec.expressions === undefined || spec.expressions.length === 0
      ? {}
      : spec.expressions.length === 1
        ? { expression: spec.expressions[0] }
        : { expressions: spec.expressions }),
    userdata: spec.userdata ?? setUserdata(spec, form),
    ...rawFields(spec, description)
  }
}

/**
 * What the typed fields of a listed set cannot say: types of other making, attributes of newer kernels. Types count only while the declaration has those that the
 * listing had.
 */
function rawFields(spec: SetSpec, description: NativeRecord | undefined): NativeRecord {
  const { raw: record } = spec as Partial<ListedSet>
  if (record === undefined) return {}
  const raw = record as unknown as RawSet
  const listed = fromNativeSet({ family: spec.family, value: record })
  const isSame = (field: 'key' | 'data'): boolean => JSON.stringify(listed[field]) === JSON.stringify(spec[field])
  const fields = raw.description?.fields
  return {
    ...(isSame('key') ? { keyType: raw.keyType, keyLength: raw.keyLength } : {}),
    ...(isSame('key') && fields !== undefined ? { description: { ...description, fields } } : {}),
    ...(isSame('data') && raw.dataType !== undefined ? { dataType: raw.dataType, dataLength: raw.dataLength ?? 0 } : {}),
    ...(record['opaque'] === undefined ? {} : { opaque: record['opaque'] })
  }
}

interface RawSet {
  readonly table: string
  readonly name: string
  readonly flags?: readonly SetFlag[]
  readonly keyType: number
  readonly keyLength: number
  readonly dataType?: number
  readonly dataLength?: number
  readonly objectType?: number
  readonly policy?: 'performance' | 'memory'
  readonly description?: { readonly size?: number; readonly fields?: readonly { readonly length: number }[] }
  readonly timeoutMs?: number
  readonly gcIntervalMs?: number
  readonly userdata?: Uint8Array
  readonly handle?: bigint
  readonly count?: number
  readonly expression?: Expression
  readonly expressions?: readonly Expression[]
}

/** Bytes of the widest field in a fallback. */
const FALLBACK_BYTES = 4

/** As many bytes, which is all the kernel knows of a type of other making. */
function unknownTypes(length: number): DataTypeName[] {
  if (length % FALLBACK_BYTES !== 0 || length <= 16) return [`integer${length * 8}`]
  return Array.from({ length: Math.min(5, length / FALLBACK_BYTES) }, () => 'integer32' as const)
}

interface ListedTypes {
  readonly id: number
  readonly length: number
  /** Of the fields of a concatenation with ranges (NFTA_SET_DESC_CONCAT). */
  readonly lengths?: readonly number[] | undefined
}

/**
 * Names for a key's or data's types. Integers do not say how wide they are, nor how they lie: the userdata may, by a byte order for all or by a description of each field, and
 * the set's description has the width of each field.
 */
function listedTypes(
  { id, length, lengths }: ListedTypes,
  entries: readonly UserdataEntry[],
  of: 'key' | 'data'
): DataTypeName | DataTypeName[] {
  const find = (type: number): Uint8Array | undefined => entries.find((entry) => entry.type === type)?.value
  const described = describedIntegers(find(SET_USERDATA[`${of}Typeof`]))
  const isHostOrder = find(SET_USERDATA[`${of}ByteOrder`])?.[0] === ORDER_NUMBER.host
  const hints = Array.from({ length: 5 }, (_, index) => ({
    length: lengths?.[index] ?? described[index]?.length,
    isHostOrder: described[index]?.isHostOrder ?? isHostOrder
  }))
  const orders = hints.map((hint) => ({ isHostOrder: hint.isHostOrder }))
  // Userdata of other making may contradict what the kernel has.
  const types = splitTypes(id, length, hints) ?? splitTypes(id, length, orders)
  const names = types?.map(({ name }) => name) ?? unknownTypes(length)
  return names.length === 1 ? names[0]! : names
}

function listedData(raw: RawSet, flags: readonly SetFlag[], entries: readonly UserdataEntry[]): SetSpec['data'] {
  if (flags.includes('object'))
    return {
      object: OBJECT_KINDS[raw.objectType ?? 0] === undefined ? (raw.objectType ?? 0) : (OBJECT_KINDS[raw.objectType ?? 0] as ObjectKind)
    }
  if (!flags.includes('map')) return undefined
  if (raw.dataType === DATA_VERDICT) return 'verdict'
  const length = raw.dataLength ?? 0
  const hasRanges = entries.find(({ type }) => type === SET_USERDATA.dataInterval)?.value.some((byte) => byte !== 0) === true
  if (!hasRanges) return listedTypes({ id: raw.dataType ?? 0, length }, entries, 'data')
  return { interval: listedTypes({ id: raw.dataType ?? 0, length: length / 2 }, entries, 'data') }
}

/** A declaration from what the kernel lists. */
export function fromNativeSet({ family: listedFamily, value }: NativeListed): ListedSet {
  const raw = value as unknown as RawSet
  const flags = raw.flags ?? []
  const entries = decodeUserdata(raw.userdata ?? new Uint8Array(0))
  const comment = findComment(entries, SET_USERDATA.comment)
  const expressions = raw.expressions ?? (raw.expression === undefined ? undefined : [raw.expression])
  const data = listedData(raw, flags, entries)
  return {
    family: family('family', listedFamily),
    table: raw.table,
    name: raw.name,
    key: listedTypes(
      { id: raw.keyType, length: raw.keyLength, lengths: raw.description?.fields?.map(({ length }) => length) },
      entries,
      'key'
    ),
    ...(data === undefined ? {} : { data }),
    ...(flags.length === 0 ? {} : { flags }),
    ...(raw.timeoutMs === undefined ? {} : { timeoutMs: raw.timeoutMs }),
    ...(raw.gcIntervalMs === undefined ? {} : { gcIntervalMs: raw.gcIntervalMs }),
    ...(raw.description?.size === undefined ? {} : { size: raw.description.size }),
    ...(raw.policy === undefined ? {} : { policy: raw.policy }),
    ...(comment === undefined ? {} : { comment }),
    ...(expressions === undefined ? {} : { expressions }),
    ...(raw.userdata === undefined ? {} : { userdata: raw.userdata }),
    handle: raw.handle ?? 0n,
    ...(raw.count === undefined ? {} : { count: raw.count }),
    raw: value
  }
}
