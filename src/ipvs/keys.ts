/**
 * What names services and real servers: checked, as columns, and as text.
 */
import { formatAddress, formatIPv4, formatSocketAddress, requireAddress, writeAddress } from '../core/address.js'
import { requireInteger, requireObject } from '../core/checks.js'
import { ValidationError } from '../core/errors.js'
import { AF_INET, AF_INET6 } from '../core/protocols.js'
import type { Protocol } from '../core/protocols.js'
import { requireName } from './checks.js'
import { ADDRESS_WIDTH, serviceKeyForms, zeroColumns } from './column-forms.js'
import type { ServiceKeyColumns } from './column-types.js'
import { PROTOCOL_NUMBERS } from './constants.js'
import type { VirtualServiceKey } from './types.js'

const MAX_PORT = 65_535
const MAX_MARK = 0xffffffff
const families = { ip: AF_INET, ip6: AF_INET6 } as const
const protocolNames = new Map(Object.entries(PROTOCOL_NUMBERS).map(([name, number]) => [number, name as Protocol]))

/** Zeros, to be filled. */
export function emptyKeys(rows: number): ServiceKeyColumns {
  return zeroColumns(rows, serviceKeyForms) as unknown as ServiceKeyColumns
}

/** Writes an address; returns its family. */
export function putAddress(path: string, text: unknown, target: Uint8Array, row: number): number {
  const length = typeof text === 'string' ? writeAddress(text, target, row * ADDRESS_WIDTH) : 0
  if (length === 0) {
    requireAddress(path, text)
    throw new ValidationError(path, text, 'an IPv4 or IPv6 address')
  }
  return length === 4 ? AF_INET : AF_INET6
}

export function requirePort(path: string, port: unknown): number {
  return requireInteger(path, port, 0, MAX_PORT)
}

/**
 * Checks a key and writes it into a row.
 *
 * @throws {ValidationError}
 */
export function putKey(path: string, key: VirtualServiceKey, columns: ServiceKeyColumns, row: number): void {
  requireObject(path, key, 'a virtual service: { protocol, address, port } or { fwmark }')
  const { fwmark, protocol, address, port, family } = key as { [Field in 'fwmark' | 'protocol' | 'address' | 'port' | 'family']?: unknown }
  if (fwmark !== undefined) {
    if (protocol !== undefined || address !== undefined || port !== undefined)
      throw new ValidationError(`${path}.fwmark`, fwmark, 'nothing beside protocol, address and port: a service has either')
    columns.fwmark[row] = requireInteger(`${path}.fwmark`, fwmark, 1, MAX_MARK)
    columns.family[row] = family === undefined ? AF_INET : requireName(`${path}.family`, family, families)
    return
  }
  columns.protocol[row] = requireName(`${path}.protocol`, protocol, PROTOCOL_NUMBERS)
  const found = putAddress(`${path}.address`, address, columns.address, row)
  columns.family[row] = found
  columns.port[row] = requirePort(`${path}.port`, port)
  if (family !== undefined && requireName(`${path}.family`, family, families) !== found)
    throw new ValidationError(`${path}.family`, family, `that of the address ${String(address)}, or nothing`)
}

/** The address in a row, as text. */
export function addressAt(columns: { readonly family: Uint8Array; readonly address: Uint8Array }, row: number): string {
  const { address } = columns
  const at = row * ADDRESS_WIDTH
  if (columns.family[row] === AF_INET6) return formatAddress(address.subarray(at, at + ADDRESS_WIDTH))
  return formatIPv4(address, at)
}

/** The protocol in a row; one without a name as its number. */
export function protocolOf(columns: ServiceKeyColumns, row: number): Protocol {
  return protocolNames.get(columns.protocol[row] ?? 0) ?? (`${columns.protocol[row]}` as Protocol)
}

/** The key in a row. */
export function decodeKey(columns: ServiceKeyColumns, row: number): VirtualServiceKey {
  const fwmark = columns.fwmark[row] ?? 0
  const isIPv6 = columns.family[row] === AF_INET6
  if (fwmark !== 0) return { fwmark, family: isIPv6 ? 'ip6' : 'ip' }
  return { protocol: protocolOf(columns, row), address: addressAt(columns, row), port: columns.port[row] ?? 0 }
}

/** A service in a row as text: `tcp 10.96.0.1:443`, `fwmark 7`, `fwmark 7 ip6`. Equal keys have equal texts. */
export function describeServiceRow(columns: ServiceKeyColumns, row: number): string {
  if (columns.fwmark[row] !== 0 || columns.family[row] !== AF_INET) return describeService(decodeKey(columns, row))
  return `${protocolOf(columns, row)} ${addressAt(columns, row)}:${columns.port[row]}`
}

/** A service as text. The address must be in its canonical form, as everything listed is, for equal keys to have equal texts. */
export function describeService(key: VirtualServiceKey): string {
  if (key.fwmark !== undefined) return `fwmark ${key.fwmark}${key.family === 'ip6' ? ' ip6' : ''}`
  return `${key.protocol} ${formatSocketAddress(key.address, key.port)}`
}

/**
 * One key as columns.
 *
 * @throws {ValidationError}
 */
export function encodeKey(path: string, key: VirtualServiceKey): ServiceKeyColumns {
  const columns = emptyKeys(1)
  putKey(path, key, columns, 0)
  return columns
}
