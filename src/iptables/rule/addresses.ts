/**
 * Addresses with masks, as rules of iptables have them.
 */
import { formatAddress, parseAddress } from '../../core/address.js'
import { ValidationError } from '../../core/errors.js'
import type { IptablesFamily } from '../types.js'

/** An address and its mask, 4 or 16 bytes each, in network order; bits that the mask lacks are zero in the address. */
export interface MaskedAddress {
  readonly address: Uint8Array
  readonly mask: Uint8Array
}

/** How many bytes an address of a family has. */
export const ADDRESS_BYTES: Readonly<Record<IptablesFamily, number>> = { ip: 4, ip6: 16 }

/** The mask of a prefix: its first `length` bits are set. */
export function prefixMask(bytes: number, length: number): Uint8Array {
  return PREFIX_MASKS.get(bytes)?.[length] ?? makeMask(bytes, length)
}

function makeMask(bytes: number, length: number): Uint8Array {
  const mask = new Uint8Array(bytes)
  for (let index = 0; index < bytes; index++) mask[index] = 0xff00 >> Math.min(8, Math.max(0, length - 8 * index))
  return mask
}

/** By bytes and length; nobody writes into them. */
const PREFIX_MASKS = new Map(
  Object.values(ADDRESS_BYTES).map((bytes) => [bytes, Array.from({ length: 8 * bytes + 1 }, (_, length) => makeMask(bytes, length))])
)

/** The length of the prefix that a mask is; undefined where it is none. */
export function maskLength(mask: Uint8Array): number | undefined {
  let whole = 0
  while (mask[whole] === 0xff) whole++
  const length = 8 * whole + (whole < mask.length ? Math.clz32(~(mask[whole]! << 24)) : 0)
  const prefix = prefixMask(mask.length, length)
  return mask.every((byte, index) => byte === prefix[index]) ? length : undefined
}

function parseMask(text: string, bytes: number): Uint8Array | undefined {
  if (!/^(0|[1-9][0-9]{0,2})$/.test(text)) {
    const mask = parseAddress(text)
    return mask?.length === bytes ? mask : undefined
  }
  return Number(text) <= bytes * 8 ? prefixMask(bytes, Number(text)) : undefined
}

/** Reads `10.0.0.1`, `10.0.0.0/8` or `10.0.0.1/255.0.0.255`. Undefined where the text is none of these. Bits that the mask lacks are cleared. */
export function parseMasked(text: string, family: IptablesFamily): MaskedAddress | undefined {
  const [first = '', second, ...more] = text.split('/')
  const address = parseAddress(first)
  const bytes = ADDRESS_BYTES[family]
  const mask = second === undefined ? prefixMask(bytes, bytes * 8) : parseMask(second, bytes)
  if (address?.length !== bytes || mask === undefined || more.length > 0) return undefined
  if (second !== undefined) for (let index = 0; index < bytes; index++) address[index]! &= mask[index]!
  return { address, mask }
}

/** As {@link parseMasked}. @throws {ValidationError} */
export function requireMasked(path: string, value: unknown, family: IptablesFamily): MaskedAddress {
  const masked = typeof value === 'string' ? parseMasked(value, family) : undefined
  if (masked !== undefined) return masked
  const example = family === 'ip' ? '10.0.0.0/8' : 'fd00::/8'
  throw new ValidationError(
    path,
    value,
    `an ${family === 'ip' ? 'IPv4' : 'IPv6'} address, such with a mask, or a prefix such as ${example}`
  )
}

/** As iptables-save prints it: `10.0.0.1/32`, `10.0.0.1/255.0.0.255`. */
export function formatMasked({ address, mask }: MaskedAddress): string {
  return `${formatAddress(address)}/${maskLength(mask) ?? formatAddress(mask)}`
}
