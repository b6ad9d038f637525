/**
 * `conntrack`: the state of the connection that a packet belongs to. Source: include/uapi/linux/netfilter/xt_conntrack.h, iptables-extensions(8).
 */
import { ValidationError } from '../../../core/errors.js'
import { inetAddress, MASKED_ADDRESS, maskedText, requireMasked } from '../addresses.js'
import { bitNames, type OneOrMore } from '../bits.js'
import type { ExtensionContext } from '../extension.js'
import { askedBits, askedFrom, present, valueOf } from '../flags.js'
import type { Invertible } from '../invertible.js'
import { be16, struct, u16, u32, u8, type Field } from '../layout.js'
import { protocolOf, PROTOCOL, requireProtocol, type MatchedProtocol } from '../protocol.js'
import { MAX_PORT, PORTS, rangeOf, rangeWord, requireRange, type NumberRange } from '../ranges.js'
import { invertibleOption, oneOfWord, printOption, valueOption } from '../words.js'
import { match, type Drafted } from './match.js'

/** States of a packet as to its connection; SNAT and DNAT: source or destination is translated. */
export const CONNECTION_STATES = bitNames(
  { INVALID: 1, NEW: 8, RELATED: 4, ESTABLISHED: 2, UNTRACKED: 0x100, SNAT: 0x40, DNAT: 0x80 },
  { mayBeShort: true }
)

/** State of a packet as to its connection. */
export type ConnectionState = 'INVALID' | 'NEW' | 'RELATED' | 'ESTABLISHED' | 'UNTRACKED' | 'SNAT' | 'DNAT'

/** Status of a connection; NONE: none of the others. */
export type ConnectionStatus = 'NONE' | 'EXPECTED' | 'SEEN_REPLY' | 'ASSURED' | 'CONFIRMED'

/** IPS_* of include/uapi/linux/netfilter/nf_conntrack_common.h. */
const STATUSES = bitNames<ConnectionStatus>({ EXPECTED: 1, SEEN_REPLY: 2, ASSURED: 4, CONFIRMED: 8, NONE: 0 }, { mayBeShort: true })

/** Options of the match `conntrack`, at least one. Addresses may have /LENGTH or /MASK; ports are of TCP, UDP, SCTP and the like. */
export interface ConntrackOptions {
  readonly state?: Invertible<OneOrMore<ConnectionState>>
  readonly protocol?: Invertible<MatchedProtocol>
  /** Source of the packets of the original direction. */
  readonly originalSource?: Invertible<string>
  readonly originalDestination?: Invertible<string>
  /** Source of the packets of the other direction: the server, as the kernel knows it. */
  readonly replySource?: Invertible<string>
  readonly replyDestination?: Invertible<string>
  /** A range needs revision 3. */
  readonly originalSourcePort?: Invertible<NumberRange>
  readonly originalDestinationPort?: Invertible<NumberRange>
  readonly replySourcePort?: Invertible<NumberRange>
  readonly replyDestinationPort?: Invertible<NumberRange>
  readonly status?: Invertible<OneOrMore<ConnectionStatus>>
  /** How long the connection lives if nothing comes any more, in seconds. */
  readonly expires?: Invertible<NumberRange>
  /** Direction of the packet. */
  readonly direction?: 'ORIGINAL' | 'REPLY'
}

/** XT_CONNTRACK_*, in the order in which iptables-save prints. */
const BITS = {
  state: 1 << 0,
  protocol: 1 << 1,
  originalSource: 1 << 2,
  originalDestination: 1 << 3,
  replySource: 1 << 4,
  replyDestination: 1 << 5,
  originalSourcePort: 1 << 8,
  originalDestinationPort: 1 << 9,
  replySourcePort: 1 << 10,
  replyDestinationPort: 1 << 11,
  status: 1 << 6,
  expires: 1 << 7
} as const

const DIRECTION = 1 << 12

/** XT_CONNTRACK_STATE_ALIAS: the rule was written with the match `state`. */
export const STATE_ALIAS = 1 << 13

const MAX_SECONDS = 0xffff_ffff

const SECONDS = rangeWord({ max: MAX_SECONDS, separator: ':', isOpen: true })

const DIRECTIONS = ['ORIGINAL', 'REPLY'] as const
const DIRECTION_WORD = oneOfWord(DIRECTIONS)

const ADDRESSES = ['originalSource', 'originalDestination', 'replySource', 'replyDestination'] as const
const PORT_NAMES = ['originalSourcePort', 'originalDestinationPort', 'replySourcePort', 'replyDestinationPort'] as const

type AddressName = (typeof ADDRESSES)[number]
type PortName = (typeof PORT_NAMES)[number]

/** Fields of all revisions, but for ports and masks of states. */
function commonFields(port: (offset: number) => Field<number>) {
  return {
    originalSource: inetAddress(0),
    originalSourceMask: inetAddress(16),
    originalDestination: inetAddress(32),
    originalDestinationMask: inetAddress(48),
    replySource: inetAddress(64),
    replySourceMask: inetAddress(80),
    replyDestination: inetAddress(96),
    replyDestinationMask: inetAddress(112),
    expiresMin: u32(128),
    expiresMax: u32(132),
    protocol: u16(136),
    originalSourcePort: port(138),
    originalDestinationPort: port(140),
    replySourcePort: port(142),
    replyDestinationPort: port(144),
    asked: u16(146),
    inverted: u16(148)
  }
}

const FIRST = struct(152, { ...commonFields(be16), state: u8(150), status: u8(151) })
const SECOND = struct(156, { ...commonFields(be16), state: u16(150), status: u16(152) })

/** The structure of revision 3, which has ranges of ports. */
export const CONNTRACK_INFO_3 = struct(164, {
  ...commonFields(u16),
  state: u16(150),
  status: u16(152),
  originalSourcePortLast: u16(154),
  originalDestinationPortLast: u16(156),
  replySourcePortLast: u16(158),
  replyDestinationPortLast: u16(160)
})

type PortRanges = Readonly<Record<PortName, readonly [number, number] | undefined>>
type Info = Omit<NonNullable<ReturnType<typeof FIRST.read>>, PortName>

/** What all revisions have alike. */
function infoOf(options: ConntrackOptions, { family }: ExtensionContext): Partial<Info> {
  const { asked, inverted } = askedBits(BITS, options)
  const { direction } = options
  if (direction !== undefined && !DIRECTIONS.includes(direction)) throw new ValidationError('direction', direction, DIRECTION_WORD.allowed)
  if (asked === 0 && direction === undefined) throw new ValidationError('state', undefined, 'at least one option of conntrack')
  const expires = valueOf(options.expires, (value) => requireRange('expires', value, MAX_SECONDS))
  const directionBits = [direction === undefined ? 0 : DIRECTION, direction === 'REPLY' ? DIRECTION : 0] as const
  return {
    ...present<Partial<Info>>({
      ...addressesOf(options, family),
      expiresMin: expires?.[0],
      expiresMax: expires?.[1],
      protocol: valueOf(options.protocol, (value) => requireProtocol('protocol', value)),
      state: valueOf(options.state, (value) => CONNECTION_STATES.require('state', value)),
      status: valueOf(options.status, (value) => STATUSES.require('status', value))
    }),
    asked: asked | directionBits[0],
    inverted: inverted | directionBits[1]
  }
}

function addressesOf(options: ConntrackOptions, family: ExtensionContext['family']): Partial<Info> {
  const entries = ADDRESSES.flatMap((name) => {
    const masked = valueOf(options[name], (value) => requireMasked(name, value, family))
    return masked === undefined ? [] : [[name, masked.address] as const, [`${name}Mask`, masked.mask] as const]
  })
  return Object.fromEntries(entries)
}

function portsOf(options: ConntrackOptions): PortRanges {
  const entries = PORT_NAMES.map((name) => [name, valueOf(options[name], (value) => requireRange(name, value, MAX_PORT))] as const)
  return Object.fromEntries(entries) as PortRanges
}

/** One port of each, for the revisions that have no ranges. */
function singlePortsOf(options: ConntrackOptions): Partial<Record<PortName, number>> {
  const ranges = portsOf(options)
  return Object.fromEntries(
    PORT_NAMES.map((name) => {
      const range = ranges[name]
      if (range !== undefined && range[0] !== range[1]) throw new ValidationError(name, options[name], 'one port: ranges need revision 3')
      return [name, range?.[0]]
    })
  )
}

function optionsFrom(
  read: Info,
  ports: Readonly<Record<PortName, NumberRange>>,
  { family }: ExtensionContext
): ConntrackOptions | undefined {
  if ((read.asked & STATE_ALIAS) !== 0) return undefined
  const asked = askedFrom(read.asked, read.inverted)
  const address = (name: AddressName): Invertible<string> | undefined =>
    asked(BITS[name], maskedText(read[name], read[`${name}Mask`], family))
  const direction = (read.asked & DIRECTION) === 0 ? undefined : (read.inverted & DIRECTION) === 0 ? 'ORIGINAL' : 'REPLY'
  return present<ConntrackOptions>({
    state: asked(BITS.state, CONNECTION_STATES.namesOf(read.state)),
    protocol: asked(BITS.protocol, protocolOf(read.protocol)),
    originalSource: address('originalSource'),
    originalDestination: address('originalDestination'),
    replySource: address('replySource'),
    replyDestination: address('replyDestination'),
    originalSourcePort: asked(BITS.originalSourcePort, ports.originalSourcePort),
    originalDestinationPort: asked(BITS.originalDestinationPort, ports.originalDestinationPort),
    replySourcePort: asked(BITS.replySourcePort, ports.replySourcePort),
    replyDestinationPort: asked(BITS.replyDestinationPort, ports.replyDestinationPort),
    status: asked(BITS.status, STATUSES.namesOf(read.status)),
    expires: asked(BITS.expires, rangeOf(read.expiresMin, read.expiresMax)),
    direction
  })
}

const common = {
  name: 'conntrack',
  families: ['ip', 'ip6'],
  module: 'xt_conntrack',
  fields: [...(Object.keys(BITS) as (keyof typeof BITS)[]), 'direction'],
  print: (options: ConntrackOptions): string[] => [
    ...printOption('--ctstate', options.state, CONNECTION_STATES),
    ...printOption('--ctproto', options.protocol, PROTOCOL),
    ...printOption('--ctorigsrc', options.originalSource, MASKED_ADDRESS),
    ...printOption('--ctorigdst', options.originalDestination, MASKED_ADDRESS),
    ...printOption('--ctreplsrc', options.replySource, MASKED_ADDRESS),
    ...printOption('--ctrepldst', options.replyDestination, MASKED_ADDRESS),
    ...printOption('--ctorigsrcport', options.originalSourcePort, PORTS),
    ...printOption('--ctorigdstport', options.originalDestinationPort, PORTS),
    ...printOption('--ctreplsrcport', options.replySourcePort, PORTS),
    ...printOption('--ctrepldstport', options.replyDestinationPort, PORTS),
    ...printOption('--ctstatus', options.status, STATUSES),
    ...printOption('--ctexpire', options.expires, SECONDS),
    ...printOption('--ctdir', options.direction, DIRECTION_WORD)
  ],
  draft: (): Drafted<ConntrackOptions> => ({}),
  options: {
    '--ctstate': invertibleOption('state', CONNECTION_STATES),
    '--ctproto': invertibleOption('protocol', PROTOCOL),
    '--ctorigsrc': invertibleOption('originalSource', MASKED_ADDRESS),
    '--ctorigdst': invertibleOption('originalDestination', MASKED_ADDRESS),
    '--ctreplsrc': invertibleOption('replySource', MASKED_ADDRESS),
    '--ctrepldst': invertibleOption('replyDestination', MASKED_ADDRESS),
    '--ctorigsrcport': invertibleOption('originalSourcePort', PORTS),
    '--ctorigdstport': invertibleOption('originalDestinationPort', PORTS),
    '--ctreplsrcport': invertibleOption('replySourcePort', PORTS),
    '--ctrepldstport': invertibleOption('replyDestinationPort', PORTS),
    '--ctstatus': invertibleOption('status', STATUSES),
    '--ctexpire': invertibleOption('expires', SECONDS),
    '--ctdir': valueOption('direction', DIRECTION_WORD)
  },
  finish: (draft: Drafted<ConntrackOptions>, _: unknown, fail: (allowed: string) => never): ConntrackOptions => {
    if (Object.keys(draft).length === 0) fail('at least one option of conntrack')
    return draft
  }
} as const

/** The greatest mask of states that revision 1 has: no UNTRACKED. */
const MAX_STATE_1 = 0xff

/** Revision 1: one port each, and no state UNTRACKED. */
export const CONNTRACK_1 = match<'conntrack', ConntrackOptions>({
  ...common,
  revision: 1,
  size: FIRST.size,
  encode: (options, context) => {
    const info = infoOf(options, context)
    if ((info.state ?? 0) > MAX_STATE_1) throw new ValidationError('state', options.state, 'no UNTRACKED: it needs revision 2')
    return FIRST.write({ ...info, ...singlePortsOf(options) })
  },
  decode: (info, context) => {
    const read = FIRST.read(info)
    return read && optionsFrom(read, read, context)
  }
})

/** Revision 2: one port each. */
export const CONNTRACK_2 = match<'conntrack', ConntrackOptions>({
  ...common,
  revision: 2,
  size: SECOND.size,
  encode: (options, context) => SECOND.write({ ...infoOf(options, context), ...singlePortsOf(options) }),
  decode: (info, context) => {
    const read = SECOND.read(info)
    return read && optionsFrom(read, read, context)
  }
})

/** Revision 3. */
export const CONNTRACK_3 = match<'conntrack', ConntrackOptions>({
  ...common,
  revision: 3,
  size: CONNTRACK_INFO_3.size,
  encode: (options, context) => {
    const ports = portsOf(options)
    return CONNTRACK_INFO_3.write({
      ...infoOf(options, context),
      originalSourcePort: ports.originalSourcePort?.[0],
      originalSourcePortLast: ports.originalSourcePort?.[1],
      originalDestinationPort: ports.originalDestinationPort?.[0],
      originalDestinationPortLast: ports.originalDestinationPort?.[1],
      replySourcePort: ports.replySourcePort?.[0],
      replySourcePortLast: ports.replySourcePort?.[1],
      replyDestinationPort: ports.replyDestinationPort?.[0],
      replyDestinationPortLast: ports.replyDestinationPort?.[1]
    })
  },
  decode: (info, context) => {
    const read = CONNTRACK_INFO_3.read(info)
    if (read === undefined) return undefined
    const ports = {
      originalSourcePort: rangeOf(read.originalSourcePort, read.originalSourcePortLast),
      originalDestinationPort: rangeOf(read.originalDestinationPort, read.originalDestinationPortLast),
      replySourcePort: rangeOf(read.replySourcePort, read.replySourcePortLast),
      replyDestinationPort: rangeOf(read.replyDestinationPort, read.replyDestinationPortLast)
    }
    return optionsFrom(read, ports, context)
  }
})
