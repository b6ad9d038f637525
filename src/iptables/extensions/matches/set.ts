/**
 * `set`: whether addresses and ports of the packet are in a set of ipset. Source: include/uapi/linux/netfilter/xt_set.h and ipset/ip_set.h, iptables-extensions(8).
 */
import { isInteger } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import { comparisonOf, printComparison, splitComparison, type Comparison, type ComparisonOperator } from '../comparison.js'
import type { ExtensionContext, OptionPlace, OptionReader } from '../extension.js'
import { flagBits, flagFrom, present } from '../flags.js'
import { invertible, splitInvertible, type Invertible } from '../invertible.js'
import { struct, u16, u32, u64, u8 } from '../layout.js'
import { requireName } from '../names.js'
import { flagOption, printFlag, printWords, readBigInteger, requireOnce } from '../words.js'
import { match } from './match.js'

/** Whose address or port is looked up. */
export type SetSide = 'src' | 'dst'

/** A number of packets or bytes, 0 – 2^64-1. */
export type SetCounter = Comparison<bigint>

/** Options of the match `set`. */
export interface SetOptions {
  /** The set, by its name (1–31 bytes) or by the index that the kernel gives it, 0–65534; a name needs {@link ExtensionContext.sets}. */
  readonly set: Invertible<string | number>
  /** One for each part that the set's entries have, at most six. */
  readonly sides: readonly SetSide[]
  /** Entries that are marked with `nomatch` count as entries. */
  readonly returnNoMatch?: boolean
  /** Leaves the counters of the entry as they are; default: they count the packet. */
  readonly keepsCounters?: boolean
  /** Leaves the counters of entries of sets in the set as they are. */
  readonly keepsSubcounters?: boolean
  /** Packets that the entry has counted. */
  readonly packets?: SetCounter
  /** Bytes that the entry has counted. */
  readonly bytes?: SetCounter
}

const SIDES = ['dst', 'src'] as const
const FLAGS = { keepsCounters: 1 << 3, keepsSubcounters: 1 << 4, returnNoMatch: 1 << 7 } as const
const FLAG_NAMES = Object.keys(FLAGS) as (keyof typeof FLAGS)[]

/** IPSET_INV_MATCH; after it stands a bit for each part, which says that the source is meant. */
const INVERT = 1
const MAX_SIDES = 6
const NAME_LENGTH = 32
/** IPSET_INVALID_ID is one more. */
const MAX_INDEX = 0xfffe
const MAX_COUNTER = 2n ** 64n - 1n

/** IPSET_COUNTER_*; 0: not compared. */
const OPERATORS: readonly (ComparisonOperator | undefined)[] = [undefined, 'eq', 'ne', 'lt', 'gt']

const INFO = struct(48, {
  index: u16(0),
  count: u8(2),
  sides: u8(3),
  packets: u64(8),
  packetsOperator: u8(16),
  bytes: u64(24),
  bytesOperator: u8(32),
  flags: u32(40)
})

function indexOf(given: unknown, { sets }: ExtensionContext): number {
  if (typeof given === 'number') {
    if (isInteger(given, 0, MAX_INDEX)) return given
    throw new ValidationError('set', given, `an index from 0 to ${MAX_INDEX}`)
  }
  const name = requireName('set', given, NAME_LENGTH - 1)
  const index = sets?.indexOf(name)
  if (index !== undefined) return index
  throw new ValidationError(
    'set',
    name,
    sets === undefined ? 'the index of the set, as names cannot be asked for here' : 'a set that is there'
  )
}

function sideBits(given: unknown): number {
  const sides: readonly unknown[] = Array.isArray(given) ? given : []
  if (sides.length === 0 || sides.length > MAX_SIDES || !sides.every((side) => side === 'src' || side === 'dst'))
    throw new ValidationError('sides', given, `a list of 1 to ${MAX_SIDES} of src and dst`)
  return sides.reduce<number>((bits, side, index) => (side === 'src' ? bits | (2 << index) : bits), 0)
}

function counterOf(path: string, given: SetCounter | undefined): { readonly operator: number; readonly value: bigint } {
  if (given === undefined) return { operator: 0, value: 0n }
  const { name, operator, value } = splitComparison<unknown>(path, given)
  if (typeof value !== 'bigint' || value < 0n || value > MAX_COUNTER)
    throw new ValidationError(`${path}.${name}`, value, `a bigint from 0 to ${MAX_COUNTER.toString()}`)
  return { operator: OPERATORS.indexOf(operator), value }
}

function counterFrom(operator: number, value: bigint): SetCounter | undefined {
  const known = OPERATORS[operator]
  return known === undefined ? undefined : comparisonOf(known, value)
}

/** What the options of a line say. */
export type SetDraft = { -readonly [Name in keyof SetOptions]?: SetOptions[Name] }

const SET: OptionReader<SetDraft> = {
  values: 2,
  isInvertible: true,
  read: (draft, [name = '', sides = ''], place) => {
    requireOnce(draft, 'set', place)
    if (name === '' || Buffer.byteLength(name) >= NAME_LENGTH) place.fail(`the name of a set of at most ${NAME_LENGTH - 1} bytes`, 0)
    const words = sides.split(',')
    if (words.length > MAX_SIDES || !words.every((word) => word === 'src' || word === 'dst'))
      place.fail(`at most ${MAX_SIDES} of src and dst with commas between them`, 1)
    draft.set = invertible<string | number>(name, place.isInverted)
    draft.sides = words as SetSide[]
  }
}

/** `! --update-counters`; without `!` it says what is so anyway. */
function updateOption(name: 'keepsCounters' | 'keepsSubcounters'): OptionReader<SetDraft> {
  return {
    values: 0,
    isInvertible: true,
    read: (draft, _, place) => {
      if (place.isInverted) draft[name] = true
    }
  }
}

function counterOption(name: 'packets' | 'bytes', operator: 'eq' | 'lt' | 'gt'): OptionReader<SetDraft> {
  const read = (draft: SetDraft, [word = '']: readonly string[], place: OptionPlace): void => {
    if (draft[name] !== undefined) place.fail(`one of --${name}-eq, --${name}-lt and --${name}-gt, once`)
    const value = readBigInteger(word, 0n, MAX_COUNTER) ?? place.fail(`an integer from 0 to ${MAX_COUNTER.toString()}`, 0)
    draft[name] = comparisonOf(place.isInverted ? 'ne' : operator, value)
  }
  return { values: 1, isInvertible: operator === 'eq', read }
}

/** Revision 4. */
export const SET_4 = match<'set', SetOptions, SetDraft>({
  name: 'set',
  revision: 4,
  families: ['ip', 'ip6'],
  module: 'xt_set',
  size: INFO.size,
  fields: ['set', 'sides', ...FLAG_NAMES, 'packets', 'bytes'],
  encode: (options, context) => {
    const { value, isInverted } = splitInvertible(options.set)
    const sides = sideBits(options.sides) | (isInverted ? INVERT : 0)
    const [packets, bytes] = [counterOf('packets', options.packets), counterOf('bytes', options.bytes)]
    return INFO.write({
      index: indexOf(value, context),
      count: options.sides.length,
      sides,
      packets: packets.value,
      packetsOperator: packets.operator,
      bytes: bytes.value,
      bytesOperator: bytes.operator,
      flags: flagBits(FLAGS, options)
    })
  },
  decode: (info, { sets }) => {
    const read = INFO.read(info)
    if (read === undefined) return undefined
    return present<SetOptions>({
      set: invertible<string | number>(sets?.nameOf(read.index) ?? read.index, (read.sides & INVERT) !== 0),
      sides: Array.from({ length: read.count }, (_, index) => SIDES[(read.sides >> (index + 1)) & 1]!),
      returnNoMatch: flagFrom(read.flags, FLAGS.returnNoMatch),
      keepsCounters: flagFrom(read.flags, FLAGS.keepsCounters),
      keepsSubcounters: flagFrom(read.flags, FLAGS.keepsSubcounters),
      packets: counterFrom(read.packetsOperator, read.packets),
      bytes: counterFrom(read.bytesOperator, read.bytes)
    })
  },
  setsOf: ({ set }) => [splitInvertible(set).value],
  print: (options, { sets }) => {
    const nameOf = (set: string | number): string => (typeof set === 'number' ? (sets?.nameOf(set) ?? String(set)) : set)
    return [
      ...printWords('--match-set', options.set, (set) => [nameOf(set), options.sides.join(',')]),
      ...printFlag('--return-nomatch', options.returnNoMatch),
      ...printFlag('--update-counters', options.keepsCounters ? { not: true } : undefined),
      ...printFlag('--update-subcounters', options.keepsSubcounters ? { not: true } : undefined),
      ...(options.packets === undefined ? [] : printComparison('--packets', options.packets)),
      ...(options.bytes === undefined ? [] : printComparison('--bytes', options.bytes))
    ]
  },
  draft: () => ({}),
  options: {
    '--match-set': SET,
    '--set': SET,
    '--return-nomatch': flagOption('returnNoMatch'),
    '--update-counters': updateOption('keepsCounters'),
    '--update-subcounters': updateOption('keepsSubcounters'),
    '--packets-eq': counterOption('packets', 'eq'),
    '--packets-lt': counterOption('packets', 'lt'),
    '--packets-gt': counterOption('packets', 'gt'),
    '--bytes-eq': counterOption('bytes', 'eq'),
    '--bytes-lt': counterOption('bytes', 'lt'),
    '--bytes-gt': counterOption('bytes', 'gt')
  },
  finish: ({ set, sides, ...rest }, _, fail) => {
    if (set === undefined || sides === undefined) return fail('--match-set')
    return { set, sides, ...rest }
  }
})
