/**
 * Reads what stands after `--to-destination`, `--to-source` and `--to-ports`.
 */
import { familyOf, parseAddress } from '../../../core/address.js'
import type { ExtensionContext } from '../extension.js'
import { addressRange, hasPorts, PORTS_ALLOWED, type NatTo, type AddressRange } from './nat-range.js'
import { readInteger } from '../words.js'

/** Ends the reading of the line. */
type Fail = (allowed: string) => never

const PORTS = /^(?<first>\w+)(?:-(?<last>\w+)(?:\/(?<base>\w+))?)?$/

/** Reads `80`, `80-90` and `80-90/70`. */
export function readPorts(word: string, fail: Fail): Pick<NatTo, 'ports' | 'basePort'> {
  const { first, last, base } = PORTS.exec(word)?.groups ?? {}
  const from = port(first, 0, fail)
  if (last === undefined) return { ports: from }
  const to = port(last, from, fail)
  return base === undefined ? { ports: from === to ? from : [from, to] } : { ports: [from, to], basePort: port(base, 1, fail) }
}

function port(word: string | undefined, least: number, fail: Fail): number {
  return readInteger(word ?? '', least, 0xffff) ?? fail('a port by its number, or the first and the last of a range: 8000-8080')
}

/** Reads `10.0.0.1`, `10.0.0.1-10.0.0.9`, `10.0.0.1:80-90`, `:80` and `[fd00::1-fd00::9]:80`. */
export function readTo(word: string, fail: Fail): NatTo {
  const { addresses, ports, length } = splitPorts(word, fail)
  return {
    ...(addresses === '' ? {} : { addresses: readAddresses(addresses, length, fail) }),
    ...(ports === undefined ? {} : readPorts(ports, fail))
  }
}

/** The parts of a word, and of how many bytes its addresses must be. */
interface Parts {
  readonly addresses: string
  readonly ports: string | undefined
  readonly length: 4 | 16
}

function splitPorts(word: string, fail: Fail): Parts {
  const { inner, ports } = /^\[(?<inner>[^[\]]*)\](?::(?<ports>.*))?$/.exec(word)?.groups ?? {}
  if (inner !== undefined) return { addresses: inner, ports, length: 16 }
  if (/[[\]]/.test(word)) return fail('an address in brackets, and ports after them: [fd00::1]:80')
  const [addresses = '', after, ...more] = word.split(':')
  // An address of IPv6 has two colons at least.
  return more.length > 0 ? { addresses: word, ports: undefined, length: 16 } : { addresses, ports: after, length: 4 }
}

function readAddresses(text: string, length: 4 | 16, fail: Fail): AddressRange {
  const parts = text.split('-')
  const isRight = parts.length <= 2 && parts.every((part) => parseAddress(part)?.length === length)
  if (!isRight) return fail('an address, or the first and the last of a range, with ports after them: 10.0.0.1-10.0.0.9:80, [fd00::1]:80')
  const [first = '', last] = parts
  return addressRange(first, last ?? first)
}

/** Ends the reading of the line where the rule has addresses of another family, or maps ports without a protocol that has them. */
export function requireFitting({ addresses, ports }: NatTo, context: ExtensionContext, fail: Fail): void {
  const first = typeof addresses === 'object' ? addresses[0] : addresses
  if (first !== undefined && familyOf(first) !== context.family) fail(context.family === 'ip' ? 'IPv4 addresses' : 'IPv6 addresses')
  if (ports !== undefined && !hasPorts(context)) fail(PORTS_ALLOWED)
}
