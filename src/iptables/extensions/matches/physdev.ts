/**
 * `physdev`: ports of a bridge that packets come in and leave by. Source: include/uapi/linux/netfilter/xt_physdev.h, iptables-extensions(8).
 */
import { ValidationError } from '../../../core/errors.js'
import { askedBits, askedFrom, present, requireAsked, valueOf } from '../flags.js'
import type { Invertible } from '../invertible.js'
import { bytes, struct, text, u8 } from '../layout.js'
import { requireName } from '../names.js'
import { invertibleFlag, invertibleOption, printFlag, printOption, textWord } from '../words.js'
import { match } from './match.js'

/** Options of the match `physdev`, at least one. Names may end in `+`, which stands for anything. */
export interface PhysdevOptions {
  /** The packet came in by a port of a bridge. */
  readonly isIn?: Invertible<true>
  /** The port that it came in by, at most 15 bytes. */
  readonly in?: Invertible<string>
  /** The packet leaves by a port of a bridge. */
  readonly isOut?: Invertible<true>
  /** The port that it leaves by; the kernel knows it of bridged packets alone. */
  readonly out?: Invertible<string>
  /** The packet is bridged, not routed. */
  readonly isBridged?: Invertible<true>
}

const ASKED = { in: 0x01, out: 0x02, isBridged: 0x04, isIn: 0x08, isOut: 0x10 } as const

/** IFNAMSIZ. */
const NAME_LENGTH = 16

const INFO = struct(66, {
  in: text(0, NAME_LENGTH),
  inMask: bytes(16, NAME_LENGTH),
  out: text(32, NAME_LENGTH),
  outMask: bytes(48, NAME_LENGTH),
  inverted: u8(64),
  asked: u8(65)
})

const NAME = textWord(NAME_LENGTH - 1)

/** Which bytes of a name are compared: all before a `+`, else the NUL at its end too. */
function maskOf(name: string | undefined): Uint8Array | undefined {
  if (name === undefined) return undefined
  const length = Buffer.byteLength(name)
  return new Uint8Array(name.endsWith('+') ? length - 1 : length + 1).fill(0xff)
}

/** The match. */
export const PHYSDEV_0 = match<'physdev', PhysdevOptions>({
  name: 'physdev',
  revision: 0,
  families: ['ip', 'ip6'],
  module: 'xt_physdev',
  size: INFO.size,
  fields: ['isIn', 'in', 'isOut', 'out', 'isBridged'],
  encode: (options) => {
    const { asked, inverted } = askedBits(ASKED, options)
    if (asked === 0) throw new ValidationError('in', undefined, 'at least one option of physdev')
    for (const name of ['isIn', 'isOut', 'isBridged'] as const) requireAsked(name, options[name])
    const input = valueOf(options.in, (name) => requireName('in', name, NAME_LENGTH - 1))
    const output = valueOf(options.out, (name) => requireName('out', name, NAME_LENGTH - 1))
    return INFO.write({ in: input, inMask: maskOf(input), out: output, outMask: maskOf(output), asked, inverted })
  },
  decode: (info) => {
    const read = INFO.read(info)
    if (read === undefined) return undefined
    const asked = askedFrom(read.asked, read.inverted)
    return present<PhysdevOptions>({
      isIn: asked(ASKED.isIn, true as const),
      in: asked(ASKED.in, read.in),
      isOut: asked(ASKED.isOut, true as const),
      out: asked(ASKED.out, read.out),
      isBridged: asked(ASKED.isBridged, true as const)
    })
  },
  print: (options) => [
    ...printFlag('--physdev-is-in', options.isIn),
    ...printOption('--physdev-in', options.in, NAME),
    ...printFlag('--physdev-is-out', options.isOut),
    ...printOption('--physdev-out', options.out, NAME),
    ...printFlag('--physdev-is-bridged', options.isBridged)
  ],
  draft: () => ({}),
  options: {
    '--physdev-in': invertibleOption('in', NAME),
    '--physdev-out': invertibleOption('out', NAME),
    '--physdev-is-in': invertibleFlag('isIn'),
    '--physdev-is-out': invertibleFlag('isOut'),
    '--physdev-is-bridged': invertibleFlag('isBridged')
  },
  finish: (draft, _, fail) => (Object.keys(draft).length === 0 ? fail('at least one option of physdev') : draft)
})
