/**
 * Declarations of sets and maps from what the kernel lists.
 */
import type { NativeListed } from '../native/index.js'
import { splitTypes, type DataTypeName } from './datatypes.js'
import type { Expression } from './expressions.js'
import { family } from './families.js'
import { DATA_VERDICT, ORDER_NUMBER } from './set-constants.js'
import type { ListedSet, SetFlag, SetSpec } from './sets.js'
import { objectTypeName } from './stateful-objects.js'
import { describedIntegers } from './typeof.js'
import { decodeUserdata, findComment, SET_USERDATA, type UserdataEntry } from './userdata.js'

/** A set as the native side lists it. */
export interface RawSet {
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
  if (flags.includes('object')) return { object: objectTypeName(raw.objectType ?? 0) }
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
