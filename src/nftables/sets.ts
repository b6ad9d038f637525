/**
 * Sets, maps and verdict maps: what callers declare, and the record that the kernel gets and gives.
 */
import { ValidationError } from '../core/errors.js'
import type { NativeRecord } from '../native/index.js'
import { concatenatedId, dataType, keyLength, type DataType, type DataTypeName } from './datatypes.js'
import type { Expression } from './expressions.js'
import type { Family } from './families.js'
import { isObject } from './fields.js'
import { fromNativeSet, type RawSet } from './listed-sets.js'
import { DATA_VERDICT, NFT_SET_ANONYMOUS, NFT_SET_INTERVAL, ORDER_NUMBER } from './set-constants.js'
import {
  checkTypeof,
  defaultTypeof,
  describedEntry,
  describeExpression,
  needsTypeof,
  plainConcatenationEntry,
  typeofEntry,
  type TypeofName
} from './typeof.js'
import { objectTypeNumber } from './stateful-objects.js'
import { commentEntry, encodeUserdata, numberEntry, SET_USERDATA, type UserdataEntry } from './userdata.js'

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
  readonly raw: Readonly<Record<string, unknown>>
}

/** Of concatenations, verdicts and objects. */
const NO_ORDER = 0
/** Types of one byte for which nft states no order. */
const UNSTATED_ORDER: ReadonlySet<string> = new Set(['inet_proto', 'nf_proto', 'ct_dir'])

/** The types of a key or of data. @throws {ValidationError} */
export function resolveTypes(path: string, names: DataTypeName | readonly DataTypeName[]): DataType[] {
  const list = typeof names === 'string' ? [names] : names
  if (!Array.isArray(list) || list.length === 0 || list.length > 5)
    throw new ValidationError(path, names, 'one data type, or a list of up to five')
  const types = Array.from(list, (name: DataTypeName, index) => dataType(list.length === 1 ? path : `${path}[${index}]`, name))
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

/** How a set keeps ranges: as rows of starts and ends, or field by field of concatenations (pipapo). */
export type IntervalKind = 'plain' | 'concatenated'

/** How a set keeps its ranges; undefined where it has none. */
export function intervalKind({ isInterval, key }: Pick<SetForm, 'isInterval' | 'key'>): IntervalKind | undefined {
  if (!isInterval) return undefined
  return key.length > 1 ? 'concatenated' : 'plain'
}

type RangeData = Extract<SetSpec['data'], { readonly interval: unknown }>

function isRangeData(data: SetSpec['data']): data is RangeData {
  return typeof data === 'object' && (data as unknown) !== null && 'interval' in data
}

function holdsOf(data: SetSpec['data']): SetForm['holds'] {
  if (data === undefined) return 'nothing'
  if (data === 'verdict') return 'verdicts'
  return typeof data === 'object' && (data as unknown) !== null && 'object' in data ? 'objects' : 'values'
}

/** Refuses what cannot be asked for its parts. */
function requireShape({ flags, typeof: expressions }: { readonly flags?: unknown; readonly typeof?: unknown }): void {
  if (flags !== undefined && !Array.isArray(flags)) throw new ValidationError('flags', flags, 'a list of flags')
  if (expressions !== undefined && !isObject(expressions)) throw new ValidationError('typeof', expressions, 'an object')
}

/** Whether a set has a flag: by its name, or among the bits of a number. */
export function hasFlag(flags: SetSpec['flags'], name: SetFlag, bit: number): boolean {
  return flags?.some((flag) => flag === name || (typeof flag === 'number' && (flag & bit) !== 0)) === true
}

/** Resolves the types of a declaration. @throws {ValidationError} */
export function setForm(spec: Pick<SetSpec, 'key' | 'data' | 'flags' | 'typeof'>): SetForm {
  requireShape(spec)
  const holds = holdsOf(spec.data)
  const key = resolveTypes('key', spec.key)
  const data = holds === 'values' ? dataTypes(spec.data) : undefined
  if (spec.typeof !== undefined) checkExpressions(spec.typeof, key, data)
  return {
    key,
    data,
    holds,
    isInterval: hasFlag(spec.flags, 'interval', NFT_SET_INTERVAL),
    isDataInterval: isRangeData(spec.data),
    isAnonymous: hasFlag(spec.flags, 'anonymous', NFT_SET_ANONYMOUS)
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
  if (intervalKind(form) === 'concatenated') flags.add('concat')
  // One expression goes without the flag, as it did before there could be two (Linux 5.11).
  if ((spec.expressions?.length ?? 0) > 1) flags.add('expression')
  return [...flags]
}

function dataFields(spec: SetSpec, form: SetForm): NativeRecord {
  if (form.holds === 'values') return { dataType: concatenatedId(form.data!), dataLength: dataLength(form) }
  if (form.holds === 'verdicts') return { dataType: DATA_VERDICT, dataLength: 0 }
  if (form.holds !== 'objects') return {}
  const { object } = spec.data as { object: ObjectKind }
  return { objectType: objectTypeNumber('data.object', object) }
}

function descriptionOf(spec: SetSpec, form: SetForm): NativeRecord | undefined {
  const fields = intervalKind(form) === 'concatenated' ? form.key.map(({ length }) => ({ length })) : undefined
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
