/**
 * `iprange`: addresses from one to another. Source: include/uapi/linux/netfilter/xt_iprange.h, iptables-extensions(8).
 */
import { requireAddress } from '../../../core/address.js'
import { ValidationError } from '../../../core/errors.js'
import { ADDRESS, addressText, inetAddress } from '../addresses.js'
import type { ExtensionContext } from '../extension.js'
import { askedBits, askedFrom, present, valueOf } from '../flags.js'
import type { Invertible } from '../invertible.js'
import { struct, u8 } from '../layout.js'
import { invertibleOption, printOption, type Word } from '../words.js'
import { match } from './match.js'

/** An address, or the first and the last of a range, both of it. */
export type AddressRange = string | readonly [first: string, last: string]

/** Options of the match `iprange`, at least one. */
export interface IprangeOptions {
  readonly source?: Invertible<AddressRange>
  readonly destination?: Invertible<AddressRange>
}

const ASKED = { source: 0x01, destination: 0x02 } as const
/** How far the bits of inversion stand from those. */
const INVERSION_SHIFT = 4

const INFO = struct(68, {
  sourceFirst: inetAddress(0),
  sourceLast: inetAddress(16),
  destinationFirst: inetAddress(32),
  destinationLast: inetAddress(48),
  flags: u8(64)
})

const RANGE: Word<AddressRange> = {
  allowed: 'an address, or a range FIRST-LAST',
  read: (word) => {
    const dash = word.indexOf('-')
    const [first, last] = dash < 0 ? [word, word] : [word.slice(0, dash), word.slice(dash + 1)]
    const ends = [ADDRESS.read(first), ADDRESS.read(last)] as const
    return ends[0] === undefined || ends[1] === undefined ? undefined : rangeOf(ends[0], ends[1])
  },
  print: (range) => {
    const [first, last] = typeof range === 'string' ? [range, range] : range
    return `${ADDRESS.print(first)}-${ADDRESS.print(last)}`
  }
}

function rangeOf(first: string, last: string): AddressRange {
  return first === last ? first : [first, last]
}

function requireAddresses(path: string, given: AddressRange, { family }: ExtensionContext): readonly [Uint8Array, Uint8Array] {
  const ends: readonly unknown[] = Array.isArray(given) ? given : [given, given]
  if (ends.length !== 2) throw new ValidationError(path, given, 'an address, or the first and the last of a range')
  // One whose last address is before its first holds no address: iptables takes it with a warning.
  return [requireAddress(path, ends[0], family), requireAddress(path, ends[1], family)]
}

/** The match. */
export const IPRANGE_1 = match<'iprange', IprangeOptions>({
  name: 'iprange',
  revision: 1,
  families: ['ip', 'ip6'],
  module: 'xt_iprange',
  size: INFO.size,
  fields: ['source', 'destination'],
  encode: (options, context) => {
    const { asked, inverted } = askedBits(ASKED, options)
    if (asked === 0) throw new ValidationError('source', undefined, RANGE.allowed)
    const source = valueOf(options.source, (range) => requireAddresses('source', range, context))
    const destination = valueOf(options.destination, (range) => requireAddresses('destination', range, context))
    return INFO.write({
      sourceFirst: source?.[0],
      sourceLast: source?.[1],
      destinationFirst: destination?.[0],
      destinationLast: destination?.[1],
      flags: asked | (inverted << INVERSION_SHIFT)
    })
  },
  decode: (info, { family }) => {
    const read = INFO.read(info)
    if (read === undefined) return undefined
    const asked = askedFrom(read.flags, read.flags >> INVERSION_SHIFT)
    return present<IprangeOptions>({
      source: asked(ASKED.source, rangeOf(addressText(read.sourceFirst, family), addressText(read.sourceLast, family))),
      destination: asked(ASKED.destination, rangeOf(addressText(read.destinationFirst, family), addressText(read.destinationLast, family)))
    })
  },
  print: ({ source, destination }) => [...printOption('--src-range', source, RANGE), ...printOption('--dst-range', destination, RANGE)],
  draft: () => ({}),
  options: { '--src-range': invertibleOption('source', RANGE), '--dst-range': invertibleOption('destination', RANGE) },
  finish: (draft, _, fail) => (Object.keys(draft).length === 0 ? fail('--src-range or --dst-range') : draft)
})
