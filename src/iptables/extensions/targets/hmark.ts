/**
 * The target HMARK: the packet's mark is made of a hash of its addresses and ports. net/netfilter/xt_HMARK.c, include/uapi/linux/netfilter/xt_HMARK.h,
 * iptables-extensions(8).
 */
import { prefixRange } from '../../../core/address.js'
import { requireInteger } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import type { IptablesFamily } from '../../types.js'
import { extension, type ExtensionContext, type OptionReader } from '../extension.js'
import { flagFrom, present } from '../flags.js'
import { be16, be32, bytes, struct, u16, u32 } from '../layout.js'
import { integerWord, printOption, valueOption, type Word } from '../words.js'
import { codec, type Given } from './codec.js'
import { hex, MAX_U32, type Draft } from './words.js'

/** What the hash is made of, and what becomes of it. At least one of what a packet has, or `connection`, is asked for. */
export interface HmarkOptions {
  /** The mark is below it (and `offset` more): 1–2^32 - 1. */
  readonly modulus: number
  /** Where the hash starts from, 0–2^32 - 1: another one distributes otherwise. */
  readonly seed: number
  /** Is added to the mark. 0–2^32 - 1; default: 0. */
  readonly offset?: number
  /** Addresses and ports are those of the connection's first packet. */
  readonly connection?: boolean
  /** How many leading bits of the source address count: 0–32, or 0–128 for IPv6. */
  readonly sourcePrefix?: number
  /** How many leading bits of the destination address count. */
  readonly destinationPrefix?: number
  /** Bits of the source port that count, 0–65535. */
  readonly sourcePortMask?: number
  /** Bits of the destination port that count. */
  readonly destinationPortMask?: number
  /** Bits that are set in the source port before. */
  readonly sourcePort?: number
  /** Bits that are set in the destination port before. */
  readonly destinationPort?: number
  /** Bits of the index of ESP or AH that count, 0–2^32 - 1; not beside masks of ports, with which it shares its place. */
  readonly spiMask?: number
  /** Bits that are set in the index of ESP or AH before; not beside ports. */
  readonly spi?: number
  /** Bits of the protocol's number that count, 0–65535. */
  readonly protocolMask?: number
}

/** XT_HMARK_*, as bits. */
const FLAGS = {
  sourcePrefix: 1 << 0,
  destinationPrefix: 1 << 1,
  spi: 1 << 2,
  spiMask: 1 << 3,
  sourcePort: 1 << 4,
  destinationPort: 1 << 5,
  sourcePortMask: 1 << 6,
  destinationPortMask: 1 << 7,
  protocolMask: 1 << 8,
  seed: 1 << 9,
  modulus: 1 << 10,
  offset: 1 << 11,
  connection: 1 << 12
} as const

type Name = keyof typeof FLAGS
const NAMES = Object.keys(FLAGS) as Name[]
type NumberName = Exclude<Name, 'connection'>

const MAX_U16 = 0xffff

/** The greatest numbers, but of the prefixes, which depend on the family. */
const GREATEST: Readonly<Record<Exclude<NumberName, 'sourcePrefix' | 'destinationPrefix'>, number>> = {
  spi: MAX_U32,
  spiMask: MAX_U32,
  sourcePort: MAX_U16,
  destinationPort: MAX_U16,
  sourcePortMask: MAX_U16,
  destinationPortMask: MAX_U16,
  protocolMask: MAX_U16,
  seed: MAX_U32,
  modulus: MAX_U32,
  offset: MAX_U32
}

/** What of a packet may count. */
const OF_PACKET: readonly Name[] = NAMES.filter((name) => !['seed', 'modulus', 'offset'].includes(name))

/** The options that share bytes with that of an index. */
const SHARED = { spiMask: ['sourcePortMask', 'destinationPortMask'], spi: ['sourcePort', 'destinationPort'] } as const

/** `xt_hmark_info`. @param width Bytes of the masks that count. */
function layoutOf(width: number) {
  return struct(60, {
    sourcePrefix: bytes(0, width),
    destinationPrefix: bytes(16, width),
    sourcePortMask: be16(32),
    destinationPortMask: be16(34),
    spiMask: be32(32),
    sourcePort: be16(36),
    destinationPort: be16(38),
    spi: be32(36),
    flags: u32(40),
    protocolMask: u16(44),
    seed: u32(48),
    modulus: u32(52),
    offset: u32(56)
  })
}

type Values = NonNullable<ReturnType<ReturnType<typeof layoutOf>['read']>>

/** Bits of an address. */
function widthOf(family: IptablesFamily): number {
  return family === 'ip' ? 32 : 128
}

/** The mask of a prefix. @throws {ValidationError} */
function maskOf(path: string, length: number | undefined, family: IptablesFamily): Uint8Array | undefined {
  if (length === undefined) return undefined
  const address = new Uint8Array(widthOf(family) / 8).fill(0xff)
  return prefixRange({ address, length: requireInteger(path, length, 0, widthOf(family)) }).first
}

/** How many leading bits a mask has. */
function lengthOf(mask: Uint8Array, family: IptablesFamily): number {
  const all = [...mask.subarray(0, widthOf(family) / 8)].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const end = all.indexOf('0')
  return end < 0 ? all.length : end
}

/** @throws {ValidationError} */
function toValues(options: HmarkOptions, { family }: ExtensionContext): Given<Values> {
  const numbers = Object.entries(GREATEST).map(([name, max]) => {
    const value = options[name as keyof typeof GREATEST]
    return [name, value === undefined ? undefined : requireInteger(name, value, name === 'modulus' ? 1 : 0, max)]
  })
  return {
    ...(Object.fromEntries(numbers) as Given<Values>),
    sourcePrefix: maskOf('sourcePrefix', options.sourcePrefix, family),
    destinationPrefix: maskOf('destinationPrefix', options.destinationPrefix, family),
    flags: NAMES.reduce((all, name) => (options[name] === undefined || options[name] === false ? all : all | FLAGS[name]), 0)
  }
}

function toOptions({ flags, sourcePrefix, destinationPrefix, ...numbers }: Values, { family }: ExtensionContext): HmarkOptions | undefined {
  if ((flags & FLAGS.modulus) === 0 || (flags & FLAGS.seed) === 0) return undefined
  const all = { ...numbers, sourcePrefix: lengthOf(sourcePrefix, family), destinationPrefix: lengthOf(destinationPrefix, family) }
  const given = Object.entries(all).filter(([name]) => (flags & FLAGS[name as NumberName]) !== 0)
  return present<HmarkOptions>({
    ...(Object.fromEntries(given) as unknown as HmarkOptions),
    connection: flagFrom(flags, FLAGS.connection)
  })
}

/** What lacks, or is too much; undefined: nothing. */
function lackOf(options: Partial<HmarkOptions>): { readonly name: Name; readonly allowed: string } | undefined {
  if (options.modulus === undefined) return { name: 'modulus', allowed: 'a modulus' }
  if (options.seed === undefined) return { name: 'seed', allowed: 'a seed' }
  if (OF_PACKET.every((name) => options[name] === undefined || options[name] === false))
    return { name: 'connection', allowed: 'at least one part of the packet that counts' }
  for (const [name, others] of Object.entries(SHARED)) {
    if (options[name as keyof typeof SHARED] !== undefined && others.some((other) => options[other] !== undefined))
      return { name: name as Name, allowed: `none beside ${others.join(' and ')}` }
  }
  return undefined
}

/** A number that is printed in hexadecimal, with at least so many digits. */
function hexWord(name: keyof typeof GREATEST, digits: number): Word<number> {
  return { ...integerWord(0, GREATEST[name]), print: (value) => hex(value, digits) }
}

const DECIMAL = integerWord(0, MAX_U32)

/** The options of the command line, in the order of iptables-save. */
const OPTIONS: readonly (readonly [option: string, name: NumberName, word: Word<number>])[] = [
  ['--hmark-src-prefix', 'sourcePrefix', integerWord(0, 128)],
  ['--hmark-dst-prefix', 'destinationPrefix', integerWord(0, 128)],
  ['--hmark-sport-mask', 'sourcePortMask', hexWord('sourcePortMask', 4)],
  ['--hmark-dport-mask', 'destinationPortMask', hexWord('destinationPortMask', 4)],
  ['--hmark-spi-mask', 'spiMask', hexWord('spiMask', 8)],
  ['--hmark-sport', 'sourcePort', hexWord('sourcePort', 4)],
  ['--hmark-dport', 'destinationPort', hexWord('destinationPort', 4)],
  ['--hmark-spi', 'spi', hexWord('spi', 8)],
  ['--hmark-proto-mask', 'protocolMask', hexWord('protocolMask', 2)],
  ['--hmark-rnd', 'seed', hexWord('seed', 8)],
  ['--hmark-mod', 'modulus', integerWord(1, MAX_U32)],
  ['--hmark-offset', 'offset', DECIMAL]
]

/** What the words of `--hmark-tuple` ask for, with all bits. */
const TUPLE = {
  src: (width: number) => ({ sourcePrefix: width }),
  dst: (width: number) => ({ destinationPrefix: width }),
  sport: () => ({ sourcePortMask: MAX_U16 }),
  dport: () => ({ destinationPortMask: MAX_U16 }),
  spi: () => ({ spiMask: MAX_U32 }),
  proto: () => ({ protocolMask: MAX_U16 }),
  ct: () => ({ connection: true })
} as const

/** What a line says. */
export interface HmarkDraft extends Draft<HmarkOptions> {
  tuple?: (keyof typeof TUPLE)[]
}

const TUPLE_WORD = {
  allowed: `one or more of ${Object.keys(TUPLE).join(', ')}`,
  read: (word: string) => {
    const words = word.toLowerCase().split(',')
    return words.every((each): each is keyof typeof TUPLE => Object.hasOwn(TUPLE, each)) ? words : undefined
  },
  print: String
}

const readers = Object.fromEntries(OPTIONS.map(([option, name, word]) => [option, valueOption(name, word)])) as unknown as Readonly<
  Record<string, OptionReader<HmarkDraft>>
>

function revision(family: IptablesFamily) {
  return extension<HmarkOptions, HmarkDraft, 'HMARK'>({
    kind: 'target',
    name: 'HMARK',
    revision: 0,
    families: [family],
    module: 'xt_HMARK',
    // Of masks of IPv4 the kernel does not look at the rest, which iptables fills or not.
    kernelBytes:
      family === 'ip'
        ? [
            [4, 12],
            [20, 12]
          ]
        : [],
    ...codec<HmarkOptions, Values>({
      layout: layoutOf(widthOf(family) / 8),
      names: NAMES,
      check: (options) => {
        const lack = lackOf(options)
        if (lack !== undefined) throw new ValidationError(lack.name, options[lack.name], lack.allowed)
      },
      toValues,
      toOptions
    }),
    print: (given) => [
      ...OPTIONS.flatMap(([option, name, word]) => printOption(option, given[name], word)),
      ...(given.connection === true ? ['--hmark-tuple', 'ct'] : [])
    ],
    draft: () => ({}),
    options: { ...readers, '--hmark-tuple': valueOption('tuple', TUPLE_WORD) },
    finish: ({ tuple = [], ...given }, _context, fail) => {
      const width = widthOf(family)
      const options = { ...Object.assign({}, ...tuple.map((word) => TUPLE[word](width))), ...given } as Partial<HmarkOptions>
      const { sourcePrefix = 0, destinationPrefix = 0 } = options
      if (Math.max(sourcePrefix, destinationPrefix) > width) return fail(`prefixes of at most ${width} bits`)
      const lack = lackOf(options)
      return lack === undefined ? (options as HmarkOptions) : fail(`${lack.allowed} (--hmark-mod, --hmark-rnd, --hmark-tuple)`)
    }
  })
}

/** Its one revision; the families differ in how long prefixes can be. */
export const HMARK = [revision('ip'), revision('ip6')] as const
