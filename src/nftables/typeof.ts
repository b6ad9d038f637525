/**
 * `typeof` declarations of sets: what nft keeps in a set's userdata so that it can print `typeof ip daddr . numgen random mod 2` for types that have no name of
 * their own. Numbers: nftables, src/expression.c, include/proto.h (enum proto_desc_id), include/expression.h (enum expr_types).
 */
import { ValidationError } from '../errors.js'
import { decodeUserdata, encodeUserdata, numberEntry, type UserdataEntry } from './userdata.js'

/** Expressions that can stand in a `typeof`. */
export type TypeofName =
  | 'ip saddr'
  | 'ip daddr'
  | 'ip protocol'
  | 'ip6 saddr'
  | 'ip6 daddr'
  | 'ip6 nexthdr'
  | 'tcp sport'
  | 'tcp dport'
  | 'udp sport'
  | 'udp dport'
  | 'sctp sport'
  | 'sctp dport'
  | 'th sport'
  | 'th dport'
  | 'meta mark'
  | 'meta l4proto'
  | 'meta nfproto'
  | 'meta iifname'
  | 'meta oifname'
  | 'meta skuid'
  | 'numgen random'
  | 'numgen inc'

/** enum expr_types. */
const EXPRESSION = { verdict: 1, payload: 7, meta: 9, ct: 12, concatenation: 13, numgen: 23, hash: 24, fib: 26 } as const

/** One described expression: its kind, and what tells it from others of the kind. */
export interface DescribedExpression {
  readonly kind: keyof typeof EXPRESSION
  readonly content: readonly UserdataEntry[]
}

/** Describes an expression by its kind and numbers, in the order of their types from 0 on. */
export function describeExpression(kind: keyof typeof EXPRESSION, ...numbers: readonly number[]): DescribedExpression {
  return { kind, content: numbers.map((number, type) => numberEntry(type, number)) }
}

/** enum proto_desc_id and the field's number in its template. */
const PAYLOADS: Readonly<Record<string, readonly [description: number, field: number]>> = {
  'udp sport': [6, 1],
  'udp dport': [6, 2],
  'tcp sport': [8, 1],
  'tcp dport': [8, 2],
  'sctp sport': [10, 1],
  'sctp dport': [10, 2],
  'th sport': [11, 1],
  'th dport': [11, 2],
  'ip protocol': [12, 9],
  'ip saddr': [12, 11],
  'ip daddr': [12, 12],
  'ip6 nexthdr': [13, 6],
  'ip6 saddr': [13, 8],
  'ip6 daddr': [13, 9]
}

/** enum nft_meta_keys. */
const METAS: Readonly<Record<string, number>> = {
  'meta mark': 3,
  'meta iifname': 6,
  'meta oifname': 7,
  'meta skuid': 10,
  'meta nfproto': 15,
  'meta l4proto': 16
}

const NUMGENS: Readonly<Record<string, number>> = { 'numgen inc': 0, 'numgen random': 1 }

function nest(type: number, entries: readonly UserdataEntry[]): UserdataEntry {
  return { type, value: encodeUserdata(entries) }
}

function expression({ kind, content }: DescribedExpression): UserdataEntry[] {
  return [numberEntry(0, EXPRESSION[kind]), nest(1, content)]
}

function describe(path: string, name: string): DescribedExpression {
  const payload = PAYLOADS[name]
  if (payload !== undefined) return describeExpression('payload', ...payload)
  const meta = METAS[name]
  if (meta !== undefined) return describeExpression('meta', meta)
  const mode = NUMGENS[name]
  // The modulus is for display only: every number that fits the key may stand there.
  if (mode !== undefined) return describeExpression('numgen', mode, 2, 0)
  throw new ValidationError(path, name, [...Object.keys(PAYLOADS), ...Object.keys(METAS), ...Object.keys(NUMGENS)].join(', '))
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
  const described = names.map((name, index) => describe(`${path}[${index}]`, name))
  return described.length === 1 ? describedEntry(type, described[0]!) : concatenationEntry(type, described)
}

/** What nft writes for a concatenation of named types. */
export function plainConcatenationEntry(type: number): UserdataEntry {
  return concatenationEntry(type, [])
}

/** Kinds whose values the kernel makes itself, in host order. */
const HOST_ORDER_KINDS: ReadonlySet<number> = new Set([EXPRESSION.meta, EXPRESSION.ct, EXPRESSION.numgen, EXPRESSION.hash, EXPRESSION.fib])
/** Of `meta`: `protocol` and `random`. */
const NETWORK_ORDER_METAS: ReadonlySet<number> = new Set([1, 24])

function numberOf(entries: readonly UserdataEntry[], type: number): number | undefined {
  const value = entries.find((entry) => entry.type === type)?.value
  return value?.length === 4 ? new Uint32Array(Uint8Array.from(value).buffer)[0] : undefined
}

/** For each field that a `typeof` entry describes: whether its integers lie in host order. Empty where nothing is described. */
export function describedHostOrder(entry: Uint8Array | undefined): boolean[] {
  const described = decodeUserdata(entry ?? new Uint8Array(0))
  const kind = numberOf(described, 0)
  const content = decodeUserdata(described.find(({ type }) => type === 1)?.value ?? new Uint8Array(0))
  if (kind === EXPRESSION.concatenation) return content.flatMap(({ value }) => describedHostOrder(value))
  if (kind === undefined) return []
  return [HOST_ORDER_KINDS.has(kind) && !(kind === EXPRESSION.meta && NETWORK_ORDER_METAS.has(numberOf(content, 0) ?? 0))]
}
