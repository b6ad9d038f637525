/**
 * What rules can look at, by the names that nft has: `ip.saddr`, `tcp.dport`, `meta.mark`, `ct.state`.
 */
import { dataType, type DataType, type DataTypeName, type KeyValue } from '../datatypes.js'
import type { ConntrackKey, FibExpression, MetaKey } from '../expressions.js'
import type { ConntrackNode, FieldBits, HeaderName, MatchStatement, MetaNode, PayloadNode } from './nodes.js'
import { constantNode } from './constants.js'
import { FlagsSelector, Selector, WritableSelector } from './selector.js'
import { ICMP_TYPES, ICMPV6_TYPES } from '../symbols.js'

/** An IP address, or a prefix in text. */
export type AddressValue = string | Uint8Array
/** Names of protocols over IP. */
export type ProtocolName =
  'icmp' | 'igmp' | 'tcp' | 'udp' | 'dccp' | 'ipv6' | 'gre' | 'esp' | 'ah' | 'icmpv6' | 'ipv6-icmp' | 'sctp' | 'udplite'
/** States of connections. */
export type ConntrackState = 'invalid' | 'established' | 'related' | 'new' | 'untracked'
/** Bits of a connection's status. */
export type ConntrackStatus = 'expected' | 'seen-reply' | 'assured' | 'confirmed' | 'snat' | 'dnat' | 'dying'
/** Flags of TCP. */
export type TcpFlag = 'fin' | 'syn' | 'rst' | 'psh' | 'ack' | 'urg' | 'ecn' | 'cwr'
/** Kinds of addresses. */
export type FibType = 'unspec' | 'unicast' | 'local' | 'broadcast' | 'anycast' | 'multicast' | 'blackhole' | 'unreachable' | 'prohibit'

const BASE: Readonly<Record<HeaderName, PayloadNode['base']>> = {
  ether: 'link',
  vlan: 'link',
  ip: 'network',
  ip6: 'network',
  ah: 'transport',
  esp: 'transport',
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
export const dccp = ports('dccp')

/** SCTP header. */
export const sctp = { ...ports('sctp'), vtag: field<number>('sctp', 3, 4, 'integer32') } as const

/** Whatever transport header the packet has; say which protocols are meant by `meta.l4proto`, as others may have no ports. */
export const th = ports('th')

function metaNode(key: MetaKey, type: DataTypeName): MetaNode {
  return { kind: 'meta', key, type: dataType('type', type) }
}

function known<Value>(key: MetaKey, type: DataTypeName): Selector<Value> {
  return new Selector<Value>(metaNode(key, type))
}

/** What the kernel knows of the packet. */
export const meta = {
  length: known<number>('len', 'host_integer32'),
  /** The EtherType: `ip`, `arp`, `ip6`, `vlan`, or a number. */
  protocol: known<string | number>('protocol', 'ether_type'),
  /** `ipv4` or `ipv6`. */
  nfproto: known<'ipv4' | 'ipv6' | number>('nfproto', 'nf_proto'),
  l4proto: new Selector<ProtocolName | number>({
    kind: 'meta',
    key: 'l4proto',
    type: { ...dataType('type', 'inet_proto'), byteOrder: 'host' }
  }),
  mark: new WritableSelector<number>(metaNode('mark', 'mark')),
  priority: new WritableSelector<number>(metaNode('priority', 'classid')),
  nftrace: new WritableSelector<number>(metaNode('nftrace', 'integer8')),
  pkttype: new WritableSelector<'host' | 'broadcast' | 'multicast' | 'other' | number>(metaNode('pkttype', 'pkt_type')),
  /** Index of the link. */
  iif: known<number>('iif', 'iface_index'),
  oif: known<number>('oif', 'iface_index'),
  /** Name of the link; may end in `*`. */
  iifname: known<string>('iifname', 'ifname'),
  oifname: known<string>('oifname', 'ifname'),
  /** ARPHRD_* number. */
  iiftype: known<number>('iiftype', 'iface_type'),
  oiftype: known<number>('oiftype', 'iface_type'),
  iifgroup: known<number>('iifgroup', 'devgroup'),
  oifgroup: known<number>('oifgroup', 'devgroup'),
  iifkind: known<string>('iifkind', 'ifname'),
  oifkind: known<string>('oifkind', 'ifname'),
  /** User that owns the socket of outgoing packets: a number, or a name of /etc/passwd. */
  skuid: known<number | string>('skuid', 'uid'),
  /** Its group: a number, or a name of /etc/group. */
  skgid: known<number | string>('skgid', 'gid'),
  rtclassid: known<number>('rtclassid', 'realm'),
  cgroup: known<number>('cgroup', 'host_integer32'),
  cpu: known<number>('cpu', 'host_integer32'),
  random: known<number>('prandom', 'integer32'),
  /** When the packet came: nanoseconds since 1970, or text in UTC, `2026-01-31T10:00:00Z`. */
  time: known<bigint | string>('time-ns', 'time_date'),
  /** Day of the week in UTC: 0 or `Sunday` to 6 or `Saturday`. */
  day: known<number | string>('time-day', 'day'),
  /** Time of day in UTC: seconds since midnight, or text, `10:00`. nft prints it in the time zone that it runs in. */
  hour: known<number | string>('time-hour', 'hour')
} as const

function ctNode(key: ConntrackKey, type: DataTypeName, direction?: ConntrackNode['direction']): ConntrackNode {
  return { kind: 'ct', key, type: dataType('type', type), ...(direction === undefined ? {} : { direction }) }
}

function tracked<Value>(key: ConntrackKey, type: DataTypeName, direction?: ConntrackNode['direction']): Selector<Value> {
  return new Selector<Value>(ctNode(key, type, direction))
}

function totals(direction?: ConntrackNode['direction']): Readonly<Record<'packets' | 'bytes' | 'avgpkt', Selector<number | bigint>>> {
  return {
    packets: tracked('pkts', 'host_integer64', direction),
    bytes: tracked('bytes', 'host_integer64', direction),
    avgpkt: tracked('avgpkt', 'host_integer64', direction)
  }
}

/** One direction of a connection, as it was before or is after address translation. */
export interface ConntrackDirection extends Readonly<Record<'packets' | 'bytes' | 'avgpkt', Selector<number | bigint>>> {
  readonly ip: { readonly saddr: Selector<AddressValue>; readonly daddr: Selector<AddressValue> }
  readonly ip6: { readonly saddr: Selector<AddressValue>; readonly daddr: Selector<AddressValue> }
  readonly protocol: Selector<ProtocolName | number>
  readonly protoSrc: Selector<number>
  readonly protoDst: Selector<number>
  readonly zone: Selector<number>
}

function direction(name: 'original' | 'reply'): ConntrackDirection {
  return {
    ip: { saddr: tracked('src-ip', 'ipv4_addr', name), daddr: tracked('dst-ip', 'ipv4_addr', name) },
    ip6: { saddr: tracked('src-ip6', 'ipv6_addr', name), daddr: tracked('dst-ip6', 'ipv6_addr', name) },
    protocol: tracked('protocol', 'inet_proto', name),
    protoSrc: tracked('proto-src', 'inet_service', name),
    protoDst: tracked('proto-dst', 'inet_service', name),
    zone: tracked('zone', 'host_integer16', name),
    ...totals(name)
  }
}

/** What connection tracking knows. */
export const ct = {
  state: new FlagsSelector<ConntrackState>(ctNode('state', 'ct_state')),
  status: new FlagsSelector<ConntrackStatus>(ctNode('status', 'ct_status')),
  direction: tracked<'original' | 'reply' | number>('direction', 'ct_dir'),
  mark: new WritableSelector<number>(ctNode('mark', 'mark')),
  /** Can be set before the connection is tracked: in hooks at priority `raw`. */
  zone: new WritableSelector<number>(ctNode('zone', 'host_integer16')),
  /** Milliseconds. */
  expiration: tracked<number>('expiration', 'time'),
  helper: tracked<string>('helper', 'string'),
  l3proto: tracked<'ipv4' | 'ipv6' | number>('l3protocol', 'nf_proto'),
  protocol: tracked<ProtocolName | number>('protocol', 'inet_proto'),
  id: tracked<number>('id', 'integer32'),
  ...totals(),
  original: direction('original'),
  reply: direction('reply')
} as const

/** What a look-up in the routing tables goes by. */
export type FibFlag = 'saddr' | 'daddr' | 'mark' | 'iif' | 'oif'

/** Answers of the routing tables. */
export interface FibSelectors {
  readonly type: Selector<FibType | number>
  /** Index of the link that a packet would leave by. */
  readonly oif: Selector<number>
  readonly oifname: Selector<string>
  /** True where there is a route. */
  exists(): MatchStatement
  /** True where there is none. */
  missing(): MatchStatement
}

const FIB_FLAGS: readonly FibFlag[] = ['saddr', 'daddr', 'mark', 'iif', 'oif']

/** Asks the routing tables: `fib('saddr', 'iif').missing()`. One of `saddr` and `daddr` must be given, and only one. */
export function fib(...given: readonly [FibFlag, ...FibFlag[]]): FibSelectors {
  const flags: FibExpression['flags'] = FIB_FLAGS.filter((flag) => given.includes(flag))
  const result = <Value>(name: FibExpression['result'] & string, type: DataTypeName): Selector<Value> =>
    new Selector<Value>({ kind: 'fib', flags, result: name, type: dataType('type', type) })
  const present = (isPresent: boolean): MatchStatement => ({
    kind: 'match',
    left: { kind: 'fib', flags: [...flags, 'present'], result: 'oif', type: dataType('type', 'host_integer32') },
    comparison: 'eq',
    right: isPresent ? 1 : 0
  })
  return {
    type: result('type', 'fib_addrtype'),
    oif: result('oif', 'iface_index'),
    oifname: result('oifname', 'ifname'),
    exists: () => present(true),
    missing: () => present(false)
  }
}

/** A value that the rule brings along, where a selector is asked for: `constant('inet_service', 80)`. @throws {ValidationError} */
export function constant<Value extends KeyValue>(type: DataTypeName, value: Value): Selector<Value> {
  return new Selector<Value>(constantNode('value', type, value))
}
