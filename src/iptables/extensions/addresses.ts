/**
 * Addresses of structures, which have 16 bytes for either family (`union nf_inet_addr`), and their masks.
 */
import { formatAddress, parseAddress, requireAddress } from '../../core/address.js'
import { ValidationError } from '../../core/errors.js'
import type { IptablesFamily } from '../types.js'
import { bytes, type Field } from './layout.js'
import type { Word } from './words.js'

/** Bytes of `union nf_inet_addr`. */
const UNION_LENGTH = 16

/** Bytes of an address of each family. */
const LENGTHS: Readonly<Record<IptablesFamily, number>> = { ip: 4, ip6: 16 }

/** An address with the mask that is applied before it is compared. */
export interface MaskedAddress {
  /** 4 or 16 bytes; bits beyond the mask are kept. */
  readonly address: Uint8Array
  /** 4 or 16 bytes; 16 for an address without a mask. */
  readonly mask: Uint8Array
}

/** `union nf_inet_addr`: an IPv4 address has the first four bytes. */
export function inetAddress(offset: number): Field<Uint8Array> {
  return bytes(offset, UNION_LENGTH)
}

/** The address in the 16 bytes of a union. */
export function addressText(union: Uint8Array, family: IptablesFamily): string {
  return printAddress(union.subarray(0, LENGTHS[family]))
}

/** The text of 4 or 16 bytes as glibc writes it: as RFC 5952 says, but with dots after six groups of zeros. */
export function printAddress(address: Uint8Array): string {
  const isCompatible = address.length === UNION_LENGTH && address.subarray(0, 12).every((byte) => byte === 0)
  if (isCompatible && (address[12] !== 0 || address[13] !== 0)) return `::${formatAddress(address.subarray(12))}`
  return formatAddress(address)
}

/** An address of either family as one word. */
export const ADDRESS: Word<string> = {
  allowed: 'an IPv4 or IPv6 address',
  read: (word) => {
    const address = parseAddress(word)
    return address === undefined ? undefined : printAddress(address)
  },
  print: (text) => printAddress(requireAddress('address', text))
}

/**
 * Reads `10.0.0.0/8`, `10.0.0.0/255.0.0.0` or `10.0.0.1`, whose mask has all 16 bytes set as iptables sets it.
 *
 * @throws {ValidationError}
 */
export function requireMasked(path: string, text: unknown, family?: IptablesFamily): MaskedAddress {
  const read = typeof text === 'string' ? readMasked(text) : undefined
  if (read === undefined || (family !== undefined && read.address.length !== LENGTHS[family])) {
    const kind = family === undefined ? 'an IPv4 or IPv6' : family === 'ip' ? 'an IPv4' : 'an IPv6'
    throw new ValidationError(path, text, `${kind} address, alone or with /LENGTH or /MASK`)
  }
  return read
}

/** The text of an address and its mask, from the 16 bytes of each. */
export function maskedText(address: Uint8Array, mask: Uint8Array, family: IptablesFamily): string {
  const text = addressText(address, family)
  if (mask.every((byte) => byte === 0xff)) return text
  const own = mask.subarray(0, LENGTHS[family])
  const length = prefixLength(own)
  return `${text}/${length ?? printAddress(own)}`
}

/** An address with its mask as one word; a mask of all bits is not printed. */
export const MASKED_ADDRESS: Word<string> = {
  allowed: 'an IPv4 or IPv6 address, alone or with /LENGTH or /MASK',
  read: (word) => (readMasked(word) === undefined ? undefined : word),
  print: (text) => {
    const { address, mask } = requireMasked('address', text)
    const length = prefixLength(mask.subarray(0, address.length))
    const printed = printAddress(address)
    return length === 8 * address.length ? printed : `${printed}/${length ?? printAddress(mask)}`
  }
}

function readMasked(text: string): MaskedAddress | undefined {
  const slash = text.indexOf('/')
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash))
  if (address === undefined) return undefined
  if (slash < 0) return { address, mask: new Uint8Array(UNION_LENGTH).fill(0xff) }
  const suffix = text.slice(slash + 1)
  const mask = /^(?:0|[1-9][0-9]{0,2})$/.test(suffix) ? maskOf(Number(suffix), address.length) : parseAddress(suffix)
  return mask?.length === address.length ? { address, mask } : undefined
}

/** The mask of a length; undefined where the address has fewer bits. */
function maskOf(length: number, size: number): Uint8Array | undefined {
  if (length > 8 * size) return undefined
  return Uint8Array.from({ length: size }, (_, index) => (0xff << (8 - Math.min(8, Math.max(0, length - 8 * index)))) & 0xff)
}

/** How many leading bits a mask has; undefined where others are set too. */
function prefixLength(mask: Uint8Array): number | undefined {
  const bits = [...mask].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return /^1*0*$/.test(bits) ? bits.lastIndexOf('1') + 1 : undefined
}
