/**
 * Expressions that look at options of headers, sockets, routes and tunnels, or hand packets to somebody else. Fields as in `expressions.ts`.
 */

/** Which options `exthdr` looks for: extension headers of IPv6, options of TCP, IPv4 or DCCP, chunks of SCTP (NFT_EXTHDR_OP_*; `dccp`: Linux 6.5, `sctp`: 5.14). */
export type ExtensionHeaderOperation = 'ipv6' | 'tcpopt' | 'ipv4' | 'sctp' | 'dccp' | number

/**
 * Loads bytes of an extension header or option into a register (with `present`: 1 or 0, whether it is there); with `sourceRegister`, writes 2 or 4 bytes of an option of TCP; without
 * any register, overwrites the option of TCP by NOPs (Linux 5.18).
 */
export interface ExtensionHeaderExpression {
  readonly type: 'exthdr'
  /** Number of the header, option or chunk. */
  readonly header: number
  /** Default `ipv6`. */
  readonly op?: ExtensionHeaderOperation
  readonly destinationRegister?: number
  readonly sourceRegister?: number
  /** Bytes from the start of the option. */
  readonly offset?: number
  readonly length?: number
  readonly flags?: readonly ('present' | number)[]
}

/** Loads what is known of the socket that the packet belongs to; goes on only where there is one. `level`: of `cgroupv2`, how deep the ancestor lies (Linux 5.13). */
export interface SocketExpression {
  readonly type: 'socket'
  readonly key: 'transparent' | 'mark' | 'wildcard' | 'cgroupv2' | number
  readonly destinationRegister: number
  readonly level?: number
}

/** Hands the packet to a local socket with IP_TRANSPARENT, whose address and port are in registers; absent: those of the packet. For hook `prerouting`. */
export interface TransparentProxyExpression {
  readonly type: 'tproxy'
  /** `unspec`: either, in tables of family inet. */
  readonly family: 'unspec' | 'ip' | 'ip6' | number
  readonly addressRegister?: number
  readonly portRegister?: number
}

/** Hands the packet to a program that listens on nfnetlink_queue: to queue `number`, one of `total` from it on, or the one in a register. Terminal. */
export interface QueueExpression {
  readonly type: 'queue'
  /** 0–65535. */
  readonly number?: number
  readonly total?: number
  /** `bypass`: the packet passes where nobody listens. `fanout`: by processor instead of by flow. */
  readonly flags?: readonly ('bypass' | 'fanout' | number)[]
  readonly numberRegister?: number
}

/** Options that a SYN proxy knows of the server (NF_SYNPROXY_OPT_*). */
export type SynproxyFlag = 'mss' | 'wscale' | 'sack-perm' | 'timestamp' | number

/** Answers SYN packets in the server's place, and lets only those connections on that are completed. Terminal. */
export interface SynproxyExpression {
  readonly type: 'synproxy'
  /** Bytes; with the flag `mss`. */
  readonly mss?: number
  /** 0–14; with the flag `wscale`. */
  readonly windowScale?: number
  readonly flags?: readonly SynproxyFlag[]
}

/** Sends a copy of the packet to the address in a register, by the link whose index is in a register; in tables of family netdev by the link alone. */
export interface DuplicateExpression {
  readonly type: 'dup'
  readonly addressRegister?: number
  readonly deviceRegister?: number
}

/** Sends the packet itself by the link whose index is in a register, and with an address to that neighbour. In tables of family netdev; terminal. */
export interface ForwardExpression {
  readonly type: 'fwd'
  readonly deviceRegister: number
  readonly addressRegister?: number
  readonly family?: 'ip' | 'ip6' | number
}

/** Loads what IPsec did to the packet (`in`) or will do (`out`): of the transformation `spnum`, 0 the outermost (Linux 4.20). */
export interface TransformationExpression {
  readonly type: 'xfrm'
  readonly key: 'daddr-ip' | 'daddr-ip6' | 'saddr-ip' | 'saddr-ip6' | 'reqid' | 'spi' | number
  readonly direction: 'in' | 'out' | number
  readonly spnum?: number
  readonly destinationRegister: number
}

/** Loads the name of the operating system that the SYN packet looks like, 16 bytes of text, or (`version`) name and version. Fingerprints are loaded by `nfnl_osf`. */
export interface FingerprintExpression {
  readonly type: 'osf'
  readonly destinationRegister: number
  /** How the packet's TTL is compared: with the fingerprint's, `loose` (below it), or not at all. */
  readonly ttl?: 'equal' | 'loose' | 'skip' | number
  readonly flags?: readonly ('version' | number)[]
}

/** Loads what the packet's route says: its realm, next hop, greatest segment of TCP, or whether IPsec transforms what goes there. */
export interface RoutingExpression {
  readonly type: 'rt'
  readonly destinationRegister: number
  readonly key: 'classid' | 'nexthop-ip' | 'nexthop-ip6' | 'tcpmss' | 'ipsec' | number
}

/** Loads what the metadata of a tunnel say: whether there are any (`path`), or the tunnel's id. `mode`: only of packets that came (`rx`) or go (`tx`) through it. */
export interface TunnelExpression {
  readonly type: 'tunnel'
  readonly key: 'path' | 'id' | number
  readonly destinationRegister: number
  readonly mode?: 'none' | 'rx' | 'tx' | number
}

/** Remembers when a packet last came here: `isSet` 1 and `agoMs` milliseconds ago, as listed (Linux 5.15). */
export interface LastExpression {
  readonly type: 'last'
  readonly isSet?: number
  readonly agoMs?: number
}
