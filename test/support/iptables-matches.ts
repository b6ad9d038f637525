/**
 * A reader of the words of matches, and expressions of xtables, for tests: no more than those need.
 */
import { endianness } from 'node:os'
import type { Extension, ExtensionContext, OptionPlace } from '../../src/iptables/extensions/extension.js'
import { padded } from '../../src/iptables/extensions/layout.js'
import { MATCHES } from '../../src/iptables/extensions/matches/index.js'
import type { OpaqueExpression } from '../../src/nftables/expressions.js'

/** A match, whatever its options are. */
export type AnyMatch = Extension<object, object>

export const ALL_MATCHES = MATCHES as unknown as readonly AnyMatch[]

/** A match of a line with its options. */
export interface ReadMatch {
  readonly known: AnyMatch
  readonly options: object
}

/** Why a line is refused. */
export class LineError extends Error {}

const PROTOCOLS: Readonly<Record<string, number>> = { tcp: 6, udp: 17, udplite: 136, sctp: 132, dccp: 33, icmp: 1, 'ipv6-icmp': 58 }

/** The words of a line; those in quotes may have spaces. */
export function wordsOf(line: string): string[] {
  return Array.from(line.matchAll(/"([^"]*)"|(\S+)/g), ([, quoted, plain]) => quoted ?? plain ?? '')
}

/** The newest revision of a match by its word. */
export function matchNamed(word: string, family: ExtensionContext['family'], revision?: number): AnyMatch {
  const found = ALL_MATCHES.filter(({ name, alias = name, families }) => alias === word && families.includes(family))
    .filter((known) => revision === undefined || known.revision === revision)
    .toSorted((left, right) => right.revision - left.revision)[0]
  if (found === undefined) throw new LineError(`no match ${word}`)
  return found
}

/** The protocol of `-p`, which stands first in a line. */
export function contextOf(words: readonly string[], family: ExtensionContext['family']): ExtensionContext {
  return words[0] === '-p' ? { family, protocol: PROTOCOLS[words[1] ?? ''] ?? Number(words[1]) } : { family }
}

/** Reads the matches of a line such as `-p tcp -m tcp --dport 80 -m length --length 5`. @param revision Of all of them; default: the newest. */
export function readMatches(words: readonly string[], context: ExtensionContext, revision?: number): ReadMatch[] {
  const found: ReadMatch[] = []
  let at = words[0] === '-p' ? 2 : 0
  while (at < words.length) {
    if (words[at] !== '-m') throw new LineError(`no -m but ${words[at]}`)
    const known = matchNamed(words[at + 1] ?? '', context.family, revision)
    const end = words.indexOf('-m', at + 1)
    const own = words.slice(at + 2, end < 0 ? undefined : end)
    found.push({ known, options: readOptions(known, own, context) })
    at = end < 0 ? words.length : end
  }
  return found
}

function fail(allowed: string): never {
  throw new LineError(`allowed: ${allowed}`)
}

function readOptions(known: AnyMatch, words: readonly string[], context: ExtensionContext): object {
  const draft = known.draft()
  let at = 0
  while (at < words.length) {
    const isInverted = words[at] === '!'
    if (isInverted) at += 1
    const name = words[at] ?? ''
    const reader = known.options[name] ?? fail(`an option of ${known.name}, not ${name}`)
    if (isInverted && !reader.isInvertible) fail(`no ! before ${name}`)
    const count = typeof reader.values === 'number' ? reader.values : reader.values[1]
    const values = words.slice(at + 1, at + 1 + count)
    if (values.length < count) fail(`${count} values after ${name}`)
    const place: OptionPlace = { isInverted, fail }
    reader.read(draft, values, place)
    at += 1 + count
  }
  return known.finish(draft, context, fail)
}

/** The words of `-m NAME` with all options. */
export function printMatch({ known, options }: ReadMatch, context: ExtensionContext): string {
  const words = ['-m', known.alias ?? known.name, ...known.print(options, context)]
  return words.map((word) => (word.includes(' ') ? `"${word}"` : word)).join(' ')
}

/** A structure without what only the kernel fills. */
export function comparable(known: AnyMatch, info: Uint8Array): Uint8Array {
  const own = info.slice(0, known.size)
  for (const [offset, length] of known.kernelBytes ?? []) own.fill(0, offset, offset + length)
  return own
}

/** Reads a structure as the registry does: by all matches of its name and revision. */
export function decodeMatch(name: string, revision: number, info: Uint8Array, context: ExtensionContext): ReadMatch | undefined {
  for (const known of ALL_MATCHES) {
    if (known.name !== name || known.revision !== revision || !known.families.includes(context.family)) continue
    const options = known.decode(info, context)
    if (options !== undefined) return { known, options }
  }
  return undefined
}

const isLittleEndian = endianness() === 'LE'
const HEADER = 4
const aligned = (length: number): number => Math.ceil(length / 4) * 4

/** The expression `match` of nft_compat for a structure: NFTA_MATCH_NAME, NFTA_MATCH_REV and NFTA_MATCH_INFO. */
export function toMatchExpression(name: string, revision: number, info: Uint8Array): OpaqueExpression {
  const whole = new Uint8Array(padded(info.length))
  whole.set(info)
  const payloads = [Buffer.from(`${name}\0`), Uint8Array.of(0, 0, 0, revision), whole]
  const data = new Uint8Array(payloads.reduce((length, payload) => length + HEADER + aligned(payload.length), 0))
  const view = new DataView(data.buffer)
  let at = 0
  for (const [index, payload] of payloads.entries()) {
    view.setUint16(at, HEADER + payload.length, isLittleEndian)
    view.setUint16(at + 2, index + 1, isLittleEndian)
    data.set(payload, at + HEADER)
    at += HEADER + aligned(payload.length)
  }
  return { type: 'opaque', name: 'match', data }
}

/** Name, revision and structure of an expression `match`. */
export function fromMatchExpression({ data }: OpaqueExpression): {
  readonly name: string
  readonly revision: number
  readonly info: Uint8Array
} {
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const attributes = new Map<number, Uint8Array>()
  for (let at = 0; at + HEADER <= data.length;) {
    const length = view.getUint16(at, isLittleEndian)
    attributes.set(view.getUint16(at + 2, isLittleEndian) & 0x3fff, data.slice(at + HEADER, at + length))
    at += aligned(length)
  }
  return {
    name: Buffer.from(attributes.get(1) ?? [])
      .toString()
      .replace(/\0.*$/s, ''),
    revision: Buffer.from(attributes.get(2) ?? []).readUInt32BE(),
    info: attributes.get(3) ?? new Uint8Array()
  }
}
