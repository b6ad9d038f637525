/**
 * Conditions: comparisons of a value, and look-ups in sets.
 */
import { Buffer } from 'node:buffer'
import { parsePrefix, prefixRange } from '../../core/address.js'
import { ValidationError } from '../../core/errors.js'
import { isRange } from '../bounds.js'
import { IS_LITTLE_ENDIAN } from '../datatypes.js'
import type { DataType } from '../datatypes.js'
import type { CompareOperator, Expression } from '../expressions.js'
import type { Step } from './merge.js'
import type { Comparison, LookupStatement, MatchStatement, SetUse, ValueNode, VerdictMapStatement } from './nodes.js'
import type { ProtocolContext } from './protocols.js'
import { registerNumber, VERDICT_REGISTER, type RegisterUnit } from './registers.js'
import {
  isAfter,
  loadLeading,
  loadValue,
  maskExpression,
  needsByteorder,
  parseOperand,
  roomFor,
  singleType,
  withoutFlip,
  type Loader
} from './values.js'

type OrderOperator = Exclude<Comparison, 'anyOf' | 'noneOf'>

function compare(unit: RegisterUnit, op: CompareOperator, data: Uint8Array): Expression {
  return { type: 'cmp', sourceRegister: registerNumber(unit), op, data }
}

/** An operand in the order that the kernel compares in. */
function ordered(bytes: Uint8Array, type: DataType): Uint8Array {
  return needsByteorder(type) && IS_LITTLE_ENDIAN ? Uint8Array.from(bytes).reverse() : bytes
}

function equalityOnly(comparison: Comparison, value: unknown, what: string): 'eq' | 'neq' {
  if (comparison === 'eq' || comparison === 'neq') return comparison
  throw new ValidationError('value', value, `a single value: only eq and neq take ${what}`)
}

/** The mask whose first bits are set. */
function maskOf(bits: number, length: number): Uint8Array {
  return prefixRange({ address: new Uint8Array(length), length: bits }).last.map((byte) => ~byte & 0xff)
}

/** A value and the rule's own set that it is looked up in, with the bits that were flipped last flipped in the keys instead. Ranges would not stay ranges. */
function unflipped(node: ValueNode, set: SetUse): { readonly node: ValueNode; readonly set: SetUse } {
  const bare = withoutFlip(node)
  if (
    bare.node === node ||
    set.kind === 'named' ||
    set.elements.some(({ key }) => isRange(key) || (typeof key === 'string' && /[*/]./.test(key)))
  )
    return { node, set }
  const elements = set.elements.map((element, index) =>
    element.key === '*' ? element : { ...element, key: bare.flip(parseOperand(`elements[${index}].key`, element.key, node)) }
  )
  return { node: bare.node, set: { ...set, elements } }
}

/** Compiles conditions of one rule. */
export class MatchCompiler {
  readonly #loader: Loader
  readonly #protocols: ProtocolContext

  constructor(loader: Loader, protocols: ProtocolContext) {
    this.#loader = loader
    this.#protocols = protocols
  }

  /** A comparison. @throws {ValidationError} */
  match({ left, comparison, right }: MatchStatement): Step {
    if (comparison === 'anyOf' || comparison === 'noneOf') return this.#bits(left, comparison, right)
    if (isRange(right)) return this.#range(left, equalityOnly(comparison, right, 'a range'), right)
    const type = singleType(left)
    const isAddress = type.name === 'ipv4_addr' || type.name === 'ipv6_addr'
    if (isAddress && typeof right === 'string' && right.includes('/'))
      return this.#prefix(left, equalityOnly(comparison, right, 'a prefix'), right)
    if (type.name === 'ifname' && typeof right === 'string' && right.endsWith('*'))
      return this.#wildcard(left, equalityOnly(comparison, right, 'a wildcard'), right)
    return this.#value(left, comparison, parseOperand('value', right, left))
  }

  /** A look-up in a set. @throws {ValidationError} */
  lookup({ left, set, isInverted }: LookupStatement): Step {
    const only = set.kind === 'anonymous' && set.elements.length === 1 && left.kind !== 'concatenation' ? set.elements[0]!.key : undefined
    // A set of one element is the element, as nft has it.
    if (only !== undefined && only !== '*') return this.match({ kind: 'match', left, comparison: isInverted ? 'neq' : 'eq', right: only })
    const key = unflipped(left, set)
    const resolved = this.#loader.sets.resolve(key.set, key.node)
    if (left.kind === 'payload' && !isInverted) this.#protocols.learnSet(left, set)
    return this.#condition(key.node, resolved.isInterval, (unit) => [
      {
        type: 'lookup',
        ...resolved.reference,
        sourceRegister: registerNumber(unit),
        ...(isInverted ? { flags: ['inverted'] as const } : {})
      }
    ])
  }

  /** A verdict from a map. @throws {ValidationError} */
  verdictMap({ key, map }: VerdictMapStatement): Step {
    const { node, set } = unflipped(key, map)
    const resolved = this.#loader.sets.resolve(set, node)
    const { expressions } = this.#condition(node, resolved.isInterval, (unit) => [
      { type: 'lookup', ...resolved.reference, sourceRegister: registerNumber(unit), destinationRegister: VERDICT_REGISTER }
    ])
    return { kind: 'effect', expressions }
  }

  /** Loads a value and goes on with it. */
  #condition(
    node: ValueNode,
    inNetworkOrder: boolean,
    then: (unit: RegisterUnit) => Expression[]
  ): { kind: 'condition'; expressions: Expression[] } {
    return this.#loader.registers.scope(() => {
      const unit = this.#loader.registers.take(roomFor(node))
      return { kind: 'condition', expressions: [...loadValue(node, unit, this.#loader, inNetworkOrder), ...then(unit)] }
    })
  }

  #value(left: ValueNode, comparison: OrderOperator, right: Uint8Array): Step {
    if (comparison !== 'eq' && comparison !== 'neq') {
      const type = singleType(left)
      return this.#condition(left, true, (unit) => [compare(unit, comparison, ordered(right, type))])
    }
    const { node, flip } = withoutFlip(left)
    const bytes = flip(right)
    if (comparison === 'eq') this.#protocols.learn(node, bytes)
    // Fields of whatever transport protocol would be listed as raw bytes if they were merged.
    if (node.kind === 'payload' && node.bits === undefined && node.header !== 'th') {
      return {
        kind: 'match',
        match: { base: node.base, offset: node.offset, value: bytes, op: comparison, namesUpper: node.namesUpper !== undefined }
      }
    }
    return this.#condition(node, false, (unit) => [compare(unit, comparison, bytes)])
  }

  #range(node: ValueNode, comparison: 'eq' | 'neq', range: { readonly from: unknown; readonly to: unknown }): Step {
    const type = singleType(node)
    const from = ordered(parseOperand('value.from', range.from, node), type)
    const to = ordered(parseOperand('value.to', range.to, node), type)
    if (isAfter(from, to)) throw new ValidationError('value', range, 'a range whose end is not below its start')
    return this.#condition(node, true, (unit) =>
      comparison === 'eq'
        ? [compare(unit, 'gte', from), compare(unit, 'lte', to)]
        : [{ type: 'range', sourceRegister: registerNumber(unit), op: 'neq', from, to }]
    )
  }

  #prefix(node: ValueNode, comparison: 'eq' | 'neq', text: string): Step {
    const { length } = singleType(node)
    const prefix = parsePrefix(text)
    if (prefix?.address.length !== length)
      throw new ValidationError(
        'value',
        text,
        `an ${length === 4 ? 'IPv4' : 'IPv6'} prefix such as ${length === 4 ? '10.0.0.0/8' : 'fd00::/8'}`
      )
    const { first } = prefixRange(prefix)
    if (Buffer.compare(first, prefix.address) !== 0) throw new ValidationError('value', text, 'a prefix without bits beyond its length')
    if (prefix.length === length * 8) return this.#value(node, comparison, first)
    if (prefix.length === 0 || prefix.length % 8 !== 0) {
      return this.#condition(node, false, (unit) => [maskExpression(unit, maskOf(prefix.length, length)), compare(unit, comparison, first)])
    }
    return this.#leading(node, comparison, first.subarray(0, prefix.length / 8))
  }

  #wildcard(node: ValueNode, comparison: 'eq' | 'neq', text: string): Step {
    const start = text.slice(0, -1)
    if (start === '' || Buffer.byteLength(start) > 15 || start.includes('\0'))
      throw new ValidationError('value', text, '1 to 15 bytes before the *')
    return this.#leading(node, comparison, Uint8Array.from(Buffer.from(start)))
  }

  /** Compares only the first bytes. */
  #leading(node: ValueNode, comparison: 'eq' | 'neq', bytes: Uint8Array): Step {
    return this.#loader.registers.scope(() => {
      const unit = this.#loader.registers.take(roomFor(node))
      return { kind: 'condition', expressions: [...loadLeading(node, unit, this.#loader, bytes.length), compare(unit, comparison, bytes)] }
    })
  }

  #bits(node: ValueNode, comparison: 'anyOf' | 'noneOf', bits: unknown): Step {
    const mask = parseOperand('value', bits, node)
    const none = new Uint8Array(mask.length)
    return this.#condition(node, false, (unit) => [maskExpression(unit, mask), compare(unit, comparison === 'anyOf' ? 'neq' : 'eq', none)])
  }
}
