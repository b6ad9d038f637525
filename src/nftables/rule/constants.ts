/**
 * Values that rules bring along.
 */
import { dataType, parseValue, type DataType, type DataTypeName } from '../datatypes.js'
import type { ConstantNode } from './nodes.js'

/** A constant of a type. @throws {ValidationError} */
export function constantNode(path: string, type: DataType | DataTypeName, value: unknown): ConstantNode {
  const resolved = typeof type === 'string' ? dataType('type', type) : type
  return { kind: 'constant', bytes: parseValue(path, value, resolved), type: resolved }
}
