/**
 * Options of the match `hashlimit`, and the numbers of its structure.
 */
import { requireInteger } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import { bitNames, type OneOrMore } from '../bits.js'
import type { ExtensionContext } from '../extension.js'
import { flagBits, present } from '../flags.js'
import { requireName } from '../names.js'
import { secondsOf } from '../rates.js'
import {
  BYTES_BURST_EXPIRE_MS,
  BYTES_EXPIRE_MS,
  costOfRate,
  isByteRate,
  rateOfCost,
  type HashlimitRate,
  type HashlimitScale
} from './hashlimit-rate.js'

/** What packets are told apart by. */
export type HashlimitKey = 'srcip' | 'srcport' | 'dstip' | 'dstport'

/** What all forms have. */
export interface HashlimitTable {
  /** Name of the table in /proc/net/ipt_hashlimit; rules with the same name share it. At most 254 bytes, of revision 1 at most 15. */
  readonly name: string
  /** Absent: all packets together. */
  readonly mode?: OneOrMore<HashlimitKey>
  /** How many leading bits of source addresses count; default: all. */
  readonly sourcePrefix?: number
  /** How many leading bits of destination addresses count; default: all. */
  readonly destinationPrefix?: number
  /** Buckets of the table; default: by the machine's memory. */
  readonly size?: number
  /** Entries of the table at most; default: eight for each bucket. */
  readonly max?: number
  /** Milliseconds between two removals of old entries; default: 1000. */
  readonly gcIntervalMs?: number
  /** Milliseconds after which an idle entry is forgotten; default: the unit of the rate; 15000 for bytes, 60000 with a burst. */
  readonly expireMs?: number
  /** Only asks for the rate, and does not hold packets to it; revision 3. */
  readonly rateMatch?: boolean
  /** Seconds over which the rate is measured; with `rateMatch`; default: the unit of the rate; 1 for bytes. */
  readonly rateIntervalSeconds?: number
}

/** Options of the match `hashlimit`: it matches up to a rate, or what is above it. */
export type HashlimitOptions = HashlimitTable & ({ readonly upto: HashlimitRate } | { readonly above: HashlimitRate })

/** XT_HASHLIMIT_HASH_*, in the order in which they are printed. */
export const HASHLIMIT_KEYS = bitNames<HashlimitKey>({ srcip: 1 << 2, srcport: 1 << 3, dstip: 1 << 0, dstport: 1 << 1 })

const KEY_BITS = 0xf
export const INVERT = 1 << 4
export const BYTES = 1 << 5
const RATE_MATCH = { rateMatch: 1 << 6 } as const

const MAX_U32 = 0xffff_ffff
const MAX_INTERVAL = 0x7fff_ffff
export const DEFAULT_GC_MS = 1000

/** What a revision has. */
export interface HashlimitRevision {
  readonly scale: HashlimitScale
  /** Bytes of the name, with the NUL. */
  readonly nameLength: number
  /** Greatest time between packets. */
  readonly maxAverage: number
}

/** The numbers of the structure. */
export interface HashlimitInfo {
  readonly name: string
  readonly mode: number
  /** Ticks between two packets, or the cost of bytes. */
  readonly average: number
  /** Packets, or seconds' worth of bytes. */
  readonly burst: number
  readonly size: number
  readonly max: number
  readonly gcIntervalMs: number
  readonly expireMs: number
  readonly sourcePrefix: number
  readonly destinationPrefix: number
  /** Seconds; 0: no rate match. */
  readonly interval: number
}

/** Leading bits of a whole address. */
export function wholePrefix({ family }: ExtensionContext): number {
  return family === 'ip' ? 32 : 128
}

/** Whether the structure asks for the rate only. */
export function isRateMatch({ mode }: Pick<HashlimitInfo, 'mode'>): boolean {
  return (mode & RATE_MATCH.rateMatch) !== 0
}

/** The names of what packets are told apart by; undefined where they are not. */
export function keysOf({ mode }: Pick<HashlimitInfo, 'mode'>): OneOrMore<HashlimitKey> | undefined {
  return (mode & KEY_BITS) === 0 ? undefined : HASHLIMIT_KEYS.namesOf(mode & KEY_BITS)
}

/** The rate, and whether what is above it is meant. @throws {ValidationError} */
function rateOfOptions(options: HashlimitOptions): { readonly path: 'upto' | 'above'; readonly rate: HashlimitRate } {
  const { upto, above } = options as { upto?: HashlimitRate; above?: HashlimitRate }
  if ((upto === undefined) === (above === undefined)) throw new ValidationError('upto', upto, 'either upto or above')
  return upto === undefined ? { path: 'above', rate: above! } : { path: 'upto', rate: upto }
}

/** Seconds of the unit of a rate, which are the default of some numbers. */
function unitSeconds(rate: HashlimitRate): number {
  return isByteRate(rate) ? 1 : secondsOf(rate.per)
}

function intervalOf({ rateMatch, rateIntervalSeconds: given }: HashlimitTable, rate: HashlimitRate): number {
  if (given !== undefined && !rateMatch) throw new ValidationError('rateIntervalSeconds', given, 'nothing without rateMatch')
  if (!rateMatch) return 0
  return given === undefined ? unitSeconds(rate) : requireInteger('rateIntervalSeconds', given, 1, MAX_INTERVAL)
}

/** The numbers of options. @throws {ValidationError} */
export function infoOf(options: HashlimitOptions, context: ExtensionContext, revision: HashlimitRevision): HashlimitInfo {
  const { path, rate } = rateOfOptions(options)
  const cost = costOfRate(path, rate, revision.scale)
  if (cost.average > revision.maxAverage) throw new ValidationError(path, rate, 'a higher rate')
  const whole = wholePrefix(context)
  const number = (name: 'size' | 'max' | 'gcIntervalMs' | 'expireMs', absent: number): number =>
    options[name] === undefined ? absent : requireInteger(name, options[name], 0, MAX_U32)
  const keys = options.mode === undefined ? 0 : HASHLIMIT_KEYS.require('mode', options.mode)
  return {
    name: requireName('name', options.name, revision.nameLength - 1),
    mode: keys | (path === 'above' ? INVERT : 0) | (cost.isBytes ? BYTES : 0) | flagBits(RATE_MATCH, options),
    average: options.rateMatch ? Math.floor(cost.average / unitSeconds(rate)) : cost.average,
    burst: cost.burst,
    size: number('size', 0),
    max: number('max', 0),
    gcIntervalMs: number('gcIntervalMs', DEFAULT_GC_MS),
    expireMs: number('expireMs', cost.expireMs),
    sourcePrefix: requireInteger('sourcePrefix', options.sourcePrefix ?? whole, 0, whole),
    destinationPrefix: requireInteger('destinationPrefix', options.destinationPrefix ?? whole, 0, whole),
    interval: intervalOf(options, rate)
  }
}

/** Milliseconds after which an entry is forgotten unless the options say it. */
export function defaultExpireMs(rate: HashlimitRate): number {
  if (!isByteRate(rate)) return secondsOf(rate.per) * 1000
  return rate.burst === undefined ? BYTES_EXPIRE_MS : BYTES_BURST_EXPIRE_MS
}

/** The rate that the numbers stand for, as iptables shows it; undefined: none. */
export function rateOfInfo({ mode, average, burst }: HashlimitInfo, { scale }: HashlimitRevision): HashlimitRate | undefined {
  return rateOfCost({ isBytes: (mode & BYTES) !== 0, average, burst }, scale)
}

/** The options that make the numbers; undefined: none do. */
export function optionsFrom(read: HashlimitInfo, context: ExtensionContext, revision: HashlimitRevision): HashlimitOptions | undefined {
  const rate = rateOfInfo(read, revision)
  if (rate === undefined) return undefined
  const whole = wholePrefix(context)
  const unless = (value: number, absent: number): number | undefined => (value === absent ? undefined : value)
  const table = present<HashlimitTable>({
    name: read.name,
    mode: keysOf(read),
    sourcePrefix: unless(read.sourcePrefix, whole),
    destinationPrefix: unless(read.destinationPrefix, whole),
    size: unless(read.size, 0),
    max: unless(read.max, 0),
    gcIntervalMs: unless(read.gcIntervalMs, DEFAULT_GC_MS),
    expireMs: unless(read.expireMs, defaultExpireMs(rate)),
    rateMatch: isRateMatch(read) ? true : undefined,
    rateIntervalSeconds: isRateMatch(read) ? unless(read.interval, unitSeconds(rate)) : undefined
  })
  return (read.mode & INVERT) === 0 ? { upto: rate, ...table } : { above: rate, ...table }
}
