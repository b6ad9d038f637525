/**
 * `mac`: the source address of the Ethernet frame that the packet came in. Source: include/uapi/linux/netfilter/xt_mac.h, iptables-extensions(8).
 */
import { ValidationError } from '../../../core/errors.js'
import { invertible, splitInvertible, type Invertible } from '../invertible.js'
import { bytes, i32, struct } from '../layout.js'
import { invertibleOption, printOption, type Word } from '../words.js'
import { match } from './match.js'

/** Options of the match `mac`; the kernel takes it in the chains PREROUTING, INPUT and FORWARD, and in chains that are reached from there. */
export interface MacOptions {
  /** `52:54:00:12:34:56`. */
  readonly source: Invertible<string>
}

const LENGTH = 6

/** `int invert` stands at a multiple of 4. */
const INFO = struct(12, { source: bytes(0, LENGTH), isInverted: i32(8) })

const MAC: Word<string> = {
  allowed: 'six bytes in hexadecimal with colons between them',
  read: (word) => {
    const parts = word.split(':')
    if (parts.length !== LENGTH || !parts.every((part) => /^[0-9a-fA-F]{1,2}$/.test(part))) return undefined
    return macText(parts.map((part) => Number.parseInt(part, 16)))
  },
  print: (mac) => MAC.read(mac) ?? mac
}

function macText(address: readonly number[]): string {
  return address.map((byte) => byte.toString(16).padStart(2, '0')).join(':')
}

/** The match. */
export const MAC_0 = match<'mac', MacOptions>({
  name: 'mac',
  revision: 0,
  families: ['ip', 'ip6'],
  module: 'xt_mac',
  size: INFO.size,
  fields: ['source'],
  encode: ({ source }) => {
    const { value, isInverted } = splitInvertible(source)
    const mac = typeof value === 'string' ? MAC.read(value) : undefined
    if (mac === undefined) throw new ValidationError('source', source, MAC.allowed)
    return INFO.write({ source: Uint8Array.from(mac.split(':'), (byte) => Number.parseInt(byte, 16)), isInverted: Number(isInverted) })
  },
  decode: (info) => {
    const read = INFO.read(info)
    return read && { source: invertible(macText([...read.source]), read.isInverted !== 0) }
  },
  print: ({ source }) => printOption('--mac-source', source, MAC),
  draft: () => ({}),
  options: { '--mac-source': invertibleOption('source', MAC) },
  finish: ({ source }, _, fail) => ({ source: source ?? fail('--mac-source') })
})
