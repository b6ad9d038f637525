/**
 * Numbers compared with what a packet has.
 */
import { requireFields } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import { splitInvertible, type Invertible } from './invertible.js'

/** One comparison; only equality can be inverted. */
export type Comparison<Value> = { readonly equals: Invertible<Value> } | { readonly lessThan: Value } | { readonly greaterThan: Value }

/** The comparisons, in the order of the kernel's numbers where it has them. */
export type ComparisonOperator = 'eq' | 'ne' | 'lt' | 'gt'

/** A comparison taken apart. */
export interface ComparisonParts<Value> {
  /** Which option says it. */
  readonly name: 'equals' | 'lessThan' | 'greaterThan'
  readonly operator: ComparisonOperator
  readonly value: Value
}

/** Operator and value. @throws {ValidationError} There is not one comparison. */
export function splitComparison<Value>(path: string, given: Comparison<Value>): ComparisonParts<Value> {
  const { equals, lessThan, greaterThan } = requireFields(path, given) as {
    equals?: Invertible<Value>
    lessThan?: Value
    greaterThan?: Value
  }
  const parts = [equals, lessThan, greaterThan].filter((part) => part !== undefined)
  if (parts.length !== 1) throw new ValidationError(path, given, 'one of equals, lessThan and greaterThan')
  if (lessThan !== undefined) return { name: 'lessThan', operator: 'lt', value: lessThan }
  if (greaterThan !== undefined) return { name: 'greaterThan', operator: 'gt', value: greaterThan }
  const { value, isInverted } = splitInvertible(equals!)
  return { name: 'equals', operator: isInverted ? 'ne' : 'eq', value }
}

/** Puts operator and value together. */
export function comparisonOf<Value>(operator: ComparisonOperator, value: Value): Comparison<Value> {
  if (operator === 'lt') return { lessThan: value }
  if (operator === 'gt') return { greaterThan: value }
  return { equals: operator === 'ne' ? { not: value } : value }
}

/** The words of a comparison: `! --ttl-eq 64`, `--ttl-lt 5`. */
export function printComparison<Value>(prefix: string, given: Comparison<Value>): string[] {
  const { operator, value } = splitComparison('comparison', given)
  return operator === 'ne' ? ['!', `${prefix}-eq`, String(value)] : [`${prefix}-${operator}`, String(value)]
}
