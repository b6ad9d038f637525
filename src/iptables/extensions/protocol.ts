/**
 * Protocols as options of matches have them.
 */
import { requireInteger } from '../../core/checks.js'
import { IPPROTO } from '../../core/protocols.js'
import { readInteger, type Word } from './words.js'

/** The name of a protocol, or its number, 0–255. */
export type MatchedProtocol = keyof typeof IPPROTO | number

/** Other names that are read. */
const SYNONYMS: Readonly<Record<string, number>> = { 'ipv6-icmp': IPPROTO.icmpv6, all: 0 }

/** The number. @throws {ValidationError} */
export function requireProtocol(path: string, given: unknown): number {
  const isName = typeof given === 'string' && Object.hasOwn(IPPROTO, given)
  return isName ? IPPROTO[given as keyof typeof IPPROTO] : requireInteger(path, given, 0, 255)
}

/** The name where there is one. */
export function protocolOf(number: number): MatchedProtocol {
  const [name] = Object.entries(IPPROTO).find(([, known]) => known === number) ?? []
  return name === undefined ? number : (name as keyof typeof IPPROTO)
}

/** A protocol as one word; its number is printed. */
export const PROTOCOL: Word<MatchedProtocol> = {
  allowed: `a number from 0 to 255 or one of ${Object.keys(IPPROTO).join(', ')}`,
  read: (word) => {
    const name = word.toLowerCase()
    const known = Object.entries({ ...IPPROTO, ...SYNONYMS }).find(([other]) => other === name)?.[1]
    const number = known ?? readInteger(word, 0, 255)
    return number === undefined ? undefined : protocolOf(number)
  },
  print: (given) => String(requireProtocol('protocol', given))
}
