/**
 * What rules can look at in extension headers and options, by the names that nft has: `exthdr.frag.id`, `tcpOption.maxseg.size`, `ipOption.lsrr.exists()`.
 * Numbers and places: nftables, src/exthdr.c, src/tcpopt.c, src/ipopt.c, src/sctp_chunk.c.
 */
import { dataType, type DataTypeName } from '../datatypes.js'
import type { ExtensionHeaderOperation } from '../further-expressions.js'
import { checkNumber } from './checks.js'
import type { FieldBits, HeaderName, LoadNode, MatchStatement, PlainStatement } from './nodes.js'
import { Selector, WritableSelector } from './selector.js'
import type { AddressValue, ProtocolName } from './headers.js'

/** Which options, and the header that must be asked for before; of the transport's options the kernel asks itself. */
interface Kind {
  readonly op: ExtensionHeaderOperation & string
  readonly requires?: HeaderName
}

const IPV6: Kind = { op: 'ipv6', requires: 'ip6' }
const TCP: Kind = { op: 'tcpopt' }
const IPV4: Kind = { op: 'ipv4', requires: 'ip' }
const SCTP: Kind = { op: 'sctp' }
const DCCP: Kind = { op: 'dccp' }

/** A header, option or chunk that packets may have. */
export interface Presence {
  /** True where the packet has it. */
  exists(): MatchStatement
  /** True where it does not. */
  missing(): MatchStatement
}

function presence({ op, requires }: Kind, header: number): Presence {
  const left: LoadNode = {
    kind: 'load',
    expression: { type: 'exthdr', op, header, offset: 0, length: 1, flags: ['present'] },
    type: dataType('type', 'boolean'),
    ...(requires === undefined ? {} : { requires })
  }
  const is = (right: number): MatchStatement => ({ kind: 'match', left, comparison: 'eq', right })
  return { exists: () => is(1), missing: () => is(0) }
}

/** A field by its offset in bytes; of some bits, with the bytes that they lie in. */
function node({ op, requires }: Kind, header: number, offset: number, type: DataTypeName, bits?: FieldBits): LoadNode {
  const resolved = dataType('type', type)
  return {
    kind: 'load',
    expression: { type: 'exthdr', op, header, offset, length: resolved.length, flags: [] },
    type: resolved,
    ...(requires === undefined ? {} : { requires }),
    ...(bits === undefined ? {} : { bits })
  }
}

function field<Value>(kind: Kind, header: number, offset: number, type: DataTypeName, bits?: FieldBits): Selector<Value> {
  return new Selector<Value>(node(kind, header, offset, type, bits))
}

const ROUTING = 43
const FRAGMENT = 44
const MOBILITY = 135

function nexthdr(header: number): Selector<ProtocolName | number> {
  return field(IPV6, header, 0, 'inet_proto')
}

/** The two fields that most extension headers begin with. */
function extension(header: number): Presence & { readonly nexthdr: Selector<ProtocolName | number>; readonly hdrlength: Selector<number> } {
  return { ...presence(IPV6, header), nexthdr: nexthdr(header), hdrlength: field(IPV6, header, 1, 'integer8') }
}

/** What the length of a routing header, at most 255 times 8 bytes behind the first, leaves room for. */
const MAX_ADDRESSES = 127

const routingAddress = (index: number): Selector<AddressValue> => {
  checkNumber('index', index, 1, MAX_ADDRESSES)
  return field(IPV6, ROUTING, 8 + 16 * (index - 1), 'ipv6_addr')
}

/** Extension headers of IPv6. */
export const exthdr = {
  /** Hop-by-hop options. */
  hbh: extension(0),
  /** Destination options. */
  dst: extension(60),
  rt: { ...extension(ROUTING), type: field<number>(IPV6, ROUTING, 2, 'integer8'), segLeft: field<number>(IPV6, ROUTING, 3, 'integer8') },
  /** Routing header of type 0, which the rule has to ask for: `addr(1)` is the first address. */
  rt0: { reserved: field<number>(IPV6, ROUTING, 4, 'integer32'), addr: routingAddress },
  /** Routing header of type 2, which the rule has to ask for. */
  rt2: { reserved: field<number>(IPV6, ROUTING, 4, 'integer32'), addr: routingAddress(1) },
  /** Segment routing header: routing header of type 4, which the rule has to ask for. */
  srh: {
    lastEntry: field<number>(IPV6, ROUTING, 4, 'integer8'),
    flags: field<number>(IPV6, ROUTING, 5, 'integer8'),
    tag: field<number>(IPV6, ROUTING, 6, 'integer16'),
    sid: routingAddress
  },
  frag: {
    ...presence(IPV6, FRAGMENT),
    nexthdr: nexthdr(FRAGMENT),
    reserved: field<number>(IPV6, FRAGMENT, 1, 'integer8'),
    /** In units of 8 bytes. */
    fragOff: field<number>(IPV6, FRAGMENT, 2, 'integer16', { mask: 0xfff8, shift: 3 }),
    reserved2: field<number>(IPV6, FRAGMENT, 3, 'integer8', { mask: 0x06, shift: 1 }),
    moreFragments: field<number>(IPV6, FRAGMENT, 3, 'integer8', { mask: 0x01, shift: 0 }),
    id: field<number>(IPV6, FRAGMENT, 4, 'integer32')
  },
  /** Mobility header. */
  mh: {
    ...extension(MOBILITY),
    type: field<number>(IPV6, MOBILITY, 2, 'integer8'),
    reserved: field<number>(IPV6, MOBILITY, 3, 'integer8'),
    checksum: field<number>(IPV6, MOBILITY, 4, 'integer16')
  }
} as const

/** Options of TCP that have a name. */
export type TcpOptionName = 'eol' | 'nop' | 'maxseg' | 'window' | 'sack-perm' | 'sack' | 'timestamp' | 'md5sig' | 'mptcp' | 'fastopen'
/** Options of TCP by the numbers of IANA. */
const TCP_OPTIONS: Readonly<Record<TcpOptionName, number>> = {
  eol: 0,
  nop: 1,
  maxseg: 2,
  window: 3,
  'sack-perm': 4,
  sack: 5,
  timestamp: 8,
  md5sig: 19,
  mptcp: 30,
  fastopen: 34
}

function tcpPresence(name: TcpOptionName): Presence & { readonly length: Selector<number> } {
  return { ...presence(TCP, TCP_OPTIONS[name]), length: field(TCP, TCP_OPTIONS[name], 1, 'integer8') }
}

function sackBlock(index: number): { readonly left: Selector<number>; readonly right: Selector<number> } {
  return {
    left: field(TCP, TCP_OPTIONS.sack, 2 + 8 * index, 'integer32'),
    right: field(TCP, TCP_OPTIONS.sack, 6 + 8 * index, 'integer32')
  }
}

/** Options of TCP. */
export const tcpOption = {
  eol: presence(TCP, TCP_OPTIONS.eol),
  nop: presence(TCP, TCP_OPTIONS.nop),
  /** Its size can be set: `tcpOption.maxseg.size.set(rt.mtu)`. */
  maxseg: { ...tcpPresence('maxseg'), size: new WritableSelector<number>(node(TCP, TCP_OPTIONS.maxseg, 2, 'integer16')) },
  window: { ...tcpPresence('window'), count: field<number>(TCP, TCP_OPTIONS.window, 2, 'integer8') },
  sackPerm: tcpPresence('sack-perm'),
  sack: { ...tcpPresence('sack'), ...sackBlock(0) },
  sack1: sackBlock(1),
  sack2: sackBlock(2),
  sack3: sackBlock(3),
  timestamp: {
    ...tcpPresence('timestamp'),
    tsval: field<number>(TCP, TCP_OPTIONS.timestamp, 2, 'integer32'),
    tsecr: field<number>(TCP, TCP_OPTIONS.timestamp, 6, 'integer32')
  },
  md5sig: tcpPresence('md5sig'),
  mptcp: {
    ...tcpPresence('mptcp'),
    subtype: field<number>(TCP, TCP_OPTIONS.mptcp, 2, 'integer8', { mask: 0xf0, shift: 4 })
  },
  fastopen: tcpPresence('fastopen'),
  /** Any option by its number, 0–255. @throws {ValidationError} */
  number(option: number): Presence {
    checkNumber('option', option, 0, 0xff)
    return presence(TCP, option)
  }
} as const

/** Overwrites an option of TCP by NOPs, as `reset tcp option sack-perm` does (Linux 5.18). @throws {ValidationError} */
export function resetTcpOption(option: TcpOptionName | number): PlainStatement {
  const header = typeof option === 'string' && Object.hasOwn(TCP_OPTIONS, option) ? TCP_OPTIONS[option] : (option as number)
  checkNumber('option', header, 0, 0xff)
  return { kind: 'plain', expression: { type: 'exthdr', op: 'tcpopt', header, offset: 0, length: 0 } }
}

function ipPresence(
  option: number
): Presence & Readonly<Record<'type' | 'length' | 'ptr', Selector<number>>> & { readonly addr: Selector<AddressValue> } {
  return {
    ...presence(IPV4, option),
    type: field(IPV4, option, 0, 'integer8'),
    length: field(IPV4, option, 1, 'integer8'),
    ptr: field(IPV4, option, 2, 'integer8'),
    addr: field(IPV4, option, 3, 'ipv4_addr')
  }
}

const ROUTER_ALERT = 148

/** Options of IPv4: loose and strict source routes, recorded routes, and router alerts. */
export const ipOption = {
  lsrr: ipPresence(131),
  rr: ipPresence(7),
  ssrr: ipPresence(137),
  ra: {
    ...presence(IPV4, ROUTER_ALERT),
    type: field<number>(IPV4, ROUTER_ALERT, 0, 'integer8'),
    length: field<number>(IPV4, ROUTER_ALERT, 1, 'integer8'),
    value: field<number>(IPV4, ROUTER_ALERT, 2, 'integer16')
  }
} as const

function chunk(type: number): Presence & Readonly<Record<'type' | 'flags' | 'length', Selector<number>>> {
  return {
    ...presence(SCTP, type),
    type: field(SCTP, type, 0, 'integer8'),
    flags: field(SCTP, type, 1, 'integer8'),
    length: field(SCTP, type, 2, 'integer16')
  }
}

function numberIn(type: number, offset: number, width: 'integer16' | 'integer32'): Selector<number> {
  return field(SCTP, type, offset, width)
}

function initChunk(
  type: number
): ReturnType<typeof chunk> &
  Readonly<Record<'initTag' | 'aRwnd' | 'numOutboundStreams' | 'numInboundStreams' | 'initialTsn', Selector<number>>> {
  return {
    ...chunk(type),
    initTag: numberIn(type, 4, 'integer32'),
    aRwnd: numberIn(type, 8, 'integer32'),
    numOutboundStreams: numberIn(type, 12, 'integer16'),
    numInboundStreams: numberIn(type, 14, 'integer16'),
    initialTsn: numberIn(type, 16, 'integer32')
  }
}

/** Chunks of SCTP (Linux 5.14). */
export const sctpChunk = {
  data: {
    ...chunk(0),
    tsn: numberIn(0, 4, 'integer32'),
    stream: numberIn(0, 8, 'integer16'),
    ssn: numberIn(0, 10, 'integer16'),
    ppid: numberIn(0, 12, 'integer32')
  },
  init: initChunk(1),
  initAck: initChunk(2),
  sack: {
    ...chunk(3),
    cumTsnAck: numberIn(3, 4, 'integer32'),
    aRwnd: numberIn(3, 8, 'integer32'),
    numGapAckBlocks: numberIn(3, 12, 'integer16'),
    numDupTsns: numberIn(3, 14, 'integer16')
  },
  heartbeat: chunk(4),
  heartbeatAck: chunk(5),
  abort: chunk(6),
  shutdown: { ...chunk(7), cumTsnAck: numberIn(7, 4, 'integer32') },
  shutdownAck: chunk(8),
  error: chunk(9),
  cookieEcho: chunk(10),
  cookieAck: chunk(11),
  ecne: { ...chunk(12), lowestTsn: numberIn(12, 4, 'integer32') },
  cwr: { ...chunk(13), lowestTsn: numberIn(13, 4, 'integer32') },
  shutdownComplete: chunk(14),
  asconfAck: { ...chunk(0x80), seqno: numberIn(0x80, 4, 'integer32') },
  forwardTsn: { ...chunk(0xc0), newCumTsn: numberIn(0xc0, 4, 'integer32') },
  asconf: { ...chunk(0xc1), seqno: numberIn(0xc1, 4, 'integer32') }
} as const

/** An option of DCCP by its number, 0–255 (Linux 6.5; later kernels can be built without). @throws {ValidationError} */
export function dccpOption(option: number): Presence {
  checkNumber('option', option, 0, 0xff)
  return presence(DCCP, option)
}
