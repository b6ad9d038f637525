/**
 * Values that a rule may ask not to be: `! --sport 80` is `{ not: 80 }`.
 */

/** A value, or all but it. */
export type Invertible<Value> = Value | { readonly not: Value }

/** The value, and whether all but it is meant. */
export function splitInvertible<Value>(given: Invertible<Value>): { readonly value: Value; readonly isInverted: boolean } {
  if (typeof given === 'object' && given !== null && 'not' in given) return { value: given.not, isInverted: true }
  return { value: given, isInverted: false }
}

/** Puts the two together. */
export function invertible<Value>(value: Value, isInverted: boolean): Invertible<Value> {
  return isInverted ? { not: value } : value
}
