/**
 * Loading values into registers.
 */
import { Buffer } from 'node:buffer'
import { ValidationError } from '../../core/errors.js'
import { isRange } from '../bounds.js'
import { type DataType, keyLength, parseValue } from '../datatypes.js'
import type { Expression } from '../expressions.js'
import type { RuleSets } from './anonymous-sets.js'
import {
  typesOf,
  type ConcatenationNode,
  type HashNode,
  type InnerNode,
  type LoadNode,
  type MapNode,
  type PayloadNode,
  type ValueNode
} from './nodes.js'
import { REGISTER_BYTES, registerNumber, unitsOf, type RegisterFile, type RegisterUnit } from './registers.js'
import { innerLoad } from './tunnels.js'

/** What loading needs: where there is room, and the sets of the rule. */
export interface Loader {
  readonly registers: RegisterFile
  readonly sets: RuleSets
}

/** Bytes that a value lies in, each field of a concatenation padded. */
export function widthOf(node: ValueNode): number {
  return keyLength(typesOf(node))
}

/** Bytes of registers that nft reserves for a value: a concatenation's own, else 16. */
export function roomFor(node: ValueNode): number {
  return node.kind === 'concatenation' ? widthOf(node) : REGISTER_BYTES
}

/**
 * Whether registers have to be brought into network order before values can be ordered. The kernel compares byte by byte; one byte has no order.
 */
export function needsByteorder(type: DataType): boolean {
  return type.byteOrder === 'host' && type.length > 1
}

/** `byteorder`, for a value that is ordered or looked up among intervals. */
function toNetworkOrder(unit: RegisterUnit, length: number): Expression {
  const register = registerNumber(unit)
  const size = length % 8 === 0 ? 8 : length % 4 === 0 ? 4 : 2
  return { type: 'byteorder', sourceRegister: register, destinationRegister: register, op: 'hton', length, size }
}

function bitwise(unit: RegisterUnit, mask: Uint8Array, xor: Uint8Array): Expression {
  const register = registerNumber(unit)
  return { type: 'bitwise', sourceRegister: register, destinationRegister: register, length: mask.length, op: 'mask-xor', mask, xor }
}

/** `(register & mask) ^ 0`. */
export function maskExpression(unit: RegisterUnit, mask: Uint8Array): Expression {
  return bitwise(unit, mask, new Uint8Array(mask.length))
}

/** An unsigned number in network order. */
export function bigEndian(value: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let index = length - 1, rest = value; index >= 0; index--, rest = Math.floor(rest / 256)) bytes[index] = rest % 256
  return bytes
}

function loadPayload(node: PayloadNode, unit: RegisterUnit, length: number): Expression[] {
  const load: Expression = { type: 'payload', destinationRegister: registerNumber(unit), base: node.base, offset: node.offset, length }
  return node.bits === undefined ? [load] : [load, maskExpression(unit, bigEndian(node.bits.mask, length))]
}

function loadOption({ expression, bits, type }: LoadNode, unit: RegisterUnit): Expression[] {
  const load: Expression = { ...expression, destinationRegister: registerNumber(unit) }
  return bits === undefined ? [load] : [load, maskExpression(unit, bigEndian(bits.mask, type.length))]
}

function loadInner(node: InnerNode, unit: RegisterUnit): Expression[] {
  const load = innerLoad(node, registerNumber(unit))
  const bits = bitsOf(node)
  return bits === undefined ? [load] : [load, maskExpression(unit, bigEndian(bits.mask, node.type.length))]
}

function loadConcatenation(node: ConcatenationNode, unit: RegisterUnit, loader: Loader, inNetworkOrder: boolean): Expression[] {
  let next = unit
  return node.fields.flatMap((field) => {
    const at = next
    next += unitsOf(widthOf(field))
    return loadValue(field, at, loader, inNetworkOrder)
  })
}

function loadHash(node: HashNode, unit: RegisterUnit, loader: Loader): Expression[] {
  const common = { destinationRegister: registerNumber(unit), modulus: node.modulus, offset: node.offset, mode: node.mode } as const
  const { input } = node
  if (input === undefined) return [{ type: 'hash', ...common }]
  return loader.registers.scope(() => {
    const source = loader.registers.take(roomFor(input))
    const seed = node.seed === undefined ? {} : { seed: node.seed }
    return [
      ...loadValue(input, source, loader),
      { type: 'hash', ...common, sourceRegister: registerNumber(source), length: widthOf(input), ...seed }
    ]
  })
}

function loadMapped(node: MapNode, unit: RegisterUnit, loader: Loader): Expression[] {
  const map = loader.sets.resolve(node.map, node.key, node.data)
  return loader.registers.scope(() => {
    // nft loads the key where the data will be, and reserves room for it behind what it has taken already.
    if (node.key.kind === 'concatenation') loader.registers.take(widthOf(node.key))
    const register = registerNumber(unit)
    const lookup: Expression = { type: 'lookup', ...map.reference, sourceRegister: register, destinationRegister: register }
    return [...loadValue(node.key, unit, loader, map.isInterval), lookup]
  })
}

function loadPlain(
  node: Exclude<ValueNode, { readonly kind: 'concatenation' | 'map' | 'hash' }>,
  unit: RegisterUnit,
  loader: Loader
): Expression[] {
  const destinationRegister = registerNumber(unit)
  switch (node.kind) {
    case 'payload':
      return loadPayload(node, unit, node.type.length)
    case 'meta':
      return [{ type: 'meta', key: node.key, destinationRegister }]
    case 'ct':
      return [{ type: 'ct', key: node.key, destinationRegister, ...(node.direction === undefined ? {} : { direction: node.direction }) }]
    case 'fib':
      return [{ type: 'fib', destinationRegister, result: node.result, flags: node.flags }]
    case 'load':
      return loadOption(node, unit)
    case 'inner':
      return loadInner(node, unit)
    case 'numgen':
      return [{ type: 'numgen', destinationRegister, modulus: node.modulus, mode: node.mode, offset: node.offset }]
    case 'bitwise':
      return [...loadValue(node.operand, unit, loader), bitwise(unit, node.mask, node.xor)]
    case 'constant':
      return [{ type: 'immediate', destinationRegister, data: node.bytes }]
  }
}

/**
 * Expressions that load a value into the registers from `unit` on.
 *
 * @param inNetworkOrder Bring host-order integers into network order, for intervals.
 */
export function loadValue(node: ValueNode, unit: RegisterUnit, loader: Loader, inNetworkOrder = false): Expression[] {
  if (node.kind === 'concatenation') return loadConcatenation(node, unit, loader, inNetworkOrder)
  if (node.kind === 'map') return loadMapped(node, unit, loader)
  const load = node.kind === 'hash' ? loadHash(node, unit, loader) : loadPlain(node, unit, loader)
  return inNetworkOrder && needsByteorder(node.type) ? [...load, toNetworkOrder(unit, node.type.length)] : load
}

/** As {@link loadValue}, only the first bytes of a field: enough to compare a prefix of whole bytes. */
export function loadLeading(node: ValueNode, unit: RegisterUnit, loader: Loader, bytes: number): Expression[] {
  return node.kind === 'payload' ? loadPayload(node, unit, bytes) : loadValue(node, unit, loader)
}

/** The type of a value that is no concatenation. @throws {ValidationError} */
export function singleType(node: ValueNode): DataType {
  const types = typesOf(node)
  if (types.length !== 1) throw new ValidationError('value', types.map(({ name }) => name).join(' . '), 'a single value, no concatenation')
  return types[0]!
}

/** Types whose values are sets of bits. */
const BIT_TYPES: ReadonlySet<string> = new Set(['ct_state', 'ct_status', 'tcp_flag'])

function bitsOf(node: ValueNode): PayloadNode['bits'] {
  if (node.kind === 'inner') return node.field === undefined ? undefined : bitsOf(node.field)
  return node.kind === 'payload' || node.kind === 'load' ? node.bits : undefined
}

/** A value as it is to be compared with a field: several bits together, and values of fields that do not fill their bytes shifted into place. @throws {ValidationError} */
export function parseOperand(path: string, value: unknown, node: ValueNode): Uint8Array {
  const type = singleType(node)
  const bits = bitsOf(node)
  if (bits !== undefined) return parseShifted(path, value, type, bits)
  if (!Array.isArray(value)) return parseValue(path, value, type)
  if (!BIT_TYPES.has(type.name) || value.length === 0) throw new ValidationError(path, value, `one value of type ${type.name}`)
  return value.map((part, index) => parseValue(`${path}[${index}]`, part, type)).reduce(orBytes)
}

function parseShifted(path: string, value: unknown, type: DataType, { mask, shift }: NonNullable<PayloadNode['bits']>): Uint8Array {
  const max = mask / 2 ** shift
  const number = typeof value === 'string' ? type.symbols?.[value] : value
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 0 || number > max) {
    throw new ValidationError(
      path,
      value,
      `${type.symbols === undefined ? '' : `${Object.keys(type.symbols).join(', ')}, or `}an integer from 0 to ${max}`
    )
  }
  return bigEndian(number * 2 ** shift, type.length)
}

/** A key field for a set, as {@link parseOperand} would have it. */
export function shiftedField(path: string, field: unknown, node: ValueNode): unknown {
  if (bitsOf(node) === undefined) return field
  if (!isRange(field)) return parseOperand(path, field, node)
  return { from: parseOperand(`${path}.from`, field.from, node), to: parseOperand(`${path}.to`, field.to, node) }
}

/** A value without the bits that were flipped last, for comparisons that flip them in what they compare with, as nft does. */
export function withoutFlip(node: ValueNode): { readonly node: ValueNode; readonly flip: (bytes: Uint8Array) => Uint8Array } {
  if (node.kind !== 'bitwise' || node.flipped.every((byte) => byte === 0)) return { node, flip: (bytes) => bytes }
  const flip = (bytes: Uint8Array): Uint8Array => bytes.map((byte, index) => byte ^ node.flipped[index]!)
  const xor = flip(node.xor)
  const isBare = node.mask.every((byte) => byte === 0xff) && xor.every((byte) => byte === 0)
  return { node: isBare ? node.operand : { ...node, xor, flipped: new Uint8Array(xor.length) }, flip }
}

/** Either has the bit. */
export function orBytes(left: Uint8Array, right: Uint8Array): Uint8Array {
  return left.map((byte, index) => byte | right[index]!)
}

/** Whether `left` comes after `right`, byte by byte. */
export function isAfter(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) > 0
}
