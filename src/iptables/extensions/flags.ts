/**
 * Bits of structures that say which options are given, and which of them are inverted.
 */
import { requireFlag } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import { invertible, splitInvertible, type Invertible } from './invertible.js'

/** A bit for each option. */
export type OptionBits<Name extends string> = Readonly<Record<Name, number>>

/** Which options ask something, and which of them are inverted, as bits. */
export function askedBits<Name extends string>(
  bits: OptionBits<Name>,
  options: { readonly [Option in NoInfer<Name>]?: unknown }
): { readonly asked: number; readonly inverted: number } {
  let asked = 0
  let inverted = 0
  for (const name of Object.keys(bits) as Name[]) {
    const given = options[name]
    if (given === undefined) continue
    asked |= bits[name]
    if (splitInvertible(given).isInverted) inverted |= bits[name]
  }
  return { asked, inverted }
}

/** The bits of those options that are true. @throws {ValidationError} One is neither true nor false. */
export function flagBits<Name extends string>(bits: OptionBits<Name>, options: { readonly [Option in NoInfer<Name>]?: unknown }): number {
  const names = Object.keys(bits) as Name[]
  return names.reduce((all, name) => (requireFlag(name, options[name]) ? all | bits[name] : all), 0)
}

/** Reads an option out of such bits: undefined where it is not asked. */
export function askedFrom(
  asked: number,
  inverted: number
): <Value>(bit: number, value: Value | undefined) => Invertible<Value> | undefined {
  return (bit, value) => ((asked & bit) === 0 || value === undefined ? undefined : invertible(value, (inverted & bit) !== 0))
}

/** True where a bit is set. */
export function flagFrom(mask: number, bit: number): true | undefined {
  return (mask & bit) === 0 ? undefined : true
}

/** Refuses what is not `true` or `{ not: true }`. @throws {ValidationError} */
export function requireAsked(path: string, given: unknown): void {
  if (given === undefined || splitInvertible(given).value === true) return
  throw new ValidationError(path, given, 'true or { not: true }')
}

/** The value of an option that may be inverted, after a check of its own; undefined where it is absent. */
export function valueOf<Value, Checked>(given: Invertible<Value> | undefined, check: (value: Value) => Checked): Checked | undefined {
  return given === undefined ? undefined : check(splitInvertible(given).value)
}

/** An object of those fields that have a value. */
export function present<Options extends object>(fields: { readonly [Name in keyof Options]?: Options[Name] | undefined }): Options {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Options
}
