/**
 * Expressions of nf_tables as the kernel keeps them: what a rule is made of. Most callers use the rule builder (`rule-builder.ts`) and never
 * write these by hand. Field by field they are the `NFTA_*` attributes of include/uapi/linux/netfilter/nf_tables.h; enumerations are names,
 * a number stands for a value without a name. Registers: 1–4 hold 16 bytes each, 8–23 hold 4 bytes each (8–11 are the parts of 1).
 */

/** A verdict: what happens to the packet, and for `jump` and `goto` the chain. */
export interface Verdict {
  readonly verdict: 'accept' | 'drop' | 'queue' | 'continue' | 'break' | 'jump' | 'goto' | 'return' | number
  readonly chain?: string
  readonly chainId?: number
}

/** Raw bytes as they lie in registers (network order for addresses and ports, host order for marks and ct states), or a verdict. */
export type Data = Uint8Array | Verdict

export type CompareOperator = 'eq' | 'neq' | 'lt' | 'lte' | 'gt' | 'gte' | number
export type NatFlag = 'map-ips' | 'proto-specified' | 'random' | 'persistent' | 'fully-random' | 'proto-offset' | 'netmap' | number

export interface ImmediateExpression { readonly type: 'immediate'; readonly destinationRegister: number; readonly data: Data }
export interface CompareExpression { readonly type: 'cmp'; readonly sourceRegister: number; readonly op: CompareOperator; readonly data: Uint8Array }
export interface RangeExpression { readonly type: 'range'; readonly sourceRegister: number; readonly op: 'eq' | 'neq' | number; readonly from: Uint8Array; readonly to: Uint8Array }
export interface BitwiseExpression {
  readonly type: 'bitwise'; readonly sourceRegister: number; readonly destinationRegister: number; readonly length: number
  readonly op?: 'mask-xor' | 'lshift' | 'rshift' | 'and' | 'or' | 'xor' | number
  readonly mask?: Uint8Array; readonly xor?: Uint8Array; readonly data?: Uint8Array; readonly sourceRegister2?: number
}
export interface ByteorderExpression { readonly type: 'byteorder'; readonly sourceRegister: number; readonly destinationRegister: number; readonly op: 'ntoh' | 'hton' | number; readonly length: number; readonly size: number }
export interface PayloadExpression {
  readonly type: 'payload'; readonly destinationRegister?: number; readonly base: 'link' | 'network' | 'transport' | 'inner' | 'tunnel' | number
  readonly offset: number; readonly length: number; readonly sourceRegister?: number
  readonly checksumType?: 'none' | 'inet' | 'sctp' | number; readonly checksumOffset?: number; readonly checksumFlags?: number
}
export type MetaKey =
  | 'len' | 'protocol' | 'priority' | 'mark' | 'iif' | 'oif' | 'iifname' | 'oifname' | 'iiftype' | 'oiftype' | 'skuid' | 'skgid' | 'nftrace' | 'rtclassid'
  | 'secmark' | 'nfproto' | 'l4proto' | 'bri-iifname' | 'bri-oifname' | 'pkttype' | 'cpu' | 'iifgroup' | 'oifgroup' | 'cgroup' | 'prandom' | 'secpath'
  | 'iifkind' | 'oifkind' | 'bri-iifpvid' | 'bri-iifvproto' | 'time-ns' | 'time-day' | 'time-hour' | 'sdif' | 'sdifname' | 'bri-broute' | number
export interface MetaExpression { readonly type: 'meta'; readonly key: MetaKey; readonly destinationRegister?: number; readonly sourceRegister?: number }
export type ConntrackKey =
  | 'state' | 'direction' | 'status' | 'mark' | 'secmark' | 'expiration' | 'helper' | 'l3protocol' | 'src' | 'dst' | 'protocol' | 'proto-src' | 'proto-dst'
  | 'labels' | 'pkts' | 'bytes' | 'avgpkt' | 'zone' | 'eventmask' | 'src-ip' | 'dst-ip' | 'src-ip6' | 'dst-ip6' | 'id' | number
export interface ConntrackExpression { readonly type: 'ct'; readonly key: ConntrackKey; readonly direction?: 'original' | 'reply' | number; readonly destinationRegister?: number; readonly sourceRegister?: number }
export interface LookupExpression { readonly type: 'lookup'; readonly set: string; readonly setId?: number; readonly sourceRegister: number; readonly destinationRegister?: number; readonly flags?: readonly ('inverted' | number)[] }
export interface CounterExpression { readonly type: 'counter'; readonly bytes?: bigint; readonly packets?: bigint }
export interface NatExpression {
  readonly type: 'nat'; readonly nat: 'snat' | 'dnat' | number; readonly family: 'ip' | 'ip6' | number
  readonly addressMinRegister?: number; readonly addressMaxRegister?: number; readonly protoMinRegister?: number; readonly protoMaxRegister?: number
  readonly flags?: readonly NatFlag[]
}
export interface MasqueradeExpression { readonly type: 'masq'; readonly flags?: readonly NatFlag[]; readonly protoMinRegister?: number; readonly protoMaxRegister?: number }
export interface RedirectExpression { readonly type: 'redir'; readonly protoMinRegister?: number; readonly protoMaxRegister?: number; readonly flags?: readonly NatFlag[] }
export interface NumgenExpression { readonly type: 'numgen'; readonly destinationRegister: number; readonly modulus: number; readonly mode: 'inc' | 'random' | number; readonly offset?: number }
export interface HashExpression { readonly type: 'hash'; readonly mode?: 'jenkins' | 'symmetric' | number; readonly sourceRegister?: number; readonly destinationRegister: number; readonly length?: number; readonly modulus: number; readonly seed?: number; readonly offset?: number }
export interface FibExpression { readonly type: 'fib'; readonly destinationRegister: number; readonly result: 'oif' | 'oifname' | 'type' | number; readonly flags: readonly ('saddr' | 'daddr' | 'mark' | 'iif' | 'oif' | 'present' | number)[] }
export interface RejectExpression { readonly type: 'reject'; readonly with: 'icmp-unreachable' | 'tcp-reset' | 'icmpx-unreachable' | number; readonly icmpCode?: number }
export interface DynsetExpression {
  readonly type: 'dynset'; readonly set: string; readonly setId?: number; readonly op: 'add' | 'update' | 'delete' | number
  readonly keyRegister: number; readonly dataRegister?: number; readonly timeoutMs?: number
  readonly flags?: readonly ('inverted' | 'expression' | number)[]; readonly expression?: Expression; readonly expressions?: readonly Expression[]
}
export interface ObjectReferenceExpression {
  readonly type: 'objref'; readonly objectType?: 'counter' | 'quota' | 'ct-helper' | 'limit' | 'connlimit' | 'tunnel' | 'ct-timeout' | 'secmark' | 'ct-expect' | 'synproxy' | number
  readonly name?: string; readonly setSourceRegister?: number; readonly set?: string; readonly setId?: number
}
export interface LimitExpression { readonly type: 'limit'; readonly rate: bigint; readonly unitSeconds: bigint; readonly burst?: number; readonly mode?: 'packets' | 'bytes' | number; readonly flags?: readonly ('inverted' | number)[] }
export interface QuotaExpression { readonly type: 'quota'; readonly bytes: bigint; readonly flags?: readonly ('inverted' | 'depleted' | number)[]; readonly consumed?: bigint }
export interface ConnlimitExpression { readonly type: 'connlimit'; readonly count: number; readonly flags?: readonly ('inverted' | number)[] }
export interface LogExpression { readonly type: 'log'; readonly group?: number; readonly prefix?: string; readonly snapLength?: number; readonly queueThreshold?: number; readonly level?: number; readonly flags?: number }
export interface NotrackExpression { readonly type: 'notrack' }

/**
 * An expression this version does not know, or whose attributes it could not read: the kernel's name, and the payload of `NFTA_EXPR_DATA`
 * byte for byte. Written again, it gives the same expression.
 */
export interface OpaqueExpression { readonly type: 'opaque'; readonly name: string; readonly data: Uint8Array }

export type Expression =
  | ImmediateExpression | CompareExpression | RangeExpression | BitwiseExpression | ByteorderExpression | PayloadExpression | MetaExpression
  | ConntrackExpression | LookupExpression | CounterExpression | NatExpression | MasqueradeExpression | RedirectExpression | NumgenExpression | HashExpression
  | FibExpression | RejectExpression | DynsetExpression | ObjectReferenceExpression | LimitExpression | QuotaExpression | ConnlimitExpression
  | LogExpression | NotrackExpression | OpaqueExpression
