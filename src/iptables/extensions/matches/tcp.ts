/**
 * `tcp` and `udp`: ports, and flags and options of TCP. iptables-nft writes ports and flags as native expressions; older versions and other programs write these.
 * Source: include/uapi/linux/netfilter/xt_tcpudp.h, iptables-extensions(8).
 */
import { requireFields, requireInteger } from '../../../core/checks.js'
import { IPPROTO } from '../../../core/protocols.js'
import { bitNames, type OneOrMore } from '../bits.js'
import type { OptionReader } from '../extension.js'
import { askedBits, present, valueOf } from '../flags.js'
import { invertible, type Invertible } from '../invertible.js'
import { list, struct, u16, u8 } from '../layout.js'
import { MAX_PORT, PORTS, rangeOf, type NumberRange } from '../ranges.js'
import { integerWord, invertibleOption, printOption, printWords } from '../words.js'
import { match, type Drafted } from './match.js'
import { PORT_OPTIONS, requirePorts } from './ports.js'

/** A flag of TCP; NONE: none of them. */
export type TcpFlag = 'FIN' | 'SYN' | 'RST' | 'PSH' | 'ACK' | 'URG' | 'NONE'

/** Flags of TCP that are looked at, and which of them are set; the others of them are not. */
export interface TcpFlags {
  readonly mask: OneOrMore<TcpFlag>
  readonly set: OneOrMore<TcpFlag>
}

/** Options of the match `udp`. */
export interface UdpOptions {
  readonly sourcePort?: Invertible<NumberRange>
  readonly destinationPort?: Invertible<NumberRange>
}

/** Options of the match `tcp`. */
export interface TcpOptions extends UdpOptions {
  readonly flags?: Invertible<TcpFlags>
  /** The number of an option that the header has, 1–255. */
  readonly option?: Invertible<number>
}

const INVERSION = { sourcePort: 1, destinationPort: 2, flags: 4, option: 8 } as const
const ALL_PORTS = [0, MAX_PORT] as const

const UDP = struct(10, { sourcePorts: list(0, 2, u16), destinationPorts: list(4, 2, u16), inverted: u8(8) })
const TCP = struct(12, {
  sourcePorts: list(0, 2, u16),
  destinationPorts: list(4, 2, u16),
  option: u8(8),
  mask: u8(9),
  set: u8(10),
  inverted: u8(11)
})

const FLAGS = bitNames<TcpFlag>({ FIN: 0x01, SYN: 0x02, RST: 0x04, PSH: 0x08, ACK: 0x10, URG: 0x20, NONE: 0 }, { groups: { ALL: 0x3f } })

/** What `--syn` stands for. */
const SYN: TcpFlags = { mask: ['FIN', 'SYN', 'RST', 'ACK'], set: 'SYN' }

const OPTION = integerWord(1, 255)

function portsOf(options: UdpOptions) {
  const { sourcePorts = ALL_PORTS, destinationPorts = ALL_PORTS } = requirePorts(options)
  return { sourcePorts, destinationPorts }
}

/** Ports as an option; all of them ask nothing, unless they are inverted. */
function portFrom([first = 0, last = 0]: readonly number[], isInverted: boolean): Invertible<NumberRange> | undefined {
  return first === 0 && last === MAX_PORT && !isInverted ? undefined : invertible(rangeOf(first, last), isInverted)
}

/** All ports ask nothing. */
function printPort(option: string, ports: Invertible<NumberRange> | undefined): string[] {
  const asksNothing = Array.isArray(ports) && ports[0] === 0 && ports[1] === MAX_PORT
  return asksNothing ? [] : printOption(option, ports, PORTS)
}

function printPorts({ sourcePort, destinationPort }: UdpOptions): string[] {
  return [...printPort('--sport', sourcePort), ...printPort('--dport', destinationPort)]
}

/** The match of UDP. */
export const UDP_0 = match<'udp', UdpOptions>({
  name: 'udp',
  revision: 0,
  families: ['ip', 'ip6'],
  protocols: [IPPROTO.udp],
  module: 'xt_tcpudp',
  size: UDP.size,
  fields: ['sourcePort', 'destinationPort'],
  encode: (options) => UDP.write({ ...portsOf(options), inverted: askedBits(INVERSION, options).inverted }),
  decode: (info) => {
    const read = UDP.read(info)
    return (
      read &&
      present<UdpOptions>({
        sourcePort: portFrom(read.sourcePorts, (read.inverted & INVERSION.sourcePort) !== 0),
        destinationPort: portFrom(read.destinationPorts, (read.inverted & INVERSION.destinationPort) !== 0)
      })
    )
  },
  print: printPorts,
  draft: () => ({}),
  options: PORT_OPTIONS,
  finish: (draft) => draft
})

/** Mask and flags. @throws {ValidationError} */
function requireFlags(given: TcpFlags): { readonly mask: number; readonly set: number } {
  const { mask, set } = requireFields('flags', given, 'an object with mask and set') as unknown as TcpFlags
  return { mask: FLAGS.require('flags.mask', mask), set: FLAGS.require('flags.set', set) }
}

function printFlags(given: Invertible<TcpFlags> | undefined): string[] {
  return printWords('--tcp-flags', given, ({ mask, set }) => [FLAGS.print(mask), FLAGS.print(set)])
}

type Draft = Drafted<TcpOptions>

const FLAG_OPTIONS: Readonly<Record<string, OptionReader<Draft>>> = {
  '--syn': {
    values: 0,
    isInvertible: true,
    read: (draft, _, place) => {
      if (draft.flags !== undefined) place.fail('one of --syn and --tcp-flags, once')
      draft.flags = invertible(SYN, place.isInverted)
    }
  },
  '--tcp-flags': {
    values: 2,
    isInvertible: true,
    read: (draft, [mask = '', set = ''], place) => {
      if (draft.flags !== undefined) place.fail('one of --syn and --tcp-flags, once')
      const flags = { mask: FLAGS.read(mask) ?? place.fail(FLAGS.allowed, 0), set: FLAGS.read(set) ?? place.fail(FLAGS.allowed, 1) }
      draft.flags = invertible(flags, place.isInverted)
    }
  }
}

/** The match of TCP. */
export const TCP_0 = match<'tcp', TcpOptions>({
  name: 'tcp',
  revision: 0,
  families: ['ip', 'ip6'],
  protocols: [IPPROTO.tcp],
  module: 'xt_tcpudp',
  size: TCP.size,
  fields: ['sourcePort', 'destinationPort', 'flags', 'option'],
  encode: (options) =>
    TCP.write({
      ...portsOf(options),
      ...valueOf(options.flags, requireFlags),
      option: valueOf(options.option, (option) => requireInteger('option', option, 1, 255)),
      inverted: askedBits(INVERSION, options).inverted
    }),
  decode: (info) => {
    const read = TCP.read(info)
    if (read === undefined) return undefined
    const has = (name: keyof typeof INVERSION): boolean => (read.inverted & INVERSION[name]) !== 0
    const [mask, set] = [FLAGS.namesOf(read.mask), FLAGS.namesOf(read.set)]
    const asksFlags = read.mask !== 0 || read.set !== 0 || has('flags')
    return present<TcpOptions>({
      sourcePort: portFrom(read.sourcePorts, has('sourcePort')),
      destinationPort: portFrom(read.destinationPorts, has('destinationPort')),
      flags: asksFlags && mask && set ? invertible({ mask, set }, has('flags')) : undefined,
      option: read.option === 0 && !has('option') ? undefined : invertible(read.option, has('option'))
    })
  },
  print: (options) => [...printPorts(options), ...printOption('--tcp-option', options.option, OPTION), ...printFlags(options.flags)],
  draft: (): Draft => ({}),
  options: { ...PORT_OPTIONS, ...FLAG_OPTIONS, '--tcp-option': invertibleOption('option', OPTION) },
  finish: (draft) => draft
})
