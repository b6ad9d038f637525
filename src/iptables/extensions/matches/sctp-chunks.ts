/**
 * Chunks of SCTP as the match `sctp` has them: a bit for each type, and up to four types whose flags are looked at.
 */
import { ValidationError } from '../../../core/errors.js'
import type { Word } from '../words.js'

/** Types of chunks by their names, in the order of their numbers (RFC 9260 and others). */
const CHUNKS = {
  DATA: 0,
  INIT: 1,
  INIT_ACK: 2,
  SACK: 3,
  HEARTBEAT: 4,
  HEARTBEAT_ACK: 5,
  ABORT: 6,
  SHUTDOWN: 7,
  SHUTDOWN_ACK: 8,
  ERROR: 9,
  COOKIE_ECHO: 10,
  COOKIE_ACK: 11,
  ECN_ECNE: 12,
  ECN_CWR: 13,
  SHUTDOWN_COMPLETE: 14,
  I_DATA: 64,
  ASCONF_ACK: 128,
  RE_CONFIG: 130,
  PAD: 132,
  FORWARD_TSN: 192,
  ASCONF: 193,
  I_FORWARD_TSN: 194
} as const

/** A type of chunk. */
export type SctpChunk = keyof typeof CHUNKS

/** A type, or one with its flags: `DATA:Be` has flag B set and flag E not. DATA has I, U, B and E; ABORT and SHUTDOWN_COMPLETE have T. */
export type SctpChunkMatch = SctpChunk | `${'DATA' | 'ABORT' | 'SHUTDOWN_COMPLETE'}:${string}`

/** All types, none, or these. */
export type SctpChunkTypes = 'ALL' | 'NONE' | readonly SctpChunkMatch[]

/** The bits of the structure's map, and the flags that are looked at. */
export interface ChunkBits {
  /** A bit for each type in the first 8 of 64 numbers; the structure has eight times the room that it needs. */
  readonly map: readonly number[]
  /** Type, flags that are set, flags that are looked at: at most four. */
  readonly flags: readonly (readonly [type: number, set: number, mask: number])[]
}

/** Letters of flags, from the highest bit to the lowest. */
const FLAG_LETTERS: Readonly<Record<number, string>> = {
  [CHUNKS.DATA]: '----IUBE',
  [CHUNKS.ABORT]: '-------T',
  [CHUNKS.SHUTDOWN_COMPLETE]: '-------T'
}

/** XT_NUM_SCTP_FLAGS. */
export const MAX_FLAGGED = 4

/** Numbers of the map. */
export const MAP_WORDS = 64
const TYPES = 256
const WORD_BITS = 32
const ALL_BITS = 0xffff_ffff
const NAMES = Object.keys(CHUNKS) as SctpChunk[]

const ALLOWED = `ALL, NONE, or some of ${NAMES.join(', ')}, of which some take flags after a colon`

/** One type with its flags; undefined where there is none of the kind. */
function readChunk(word: string): { readonly type: number; readonly set: number; readonly mask: number } | undefined {
  const [name = '', letters, ...rest] = word.split(':')
  const known = NAMES.find((other) => other === name.toUpperCase())
  if (known === undefined || rest.length > 0) return undefined
  const type = CHUNKS[known]
  const positions = Array.from(letters ?? '').map((letter) => [letter, (FLAG_LETTERS[type] ?? '').indexOf(letter.toUpperCase())] as const)
  if (positions.some(([letter, at]) => letter === '-' || at < 0)) return undefined
  const bits = (wanted: (letter: string) => boolean): number =>
    positions.filter(([letter]) => wanted(letter)).reduce((mask, [, at]) => mask | (0x80 >> at), 0)
  return { type, set: bits((letter) => letter === letter.toUpperCase()), mask: bits(() => true) }
}

/** The bits of types. @throws {ValidationError} */
export function requireChunks(path: string, given: SctpChunkTypes): ChunkBits {
  if (given === 'ALL') return { map: new Array<number>(MAP_WORDS).fill(ALL_BITS), flags: [] }
  if (given === 'NONE') return { map: new Array<number>(MAP_WORDS).fill(0), flags: [] }
  if (!Array.isArray(given) || given.length === 0) throw new ValidationError(path, given, ALLOWED)
  const map = new Array<number>(MAP_WORDS).fill(0)
  const flags = new Map<number, readonly [type: number, set: number, mask: number]>()
  for (const [index, word] of (given as readonly unknown[]).entries()) {
    const chunk = typeof word === 'string' ? readChunk(word) : undefined
    if (chunk === undefined) throw new ValidationError(`${path}[${index}]`, word, ALLOWED)
    const { type, set, mask } = chunk
    map[Math.floor(type / WORD_BITS)]! |= 1 << (type % WORD_BITS)
    const before = flags.get(type) ?? [type, 0, 0]
    if (mask !== 0) flags.set(type, [type, before[1] | set, before[2] | mask])
  }
  if (flags.size > MAX_FLAGGED) throw new ValidationError(path, given, `flags of at most ${MAX_FLAGGED} types`)
  return { map: map.map((bits) => bits >>> 0), flags: [...flags.values()] }
}

/** The types of bits: those with flags in their order, and then the others; undefined where a type has no name. */
export function chunksFrom({ map, flags }: ChunkBits): SctpChunkTypes | undefined {
  if (map.every((bits) => bits === 0)) return 'NONE'
  if (map.every((bits) => bits === ALL_BITS)) return 'ALL'
  const flagged = flags.map(([type]) => type)
  const types = Array.from({ length: TYPES }, (_, type) => type).filter(
    (type) => ((map[Math.floor(type / WORD_BITS)]! >>> (type % WORD_BITS)) & 1) !== 0 && !flagged.includes(type)
  )
  const names = [...flagged, ...types].map((type) => NAMES.find((name) => CHUNKS[name] === type))
  if (names.includes(undefined)) return undefined
  return names.map((name, index) => `${name}${lettersOf(flags[index])}` as SctpChunkMatch)
}

/** Flags as letters: those that are set in upper case. */
function lettersOf(flags: ChunkBits['flags'][number] | undefined): string {
  if (flags === undefined) return ''
  const [type, set, mask] = flags
  const letters = Array.from(FLAG_LETTERS[type] ?? '').map((letter, at) => {
    const bit = 0x80 >> at
    return (mask & bit) === 0 ? '' : (set & bit) === 0 ? letter.toLowerCase() : letter
  })
  return `:${letters.join('')}`
}

/** Types as one word; they are printed in the order of their numbers. */
export const CHUNK_TYPES: Word<SctpChunkTypes> = {
  allowed: ALLOWED,
  read: (word) => {
    const upper = word.toUpperCase()
    if (upper === 'ALL' || upper === 'NONE') return upper
    const words = word.split(',')
    const chunks = words.map((part) => part.replace(/^[^:]*/, (name) => name.toUpperCase()) as SctpChunkMatch)
    return words.every((part) => readChunk(part) !== undefined) ? chunks : undefined
  },
  print: (given) => {
    const chunks = chunksFrom(requireChunks('chunks', given)) ?? 'NONE'
    if (typeof chunks === 'string') return chunks
    const numberOf = (chunk: SctpChunkMatch): number => CHUNKS[chunk.replace(/:.*$/, '') as SctpChunk]
    return chunks.toSorted((one, other) => numberOf(one) - numberOf(other)).join(',')
  }
}
