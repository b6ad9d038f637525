/**
 * Numbers and ranges of them, such as ports.
 */
import { requireInteger } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import { readInteger, type Word } from './words.js'

/** A number, or the first and the last of a range. */
export type NumberRange = number | readonly [first: number, last: number]

/** The greatest port. */
export const MAX_PORT = 0xffff

/** First and last of a range whose numbers are at most `max`. @throws {ValidationError} */
export function requireRange(path: string, given: unknown, max: number): readonly [first: number, last: number] {
  if (!Array.isArray(given)) {
    const value = requireInteger(path, given, 0, max)
    return [value, value]
  }
  const [first, last] = given as readonly unknown[]
  const range = [requireInteger(`${path}[0]`, first, 0, max), requireInteger(`${path}[1]`, last, 0, max)] as const
  if (given.length !== 2 || range[0] > range[1]) throw new ValidationError(path, given, 'an integer, or the first and the last of a range')
  return range
}

/** The number alone where the range has no other. */
export function rangeOf(first: number, last: number): NumberRange {
  return first === last ? first : [first, last]
}

/** How ranges are written. */
export interface RangeForm {
  readonly max: number
  /** What is printed between first and last. */
  readonly separator: ':' | '-'
  /** What may stand there; absent: the separator. */
  readonly separators?: RegExp
  /** Whether the first may lack, which is 0 then, and the last, which is the greatest number. */
  readonly isOpen?: boolean
}

/** A number or range as one word. */
export function rangeWord({ max, separator, separators, isOpen = false }: RangeForm): Word<NumberRange> {
  const end = (word: string, missing: number): number | undefined => (word === '' && isOpen ? missing : readInteger(word, 0, max))
  return {
    allowed: `an integer from 0 to ${max}, or a range FIRST${separator}LAST`,
    read: (word) => {
      const at = separators === undefined ? word.indexOf(separator) : word.search(separators)
      if (at < 0) return readInteger(word, 0, max)
      const first = end(word.slice(0, at), 0)
      const last = end(word.slice(at + 1), max)
      return first === undefined || last === undefined || first > last ? undefined : rangeOf(first, last)
    },
    print: (given) => {
      const [first, last] = typeof given === 'number' ? [given, given] : given
      return first === last ? String(first) : `${first}${separator}${last}`
    }
  }
}

/** A port or a range of ports; names of services are not looked up. */
export const PORTS: Word<NumberRange> = rangeWord({ max: MAX_PORT, separator: ':', isOpen: true })
