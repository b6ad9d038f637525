/**
 * Sets of named bits, which the command line writes as words with commas between them.
 */
import { ValidationError } from '../../core/errors.js'
import type { Word } from './words.js'

/** One value, or several. */
export type OneOrMore<Value> = Value | readonly Value[]

/** Names of the bits of a mask. */
export interface BitNames<Name extends string> extends Word<OneOrMore<Name>> {
  /** The mask of names. @throws {ValidationError} */
  require(path: string, given: OneOrMore<Name>): number
  /** The names of a mask, one alone not as a list; undefined where a bit has no name. */
  namesOf(mask: number): OneOrMore<Name> | undefined
}

/** How the names are written and read. */
export interface BitForm {
  /** Whether the begin of a name is enough, as in `--ctstate EST`. */
  readonly mayBeShort?: boolean
  /** Names of several bits at once, which are read and never shown. */
  readonly groups?: Readonly<Record<string, number>>
}

/** Describes named bits, in the order in which they are printed. A name whose mask is 0 stands for none of the others. */
export function bitNames<Name extends string>(
  bits: Readonly<Record<Name, number>>,
  { mayBeShort = false, groups = {} }: BitForm = {}
): BitNames<Name> {
  const entries = Object.entries(bits) as [Name, number][]
  const all = entries.reduce((mask, [, bit]) => mask | bit, 0)
  const allowed = `one or more of ${entries.map(([name]) => name).join(', ')}`
  const listOf = (mask: number): Name[] => entries.filter(([, bit]) => (bit === 0 ? mask === 0 : (mask & bit) !== 0)).map(([name]) => name)
  const maskOf = (word: string): number | undefined => {
    const lower = word.toLowerCase()
    const isNamed = ([name]: readonly [string, number]): boolean => {
      const known = name.toLowerCase()
      return mayBeShort ? lower !== '' && known.startsWith(lower) : known === lower
    }
    return [...entries, ...Object.entries(groups)].find(isNamed)?.[1]
  }
  const namesOf = (mask: number): OneOrMore<Name> | undefined => {
    if ((mask & ~all) !== 0) return undefined
    const names = listOf(mask)
    return names.length === 1 ? names[0] : names
  }
  const require = (path: string, given: OneOrMore<Name>): number => {
    const list: readonly unknown[] = Array.isArray(given) ? given : [given]
    return list.reduce<number>((mask, name) => {
      if (typeof name !== 'string' || !Object.hasOwn(bits, name)) throw new ValidationError(path, given, allowed)
      return mask | bits[name as Name]
    }, 0)
  }
  return {
    allowed,
    require,
    namesOf,
    read: (text) => {
      const masks = text.split(',').map(maskOf)
      return masks.includes(undefined) ? undefined : namesOf(masks.reduce<number>((mask, bit) => mask | (bit ?? 0), 0))
    },
    print: (given) => listOf(require('', given)).join(',')
  }
}
