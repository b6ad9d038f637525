/**
 * Names for numbers, as nft writes them.
 */
import { IPPROTO } from '../core/protocols.js'

/** IPPROTO_*, and the other name of ICMPv6. */
export const PROTOCOLS: Readonly<Record<string, number>> = { ...IPPROTO, 'ipv6-icmp': IPPROTO.icmpv6 }

/** NF_CT_STATE_BIT and its kin, include/uapi/linux/netfilter/nf_conntrack_common.h. */
export const CT_STATES: Readonly<Record<string, number>> = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 }

/** IPS_*, include/uapi/linux/netfilter/nf_conntrack_common.h. */
export const CT_STATUSES: Readonly<Record<string, number>> = {
  expected: 1,
  'seen-reply': 2,
  assured: 4,
  confirmed: 8,
  snat: 16,
  dnat: 32,
  dying: 512
}

/** IP_CT_DIR_*, include/uapi/linux/netfilter/nf_conntrack_tuple_common.h. */
export const CT_DIRECTIONS: Readonly<Record<string, number>> = { original: 0, reply: 1 }

/** RTN_*, include/uapi/linux/rtnetlink.h. */
export const FIB_TYPES: Readonly<Record<string, number>> = {
  unspec: 0,
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8
}

/** PACKET_*, include/uapi/linux/if_packet.h. */
export const PACKET_TYPES: Readonly<Record<string, number>> = { host: 0, broadcast: 1, multicast: 2, other: 3 }

/** ICMP_*, include/uapi/linux/icmp.h. */
export const ICMP_TYPES: Readonly<Record<string, number>> = {
  'echo-reply': 0,
  'destination-unreachable': 3,
  'source-quench': 4,
  redirect: 5,
  'echo-request': 8,
  'router-advertisement': 9,
  'router-solicitation': 10,
  'time-exceeded': 11,
  'parameter-problem': 12,
  'timestamp-request': 13,
  'timestamp-reply': 14,
  'info-request': 15,
  'info-reply': 16,
  'address-mask-request': 17,
  'address-mask-reply': 18
}

/** ICMPV6_* and NDISC_*, include/uapi/linux/icmpv6.h, include/net/ndisc.h. */
export const ICMPV6_TYPES: Readonly<Record<string, number>> = {
  'destination-unreachable': 1,
  'packet-too-big': 2,
  'time-exceeded': 3,
  'parameter-problem': 4,
  'echo-request': 128,
  'echo-reply': 129,
  'mld-listener-query': 130,
  'mld-listener-report': 131,
  'mld-listener-done': 132,
  'nd-router-solicit': 133,
  'nd-router-advert': 134,
  'nd-neighbor-solicit': 135,
  'nd-neighbor-advert': 136,
  'nd-redirect': 137,
  'router-renumbering': 138,
  'mld2-listener-report': 143
}

/** Codes of ICMP_DEST_UNREACH, include/uapi/linux/icmp.h, by the names that nft has. */
export const ICMP_CODES: Readonly<Record<string, number>> = {
  'net-unreachable': 0,
  'host-unreachable': 1,
  'prot-unreachable': 2,
  'port-unreachable': 3,
  'frag-needed': 4,
  'net-prohibited': 9,
  'host-prohibited': 10,
  'admin-prohibited': 13
}

/** Codes of ICMPV6_DEST_UNREACH, include/uapi/linux/icmpv6.h. */
export const ICMPV6_CODES: Readonly<Record<string, number>> = {
  'no-route': 0,
  'admin-prohibited': 1,
  'addr-unreachable': 3,
  'port-unreachable': 4,
  'policy-fail': 5,
  'reject-route': 6
}

/** NFT_REJECT_ICMPX_*, include/uapi/linux/netfilter/nf_tables.h. */
export const ICMPX_CODES: Readonly<Record<string, number>> = {
  'no-route': 0,
  'port-unreachable': 1,
  'host-unreachable': 2,
  'admin-prohibited': 3
}

/** Differentiated services code points (RFC 2474, 2597, 3246, 5865). */
export const DSCP_CODES: Readonly<Record<string, number>> = {
  cs0: 0,
  cs1: 8,
  cs2: 16,
  cs3: 24,
  cs4: 32,
  cs5: 40,
  cs6: 48,
  cs7: 56,
  lephb: 1,
  af11: 10,
  af12: 12,
  af13: 14,
  af21: 18,
  af22: 20,
  af23: 22,
  af31: 26,
  af32: 28,
  af33: 30,
  af41: 34,
  af42: 36,
  af43: 38,
  va: 44,
  ef: 46
}

/** Explicit congestion notification (RFC 3168). */
export const ECN_CODES: Readonly<Record<string, number>> = { 'not-ect': 0, ect1: 1, ect0: 2, ce: 3 }

/** Days of the week as the kernel counts them (`meta day`). */
export const DAYS: Readonly<Record<string, number>> = {
  Sunday: 0,
  Monday: 1,
  Tuesday: 2,
  Wednesday: 3,
  Thursday: 4,
  Friday: 5,
  Saturday: 6
}
