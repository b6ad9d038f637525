/**
 * What a rule is before it is compiled: values that a packet has ({@link ValueNode}) and statements about them ({@link RuleStatement}). Plain data, made by the selectors and
 * statement functions beside this file.
 */
import type { DataType } from '../datatypes.js'
import type { SetElement } from '../elements.js'
import type {
  ConntrackKey,
  Expression,
  ExtensionHeaderExpression,
  FibExpression,
  FingerprintExpression,
  MetaKey,
  RoutingExpression,
  SocketExpression,
  TransformationExpression
} from '../expressions.js'
import type { SetSpec } from '../sets.js'

/** Headers by the names that nft has for them. `th` is any transport protocol whose ports come first. */
export type HeaderName =
  | 'ether'
  | 'vlan'
  | 'arp'
  | 'ip'
  | 'ip6'
  | 'ah'
  | 'esp'
  | 'comp'
  | 'icmp'
  | 'igmp'
  | 'icmpv6'
  | 'tcp'
  | 'udp'
  | 'udplite'
  | 'dccp'
  | 'sctp'
  | 'th'

/** Bits of a field that does not fill its bytes: which ones, and how far its value is shifted to the left in them. */
export interface FieldBits {
  readonly mask: number
  readonly shift: number
}

/** A field of a header. */
export interface PayloadNode {
  readonly kind: 'payload'
  readonly header: HeaderName
  readonly base: 'link' | 'network' | 'transport'
  /** Bytes from the beginning of the header. */
  readonly offset: number
  /** The field's number in nft's own tables (include/proto.h), for sets that say what they hold. */
  readonly field: number
  readonly type: DataType
  readonly bits?: FieldBits | undefined
  /** Of ICMP: the types of message that have the field. */
  readonly icmpTypes?: readonly number[] | undefined
  /** The field says which protocol follows: `ip protocol`, `ether type`. */
  readonly namesUpper?: 'network' | 'transport' | undefined
}

/** What the kernel knows of the packet beside its bytes. */
export interface MetaNode {
  readonly kind: 'meta'
  readonly key: MetaKey
  readonly type: DataType
}

/** What connection tracking knows of the packet. */
export interface ConntrackNode {
  readonly kind: 'ct'
  readonly key: ConntrackKey
  readonly direction?: 'original' | 'reply' | undefined
  readonly type: DataType
}

/** A look-up in the routing tables. */
export interface FibNode {
  readonly kind: 'fib'
  readonly flags: FibExpression['flags']
  readonly result: 'oif' | 'oifname' | 'type'
  readonly type: DataType
}

/** A value that one expression loads: an option of a header, what is known of the packet's socket or route. */
export interface LoadNode {
  readonly kind: 'load'
  readonly expression:
    | Omit<ExtensionHeaderExpression, 'destinationRegister'>
    | Omit<SocketExpression, 'destinationRegister'>
    | Omit<TransformationExpression, 'destinationRegister'>
    | Omit<FingerprintExpression, 'destinationRegister'>
    | Omit<RoutingExpression, 'destinationRegister'>
  readonly type: DataType
  readonly bits?: FieldBits | undefined
  /** The header that packets with it have. */
  readonly requires?: HeaderName | undefined
}

/** Tunnels that rules look into. */
export type TunnelName = 'vxlan' | 'geneve' | 'gre' | 'gretap'

/** A field inside a tunnel, or of its own header. */
export interface InnerNode {
  readonly kind: 'inner'
  readonly tunnel: TunnelName
  readonly field?: PayloadNode | MetaNode | undefined
  /** Where a field of the tunnel's own header begins, bytes. */
  readonly own?: number | undefined
  readonly type: DataType
}

/** A number from a counter or a random source. */
export interface NumgenNode {
  readonly kind: 'numgen'
  readonly mode: 'inc' | 'random'
  readonly modulus: number
  readonly offset: number
  readonly type: DataType
}

/** A number from the packet's content. */
export interface HashNode {
  readonly kind: 'hash'
  readonly mode: 'jenkins' | 'symmetric'
  readonly input?: ValueNode | undefined
  readonly modulus: number
  readonly seed?: number | undefined
  readonly offset: number
  readonly type: DataType
}

/** A value after bit operations, which come down to (value & mask) ^ xor. */
export interface BitwiseNode {
  readonly kind: 'bitwise'
  readonly operand: ValueNode
  readonly mask: Uint8Array
  readonly xor: Uint8Array
  /** The part of `xor` that came last: comparisons can as well apply it to what they compare with. */
  readonly flipped: Uint8Array
  readonly type: DataType
}

/** A value that the rule brings along. */
export interface ConstantNode {
  readonly kind: 'constant'
  readonly bytes: Uint8Array
  readonly type: DataType
}

/** Several values one behind the other, as keys of sets have them. */
export interface ConcatenationNode {
  readonly kind: 'concatenation'
  readonly fields: readonly ValueNode[]
}

/** What a map has for a value. */
export interface MapNode {
  readonly kind: 'map'
  readonly key: ValueNode
  readonly map: SetUse
  readonly data: readonly DataType[]
}

/** A value that a rule loads into registers. */
export type ValueNode =
  | PayloadNode
  | MetaNode
  | ConntrackNode
  | FibNode
  | LoadNode
  | InnerNode
  | NumgenNode
  | HashNode
  | BitwiseNode
  | ConstantNode
  | ConcatenationNode
  | MapNode

/** A set that a rule looks into: one of the table's by its name or declaration, or one of its own, which goes with the rule. */
export type SetUse =
  | { readonly kind: 'named'; readonly name: string; readonly id?: number | undefined; readonly isInterval: boolean }
  | { readonly kind: 'anonymous'; readonly elements: readonly SetElement[]; readonly data?: SetSpec['data'] }

/** How a value is compared. `anyOf`: some of these bits are set; `noneOf`: none is. */
export type Comparison = 'eq' | 'neq' | 'lt' | 'lte' | 'gt' | 'gte' | 'anyOf' | 'noneOf'

/** A condition: the rule goes on only where it holds. */
export interface MatchStatement {
  readonly kind: 'match'
  readonly left: ValueNode
  readonly comparison: Comparison
  /** A value, a range `{ from, to }`, a prefix, an interface's name with a final `*`; for `anyOf` and `noneOf` a list of bits. */
  readonly right: unknown
}

/** A condition on a set. */
export interface LookupStatement {
  readonly kind: 'lookup'
  readonly left: ValueNode
  readonly set: SetUse
  readonly isInverted: boolean
}

/** The verdict that a map has for a value; where it has none the rule ends. */
export interface VerdictMapStatement {
  readonly kind: 'vmap'
  readonly key: ValueNode
  readonly map: SetUse
}

/** The named object that a map has for a value. */
export interface ObjectMapStatement {
  readonly kind: 'object-map'
  readonly key: ValueNode
  readonly map: SetUse
}

/** A statement without operands: its expression is known when it is written. */
export interface PlainStatement {
  readonly kind: 'plain'
  readonly expression: Expression
}

/** A verdict. */
export interface VerdictStatement {
  readonly kind: 'verdict'
  readonly verdict: 'accept' | 'drop' | 'return' | 'continue' | 'jump' | 'goto'
  readonly chain?: string | undefined
  /** Of `jump` and `goto`: the rules of a chain that belongs to this rule, instead of one that has a name. */
  readonly rules?: readonly ChainRule[] | undefined
}

/** A rule of a chain that belongs to another rule. */
export interface ChainRule {
  readonly statements: readonly RuleStatement[]
  /** 1–127 bytes of text, which nft prints. */
  readonly comment?: string | undefined
}

/** Sets what the kernel knows of the packet or its connection, or an option of the packet. */
export interface AssignmentStatement {
  readonly kind: 'assignment'
  readonly target: MetaNode | ConntrackNode | LoadNode
  readonly value: ValueNode
}

/** A flag of address translation. */
export type TranslationFlag = 'random' | 'fully-random' | 'persistent'

/** Both ends included; equal for a single value. */
export interface ValueRange {
  readonly from: ValueNode
  readonly to?: ValueNode | undefined
}

/** Address translation. */
export interface TranslationStatement {
  readonly kind: 'translation'
  readonly action: 'snat' | 'dnat' | 'masquerade' | 'redirect'
  readonly family?: 'ip' | 'ip6' | undefined
  readonly address?: ValueRange | undefined
  readonly port?: ValueRange | undefined
  readonly flags: readonly TranslationFlag[]
}

/** Hands the packet to a local socket. */
export interface ProxyStatement {
  readonly kind: 'proxy'
  readonly family?: 'ip' | 'ip6' | undefined
  readonly address?: ValueNode | undefined
  readonly port?: ValueNode | undefined
}

/** Hands the packet to a program, by a queue whose number the rule computes. */
export interface QueueStatement {
  readonly kind: 'queue'
  readonly number: ValueNode
  readonly flags: readonly QueueFlag[]
}

/** A flag of queues. */
export type QueueFlag = 'bypass' | 'fanout'

/** Sends the packet (`fwd`), or a copy of it (`dup`), by a link, to an address, or both. */
export interface ForwardStatement {
  readonly kind: 'fwd' | 'dup'
  readonly device?: ValueNode | undefined
  readonly address?: ValueNode | undefined
}

/** Refuses the packet with an answer. */
export interface RejectStatement {
  readonly kind: 'reject'
  readonly with: 'default' | 'tcp-reset' | 'icmp' | 'icmpv6' | 'icmpx'
  readonly code?: number | undefined
}

/** Changes a dynamic set or map. */
export interface DynamicSetStatement {
  readonly kind: 'dynamic-set'
  readonly operation: 'add' | 'update' | 'delete'
  readonly set: { readonly name: string; readonly id?: number | undefined }
  readonly key: ValueNode
  readonly data?: ValueNode | undefined
  readonly timeoutMs?: number | undefined
  readonly expressions: readonly Expression[]
}

/** One statement of a rule. */
export type RuleStatement =
  | MatchStatement
  | LookupStatement
  | VerdictMapStatement
  | ObjectMapStatement
  | PlainStatement
  | VerdictStatement
  | AssignmentStatement
  | TranslationStatement
  | RejectStatement
  | ProxyStatement
  | QueueStatement
  | ForwardStatement
  | DynamicSetStatement

/** The types of a value: one, or those of a concatenation's fields. */
export function typesOf(node: ValueNode): readonly DataType[] {
  if (node.kind === 'concatenation') return node.fields.flatMap(typesOf)
  return node.kind === 'map' ? node.data : [node.type]
}
