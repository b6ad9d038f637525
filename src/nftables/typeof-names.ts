/**
 * The expressions that can stand in a `typeof`, by the words that nft has for them. Numbers: nftables, include/proto.h (enum proto_desc_id and the enums of fields), enum nft_meta_keys and
 * enum nft_ct_keys of include/uapi/linux/netfilter/nf_tables.h.
 */
import type { DataTypeName } from './datatypes.js'

type Header =
  | 'ah'
  | 'esp'
  | 'comp'
  | 'icmp'
  | 'igmp'
  | 'udp'
  | 'udplite'
  | 'tcp'
  | 'dccp'
  | 'sctp'
  | 'th'
  | 'ip'
  | 'ip6'
  | 'icmpv6'
  | 'arp'
  | 'vlan'
  | 'ether'

/** enum proto_desc_id. */
export const HEADERS: Readonly<Record<Header, number>> = {
  ah: 1,
  esp: 2,
  comp: 3,
  icmp: 4,
  igmp: 5,
  udp: 6,
  udplite: 7,
  tcp: 8,
  dccp: 9,
  sctp: 10,
  th: 11,
  ip: 12,
  ip6: 13,
  icmpv6: 14,
  arp: 15,
  vlan: 16,
  ether: 17
}

/** Fields of headers: the header, the field's number in nft's table of it, and its type; of integers that do not fill their bytes also their bits. */
export const PAYLOADS = {
  'ah spi': ['ah', 4, 'integer32'],
  'ah sequence': ['ah', 5, 'integer32'],
  'esp spi': ['esp', 1, 'integer32'],
  'esp sequence': ['esp', 2, 'integer32'],
  'icmp type': ['icmp', 1, 'icmp_type'],
  'icmp code': ['icmp', 2, 'icmp_code'],
  'icmp id': ['icmp', 4, 'integer16'],
  'icmp sequence': ['icmp', 5, 'integer16'],
  'icmpv6 type': ['icmpv6', 1, 'icmpv6_type'],
  'icmpv6 code': ['icmpv6', 2, 'icmpv6_code'],
  'udp sport': ['udp', 1, 'inet_service'],
  'udp dport': ['udp', 2, 'inet_service'],
  'udplite sport': ['udplite', 1, 'inet_service'],
  'udplite dport': ['udplite', 2, 'inet_service'],
  'tcp sport': ['tcp', 1, 'inet_service'],
  'tcp dport': ['tcp', 2, 'inet_service'],
  'tcp sequence': ['tcp', 3, 'integer32'],
  'tcp flags': ['tcp', 7, 'tcp_flag'],
  'dccp sport': ['dccp', 1, 'inet_service'],
  'dccp dport': ['dccp', 2, 'inet_service'],
  'sctp sport': ['sctp', 1, 'inet_service'],
  'sctp dport': ['sctp', 2, 'inet_service'],
  'sctp vtag': ['sctp', 3, 'integer32'],
  'th sport': ['th', 1, 'inet_service'],
  'th dport': ['th', 2, 'inet_service'],
  'ip dscp': ['ip', 3, 'dscp'],
  'ip ecn': ['ip', 4, 'ecn'],
  'ip length': ['ip', 5, 'integer16'],
  'ip id': ['ip', 6, 'integer16'],
  'ip ttl': ['ip', 8, 'integer8'],
  'ip protocol': ['ip', 9, 'inet_proto'],
  'ip saddr': ['ip', 11, 'ipv4_addr'],
  'ip daddr': ['ip', 12, 'ipv4_addr'],
  'ip6 flowlabel': ['ip6', 4, 'integer24', 20],
  'ip6 length': ['ip6', 5, 'integer16'],
  'ip6 nexthdr': ['ip6', 6, 'inet_proto'],
  'ip6 hoplimit': ['ip6', 7, 'integer8'],
  'ip6 saddr': ['ip6', 8, 'ipv6_addr'],
  'ip6 daddr': ['ip6', 9, 'ipv6_addr'],
  'arp operation': ['arp', 5, 'arp_op'],
  'vlan id': ['vlan', 4, 'integer16', 12],
  'vlan type': ['vlan', 5, 'ether_type'],
  'ether daddr': ['ether', 1, 'ether_addr'],
  'ether saddr': ['ether', 2, 'ether_addr'],
  'ether type': ['ether', 3, 'ether_type']
} as const satisfies Readonly<
  Partial<
    Record<TypeofName, readonly [header: Header, field: number, type: DataTypeName] | readonly [Header, number, DataTypeName, bits: number]>
  >
>

/** Keys of `meta`. */
export const METAS = {
  'meta length': [0, 'host_integer32'],
  'meta protocol': [1, 'ether_type'],
  'meta priority': [2, 'classid'],
  'meta mark': [3, 'mark'],
  'meta iif': [4, 'iface_index'],
  'meta oif': [5, 'iface_index'],
  'meta iifname': [6, 'ifname'],
  'meta oifname': [7, 'ifname'],
  'meta iiftype': [8, 'iface_type'],
  'meta oiftype': [9, 'iface_type'],
  'meta skuid': [10, 'uid'],
  'meta skgid': [11, 'gid'],
  'meta rtclassid': [13, 'realm'],
  'meta nfproto': [15, 'nf_proto'],
  'meta l4proto': [16, 'inet_proto'],
  'meta pkttype': [19, 'pkt_type'],
  'meta cpu': [20, 'host_integer32'],
  'meta iifgroup': [21, 'devgroup'],
  'meta oifgroup': [22, 'devgroup'],
  'meta cgroup': [23, 'host_integer32'],
  'meta random': [24, 'integer32'],
  'meta iifkind': [26, 'ifname'],
  'meta oifkind': [27, 'ifname'],
  'meta time': [30, 'time_date'],
  'meta day': [31, 'day'],
  'meta hour': [32, 'hour']
} as const satisfies Readonly<Partial<Record<TypeofName, readonly [key: number, type: DataTypeName]>>>

/** Keys of `ct`, without direction. */
export const CTS = {
  'ct state': [0, 'ct_state'],
  'ct direction': [1, 'ct_dir'],
  'ct status': [2, 'ct_status'],
  'ct mark': [3, 'mark'],
  'ct expiration': [5, 'time'],
  'ct helper': [6, 'string'],
  'ct label': [13, 'ct_label'],
  'ct packets': [14, 'host_integer64'],
  'ct bytes': [15, 'host_integer64'],
  'ct avgpkt': [16, 'host_integer64'],
  'ct zone': [17, 'host_integer16'],
  'ct id': [23, 'integer32']
} as const satisfies Readonly<Partial<Record<TypeofName, readonly [key: number, type: DataTypeName]>>>

/** Expressions that can stand in a `typeof`. `numgen` and `symhash` may say their modulus, for display; a field without a name is `@nh,8,64`: header, offset and length in bits. */
export type TypeofName =
  | 'ah spi'
  | 'ah sequence'
  | 'esp spi'
  | 'esp sequence'
  | 'icmp type'
  | 'icmp code'
  | 'icmp id'
  | 'icmp sequence'
  | 'icmpv6 type'
  | 'icmpv6 code'
  | 'udp sport'
  | 'udp dport'
  | 'udplite sport'
  | 'udplite dport'
  | 'tcp sport'
  | 'tcp dport'
  | 'tcp sequence'
  | 'tcp flags'
  | 'dccp sport'
  | 'dccp dport'
  | 'sctp sport'
  | 'sctp dport'
  | 'sctp vtag'
  | 'th sport'
  | 'th dport'
  | 'ip dscp'
  | 'ip ecn'
  | 'ip length'
  | 'ip id'
  | 'ip ttl'
  | 'ip protocol'
  | 'ip saddr'
  | 'ip daddr'
  | 'ip6 flowlabel'
  | 'ip6 length'
  | 'ip6 nexthdr'
  | 'ip6 hoplimit'
  | 'ip6 saddr'
  | 'ip6 daddr'
  | 'arp operation'
  | 'vlan id'
  | 'vlan type'
  | 'ether daddr'
  | 'ether saddr'
  | 'ether type'
  | 'meta length'
  | 'meta protocol'
  | 'meta priority'
  | 'meta mark'
  | 'meta iif'
  | 'meta oif'
  | 'meta iifname'
  | 'meta oifname'
  | 'meta iiftype'
  | 'meta oiftype'
  | 'meta skuid'
  | 'meta skgid'
  | 'meta rtclassid'
  | 'meta nfproto'
  | 'meta l4proto'
  | 'meta pkttype'
  | 'meta cpu'
  | 'meta iifgroup'
  | 'meta oifgroup'
  | 'meta cgroup'
  | 'meta random'
  | 'meta iifkind'
  | 'meta oifkind'
  | 'meta time'
  | 'meta day'
  | 'meta hour'
  | 'ct state'
  | 'ct direction'
  | 'ct status'
  | 'ct mark'
  | 'ct expiration'
  | 'ct helper'
  | 'ct label'
  | 'ct packets'
  | 'ct bytes'
  | 'ct avgpkt'
  | 'ct zone'
  | 'ct id'
  | 'numgen random'
  | 'numgen inc'
  | `numgen ${'random' | 'inc'} mod ${number}`
  | 'symhash'
  | `symhash mod ${number}`
  | `@${'ll' | 'nh' | 'th'},${number},${number}`
