/**
 * `sctp`: ports, and the chunks that a packet has. Source: include/uapi/linux/netfilter/xt_sctp.h, iptables-extensions(8).
 */
import { requireFields } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import { IPPROTO } from '../../../core/protocols.js'
import type { OptionReader } from '../extension.js'
import { askedBits, askedFrom, present, valueOf } from '../flags.js'
import { invertible, type Invertible } from '../invertible.js'
import { i32, list, struct, u16, u32, u8 } from '../layout.js'
import { PORTS, rangeOf, type NumberRange } from '../ranges.js'
import { oneOfWord, printOption, printWords, requireOnce } from '../words.js'
import { match, type Drafted } from './match.js'
import { PORT_OPTIONS, requirePorts } from './ports.js'
import { CHUNK_TYPES, chunksFrom, MAP_WORDS, MAX_FLAGGED, requireChunks, type SctpChunkTypes } from './sctp-chunks.js'

/** Whether one of the types is enough, all must be there, or they and no others. */
export type SctpChunkRule = 'any' | 'all' | 'only'

/** Which chunks a packet has. */
export interface SctpChunks {
  readonly has: SctpChunkRule
  readonly types: SctpChunkTypes
}

/** Options of the match `sctp`. */
export interface SctpOptions {
  readonly sourcePort?: Invertible<NumberRange>
  readonly destinationPort?: Invertible<NumberRange>
  readonly chunks?: Invertible<SctpChunks>
}

const ASKED = { sourcePort: 1, destinationPort: 2, chunks: 4 } as const
const RULES: Readonly<Record<SctpChunkRule, number>> = { any: 1, all: 2, only: 4 }
const RULE_NAMES = Object.keys(RULES) as SctpChunkRule[]
const RULE = oneOfWord(RULE_NAMES)

/** Bytes of the flags of one type: type, flags that are set, flags that are looked at. */
const FLAG_BYTES = 3
/** The type of an entry that is not in use. */
const UNUSED = 0xff

const INFO = struct(292, {
  destinationPorts: list(0, 2, u16),
  sourcePorts: list(4, 2, u16),
  map: list(8, MAP_WORDS, u32),
  rule: u32(264),
  flags: list(268, MAX_FLAGGED * FLAG_BYTES, u8),
  flagCount: i32(280),
  asked: u32(284),
  inverted: u32(288)
})

function encodeChunks(given: SctpChunks) {
  const { has, types } = requireFields('chunks', given, 'an object with has and types') as unknown as SctpChunks
  if (!Object.hasOwn(RULES, has)) throw new ValidationError('chunks.has', has, RULE.allowed)
  const { map, flags } = requireChunks('chunks.types', types)
  return { rule: RULES[has], map, flags: flagBytes(flags), flagCount: flags.length }
}

function flagBytes(flags: readonly (readonly number[])[]): number[] {
  return Array.from({ length: MAX_FLAGGED }, (_, index) => flags[index] ?? [UNUSED, 0, 0]).flat()
}

type Info = NonNullable<ReturnType<typeof INFO.read>>

function chunksOf(read: Info): SctpChunks | undefined {
  const flags = Array.from({ length: Math.min(MAX_FLAGGED, Math.max(0, read.flagCount)) }, (_, index) => {
    const [type = 0, set = 0, mask = 0] = read.flags.slice(index * FLAG_BYTES)
    return [type, set, mask] as const
  })
  const has = RULE_NAMES.find((name) => RULES[name] === read.rule)
  const types = chunksFrom({ map: read.map, flags })
  return has && types && { has, types }
}

type Draft = Drafted<SctpOptions>

const CHUNKS: OptionReader<Draft> = {
  values: 2,
  isInvertible: true,
  read: (draft, [rule = '', chunks = ''], place) => {
    requireOnce(draft, 'chunks', place)
    const has = RULE.read(rule) ?? place.fail(RULE.allowed, 0)
    draft.chunks = invertible({ has, types: CHUNK_TYPES.read(chunks) ?? place.fail(CHUNK_TYPES.allowed, 1) }, place.isInverted)
  }
}

function printChunks(given: Invertible<SctpChunks> | undefined): string[] {
  return printWords('--chunk-types', given, ({ has, types }) => [has, CHUNK_TYPES.print(types)])
}

/** The match. */
export const SCTP_0 = match<'sctp', SctpOptions>({
  name: 'sctp',
  revision: 0,
  families: ['ip', 'ip6'],
  protocols: [IPPROTO.sctp],
  module: 'xt_sctp',
  size: INFO.size,
  fields: ['sourcePort', 'destinationPort', 'chunks'],
  encode: (options) =>
    INFO.write({
      ...askedBits(ASKED, options),
      ...requirePorts(options),
      flags: flagBytes([]),
      ...valueOf(options.chunks, encodeChunks)
    }),
  decode: (info) => {
    const read = INFO.read(info)
    if (read === undefined) return undefined
    const asked = askedFrom(read.asked, read.inverted)
    const ports = ([first = 0, last = 0]: readonly number[]): NumberRange => rangeOf(first, last)
    return present<SctpOptions>({
      sourcePort: asked(ASKED.sourcePort, ports(read.sourcePorts)),
      destinationPort: asked(ASKED.destinationPort, ports(read.destinationPorts)),
      chunks: asked(ASKED.chunks, chunksOf(read))
    })
  },
  print: (options) => [
    ...printOption('--sport', options.sourcePort, PORTS),
    ...printOption('--dport', options.destinationPort, PORTS),
    ...printChunks(options.chunks)
  ],
  draft: (): Draft => ({}),
  options: { ...PORT_OPTIONS, '--chunk-types': CHUNKS },
  finish: (draft) => draft
})
