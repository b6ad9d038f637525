/**
 * Expressions of nf_tables as the kernel keeps them: what a rule is made of. Most callers use the rule builder (`rule/`) and never
 * write these by hand. Field by field they are the `NFTA_*` attributes of include/uapi/linux/netfilter/nf_tables.h; enumerations are names,
 * a number stands for a value without a name. Registers: 1–4 hold 16 bytes each, 8–23 hold 4 bytes each (8–11 are the parts of 1).
 */
import type {
  DuplicateExpression,
  ExtensionHeaderExpression,
  FingerprintExpression,
  ForwardExpression,
  LastExpression,
  QueueExpression,
  RoutingExpression,
  SocketExpression,
  SynproxyExpression,
  TransformationExpression,
  TransparentProxyExpression,
  TunnelExpression
} from './further-expressions.js'

export type * from './further-expressions.js'

/** A verdict: what happens to the packet, and for `jump` and `goto` the chain. */
export interface Verdict {
  readonly verdict: 'accept' | 'drop' | 'queue' | 'continue' | 'break' | 'jump' | 'goto' | 'return' | number
  readonly chain?: string
  readonly chainId?: number
}

/** Raw bytes as they lie in registers (network order for addresses and ports, host order for marks and ct states), or a verdict. */
export type Data = Uint8Array | Verdict

/** How `cmp` compares, byte by byte in network order (NFT_CMP_*). */
export type CompareOperator = 'eq' | 'neq' | 'lt' | 'lte' | 'gt' | 'gte' | number
/** NF_NAT_RANGE_* in words; include/uapi/linux/netfilter/nf_nat.h. */
export type NatFlag = 'map-ips' | 'proto-specified' | 'random' | 'persistent' | 'fully-random' | 'proto-offset' | 'netmap' | number

/** Puts constant data, or a verdict (register 0), into a register. */
export interface ImmediateExpression {
  readonly type: 'immediate'
  readonly destinationRegister: number
  readonly data: Data
}
/** Goes on only if the comparison of a register with constant data holds. Length: that of the data, 1–16 bytes. */
export interface CompareExpression {
  readonly type: 'cmp'
  readonly sourceRegister: number
  readonly op: CompareOperator
  readonly data: Uint8Array
}
/** Goes on only if a register is inside (`eq`) or outside (`neq`) a range, both ends included, compared in network order. */
export interface RangeExpression {
  readonly type: 'range'
  readonly sourceRegister: number
  readonly op: 'eq' | 'neq' | number
  readonly from: Uint8Array
  readonly to: Uint8Array
}
/** Computes `(source & mask) ^ xor`, a shift by the 32-bit number in `data`, or (Linux 6.13) and, or, xor with a second register or `data`. `length` in bytes. */
export interface BitwiseExpression {
  readonly type: 'bitwise'
  readonly sourceRegister: number
  readonly destinationRegister: number
  readonly length: number
  readonly op?: 'mask-xor' | 'lshift' | 'rshift' | 'and' | 'or' | 'xor' | number
  readonly mask?: Uint8Array
  readonly xor?: Uint8Array
  readonly data?: Uint8Array
  readonly sourceRegister2?: number
}
/** Converts between network and host order: `length` bytes in words of `size` bytes (2, 4 or 8). */
export interface ByteorderExpression {
  readonly type: 'byteorder'
  readonly sourceRegister: number
  readonly destinationRegister: number
  readonly op: 'ntoh' | 'hton' | number
  readonly length: number
  readonly size: number
}
/** Loads bytes of the packet into a register, or, with `sourceRegister`, writes them into the packet and corrects the checksum. Offsets and lengths in bytes. */
export interface PayloadExpression {
  readonly type: 'payload'
  readonly destinationRegister?: number
  readonly base: 'link' | 'network' | 'transport' | 'inner' | 'tunnel' | number
  readonly offset: number
  readonly length: number
  readonly sourceRegister?: number
  readonly checksumType?: 'none' | 'inet' | 'sctp' | number
  readonly checksumOffset?: number
  readonly checksumFlags?: number
}
/** What `meta` knows of a packet (NFT_META_*). */
export type MetaKey =
  | 'len'
  | 'protocol'
  | 'priority'
  | 'mark'
  | 'iif'
  | 'oif'
  | 'iifname'
  | 'oifname'
  | 'iiftype'
  | 'oiftype'
  | 'skuid'
  | 'skgid'
  | 'nftrace'
  | 'rtclassid'
  | 'secmark'
  | 'nfproto'
  | 'l4proto'
  | 'bri-iifname'
  | 'bri-oifname'
  | 'pkttype'
  | 'cpu'
  | 'iifgroup'
  | 'oifgroup'
  | 'cgroup'
  | 'prandom'
  | 'secpath'
  | 'iifkind'
  | 'oifkind'
  | 'bri-iifpvid'
  | 'bri-iifvproto'
  | 'time-ns'
  | 'time-day'
  | 'time-hour'
  | 'sdif'
  | 'sdifname'
  | 'bri-broute'
  | number
/** Loads what the kernel knows of a packet, or, with `sourceRegister`, sets it (mark, priority, nftrace, pkttype, secmark). */
export interface MetaExpression {
  readonly type: 'meta'
  readonly key: MetaKey
  readonly destinationRegister?: number
  readonly sourceRegister?: number
}
/** What `ct` knows of a packet's connection (NFT_CT_*). */
export type ConntrackKey =
  | 'state'
  | 'direction'
  | 'status'
  | 'mark'
  | 'secmark'
  | 'expiration'
  | 'helper'
  | 'l3protocol'
  | 'src'
  | 'dst'
  | 'protocol'
  | 'proto-src'
  | 'proto-dst'
  | 'labels'
  | 'pkts'
  | 'bytes'
  | 'avgpkt'
  | 'zone'
  | 'eventmask'
  | 'src-ip'
  | 'dst-ip'
  | 'src-ip6'
  | 'dst-ip6'
  | 'id'
  | number
/** Loads a field of the packet's connection, or, with `sourceRegister`, sets it (mark, zone, labels, eventmask, secmark). `direction` for fields that have one. */
export interface ConntrackExpression {
  readonly type: 'ct'
  readonly key: ConntrackKey
  readonly direction?: 'original' | 'reply' | number
  readonly destinationRegister?: number
  readonly sourceRegister?: number
}
/** Goes on only if a set has the register's value (or, `inverted`, has not). With `destinationRegister` loads what a map has for it; 0 for verdict maps. */
export interface LookupExpression {
  readonly type: 'lookup'
  readonly set: string
  readonly setId?: number
  readonly sourceRegister: number
  readonly destinationRegister?: number
  readonly flags?: readonly ('inverted' | number)[]
}
/** Counts packets and bytes; the values are where it starts, or stood when it was listed. */
export interface CounterExpression {
  readonly type: 'counter'
  readonly bytes?: bigint
  readonly packets?: bigint
}
/** Address translation to the addresses (network order) and ports in registers; absent maximum: the same as the minimum. Terminal. */
export interface NatExpression {
  readonly type: 'nat'
  readonly nat: 'snat' | 'dnat' | number
  readonly family: 'ip' | 'ip6' | number
  readonly addressMinRegister?: number
  readonly addressMaxRegister?: number
  readonly protoMinRegister?: number
  readonly protoMaxRegister?: number
  readonly flags?: readonly NatFlag[]
}
/** Source translation to the address of the outgoing link, optionally to ports in registers. Terminal. */
export interface MasqueradeExpression {
  readonly type: 'masq'
  readonly flags?: readonly NatFlag[]
  readonly protoMinRegister?: number
  readonly protoMaxRegister?: number
}
/** Destination translation to this machine, optionally to ports in registers. Terminal. */
export interface RedirectExpression {
  readonly type: 'redir'
  readonly protoMinRegister?: number
  readonly protoMaxRegister?: number
  readonly flags?: readonly NatFlag[]
}
/** Loads a number from `offset` to `offset + modulus - 1`, host order: one after the other, or at random. */
export interface NumgenExpression {
  readonly type: 'numgen'
  readonly destinationRegister: number
  readonly modulus: number
  readonly mode: 'inc' | 'random' | number
  readonly offset?: number
}
/** Loads a hash from `offset` to `offset + modulus - 1`, host order: of `length` bytes of a register (`jenkins`), or of the flow (`symmetric`, which has no source). */
export interface HashExpression {
  readonly type: 'hash'
  readonly mode?: 'jenkins' | 'symmetric' | number
  readonly sourceRegister?: number
  readonly destinationRegister: number
  readonly length?: number
  readonly modulus: number
  readonly seed?: number
  readonly offset?: number
}
/** Loads what the routing tables say of the packet's source or destination: outgoing link, its name, or the address's type. `present`: 1 or 0 instead. */
export interface FibExpression {
  readonly type: 'fib'
  readonly destinationRegister: number
  readonly result: 'oif' | 'oifname' | 'type' | number
  readonly flags: readonly ('saddr' | 'daddr' | 'mark' | 'iif' | 'oif' | 'present' | number)[]
}
/** Drops the packet and answers with an ICMP error or a TCP reset. Terminal. `icmpCode`: of the family, or (`icmpx`) NFT_REJECT_ICMPX_*. */
export interface RejectExpression {
  readonly type: 'reject'
  readonly with: 'icmp-unreachable' | 'tcp-reset' | 'icmpx-unreachable' | number
  readonly icmpCode?: number
}
/** Adds, refreshes or deletes an element of a set from the packet path; `expressions` go with each new element (one: `expression`). */
export interface DynsetExpression {
  readonly type: 'dynset'
  readonly set: string
  readonly setId?: number
  readonly op: 'add' | 'update' | 'delete' | number
  readonly keyRegister: number
  readonly dataRegister?: number
  readonly timeoutMs?: number
  readonly flags?: readonly ('inverted' | 'expression' | number)[]
  readonly expression?: Expression
  readonly expressions?: readonly Expression[]
}
/** Uses a named object of the table, or the one that a map has for a register. */
export interface ObjectReferenceExpression {
  readonly type: 'objref'
  readonly objectType?:
    'counter' | 'quota' | 'ct-helper' | 'limit' | 'connlimit' | 'tunnel' | 'ct-timeout' | 'secmark' | 'ct-expect' | 'synproxy' | number
  readonly name?: string
  readonly setSourceRegister?: number
  readonly set?: string
  readonly setId?: number
}
/** Goes on only while the rate is not exceeded (or, `inverted`, only once it is): `rate` packets or bytes in `unitSeconds`, after a burst. */
export interface LimitExpression {
  readonly type: 'limit'
  readonly rate: bigint
  readonly unitSeconds: bigint
  readonly burst?: number
  readonly mode?: 'packets' | 'bytes' | number
  readonly flags?: readonly ('inverted' | number)[]
}
/** Goes on only until that many bytes have passed (or, `inverted`, only after them). */
export interface QuotaExpression {
  readonly type: 'quota'
  readonly bytes: bigint
  readonly flags?: readonly ('inverted' | 'depleted' | number)[]
  readonly consumed?: bigint
}
/** Goes on only while the set element or rule sees at most `count` connections (or, `inverted`, only with more). */
export interface ConnlimitExpression {
  readonly type: 'connlimit'
  readonly count: number
  readonly flags?: readonly ('inverted' | number)[]
}
/** Logs the packet to the kernel log (`level`, `flags`: NF_LOG_*), or with `group` to listeners of nfnetlink_log (`snapLength` bytes, after `queueThreshold` packets). */
export interface LogExpression {
  readonly type: 'log'
  readonly group?: number
  readonly prefix?: string
  readonly snapLength?: number
  readonly queueThreshold?: number
  readonly level?: number
  readonly flags?: number
}
/** Leaves the packet out of connection tracking. Before it: priority below -200. */
export interface NotrackExpression {
  readonly type: 'notrack'
}

/** Hands the packet's connection over to a flowtable of the table: its packets take a short cut from then on. In chains that packets reach from hook `forward` alone (Linux 4.16). */
export interface FlowOffloadExpression {
  readonly type: 'flow_offload'
  readonly flowtable: string
}

/**
 * Runs an expression, `payload` or `meta`, on the headers inside a tunnel (Linux 6.2). The tunnel's own header begins behind that of UDP (`vxlan`, `geneve`) or of IP; in `payload` its base is `tunnel`.
 */
export interface InnerExpression {
  readonly type: 'inner'
  /** Which one, if a rule looks into several; the kernel takes 0 only. */
  readonly number: number
  readonly tunnel: 'vxlan' | 'geneve' | 'gre' | 'gretap' | number
  /** What the tunnel has: a header of its own of `headerSize` bytes, and inside which headers begin. */
  readonly flags: readonly ('header-size' | 'link' | 'network' | 'transport' | number)[]
  /** Bytes; of geneve without its options. */
  readonly headerSize: number
  readonly expression: PayloadExpression | MetaExpression
}

/**
 * An expression this version does not know, or whose attributes it could not read: the kernel's name, and the payload of `NFTA_EXPR_DATA`
 * byte for byte. Written again, it gives the same expression.
 */
export interface OpaqueExpression {
  readonly type: 'opaque'
  readonly name: string
  readonly data: Uint8Array
}

/** One step of a rule. */
export type Expression =
  | ImmediateExpression
  | CompareExpression
  | RangeExpression
  | BitwiseExpression
  | ByteorderExpression
  | PayloadExpression
  | MetaExpression
  | ConntrackExpression
  | LookupExpression
  | CounterExpression
  | NatExpression
  | MasqueradeExpression
  | RedirectExpression
  | NumgenExpression
  | HashExpression
  | FibExpression
  | RejectExpression
  | DynsetExpression
  | ObjectReferenceExpression
  | LimitExpression
  | QuotaExpression
  | ConnlimitExpression
  | LogExpression
  | NotrackExpression
  | FlowOffloadExpression
  | ExtensionHeaderExpression
  | SocketExpression
  | TransparentProxyExpression
  | QueueExpression
  | SynproxyExpression
  | DuplicateExpression
  | ForwardExpression
  | TransformationExpression
  | FingerprintExpression
  | RoutingExpression
  | TunnelExpression
  | LastExpression
  | InnerExpression
  | OpaqueExpression
