/**
 * What rules can look at beside headers, by the names that nft has: `meta.mark`, `ct.state`, `fib('saddr').type`.
 */
import { dataType, type DataTypeName, type KeyValue } from '../datatypes.js'
import type { ConntrackKey, FibExpression, MetaKey } from '../expressions.js'
import { constantNode } from './constants.js'
import type { AddressValue, ProtocolName } from './headers.js'
import type { ConntrackNode, MatchStatement, MetaNode } from './nodes.js'
import { FlagsSelector, Selector, WritableSelector } from './selector.js'

/** States of connections. */
export type ConntrackState = 'invalid' | 'established' | 'related' | 'new' | 'untracked'
/** Bits of a connection's status. */
export type ConntrackStatus = 'expected' | 'seen-reply' | 'assured' | 'confirmed' | 'snat' | 'dnat' | 'dying'
/** Kinds of addresses. */
export type FibType = 'unspec' | 'unicast' | 'local' | 'broadcast' | 'anycast' | 'multicast' | 'blackhole' | 'unreachable' | 'prohibit'

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
  /** 1 where the packet came through IPsec, else 0. */
  ipsec: known<number>('secpath', 'boolean'),
  /** Link of a VRF that the packet came through (Linux 5.16). */
  sdif: known<number>('sdif', 'iface_index'),
  sdifname: known<string>('sdifname', 'ifname'),
  /** Bridges that the packet came in and goes out by. In tables of family bridge. */
  ibrname: known<string>('bri-iifname', 'ifname'),
  obrname: known<string>('bri-oifname', 'ifname'),
  /** Port VLAN id and VLAN protocol of the bridge that the packet came in by (Linux 5.5). */
  ibrpvid: known<number>('bri-iifpvid', 'host_integer16'),
  ibrvproto: known<string | number>('bri-iifvproto', 'ether_type'),
  /** 1 sends the packet to the network layer instead of over the bridge; at hook `prerouting` of tables of family bridge (Linux 6.4). */
  broute: new WritableSelector<number>(metaNode('bri-broute', 'integer8')),
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
