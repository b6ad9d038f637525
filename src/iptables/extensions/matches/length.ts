/**
 * `length`: how long the packet is, with its IP header. Source: include/uapi/linux/netfilter/xt_length.h, iptables-extensions(8).
 */
import { invertible, splitInvertible, type Invertible } from '../invertible.js'
import { struct, u16, u8 } from '../layout.js'
import { rangeOf, rangeWord, requireRange, type NumberRange } from '../ranges.js'
import { invertibleOption, printOption } from '../words.js'
import { match } from './match.js'

/** Options of the match `length`. */
export interface LengthOptions {
  /** Bytes, 0–65535; of IPv6 those after the fixed header. */
  readonly length: Invertible<NumberRange>
}

const MAX_LENGTH = 0xffff

const INFO = struct(6, { min: u16(0), max: u16(2), isInverted: u8(4) })

const LENGTH = rangeWord({ max: MAX_LENGTH, separator: ':', isOpen: true })

/** The match. */
export const LENGTH_0 = match<'length', LengthOptions>({
  name: 'length',
  revision: 0,
  families: ['ip', 'ip6'],
  module: 'xt_length',
  size: INFO.size,
  fields: ['length'],
  encode: ({ length }) => {
    const { value, isInverted } = splitInvertible(length)
    const [min, max] = requireRange('length', value, MAX_LENGTH)
    return INFO.write({ min, max, isInverted: Number(isInverted) })
  },
  decode: (info) => {
    const read = INFO.read(info)
    return read && { length: invertible(rangeOf(read.min, read.max), read.isInverted !== 0) }
  },
  print: ({ length }) => printOption('--length', length, LENGTH),
  draft: () => ({}),
  options: { '--length': invertibleOption('length', LENGTH) },
  finish: ({ length }, _, fail) => ({ length: length ?? fail('--length') })
})
