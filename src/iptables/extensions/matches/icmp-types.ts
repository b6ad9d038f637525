/**
 * Types and codes of ICMP and ICMPv6, and the names that iptables has for them (`iptables -p icmp -h`).
 */
import { isInteger } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import { readInteger, type Word } from '../words.js'

/** A name, a type with any code, or a type and a code. */
export type IcmpType<Name extends string> = Name | number | readonly [type: number, code: number]

/** Type, and the first and last code. */
export type IcmpCodes = readonly [type: number, first: number, last: number]

/** Every code. */
const MAX_CODE = 0xff

/** A type with all codes. */
const every = (type: number): IcmpCodes => [type, 0, MAX_CODE]

/** A type with one code. */
const one = (type: number, code: number): IcmpCodes => [type, code, code]

/** Names of ICMP; of several for the same the first is shown. */
export const ICMP_NAMES = {
  any: every(0xff),
  'echo-reply': every(0),
  pong: every(0),
  'destination-unreachable': every(3),
  'network-unreachable': one(3, 0),
  'host-unreachable': one(3, 1),
  'protocol-unreachable': one(3, 2),
  'port-unreachable': one(3, 3),
  'fragmentation-needed': one(3, 4),
  'source-route-failed': one(3, 5),
  'network-unknown': one(3, 6),
  'host-unknown': one(3, 7),
  'network-prohibited': one(3, 9),
  'host-prohibited': one(3, 10),
  'TOS-network-unreachable': one(3, 11),
  'TOS-host-unreachable': one(3, 12),
  'communication-prohibited': one(3, 13),
  'host-precedence-violation': one(3, 14),
  'precedence-cutoff': one(3, 15),
  'source-quench': every(4),
  redirect: every(5),
  'network-redirect': one(5, 0),
  'host-redirect': one(5, 1),
  'TOS-network-redirect': one(5, 2),
  'TOS-host-redirect': one(5, 3),
  'echo-request': every(8),
  ping: every(8),
  'router-advertisement': every(9),
  'router-solicitation': every(10),
  'time-exceeded': every(11),
  'ttl-exceeded': every(11),
  'ttl-zero-during-transit': one(11, 0),
  'ttl-zero-during-reassembly': one(11, 1),
  'parameter-problem': every(12),
  'ip-header-bad': one(12, 0),
  'required-option-missing': one(12, 1),
  'timestamp-request': every(13),
  'timestamp-reply': every(14),
  'info-request': every(15),
  'info-reply': every(16),
  'address-mask-request': every(17),
  'address-mask-reply': every(18)
} as const satisfies Readonly<Record<string, IcmpCodes>>

/** Names of ICMPv6; of several for the same the first is shown. */
export const ICMPV6_NAMES = {
  'destination-unreachable': every(1),
  'no-route': one(1, 0),
  'communication-prohibited': one(1, 1),
  'beyond-scope': one(1, 2),
  'address-unreachable': one(1, 3),
  'port-unreachable': one(1, 4),
  'failed-policy': one(1, 5),
  'reject-route': one(1, 6),
  'packet-too-big': every(2),
  'time-exceeded': every(3),
  'ttl-exceeded': every(3),
  'ttl-zero-during-transit': one(3, 0),
  'ttl-zero-during-reassembly': one(3, 1),
  'parameter-problem': every(4),
  'bad-header': one(4, 0),
  'unknown-header-type': one(4, 1),
  'unknown-option': one(4, 2),
  'echo-request': every(128),
  ping: every(128),
  'echo-reply': every(129),
  pong: every(129),
  'router-solicitation': every(133),
  'router-advertisement': every(134),
  'neighbour-solicitation': every(135),
  'neighbor-solicitation': every(135),
  'neighbour-advertisement': every(136),
  'neighbor-advertisement': every(136),
  redirect: every(137)
} as const satisfies Readonly<Record<string, IcmpCodes>>

/** Types of one of the protocols in both directions. */
export interface IcmpTypes<Name extends string> extends Word<IcmpType<Name>> {
  /** Type and codes. @throws {ValidationError} */
  require(path: string, given: IcmpType<Name>): IcmpCodes
  /** By its name where it has one; undefined: codes from one to another. */
  typeOf(codes: IcmpCodes): IcmpType<Name> | undefined
}

const isByte = (value: unknown): value is number => isInteger(value, 0, MAX_CODE)

/** Types with the names of one of the protocols. The begin of a name is enough where it is that of no other. */
export function icmpTypes<Name extends string>(names: Readonly<Record<Name, IcmpCodes>>): IcmpTypes<Name> {
  const entries = Object.entries(names) as [Name, IcmpCodes][]
  const allowed = `a type from 0 to 255, a type and a code, or one of ${Object.keys(names).join(', ')}`
  const require = (path: string, given: IcmpType<Name>): IcmpCodes => {
    if (typeof given === 'string' && Object.hasOwn(names, given)) return names[given]
    if (isByte(given)) return every(given)
    const [type, code, ...rest]: readonly unknown[] = Array.isArray(given) ? given : []
    if (isByte(type) && isByte(code) && rest.length === 0) return one(type, code)
    throw new ValidationError(path, given, allowed)
  }
  const typeOf = ([type, first, last]: IcmpCodes): IcmpType<Name> | undefined => {
    const name = entries.find(([, known]) => known[0] === type && known[1] === first && known[2] === last)?.[0]
    if (name !== undefined) return name
    if (first === 0 && last === MAX_CODE) return type
    return first === last ? [type, first] : undefined
  }
  const read = (word: string): IcmpType<Name> | undefined => {
    const named = entries.filter(([name]) => word !== '' && name.toLowerCase().startsWith(word.toLowerCase()))
    if (named.length > 0) return named.length === 1 ? typeOf(named[0]![1]) : undefined
    const [type, code] = word.split('/', 2).map((part) => readInteger(part, 0, MAX_CODE))
    if (word.split('/').length > 2 || type === undefined) return undefined
    if (!word.includes('/')) return typeOf(every(type))
    return code === undefined ? undefined : typeOf(one(type, code))
  }
  const print = (given: IcmpType<Name>): string => {
    const [type, first, last] = require('type', given)
    return first === 0 && last === MAX_CODE ? String(type) : `${type}/${first}`
  }
  return { allowed, require, typeOf, read, print }
}
