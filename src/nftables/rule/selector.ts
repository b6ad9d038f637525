/**
 * Values of a packet with what can be said of them. Nothing is checked before the rule is compiled, but for the operands of bit operations.
 */
import type { KeyField } from '../bounds.js'
import type { DataType, DataTypeName, KeyValue } from '../datatypes.js'
import type { SetElement } from '../elements.js'
import { NFT_SET_INTERVAL } from '../set-constants.js'
import { hasFlag, resolveTypes, type ObjectKind, type SetSpec } from '../sets.js'
import type {
  AssignmentStatement,
  Comparison,
  LookupStatement,
  MapNode,
  MatchStatement,
  ObjectMapStatement,
  SetUse,
  ValueNode,
  VerdictMapStatement,
  VerdictStatement
} from './nodes.js'
import { constantNode } from './constants.js'
import { orBytes, parseOperand } from './values.js'

/**
 * A set of the table: its name, or its declaration. For sets of intervals over integers in host order (marks, numbers of `numgen`) the declaration is needed: look-ups in them have to
 * bring the value into network order.
 */
export type SetArgument = string | Pick<SetSpec, 'name' | 'flags' | 'id'>

/** A map of the table by its declaration, which says what it holds. */
export type MapArgument = Pick<SetSpec, 'name' | 'flags' | 'id' | 'data'>

/** Both ends included. */
export interface OperandRange<Value> {
  readonly from: Value
  readonly to: Value
}

/** A value or a range of values. Of addresses, prefixes are text: `10.0.0.0/8`; names of links may end in `*`. */
export type Operand<Value> = Value | OperandRange<Value>

/** A key of a rule's own map, or `*` for every other. */
export type MapKey<Key> = Key | '*'

function namedSet(set: SetArgument): SetUse {
  if (typeof set === 'string') return { kind: 'named', name: set, isInterval: false }
  return { kind: 'named', name: set.name, id: set.id, isInterval: hasFlag(set.flags, 'interval', NFT_SET_INTERVAL) }
}

function elementKey(key: unknown): SetElement['key'] {
  return key as SetElement['key']
}

/** Data types of a map's values. */
export type MapData = DataTypeName | readonly DataTypeName[]

function mapTypes(data: SetSpec['data']): readonly DataType[] {
  return resolveTypes('data', data as MapData)
}

/** What can be looked up: a value, or several of them. `Key` is what a key of a set looks like. */
export class KeySelector<Key> {
  /** What the rule loads. */
  readonly node: ValueNode

  constructor(node: ValueNode) {
    this.node = node
  }

  /** True where a set has the value: a named one, or the values given. */
  in(set: SetArgument | readonly Key[]): LookupStatement {
    return { kind: 'lookup', left: this.node, set: this.#set(set), isInverted: false }
  }

  /** True where a set does not have the value. */
  notIn(set: SetArgument | readonly Key[]): LookupStatement {
    return { kind: 'lookup', left: this.node, set: this.#set(set), isInverted: true }
  }

  /** The verdict that a verdict map has for the value; where it has none, the rule does not match. */
  vmap(map: SetArgument | readonly (readonly [MapKey<Key>, VerdictStatement])[]): VerdictMapStatement {
    if (!Array.isArray(map)) return { kind: 'vmap', key: this.node, map: namedSet(map as SetArgument) }
    const entries = map as readonly (readonly [MapKey<Key>, VerdictStatement])[]
    const elements = entries.map(([key, { verdict, chain }]) => ({
      key: elementKey(key),
      verdict,
      ...(chain === undefined ? {} : { chain })
    }))
    return { kind: 'vmap', key: this.node, map: { kind: 'anonymous', elements, data: 'verdict' } }
  }

  /** The value that a map has for this one; where it has none, the rule does not match. */
  map(map: MapArgument): Selector<KeyValue>
  /** As above, for a map known by name only, or one of the rule's own: `data` says what it holds. */
  map(map: string | readonly (readonly [MapKey<Key>, KeyValue | readonly KeyValue[]])[], data: MapData): Selector<KeyValue>
  map(map: string | MapArgument | readonly (readonly [MapKey<Key>, KeyValue | readonly KeyValue[]])[], data?: MapData): Selector<KeyValue> {
    if (typeof map === 'string' || 'name' in map) {
      const types = mapTypes(typeof map === 'string' ? data : map.data)
      return this.#mapped(namedSet(map), types)
    }
    const elements = map.map(([key, value]) => ({ key: elementKey(key), data: value }))
    return this.#mapped({ kind: 'anonymous', elements }, mapTypes(data))
  }

  /** Uses the named object that an object map has for the value (counts on a counter, sets a helper); where it has none, the rule does not match. */
  objectFrom(map: SetArgument): ObjectMapStatement
  /** As above, with a map of the rule's own from keys to names of objects of one kind. */
  objectFrom(map: readonly (readonly [MapKey<Key>, string])[], kind: ObjectKind): ObjectMapStatement
  objectFrom(map: SetArgument | readonly (readonly [MapKey<Key>, string])[], kind?: ObjectKind): ObjectMapStatement {
    if (!Array.isArray(map)) return { kind: 'object-map', key: this.node, map: namedSet(map as SetArgument) }
    const elements = (map as readonly (readonly [MapKey<Key>, string])[]).map(([key, object]) => ({ key: elementKey(key), object }))
    return { kind: 'object-map', key: this.node, map: { kind: 'anonymous', elements, data: { object: kind ?? 'counter' } } }
  }

  #mapped(map: SetUse, data: readonly DataType[]): Selector<KeyValue> {
    const node: MapNode = { kind: 'map', key: this.node, map, data }
    return new Selector(node)
  }

  #set(set: SetArgument | readonly Key[]): SetUse {
    if (!Array.isArray(set)) return namedSet(set as SetArgument)
    return { kind: 'anonymous', elements: (set as readonly Key[]).map((key) => ({ key: elementKey(key) })) }
  }
}

/** A value that can be compared. `Value` is how callers write it. */
export class Selector<Value> extends KeySelector<Operand<Value>> {
  /** True where it is the value, in the range, or in the prefix. */
  eq(value: Operand<Value>): MatchStatement {
    return this.#match('eq', value)
  }

  /** True where it is not the value, not in the range, or not in the prefix. */
  neq(value: Operand<Value>): MatchStatement {
    return this.#match('neq', value)
  }

  /** True where it is less. */
  lt(value: Value): MatchStatement {
    return this.#match('lt', value)
  }

  /** True where it is less or equal. */
  lte(value: Value): MatchStatement {
    return this.#match('lte', value)
  }

  /** True where it is greater. */
  gt(value: Value): MatchStatement {
    return this.#match('gt', value)
  }

  /** True where it is greater or equal. */
  gte(value: Value): MatchStatement {
    return this.#match('gte', value)
  }

  /** The bits that are set in the mask too. @throws {ValidationError} */
  and(mask: Value): Selector<Value> {
    const bytes = parseOperand('mask', mask, this.node)
    return this.#bitwise(
      (kept) => kept.map((byte, at) => byte & bytes[at]!),
      (flipped) => flipped.map((byte, at) => byte & bytes[at]!),
      bytes
    )
  }

  /** The bits of both. @throws {ValidationError} */
  or(bits: Value): Selector<Value> {
    const bytes = parseOperand('bits', bits, this.node)
    const without = (part: Uint8Array): Uint8Array => part.map((byte, at) => byte & ~bytes[at]! & 0xff)
    return this.#bitwise(without, (flipped) => orBytes(without(flipped), bytes), bytes)
  }

  /** The bits of either but not of both. @throws {ValidationError} */
  xor(bits: Value): Selector<Value> {
    const bytes = parseOperand('bits', bits, this.node)
    const flip = (part: Uint8Array): Uint8Array => part.map((byte, at) => byte ^ bytes[at]!)
    return this.#bitwise((kept) => kept, flip, bytes, flip(this.node.kind === 'bitwise' ? this.node.flipped : new Uint8Array(bytes.length)))
  }

  /** Operations in a row become one: (value & mask) ^ xor. */
  #bitwise(
    mask: (before: Uint8Array) => Uint8Array,
    xor: (before: Uint8Array) => Uint8Array,
    operand: Uint8Array,
    last: Uint8Array = new Uint8Array(operand.length)
  ): Selector<Value> {
    const { node } = this
    const isBitwise = node.kind === 'bitwise'
    const before = isBitwise ? node.mask : new Uint8Array(operand.length).fill(0xff)
    const flipped = isBitwise ? node.xor : new Uint8Array(operand.length)
    const type = node.kind === 'map' ? node.data[0]! : (node as Exclude<ValueNode, { readonly kind: 'map' | 'concatenation' }>).type
    return new Selector({
      kind: 'bitwise',
      operand: isBitwise ? node.operand : node,
      mask: mask(before),
      xor: xor(flipped),
      flipped: last,
      type
    })
  }

  #match(comparison: Comparison, right: unknown): MatchStatement {
    return { kind: 'match', left: this.node, comparison, right }
  }
}

/** A value made of bits with names, of which several can be set. */
export class FlagsSelector<Name extends string> extends Selector<Name | number | readonly Name[]> {
  /** True where one of these bits is set, or several. */
  anyOf(...names: readonly [Name, ...Name[]]): MatchStatement {
    return { kind: 'match', left: this.node, comparison: 'anyOf', right: names }
  }

  /** True where none of these bits is set. */
  noneOf(...names: readonly [Name, ...Name[]]): MatchStatement {
    return { kind: 'match', left: this.node, comparison: 'noneOf', right: names }
  }
}

/** A value that a rule may change. */
export class WritableSelector<Value> extends Selector<Value> {
  readonly #target: AssignmentStatement['target']

  constructor(node: AssignmentStatement['target']) {
    super(node)
    this.#target = node
  }

  /** Sets it to a value, or to what another selector has. @throws {ValidationError} */
  set(value: Value | Selector<Value> | Selector<KeyValue>): AssignmentStatement {
    return {
      kind: 'assignment',
      target: this.#target,
      value: value instanceof Selector ? value.node : constantNode('value', this.#target.type, value)
    }
  }
}

/** Keys of several fields, one operand each. */
export type ConcatenatedKey = readonly KeyField[]

/**
 * Several values as one key: `concat(ip.daddr, meta.l4proto, th.dport).in('services')`. Up to five.
 */
export function concat(...fields: readonly Selector<never>[]): KeySelector<ConcatenatedKey> {
  return new KeySelector({ kind: 'concatenation', fields: fields.map(({ node }) => node) })
}
