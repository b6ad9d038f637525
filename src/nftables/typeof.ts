/**
 * `typeof` declarations of sets: what nft keeps in a set's userdata so that it can print `typeof ip daddr . numgen random mod 2` for types that have no name of
 * their own. Numbers: nftables, src/expression.c, include/proto.h (enum proto_desc_id), include/expression.h (enum expr_types).
 */
import { ValidationError } from '../core/errors.js'
import type { DataType, DataTypeName } from './datatypes.js'
import { CTS, HEADERS, METAS, PAYLOADS, type TypeofName } from './typeof-names.js'
import { decodeUserdata, encodeUserdata, numberEntry, type UserdataEntry } from './userdata.js'

export type { TypeofName } from './typeof-names.js'

/** enum expr_types. */
const EXPRESSION = { verdict: 1, payload: 7, meta: 9, ct: 12, concatenation: 13, numgen: 23, hash: 24, fib: 26 } as const

/** One described expression: its kind, and what tells it from others of the kind. */
export interface DescribedExpression {
  readonly kind: keyof typeof EXPRESSION
  readonly content: readonly UserdataEntry[]
}

/** What a name in a `typeof` stands for. */
interface Meaning {
  readonly described: DescribedExpression
  readonly type: DataTypeName
}

/** Describes an expression by its kind and numbers, in the order of their types from 0 on. */
export function describeExpression(kind: keyof typeof EXPRESSION, ...numbers: readonly number[]): DescribedExpression {
  return { kind, content: numbers.map((number, type) => numberEntry(type, number)) }
}

/** The entry of a described field that says its width in bits, which nft writes for integers. */
const PAYLOAD_BITS = 4

/** Describes a field of a header by its numbers in nft's tables; of an integer also its bits. */
export function describePayload(header: keyof typeof HEADERS, field: number, bits?: number): DescribedExpression {
  const { kind, content } = describeExpression('payload', HEADERS[header], field)
  return { kind, content: bits === undefined ? content : [...content, numberEntry(PAYLOAD_BITS, bits)] }
}

/** An `int8_t` of -1, as nft widens it. */
export const NO_DIRECTION = 0xffff_ffff

function bitsOfInteger(type: string): number | undefined {
  const bits = /^integer(\d+)$/.exec(type)?.[1]
  return bits === undefined ? undefined : Number(bits)
}

function named(): Map<string, Meaning> {
  const payloads = Object.entries(PAYLOADS).map(([name, [header, field, type, bits]]): [string, Meaning] => [
    name,
    { described: describePayload(header, field, bits ?? bitsOfInteger(type)), type }
  ])
  const metas = Object.entries(METAS).map(([name, [key, type]]): [string, Meaning] => [
    name,
    { described: describeExpression('meta', key), type }
  ])
  const cts = Object.entries(CTS).map(([name, [key, type]]): [string, Meaning] => [
    name,
    { described: describeExpression('ct', key, NO_DIRECTION), type }
  ])
  return new Map([...payloads, ...metas, ...cts])
}

const NAMED: ReadonlyMap<string, Meaning> = named()

/** The modulus is for display only: every number that fits the key may stand there. */
const DEFAULT_MODULUS = 2
/** enum proto_bases. */
const BASES: Readonly<Record<string, number>> = { ll: 1, nh: 2, th: 3 }
const MAX_BITS = 512

function rawPayload(base: string, offset: number, bits: number): Meaning | undefined {
  if (bits === 0 || bits % 8 !== 0 || bits > MAX_BITS) return undefined
  const numbers = [0, 0, BASES[base]!, offset, bits]
  return { described: describeExpression('payload', ...numbers), type: `integer${bits}` }
}

function meaningOf(name: string): Meaning | undefined {
  const known = NAMED.get(name)
  if (known !== undefined) return known
  const [, numgen, modulus] = /^numgen (random|inc)(?: mod (\d{1,10}))?$/.exec(name) ?? []
  if (numgen !== undefined) {
    const described = describeExpression('numgen', numgen === 'inc' ? 0 : 1, Number(modulus ?? DEFAULT_MODULUS), 0)
    return { described, type: 'host_integer32' }
  }
  const symhash = /^symhash(?: mod (\d{1,10}))?$/.exec(name)
  if (symhash !== null)
    return { described: describeExpression('hash', 1, 0, Number(symhash[1] ?? DEFAULT_MODULUS), 0, 0), type: 'host_integer32' }
  const [, base, offset, bits] = /^@(ll|nh|th),(\d{1,4}),(\d{1,3})$/.exec(name) ?? []
  return base === undefined ? undefined : rawPayload(base, Number(offset), Number(bits))
}

function requireMeaning(path: string, name: unknown): Meaning {
  const meaning = typeof name === 'string' ? meaningOf(name) : undefined
  if (meaning === undefined)
    throw new ValidationError(
      path,
      name,
      `${[...NAMED.keys()].join(', ')}, numgen random, numgen inc, symhash (each also with mod and a number), or a field such as @nh,8,64`
    )
  return meaning
}

function nest(type: number, entries: readonly UserdataEntry[]): UserdataEntry {
  return { type, value: encodeUserdata(entries) }
}

function expression({ kind, content }: DescribedExpression): UserdataEntry[] {
  return [numberEntry(0, EXPRESSION[kind]), nest(1, content)]
}

/** A `typeof` entry (key 3, data 4) of one described expression. */
export function describedEntry(type: number, described: DescribedExpression): UserdataEntry {
  return nest(type, expression(described))
}

/** A `typeof` entry of a concatenation. */
export function concatenationEntry(type: number, fields: readonly DescribedExpression[]): UserdataEntry {
  return nest(type, expression({ kind: 'concatenation', content: fields.map((field, index) => nest(index, expression(field))) }))
}

/** A `typeof` entry (key 3, data 4) for one expression or a concatenation. @throws {ValidationError} */
export function typeofEntry(path: string, type: number, names: readonly string[]): UserdataEntry {
  const described = names.map((name, index) => requireMeaning(`${path}[${index}]`, name).described)
  return described.length === 1 ? describedEntry(type, described[0]!) : concatenationEntry(type, described)
}

/** What nft writes for a concatenation of named types. */
export function plainConcatenationEntry(type: number): UserdataEntry {
  return concatenationEntry(type, [])
}

/**
 * Refuses a `typeof` that means other bytes than the types beside it: nft would print, and rules would look for, other values than those that were written.
 *
 * @throws {ValidationError}
 */
export function checkTypeof(
  path: string,
  names: readonly string[],
  types: readonly DataType[],
  resolve: (name: DataTypeName) => DataType
): void {
  if (!Array.isArray(names) || names.length !== types.length)
    throw new ValidationError(path, names, `a list of ${types.length} expressions, one for each type`)
  for (const [index, name] of names.entries()) {
    const meant = resolve(requireMeaning(`${path}[${index}]`, name).type)
    const type = types[index]!
    if (meant.length !== type.length || (type.length > 1 && meant.byteOrder !== type.byteOrder))
      throw new ValidationError(`${path}[${index}]`, name, `an expression of type ${type.name}: this one is ${meant.name}`)
  }
}

/**
 * An expression that nft knows for each type that has no other than its own. `fib` is not among them: nft 1.0.6 and 1.1 number it differently, so that
 * each takes what the other wrote for unknown.
 */
const DEFAULTS: Readonly<Partial<Record<DataTypeName, TypeofName>>> = {
  nf_proto: 'meta nfproto',
  integer8: 'ip ttl',
  integer16: 'ip length',
  integer32: 'tcp sequence',
  host_integer16: 'ct zone',
  host_integer32: 'numgen random',
  host_integer64: 'ct bytes',
  string: 'ct helper',
  ipv4_addr: 'ip daddr',
  ipv6_addr: 'ip6 daddr',
  ether_addr: 'ether daddr',
  ether_type: 'ether type',
  arp_op: 'arp operation',
  inet_proto: 'meta l4proto',
  inet_service: 'th dport',
  icmp_type: 'icmp type',
  tcp_flag: 'tcp flags',
  time: 'ct expiration',
  mark: 'meta mark',
  iface_index: 'meta iif',
  iface_type: 'meta iiftype',
  realm: 'meta rtclassid',
  classid: 'meta priority',
  uid: 'meta skuid',
  gid: 'meta skgid',
  ct_state: 'ct state',
  ct_dir: 'ct direction',
  ct_status: 'ct status',
  icmpv6_type: 'icmpv6 type',
  ct_label: 'ct label',
  pkt_type: 'meta pkttype',
  icmp_code: 'icmp code',
  icmpv6_code: 'icmpv6 code',
  icmpx_code: 'icmp code',
  devgroup: 'meta iifgroup',
  dscp: 'ip dscp',
  ecn: 'ip ecn',
  fib_addrtype: 'meta mark',
  boolean: 'ip ttl',
  ifname: 'meta iifname',
  time_date: 'meta time',
  hour: 'meta hour',
  day: 'meta day'
}

/** INTEGER and STRING of nft, whose width only an expression says; and those of `meta time`, `hour` and `day`, which `type` does not take or takes for others. */
const UNNAMED_IDS: ReadonlySet<number> = new Set([4, 5, 43, 44, 45])

/** Whether nft can print values of a type only beside a `typeof`. */
export function needsTypeof({ id }: DataType): boolean {
  return UNNAMED_IDS.has(id)
}

/** The expressions that stand for types where the caller named none. */
export function defaultTypeof(types: readonly DataType[]): TypeofName[] {
  return types.map(({ name, length }): TypeofName => DEFAULTS[name] ?? `@nh,0,${length * 8}`)
}

/** What a described expression says of an integer. */
export interface DescribedInteger {
  readonly isHostOrder: boolean
  /** Bytes; undefined where the description does not say. */
  readonly length: number | undefined
}

/** Integers among the values that the kernel makes itself: by kind and key, their bytes; in host order unless noted. */
const META_INTEGERS: Readonly<Record<number, number>> = { 0: 4, 12: 1, 20: 4, 23: 4, 24: 4, 28: 2 }
const CT_INTEGERS: Readonly<Record<number, number>> = { 4: 4, 14: 8, 15: 8, 16: 8, 17: 2, 23: 4 }
/** `meta protocol`, `meta random`, and `ct id`. */
const NETWORK_ORDER: Readonly<Record<number, ReadonlySet<number>>> = {
  [EXPRESSION.meta]: new Set([1, 24]),
  [EXPRESSION.ct]: new Set([23])
}

function numberOf(entries: readonly UserdataEntry[], type: number): number | undefined {
  const value = entries.find((entry) => entry.type === type)?.value
  return value?.length === 4 ? new Uint32Array(Uint8Array.from(value).buffer)[0] : undefined
}

function describedInteger(kind: number, content: readonly UserdataEntry[]): DescribedInteger {
  const key = numberOf(content, 0) ?? 0
  const isHostOrder = NETWORK_ORDER[kind]?.has(key) !== true
  switch (kind) {
    case EXPRESSION.meta:
      return { isHostOrder, length: META_INTEGERS[key] }
    case EXPRESSION.ct:
      return { isHostOrder, length: CT_INTEGERS[key] }
    case EXPRESSION.numgen:
    case EXPRESSION.hash:
    case EXPRESSION.fib:
      return { isHostOrder, length: 4 }
    default: {
      const bits = kind === EXPRESSION.payload ? numberOf(content, PAYLOAD_BITS) : undefined
      return { isHostOrder: false, length: bits === undefined ? undefined : Math.ceil(bits / 8) }
    }
  }
}

/** For each field that a `typeof` entry describes: what it says of an integer there. Empty where nothing is described. */
export function describedIntegers(entry: Uint8Array | undefined): DescribedInteger[] {
  const described = decodeUserdata(entry ?? new Uint8Array(0))
  const kind = numberOf(described, 0)
  const content = decodeUserdata(described.find(({ type }) => type === 1)?.value ?? new Uint8Array(0))
  if (kind === EXPRESSION.concatenation) return content.flatMap(({ value }) => describedIntegers(value).slice(0, 1))
  return kind === undefined ? [] : [describedInteger(kind, content)]
}
