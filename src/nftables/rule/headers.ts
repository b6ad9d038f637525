/**
 * Headers of packets, by the names that nft has: `ip.saddr`, `tcp.dport`.
 */
import { dataType, type DataType, type DataTypeName } from '../datatypes.js'
import { ICMP_TYPES, ICMPV6_TYPES } from '../symbols.js'
import type { FieldBits, HeaderName, PayloadNode } from './nodes.js'
import { FlagsSelector, Selector } from './selector.js'

/** An IP address, or a prefix in text. */
export type AddressValue = string | Uint8Array
/** Names of protocols over IP. */
export type ProtocolName =
  'icmp' | 'igmp' | 'tcp' | 'udp' | 'dccp' | 'ipv6' | 'gre' | 'esp' | 'ah' | 'icmpv6' | 'ipv6-icmp' | 'sctp' | 'udplite'
/** Flags of TCP. */
export type TcpFlag = 'fin' | 'syn' | 'rst' | 'psh' | 'ack' | 'urg' | 'ecn' | 'cwr'
const BASE: Readonly<Record<HeaderName, PayloadNode['base']>> = {
  ether: 'link',
  vlan: 'link',
  arp: 'network',
  ip: 'network',
  ip6: 'network',
  ah: 'transport',
  esp: 'transport',
  comp: 'transport',
  igmp: 'transport',
  icmp: 'transport',
  icmpv6: 'transport',
  tcp: 'transport',
  udp: 'transport',
  udplite: 'transport',
  dccp: 'transport',
  sctp: 'transport',
  th: 'transport'
}

/** A field of a header: `number` is its number in nft's tables, `offset` its place in bytes. */
function payload(
  header: HeaderName,
  number: number,
  offset: number,
  type: DataTypeName | DataType,
  more: Pick<PayloadNode, 'bits' | 'namesUpper' | 'icmpTypes'> = {}
): PayloadNode {
  return {
    kind: 'payload',
    header,
    base: BASE[header],
    field: number,
    offset,
    type: typeof type === 'string' ? dataType('type', type) : type,
    ...more
  }
}

function field<Value>(header: HeaderName, number: number, offset: number, type: DataTypeName): Selector<Value> {
  return new Selector<Value>(payload(header, number, offset, type))
}

/** A field of some bits in `length` bytes. */
function bitField<Value>(
  header: HeaderName,
  number: number,
  offset: number,
  type: DataTypeName,
  length: number,
  bits: FieldBits
): Selector<Value> {
  return new Selector<Value>(payload(header, number, offset, { ...dataType('type', type), length, byteOrder: 'big' }, { bits }))
}

function ports(header: HeaderName): { readonly sport: Selector<number>; readonly dport: Selector<number> } {
  return { sport: field(header, 1, 0, 'inet_service'), dport: field(header, 2, 2, 'inet_service') }
}

/** Ethernet header. */
export const ether = {
  daddr: field<string>('ether', 1, 0, 'ether_addr'),
  saddr: field<string>('ether', 2, 6, 'ether_addr'),
  /** `ip`, `arp`, `ip6`, `vlan`, or a number. */
  type: new Selector<string | number>(payload('ether', 3, 12, 'ether_type', { namesUpper: 'network' }))
} as const

/** Tag of IEEE 802.1Q behind the Ethernet header. */
export const vlan = {
  /** 0–4095. */
  id: bitField<number>('vlan', 4, 14, 'integer16', 2, { mask: 0x0fff, shift: 0 }),
  /** Priority, 0–7. */
  pcp: bitField<number>('vlan', 1, 14, 'integer8', 1, { mask: 0xe0, shift: 5 }),
  /** Whether the packet may be dropped first. */
  dei: bitField<number>('vlan', 2, 14, 'integer8', 1, { mask: 0x10, shift: 4 }),
  /** The EtherType of what follows. */
  type: new Selector<string | number>(payload('vlan', 5, 16, 'ether_type', { namesUpper: 'network' }))
} as const

/** Authentication header of IPsec. The protocol that follows it cannot be asked for: nft 1.0.6 aborts on such rules. */
export const ah = {
  hdrlength: field<number>('ah', 2, 1, 'integer8'),
  reserved: field<number>('ah', 3, 2, 'integer16'),
  spi: field<number>('ah', 4, 4, 'integer32'),
  sequence: field<number>('ah', 5, 8, 'integer32')
} as const

/** Encapsulating security payload of IPsec. */
export const esp = { spi: field<number>('esp', 1, 0, 'integer32'), sequence: field<number>('esp', 2, 4, 'integer32') } as const

/** IP payload compression protocol. The protocol that follows it cannot be asked for, as behind {@link ah}. */
export const comp = { flags: field<number>('comp', 2, 1, 'integer8'), cpi: field<number>('comp', 3, 2, 'integer16') } as const

/** ARP, of Ethernet and IPv4. */
export const arp = {
  /** ARPHRD_* number; 1 is Ethernet. */
  htype: field<number>('arp', 1, 0, 'integer16'),
  ptype: field<string | number>('arp', 2, 2, 'ether_type'),
  hlen: field<number>('arp', 3, 4, 'integer8'),
  plen: field<number>('arp', 4, 5, 'integer8'),
  /** `request`, `reply`, `rrequest`, `rreply`, `inrequest`, `inreply`, `nak`, or a number. */
  operation: field<string | number>('arp', 5, 6, 'arp_op'),
  saddr: { ether: field<string>('arp', 6, 8, 'ether_addr'), ip: field<AddressValue>('arp', 8, 14, 'ipv4_addr') },
  daddr: { ether: field<string>('arp', 7, 18, 'ether_addr'), ip: field<AddressValue>('arp', 9, 24, 'ipv4_addr') }
} as const

/** IPv4 header. */
export const ip = {
  version: bitField<number>('ip', 1, 0, 'integer8', 1, { mask: 0xf0, shift: 4 }),
  /** In units of 4 bytes. */
  hdrlength: bitField<number>('ip', 2, 0, 'integer8', 1, { mask: 0x0f, shift: 0 }),
  dscp: bitField<string | number>('ip', 3, 1, 'dscp', 1, { mask: 0xfc, shift: 2 }),
  ecn: bitField<string | number>('ip', 4, 1, 'ecn', 1, { mask: 0x03, shift: 0 }),
  /** Bytes of the packet, this header included. */
  length: field<number>('ip', 5, 2, 'integer16'),
  id: field<number>('ip', 6, 4, 'integer16'),
  fragOff: field<number>('ip', 7, 6, 'integer16'),
  ttl: field<number>('ip', 8, 8, 'integer8'),
  protocol: new Selector<ProtocolName | number>(payload('ip', 9, 9, 'inet_proto', { namesUpper: 'transport' })),
  checksum: field<number>('ip', 10, 10, 'integer16'),
  saddr: field<AddressValue>('ip', 11, 12, 'ipv4_addr'),
  daddr: field<AddressValue>('ip', 12, 16, 'ipv4_addr')
} as const

/** IPv6 header. */
export const ip6 = {
  version: bitField<number>('ip6', 1, 0, 'integer8', 1, { mask: 0xf0, shift: 4 }),
  dscp: bitField<string | number>('ip6', 2, 0, 'dscp', 2, { mask: 0x0fc0, shift: 6 }),
  flowlabel: bitField<number>('ip6', 4, 1, 'integer24', 3, { mask: 0x0f_ffff, shift: 0 }),
  /** Bytes behind this header. */
  length: field<number>('ip6', 5, 4, 'integer16'),
  nexthdr: new Selector<ProtocolName | number>(payload('ip6', 6, 6, 'inet_proto', { namesUpper: 'transport' })),
  hoplimit: field<number>('ip6', 7, 7, 'integer8'),
  saddr: field<AddressValue>('ip6', 8, 8, 'ipv6_addr'),
  daddr: field<AddressValue>('ip6', 9, 24, 'ipv6_addr')
} as const

/** A field that only messages of some types have: the rule asks for the type, unless it has done so. */
function messageField(
  header: 'icmp' | 'icmpv6',
  number: number,
  offset: number,
  type: DataTypeName,
  icmpTypes: readonly number[]
): Selector<number> {
  return new Selector<number>(payload(header, number, offset, type, { icmpTypes }))
}

const ECHO = [ICMP_TYPES['echo-reply']!, ICMP_TYPES['echo-request']!]
const ECHO_6 = [ICMPV6_TYPES['echo-request']!, ICMPV6_TYPES['echo-reply']!]

/** ICMP header. */
export const icmp = {
  type: field<string | number>('icmp', 1, 0, 'icmp_type'),
  code: field<string | number>('icmp', 2, 1, 'icmp_code'),
  checksum: field<number>('icmp', 3, 2, 'integer16'),
  /** Of echo requests and replies. */
  id: messageField('icmp', 4, 4, 'integer16', ECHO),
  /** Of echo requests and replies. */
  sequence: messageField('icmp', 5, 6, 'integer16', ECHO),
  /** Of `destination-unreachable`. */
  mtu: messageField('icmp', 7, 6, 'integer16', [ICMP_TYPES['destination-unreachable']!])
} as const

/** IGMP header. */
export const igmp = {
  /** 0x11 is a membership query. */
  type: field<number>('igmp', 1, 0, 'integer8'),
  /** Tenths of a second. */
  mrt: field<number>('igmp', 2, 1, 'integer8'),
  checksum: field<number>('igmp', 3, 2, 'integer16'),
  group: field<AddressValue>('igmp', 4, 4, 'ipv4_addr')
} as const

/** ICMPv6 header. */
export const icmpv6 = {
  type: field<string | number>('icmpv6', 1, 0, 'icmpv6_type'),
  code: field<string | number>('icmpv6', 2, 1, 'icmpv6_code'),
  checksum: field<number>('icmpv6', 3, 2, 'integer16'),
  /** Of `packet-too-big`. */
  mtu: messageField('icmpv6', 5, 4, 'integer32', [ICMPV6_TYPES['packet-too-big']!]),
  /** Of echo requests and replies. */
  id: messageField('icmpv6', 6, 4, 'integer16', ECHO_6),
  /** Of echo requests and replies. */
  sequence: messageField('icmpv6', 7, 6, 'integer16', ECHO_6)
} as const

/** TCP header. */
export const tcp = {
  ...ports('tcp'),
  sequence: field<number>('tcp', 3, 4, 'integer32'),
  ackseq: field<number>('tcp', 4, 8, 'integer32'),
  /** In units of 4 bytes. */
  doff: bitField<number>('tcp', 5, 12, 'integer8', 1, { mask: 0xf0, shift: 4 }),
  flags: new FlagsSelector<TcpFlag>(payload('tcp', 7, 13, 'tcp_flag')),
  window: field<number>('tcp', 8, 14, 'integer16'),
  checksum: field<number>('tcp', 9, 16, 'integer16'),
  urgptr: field<number>('tcp', 10, 18, 'integer16')
} as const

/** UDP header. */
export const udp = {
  ...ports('udp'),
  length: field<number>('udp', 3, 4, 'integer16'),
  checksum: field<number>('udp', 4, 6, 'integer16')
} as const

/** UDP-Lite header. */
export const udplite = ports('udplite')

/** DCCP header. */
export const dccp = {
  ...ports('dccp'),
  /** 0 request, 1 response, 2 data, 3 ack, 4 dataack, 5 closereq, 6 close, 7 reset, 8 sync, 9 syncack. */
  type: bitField<number>('dccp', 3, 8, 'integer8', 1, { mask: 0x1e, shift: 1 })
} as const

/** SCTP header. */
export const sctp = { ...ports('sctp'), vtag: field<number>('sctp', 3, 4, 'integer32') } as const

/** Whatever transport header the packet has; say which protocols are meant by `meta.l4proto`, as others may have no ports. */
export const th = ports('th')
