/**
 * Numbers that the kernel makes: `numgen`, `jhash`, `symhash`.
 */
import { dataType, type DataTypeName } from '../datatypes.js'
import { checkNumber } from './checks.js'
import { Selector, type KeySelector } from './selector.js'

/** Options of numbers below a modulus. */
export interface NumberOptions {
  /** Added to the number; default 0. */
  readonly offset?: number | undefined
}

/** The 32-bit numbers that the kernel makes lie in host order. */
const NUMBER: DataTypeName = 'host_integer32'

function numbers(mode: 'inc' | 'random', modulus: number, { offset = 0 }: NumberOptions): Selector<number> {
  checkNumber('modulus', modulus, 1)
  checkNumber('offset', offset, 0)
  return new Selector<number>({ kind: 'numgen', mode, modulus, offset, type: dataType('type', NUMBER) })
}

/** Numbers from `offset` to `offset + modulus - 1`: one after the other, or at random. */
export const numgen = {
  inc: (modulus: number, options: NumberOptions = {}): Selector<number> => numbers('inc', modulus, options),
  random: (modulus: number, options: NumberOptions = {}): Selector<number> => numbers('random', modulus, options)
} as const

/** Options of {@link jhash}. */
export interface HashOptions extends NumberOptions {
  /** Same seed, same numbers; absent: the kernel draws one for the rule. */
  readonly seed?: number | undefined
}

/** Jenkins hash of a value: a number from `offset` to `offset + modulus - 1`. @throws {ValidationError} */
export function jhash(input: KeySelector<never>, modulus: number, { seed, offset = 0 }: HashOptions = {}): Selector<number> {
  checkNumber('modulus', modulus, 1)
  checkNumber('offset', offset, 0)
  if (seed !== undefined) checkNumber('seed', seed, 0)
  return new Selector<number>({ kind: 'hash', mode: 'jenkins', input: input.node, modulus, seed, offset, type: dataType('type', NUMBER) })
}

/** Hash of the flow, the same in both directions. @throws {ValidationError} */
export function symhash(modulus: number, { offset = 0 }: NumberOptions = {}): Selector<number> {
  checkNumber('modulus', modulus, 1)
  checkNumber('offset', offset, 0)
  return new Selector<number>({ kind: 'hash', mode: 'symmetric', modulus, offset, type: dataType('type', NUMBER) })
}
