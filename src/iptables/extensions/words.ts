/**
 * Values of options as words of the command line, in both directions.
 */
import { splitInvertible, type Invertible } from './invertible.js'
import type { OptionPlace, OptionReader } from './extension.js'

/** How a value is written as one word. */
export interface Word<Value> {
  /** What is allowed, for people. */
  readonly allowed: string
  /** Reads a word; undefined where it is none. */
  readonly read: (word: string) => Value | undefined
  /** The word that `iptables-save` prints. */
  readonly print: (value: Value) => string
}

/** What a C program takes as an integer where the base is not said: decimal, `0x` and hexadecimal, `0` and octal. */
const C_INTEGER = /^(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/

/** Reads an integer as iptables does; undefined where the word is none, or is out of the range. */
export function readBigInteger(word: string, min: bigint, max: bigint): bigint | undefined {
  if (!C_INTEGER.test(word)) return undefined
  const value = BigInt(/^0[0-7]+$/.test(word) ? `0o${word.slice(1)}` : word)
  return value < min || value > max ? undefined : value
}

/** As {@link readBigInteger}, for what a number holds exactly. */
export function readInteger(word: string, min: number, max: number): number | undefined {
  const value = readBigInteger(word, BigInt(min), BigInt(max))
  return value === undefined ? undefined : Number(value)
}

/** An integer of a range. */
export function integerWord(min: number, max: number): Word<number> {
  return { allowed: `an integer from ${min} to ${max}`, read: (word) => readInteger(word, min, max), print: String }
}

/** One of some words, in any case; it is printed as the table has it. */
export function oneOfWord<Name extends string>(names: readonly Name[]): Word<Name> {
  return {
    allowed: `one of ${names.join(', ')}`,
    read: (word) => names.find((name) => name.toLowerCase() === word.toLowerCase()),
    print: String
  }
}

/** Any text of at least one byte, and at most so many. */
export function textWord(max: number): Word<string> {
  return {
    allowed: `1 to ${max} bytes`,
    read: (word) => (word === '' || Buffer.byteLength(word) > max ? undefined : word),
    print: String
  }
}

/** Ends the reading of the line where an option was given before. */
export function requireOnce<Draft extends object>(draft: Draft, name: keyof Draft, place: OptionPlace): void {
  if (draft[name] !== undefined) place.fail('this option once')
}

/** An option with a value that stands in the draft under `name`. It may be given once. */
export function valueOption<Name extends string, Value>(
  name: Name,
  word: Pick<Word<Value>, 'allowed' | 'read'>
): OptionReader<Partial<Record<Name, Value>>> {
  return {
    values: 1,
    read: (draft, [given = ''], place) => {
      requireOnce(draft, name, place)
      Object.assign(draft, { [name]: word.read(given) ?? place.fail(word.allowed, 0) })
    }
  }
}

/** As {@link valueOption}, where `!` may stand before it. */
export function invertibleOption<Name extends string, Value>(
  name: Name,
  word: Pick<Word<Value>, 'allowed' | 'read'>
): OptionReader<Partial<Record<Name, Invertible<Value>>>> {
  return {
    values: 1,
    isInvertible: true,
    read: (draft, [given = ''], place) => {
      requireOnce(draft, name, place)
      const value = word.read(given) ?? place.fail(word.allowed, 0)
      Object.assign(draft, { [name]: place.isInverted ? { not: value } : value })
    }
  }
}

/** An option without a value: it is true in the draft. */
export function flagOption<Name extends string>(name: Name): OptionReader<Partial<Record<Name, boolean>>> {
  return {
    values: 0,
    read: (draft, _, place) => {
      requireOnce(draft, name, place)
      Object.assign(draft, { [name]: true })
    }
  }
}

/** As {@link flagOption}, where `!` may stand before it. */
export function invertibleFlag<Name extends string>(name: Name): OptionReader<Partial<Record<Name, Invertible<true>>>> {
  return {
    values: 0,
    isInvertible: true,
    read: (draft, _, place) => {
      requireOnce(draft, name, place)
      Object.assign(draft, { [name]: place.isInverted ? { not: true } : true })
    }
  }
}

/** The words of an option with those of its value; none where the value is absent. */
export function printWords<Value>(option: string, given: Invertible<Value> | undefined, words: (value: Value) => string[]): string[] {
  if (given === undefined) return []
  const { value, isInverted } = splitInvertible(given)
  return [...(isInverted ? ['!'] : []), option, ...words(value)]
}

/** As {@link printWords}, where the value is one word. */
export function printOption<Value>(option: string, given: Invertible<Value> | undefined, word: Pick<Word<Value>, 'print'>): string[] {
  return printWords(option, given, (value) => [word.print(value)])
}

/** The words of an option without a value. */
export function printFlag(option: string, given: Invertible<boolean> | undefined): string[] {
  if (given === undefined || given === false) return []
  return splitInvertible(given).isInverted ? ['!', option] : [option]
}
