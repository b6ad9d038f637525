/**
 * `addrtype`: what kind of address source and destination are. Source: include/uapi/linux/netfilter/xt_addrtype.h, iptables-extensions(8).
 */
import { ValidationError } from '../../../core/errors.js'
import { bitNames, type OneOrMore } from '../bits.js'
import { askedBits, flagBits, flagFrom, present, valueOf } from '../flags.js'
import { invertible, type Invertible } from '../invertible.js'
import { struct, u16, u32 } from '../layout.js'
import { flagOption, invertibleOption, printFlag, printOption } from '../words.js'
import { match, type Drafted } from './match.js'

/** Kinds of addresses, in the order of the kernel's numbers (RTN_*). */
const ADDRESS_TYPES = [
  'UNSPEC',
  'UNICAST',
  'LOCAL',
  'BROADCAST',
  'ANYCAST',
  'MULTICAST',
  'BLACKHOLE',
  'UNREACHABLE',
  'PROHIBIT',
  'THROW',
  'NAT',
  'XRESOLVE'
] as const

/** A kind of address, as the kernel's routes say it. */
export type AddressType = (typeof ADDRESS_TYPES)[number]

/** Options of the match `addrtype`; source, destination or both are given. */
export interface AddrtypeOptions {
  /** The source address is of one of these kinds. */
  readonly source?: Invertible<OneOrMore<AddressType>>
  /** The destination address is of one of these kinds. */
  readonly destination?: Invertible<OneOrMore<AddressType>>
  /** Asks about the interface that the packet came in by, not about the machine; not with `limitInterfaceOut`. */
  readonly limitInterfaceIn?: boolean
  /** Asks about the interface that the packet leaves by, not about the machine. */
  readonly limitInterfaceOut?: boolean
}

const TYPES = bitNames(Object.fromEntries(ADDRESS_TYPES.map((name, bit) => [name, 1 << bit])) as Record<AddressType, number>, {
  mayBeShort: true
})

const INVERSION = { source: 1, destination: 2 } as const
const LIMITS = { limitInterfaceIn: 4, limitInterfaceOut: 8 } as const

const FIRST = struct(12, { source: u16(0), destination: u16(2), invertSource: u32(4), invertDestination: u32(8) })
const SECOND = struct(8, { source: u16(0), destination: u16(2), flags: u32(4) })

const SIDES = { '--src-type': invertibleOption('source', TYPES), '--dst-type': invertibleOption('destination', TYPES) }

/** The masks of both sides; absent: not asked. */
function masksOf(options: AddrtypeOptions): { readonly source: number | undefined; readonly destination: number | undefined } {
  const source = valueOf(options.source, (types) => TYPES.require('source', types))
  const destination = valueOf(options.destination, (types) => TYPES.require('destination', types))
  if (source === undefined && destination === undefined) throw new ValidationError('source', undefined, TYPES.allowed)
  return { source, destination }
}

/** One side as an option; undefined where it is not asked. */
function sideFrom(mask: number, isInverted: boolean): AddrtypeOptions['source'] {
  const types = mask === 0 ? undefined : TYPES.namesOf(mask)
  return types === undefined ? undefined : invertible(types, isInverted)
}

function printSides({ source, destination }: AddrtypeOptions): string[] {
  return [...printOption('--src-type', source, TYPES), ...printOption('--dst-type', destination, TYPES)]
}

const common = {
  name: 'addrtype' as const,
  module: 'xt_addrtype',
  draft: (): Drafted<AddrtypeOptions> => ({}),
  finish: (draft: Drafted<AddrtypeOptions>, _: unknown, fail: (allowed: string) => never): AddrtypeOptions => {
    if (draft.source === undefined && draft.destination === undefined) fail('--src-type or --dst-type')
    if (draft.limitInterfaceIn && draft.limitInterfaceOut) fail('--limit-iface-in or --limit-iface-out, not both')
    return draft
  }
}

/** Revision 0, of IPv4, which knows nothing of interfaces. */
export const ADDRTYPE_0 = match<'addrtype', AddrtypeOptions>({
  ...common,
  revision: 0,
  families: ['ip'],
  size: FIRST.size,
  fields: ['source', 'destination'],
  encode: (options) => {
    const { inverted } = askedBits(INVERSION, options)
    return FIRST.write({
      ...masksOf(options),
      invertSource: inverted & INVERSION.source ? 1 : 0,
      invertDestination: inverted & INVERSION.destination ? 1 : 0
    })
  },
  decode: (info) => {
    const read = FIRST.read(info)
    return (
      read &&
      present<AddrtypeOptions>({
        source: sideFrom(read.source, read.invertSource !== 0),
        destination: sideFrom(read.destination, read.invertDestination !== 0)
      })
    )
  },
  print: printSides,
  options: SIDES
})

/** Revision 1. */
export const ADDRTYPE_1 = match<'addrtype', AddrtypeOptions>({
  ...common,
  revision: 1,
  families: ['ip', 'ip6'],
  size: SECOND.size,
  fields: ['source', 'destination', 'limitInterfaceIn', 'limitInterfaceOut'],
  encode: (options) => {
    const limits = flagBits(LIMITS, options)
    if (limits === (LIMITS.limitInterfaceIn | LIMITS.limitInterfaceOut))
      throw new ValidationError('limitInterfaceOut', options.limitInterfaceOut, 'nothing beside limitInterfaceIn')
    return SECOND.write({ ...masksOf(options), flags: askedBits(INVERSION, options).inverted | limits })
  },
  decode: (info) => {
    const read = SECOND.read(info)
    return (
      read &&
      present<AddrtypeOptions>({
        source: sideFrom(read.source, (read.flags & INVERSION.source) !== 0),
        destination: sideFrom(read.destination, (read.flags & INVERSION.destination) !== 0),
        limitInterfaceIn: flagFrom(read.flags, LIMITS.limitInterfaceIn),
        limitInterfaceOut: flagFrom(read.flags, LIMITS.limitInterfaceOut)
      })
    )
  },
  print: (options) => [
    ...printSides(options),
    ...printFlag('--limit-iface-in', options.limitInterfaceIn),
    ...printFlag('--limit-iface-out', options.limitInterfaceOut)
  ],
  options: {
    ...SIDES,
    '--limit-iface-in': flagOption('limitInterfaceIn'),
    '--limit-iface-out': flagOption('limitInterfaceOut')
  }
})
