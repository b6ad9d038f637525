/**
 * Which services may be removed.
 */
import { parseAddress, prefixRange, requirePrefix } from '../../core/address.js'
import { ValidationError } from '../../core/errors.js'
import type { VirtualService } from '../types.js'

/** Whether a service is the caller's. */
export type Owns = (service: VirtualService) => boolean

function isWithin(address: Uint8Array, first: Uint8Array, last: Uint8Array): boolean {
  if (address.length !== first.length) return false
  return Buffer.compare(address, first) >= 0 && Buffer.compare(address, last) <= 0
}

/** @throws {ValidationError} */
export function resolveOwns(path: string, owns: unknown): Owns | undefined {
  if (owns === undefined) return undefined
  if (typeof owns === 'function') return owns as Owns
  if (!Array.isArray(owns)) throw new ValidationError(path, owns, 'a list of prefixes, or a function of a service')
  const ranges = owns.map((prefix: unknown, index) => prefixRange(requirePrefix(`${path}[${index}]`, prefix)))
  return ({ address }) => {
    const bytes = address === undefined ? undefined : parseAddress(address)
    return bytes !== undefined && ranges.some(({ first, last }) => isWithin(bytes, first, last))
  }
}
