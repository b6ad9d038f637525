/**
 * `statistic`: some packets, by chance or by turns. Source: include/uapi/linux/netfilter/xt_statistic.h, iptables-extensions(8).
 */
import { requireInteger } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import { invertible, splitInvertible, type Invertible } from '../invertible.js'
import { struct, u16, u32 } from '../layout.js'
import { integerWord, invertibleOption, oneOfWord, printOption, valueOption, type Word } from '../words.js'
import { match } from './match.js'

/** Packets by chance. */
export interface RandomOptions {
  /** 0–1; the kernel keeps it as a multiple of 2^-31. */
  readonly probability: Invertible<number>
}

/** Packets by turns. */
export interface NthOptions {
  /** One of so many packets, 1–4294967295. */
  readonly every: Invertible<number>
  /** Which of them, from 0 on, less than `every`; default: 0. */
  readonly packet?: number
}

/** Options of the match `statistic`. */
export type StatisticOptions = RandomOptions | NthOptions

/** What the options of a line say. */
export interface StatisticDraft {
  mode?: 'random' | 'nth'
  probability?: Invertible<number>
  every?: Invertible<number>
  packet?: number
}

const RANDOM = 0
const NTH = 1
const INVERT = 1

/** The kernel's unit of probability. */
const SCALE = 2 ** 31
const MAX_EVERY = 0xffff_ffff

/** `count` says nothing; iptables writes there what it makes of the two before it in either mode. After it stands a pointer of the kernel. */
const INFO = struct(24, { mode: u16(0), flags: u16(2), probability: u32(4), last: u32(4), packet: u32(8), count: u32(12) })

const PROBABILITY: Word<number> = {
  allowed: 'a number from 0 to 1',
  read: (word) => {
    const value = /^(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/.test(word) ? Number(word) : -1
    return value >= 0 && value <= 1 ? value : undefined
  },
  print: (value) => decimal(Math.round(value * SCALE))
}

/** Digits after the point that iptables-save prints. */
const DIGITS = 11

/** A multiple of 2^-31 as printf writes it: exactly, and rounded to the even digit where it stands between two. */
function decimal(units: number): string {
  const scaled = BigInt(units) * 10n ** BigInt(DIGITS)
  const scale = BigInt(SCALE)
  const [quotient, rest] = [scaled / scale, scaled % scale]
  const isUp = 2n * rest > scale || (2n * rest === scale && quotient % 2n === 1n)
  const digits = String(isUp ? quotient + 1n : quotient).padStart(DIGITS + 1, '0')
  return `${digits.slice(0, -DIGITS)}.${digits.slice(-DIGITS)}`
}

const EVERY = integerWord(1, MAX_EVERY)
const PACKET = integerWord(0, MAX_EVERY)

function encodeRandom({ probability }: RandomOptions): Uint8Array {
  const { value, isInverted } = splitInvertible(probability)
  if (!(typeof value === 'number' && value >= 0 && value <= 1)) throw new ValidationError('probability', probability, PROBABILITY.allowed)
  const units = Math.round(value * SCALE)
  return INFO.write({ mode: RANDOM, flags: isInverted ? INVERT : 0, probability: units, count: units })
}

function encodeNth({ every, packet = 0 }: NthOptions): Uint8Array {
  const { value, isInverted } = splitInvertible(every)
  const last = requireInteger('every', value, 1, MAX_EVERY) - 1
  requireInteger('packet', packet, 0, last)
  return INFO.write({ mode: NTH, flags: isInverted ? INVERT : 0, last, packet, count: last - packet })
}

/** The match. */
export const STATISTIC_0 = match<'statistic', StatisticOptions, StatisticDraft>({
  name: 'statistic',
  revision: 0,
  families: ['ip', 'ip6'],
  module: 'xt_statistic',
  size: INFO.size,
  kernelBytes: [[16, 8]],
  idleBytes: [[12, 4]],
  fields: ['probability', 'every', 'packet'],
  encode: (options) => {
    const isRandom = 'probability' in options
    if (isRandom === 'every' in options) throw new ValidationError('probability', options, 'either probability or every')
    return isRandom ? encodeRandom(options) : encodeNth(options)
  },
  decode: (info) => {
    const read = INFO.read(info)
    if (read === undefined) return undefined
    const isInverted = (read.flags & INVERT) !== 0
    if (read.mode === RANDOM) return { probability: invertible(read.probability / SCALE, isInverted) }
    return { every: invertible(read.last + 1, isInverted), ...(read.packet === 0 ? {} : { packet: read.packet }) }
  },
  print: (options) => {
    if ('probability' in options) return ['--mode', 'random', ...printOption('--probability', options.probability, PROBABILITY)]
    return ['--mode', 'nth', ...printOption('--every', options.every, EVERY), '--packet', String(options.packet ?? 0)]
  },
  draft: () => ({}),
  options: {
    '--mode': valueOption('mode', oneOfWord(['random', 'nth'])),
    '--probability': invertibleOption('probability', PROBABILITY),
    '--every': invertibleOption('every', EVERY),
    '--packet': valueOption('packet', PACKET)
  },
  finish: ({ mode, probability, every, packet }, _, fail) => {
    if (mode === undefined) fail('--mode random or --mode nth')
    const isNth = every !== undefined || packet !== undefined
    if (mode === 'random' ? isNth : probability !== undefined) fail(`no option of the other mode than ${mode}`)
    if (mode === 'random') return { probability: probability ?? fail('--probability') }
    if (every === undefined || packet === undefined) return fail('both --every and --packet')
    if (packet >= splitInvertible(every).value) fail('a --packet that is less than --every')
    return { every, ...(packet === 0 ? {} : { packet }) }
  }
})
