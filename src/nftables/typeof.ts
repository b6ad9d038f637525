/**
 * `typeof` declarations of sets: what nft keeps in a set's userdata so that it can print `typeof ip daddr . numgen random mod 2` for types that have no name of
 * their own. Numbers: nftables, src/expression.c, include/proto.h (enum proto_desc_id), include/expression.h (enum expr_types).
 */
import { ValidationError } from '../errors.js'
import { encodeUserdata, numberEntry, type UserdataEntry } from './userdata.js'

/** Expressions that can stand in a `typeof`. */
export type TypeofName =
  | 'ip saddr' | 'ip daddr' | 'ip protocol' | 'ip6 saddr' | 'ip6 daddr' | 'ip6 nexthdr' | 'tcp sport' | 'tcp dport' | 'udp sport' | 'udp dport' | 'sctp sport' | 'sctp dport'
  | 'th sport' | 'th dport' | 'meta mark' | 'meta l4proto' | 'meta nfproto' | 'meta iifname' | 'meta oifname' | 'meta skuid' | 'numgen random' | 'numgen inc'

const EXPRESSION = { payload: 7, meta: 9, concatenation: 13, numgen: 23 } as const

/** enum proto_desc_id and the field's number in its template. */
const PAYLOADS: Readonly<Record<string, readonly [description: number, field: number]>> = {
  'udp sport': [3, 1], 'udp dport': [3, 2],
  'tcp sport': [5, 1], 'tcp dport': [5, 2],
  'sctp sport': [7, 1], 'sctp dport': [7, 2],
  'th sport': [11, 1], 'th dport': [11, 2],
  'ip protocol': [12, 9], 'ip saddr': [12, 11], 'ip daddr': [12, 12],
  'ip6 nexthdr': [13, 6], 'ip6 saddr': [13, 8], 'ip6 daddr': [13, 9]
}

/** enum nft_meta_keys. */
const METAS: Readonly<Record<string, number>> = { 'meta mark': 3, 'meta iifname': 6, 'meta oifname': 7, 'meta skuid': 10, 'meta nfproto': 15, 'meta l4proto': 16 }

const NUMGENS: Readonly<Record<string, number>> = { 'numgen inc': 0, 'numgen random': 1 }

function nest(type: number, entries: readonly UserdataEntry[]): UserdataEntry {
  return { type, value: encodeUserdata(entries) }
}

function expression(kind: number, content: readonly UserdataEntry[]): UserdataEntry[] {
  return [numberEntry(0, kind), nest(1, content)]
}

function describe(path: string, name: string): UserdataEntry[] {
  const payload = PAYLOADS[name]
  if (payload !== undefined) return expression(EXPRESSION.payload, [numberEntry(0, payload[0]), numberEntry(1, payload[1])])
  const meta = METAS[name]
  if (meta !== undefined) return expression(EXPRESSION.meta, [numberEntry(0, meta)])
  const mode = NUMGENS[name]
  // The modulus is for display only: every number that fits the key may stand there.
  if (mode !== undefined) return expression(EXPRESSION.numgen, [numberEntry(0, mode), numberEntry(1, 2), numberEntry(2, 0)])
  throw new ValidationError(path, name, [...Object.keys(PAYLOADS), ...Object.keys(METAS), ...Object.keys(NUMGENS)].join(', '))
}

/** A `typeof` entry (key 3, data 4) for one expression or a concatenation. @throws {ValidationError} */
export function typeofEntry(path: string, type: number, names: readonly string[]): UserdataEntry {
  if (names.length === 1) return nest(type, describe(`${path}[0]`, names[0]!))
  const fields = names.map((name, index) => nest(index, describe(`${path}[${index}]`, name)))
  return nest(type, expression(EXPRESSION.concatenation, fields))
}

/** What nft writes for a concatenation of named types. */
export function plainConcatenationEntry(type: number): UserdataEntry {
  return nest(type, expression(EXPRESSION.concatenation, []))
}
