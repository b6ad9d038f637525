/** Numbers of include/uapi/linux/ip_vs.h and their names. */
import { AF_INET, AF_INET6, protocolNumbers } from '../core/protocols.js'
import type { Protocol } from '../core/protocols.js'
import type { ForwardingMethod, ServiceFlag, TunnelFlag, TunnelType } from './types.js'

/** IPPROTO_*. */
export const PROTOCOL_NUMBERS: Readonly<Record<Protocol, number>> = protocolNumbers('tcp', 'udp', 'sctp')

/** IP_VS_SVC_F_PERSISTENT. */
export const PERSISTENT = 0x1
/** IP_VS_SVC_F_HASHED: the kernel's own. */
export const HASHED = 0x2
/** IP_VS_SVC_F_* that a caller can set; what else an update finds in the kernel stays. */
export const SETTABLE_FLAGS = 0x3d

/** IP_VS_SVC_F_ONEPACKET, IP_VS_SVC_F_SCHED1 … 3 (SCHED_SH_*, SCHED_MH_*: FALLBACK is 1, PORT is 2). */
export const SERVICE_FLAG_BITS: Readonly<Record<ServiceFlag, number>> = {
  'one-packet': 0x4,
  'sh-fallback': 0x8,
  'sh-port': 0x10,
  'mh-fallback': 0x8,
  'mh-port': 0x10,
  'flag-1': 0x8,
  'flag-2': 0x10,
  'flag-3': 0x20
}

/** IP_VS_CONN_F_MASQ … IP_VS_CONN_F_BYPASS, by number. */
export const FORWARDING_METHODS = ['masquerade', 'local', 'tunnel', 'direct-route', 'bypass'] as const satisfies readonly ForwardingMethod[]

/** IP_VS_CONN_F_TUNNEL_TYPE_*, by number. */
export const TUNNEL_TYPES = ['ipip', 'gue', 'gre'] as const satisfies readonly TunnelType[]

/** IP_VS_TUNNEL_ENCAP_FLAG_CSUM, _REMCSUM. */
export const TUNNEL_FLAG_BITS: Readonly<Record<TunnelFlag, number>> = { checksum: 1, 'remote-checksum': 2 }

/** IPv4 mask and IPv6 prefix length that tell every client apart. */
export const FULL_NETMASK = { [AF_INET]: 0xffffffff, [AF_INET6]: 128 } as const

/** Default scheduler, and seconds of persistence (ipvsadm's). */
export const DEFAULT_SCHEDULER = 'wlc'
export const DEFAULT_PERSISTENCE_SECONDS = 300

/** Largest weight and threshold: `int` in the kernel (include/net/ip_vs.h, struct ip_vs_dest). */
export const MAX_INT = 0x7fffffff
