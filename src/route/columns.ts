/**
 * Addresses between the caller's words and the columns of native/route/addresses.h.
 */
import { formatAddress, parsePrefix, requireAddress } from '../core/address.js'
import { copyArray, isText, requireInteger, toList } from '../core/checks.js'
import { ValidationError } from '../core/errors.js'
import { type NativeColumns } from '../native/index.js'
import { addressFlagBits, addressFlags, scopeName, scopeNumber, settableFlags } from './constants.js'
import type { AddressColumns, AddressFlag, AddressInput, AddressSpec, LinkAddress } from './types.js'

const [AF_INET, AF_INET6] = [2, 10]
/** Bytes a row of `address`. */
const WIDTH = 16
/** "For ever" (INFINITY_LIFE_TIME, include/net/addrconf.h), and "no symbol" (native/netlink/columns.h). */
const NONE = 0xffffffff
const HOST_SCOPE = 254
const LABEL_BYTES = 15
const LIFETIMES = ['validLifetimeSeconds', 'preferredLifetimeSeconds'] as const

/** Column data by name, as {@link NativeColumns} has it. */
type Columns = { rows: number } & Record<string, unknown>

/** Defaults for addresses that do not say. */
export interface AddressDefaults {
  readonly flags?: readonly AddressFlag[] | undefined
  readonly protocol?: number | undefined
}

/** Bytes of changing length, a row each; the column stays absent where no row has any. */
class BlobColumn {
  readonly #rows = new Map<number, Uint8Array>()

  set(row: number, bytes: Uint8Array): void {
    this.#rows.set(row, bytes)
  }

  addTo(columns: Columns, name: string): void {
    if (this.#rows.size === 0) return
    const offsets = new Uint32Array(columns.rows + 1)
    const parts: Uint8Array[] = []
    let end = 0
    for (let row = 0; row < columns.rows; row += 1) {
      const bytes = this.#rows.get(row)
      if (bytes !== undefined) {
        parts.push(bytes)
        end += bytes.length
      }
      offsets[row + 1] = end
    }
    columns[name] = Uint8Array.from(Buffer.concat(parts))
    columns[`${name}Offsets`] = offsets
  }
}

/** Text that repeats; absent where no row has any. */
class SymbolColumn {
  readonly #indexes: Uint32Array
  readonly #table = new Map<string, number>()

  constructor(rows: number) {
    this.#indexes = new Uint32Array(rows).fill(NONE)
  }

  set(row: number, text: string): void {
    const known = this.#table.get(text)
    const index = known ?? this.#table.size
    if (known === undefined) this.#table.set(text, index)
    this.#indexes[row] = index
  }

  addTo(columns: Columns, name: string): void {
    if (this.#table.size === 0) return
    columns[name] = this.#indexes
    columns[`${name}Table`] = [...this.#table.keys()]
  }
}

/** Seconds; absent where every row lasts for ever. */
class LifetimeColumn {
  readonly #seconds: Uint32Array
  #used = false

  constructor(rows: number) {
    this.#seconds = new Uint32Array(rows).fill(NONE)
  }

  get isUsed(): boolean {
    return this.#used
  }

  set(row: number, seconds: number): void {
    this.#seconds[row] = seconds
    this.#used = true
  }

  addTo(columns: Columns, name: string): void {
    columns[name] = this.#seconds
  }
}

function requireFlags(path: string, flags: unknown): number {
  if (!Array.isArray(flags)) throw new ValidationError(path, flags, 'a list of flags')
  return (
    flags.reduce<number>((bits, flag: unknown, index) => {
      const bit = typeof flag === 'string' ? addressFlagBits.get(flag) : undefined
      if (bit === undefined) throw new ValidationError(`${path}[${index}]`, flag, [...addressFlagBits.keys()].join(', '))
      return bits | bit
    }, 0) & settableFlags
  )
}

function requireLabel(path: string, label: unknown, family: number): string {
  if (isText(label, LABEL_BYTES) && label !== '' && family === AF_INET) return label
  throw new ValidationError(
    path,
    label,
    family === AF_INET ? `1 to ${LABEL_BYTES} bytes of text` : 'nothing: only IPv4 addresses have labels'
  )
}

/** Fills the columns of one call, row by row. */
class AddressEncoder {
  readonly #columns: Columns & { family: Uint8Array; address: Uint8Array; prefixLength: Uint8Array; scope: Uint8Array; flags: Uint32Array }
  readonly #protocol: Uint8Array
  readonly #peers = new BlobColumn()
  readonly #broadcasts = new BlobColumn()
  readonly #labels: SymbolColumn
  readonly #valid: LifetimeColumn
  readonly #preferred: LifetimeColumn
  readonly #defaultFlags: number

  constructor(rows: number, defaults: AddressDefaults) {
    this.#defaultFlags = requireFlags('options.flags', defaults.flags ?? [])
    const protocol = requireInteger('options.protocol', defaults.protocol ?? 0, 0, 255)
    this.#protocol = new Uint8Array(rows).fill(protocol)
    this.#labels = new SymbolColumn(rows)
    this.#valid = new LifetimeColumn(rows)
    this.#preferred = new LifetimeColumn(rows)
    this.#columns = {
      rows,
      family: new Uint8Array(rows),
      address: new Uint8Array(rows * WIDTH),
      prefixLength: new Uint8Array(rows),
      scope: new Uint8Array(rows),
      flags: new Uint32Array(rows).fill(this.#defaultFlags)
    }
  }

  put(row: number, input: AddressInput): void {
    const path = `addresses[${row}]`
    if (typeof input === 'string') {
      this.#putAddress(row, path, input, undefined)
      return
    }
    if (typeof input !== 'object' || (input as unknown) === null)
      throw new ValidationError(path, input, 'an address in text, or an object with one')
    this.#putAddress(
      row,
      `${path}.address`,
      input.address,
      input.prefixLength === undefined ? undefined : { path, length: input.prefixLength }
    )
    this.#putDetails(row, path, input)
    this.#putLifetimes(row, path, input)
  }

  #putAddress(row: number, path: string, text: unknown, given: { path: string; length: number } | undefined): void {
    const prefix = typeof text === 'string' ? parsePrefix(text) : undefined
    if (prefix === undefined) throw new ValidationError(path, text, 'an IPv4 or IPv6 address, with or without a prefix length: 10.0.0.1/32')
    const { address } = prefix
    const columns = this.#columns
    columns.family[row] = address.length === 4 ? AF_INET : AF_INET6
    columns.address.set(address, row * WIDTH)
    columns.prefixLength[row] = prefix.length
    if (address.length === 4 && address[0] === 127) columns.scope[row] = HOST_SCOPE
    if (given === undefined) return
    const length = requireInteger(`${given.path}.prefixLength`, given.length, 0, address.length * 8)
    if (String(text).includes('/') && length !== prefix.length) {
      throw new ValidationError(`${given.path}.prefixLength`, length, `${prefix.length}, which the address itself says, or nothing`)
    }
    columns.prefixLength[row] = length
  }

  #putDetails(row: number, path: string, spec: AddressSpec): void {
    const columns = this.#columns
    const family = columns.family[row] ?? AF_INET
    const word = family === AF_INET ? 'ip' : 'ip6'
    if (spec.scope !== undefined) columns.scope[row] = requireScope(`${path}.scope`, spec.scope)
    if (spec.flags !== undefined) columns.flags[row] = requireFlags(`${path}.flags`, spec.flags)
    if (spec.protocol !== undefined) this.#protocol[row] = requireInteger(`${path}.protocol`, spec.protocol, 0, 255)
    if (spec.peer !== undefined) this.#peers.set(row, requireAddress(`${path}.peer`, spec.peer, word))
    if (spec.label !== undefined) this.#labels.set(row, requireLabel(`${path}.label`, spec.label, family))
    if (spec.broadcast === undefined) return
    if (family !== AF_INET) throw new ValidationError(`${path}.broadcast`, spec.broadcast, 'nothing: IPv6 has no broadcast')
    this.#broadcasts.set(row, requireAddress(`${path}.broadcast`, spec.broadcast, 'ip'))
  }

  #putLifetimes(row: number, path: string, spec: AddressSpec): void {
    const { validLifetimeSeconds: valid, preferredLifetimeSeconds: preferred } = spec
    if (valid !== undefined) this.#valid.set(row, requireInteger(`${path}.validLifetimeSeconds`, valid, 1, NONE - 1))
    if (preferred !== undefined) {
      this.#preferred.set(row, requireInteger(`${path}.preferredLifetimeSeconds`, preferred, 0, valid ?? NONE - 1))
    } else if (valid !== undefined) {
      this.#preferred.set(row, valid)
    }
  }

  finish(): NativeColumns {
    const columns: Columns = this.#columns
    if (this.#protocol.some((protocol) => protocol !== 0)) columns.protocol = this.#protocol
    this.#peers.addTo(columns, 'peer')
    this.#broadcasts.addTo(columns, 'broadcast')
    this.#labels.addTo(columns, 'label')
    if (this.#valid.isUsed || this.#preferred.isUsed) {
      this.#valid.addTo(columns, 'validLifetimeSeconds')
      this.#preferred.addTo(columns, 'preferredLifetimeSeconds')
    }
    return columns
  }
}

function requireScope(path: string, scope: unknown): number {
  const number = typeof scope === 'string' ? scopeNumber(scope) : undefined
  return number ?? requireInteger(path, scope, 0, 255)
}

/** Whether addresses were given as columns: an object that can be iterated is not. */
function areColumns(addresses: Iterable<AddressInput> | AddressColumns): addresses is AddressColumns {
  return typeof addresses === 'object' && !(Symbol.iterator in addresses)
}

/** How each column of {@link AddressColumns} has to be made. */
const publicColumns = [
  { name: 'family', type: Uint8Array, width: 1, isRequired: true },
  { name: 'address', type: Uint8Array, width: WIDTH, isRequired: true },
  { name: 'prefixLength', type: Uint8Array, width: 1, isRequired: true },
  { name: 'scope', type: Uint8Array, width: 1, isRequired: false },
  { name: 'flags', type: Uint32Array, width: 1, isRequired: false },
  { name: 'protocol', type: Uint8Array, width: 1, isRequired: false }
] as const

function copyColumns(given: AddressColumns, defaults: AddressDefaults): NativeColumns {
  const rows = requireInteger('addresses.rows', given.rows, 0, NONE - 1)
  const columns: Columns = { rows }
  for (const { name, type, width, isRequired } of publicColumns) {
    const column: unknown = given[name]
    if (column === undefined && !isRequired) continue
    if (!(column instanceof type) || column.length !== rows * width) {
      throw new ValidationError(`addresses.${name}`, column, `${type.name} of ${rows * width} entries (${width} a row)`)
    }
    columns[name] = copyArray<Uint8Array | Uint32Array>(`addresses.${name}`, column)
  }
  const family = columns.family as Uint8Array
  const prefixLength = columns.prefixLength as Uint8Array
  for (let row = 0; row < rows; row += 1) {
    if (family[row] !== AF_INET && family[row] !== AF_INET6) {
      throw new ValidationError(`addresses.family[${row}]`, family[row], `${AF_INET} (AF_INET) or ${AF_INET6} (AF_INET6)`)
    }
    requireInteger(`addresses.prefixLength[${row}]`, prefixLength[row], 0, family[row] === AF_INET ? 32 : 128)
  }
  const flags = requireFlags('options.flags', defaults.flags ?? [])
  columns.flags =
    columns.flags === undefined ? new Uint32Array(rows).fill(flags) : (columns.flags as Uint32Array).map((bits) => bits & settableFlags)
  const protocol = requireInteger('options.protocol', defaults.protocol ?? 0, 0, 255)
  if (columns.protocol === undefined && protocol !== 0) columns.protocol = new Uint8Array(rows).fill(protocol)
  return columns
}

/**
 * Checks what the caller gave and makes columns of it, which belong to no one else.
 *
 * @throws {ValidationError} Names the first address and field that cannot be written.
 */
export function encodeAddresses(addresses: Iterable<AddressInput> | AddressColumns, defaults: AddressDefaults): NativeColumns {
  const given: unknown = addresses
  if (typeof given === 'string' || given === null || typeof given !== 'object') {
    throw new ValidationError('addresses', given, 'an iterable of addresses, or columns')
  }
  if (areColumns(addresses)) return copyColumns(addresses, defaults)
  const list = toList('addresses', addresses, 'an iterable of addresses, or columns')
  const encoder = new AddressEncoder(list.length, defaults)
  for (const [row, input] of list.entries()) encoder.put(row, input)
  return encoder.finish()
}

/** Rows [from, to) as columns of their own, sharing memory. */
export function sliceColumns(columns: NativeColumns, from: number, to: number): NativeColumns {
  const slice: Columns = { rows: to - from }
  for (const [name, column] of Object.entries(columns)) {
    if (name === 'rows' || name.endsWith('Offsets')) continue
    const offsets = columns[`${name}Offsets`]
    if (offsets instanceof Uint32Array && column instanceof Uint8Array) {
      const start = offsets[from] ?? 0
      slice[name] = column.subarray(start, offsets[to])
      slice[`${name}Offsets`] = offsets.subarray(from, to + 1).map((offset) => offset - start)
    } else if (column instanceof Uint8Array || column instanceof Uint32Array) {
      const width = name === 'address' ? WIDTH : 1
      slice[name] = column.subarray(from * width, to * width)
    } else {
      slice[name] = column
    }
  }
  return slice
}

/** What identifies some rows (family, address, prefix length, peer), in their order, as columns of their own. */
export function pickRows(columns: NativeColumns, rows: readonly number[]): NativeColumns {
  const source = columns.address as Uint8Array
  const byte = (name: string, row: number): number => (columns[name] as Uint8Array)[row] ?? 0
  const address = new Uint8Array(rows.length * WIDTH)
  const peers = new BlobColumn()
  for (const [at, row] of rows.entries()) {
    address.set(source.subarray(row * WIDTH, (row + 1) * WIDTH), at * WIDTH)
    const peer = columns.peer === undefined ? undefined : blobOf(columns, 'peer', row)
    if (peer !== undefined) peers.set(at, peer)
  }
  const picked: Columns = {
    rows: rows.length,
    family: Uint8Array.from(rows, (row) => byte('family', row)),
    address,
    prefixLength: Uint8Array.from(rows, (row) => byte('prefixLength', row))
  }
  peers.addTo(picked, 'peer')
  return picked
}

/** Some rows with what can be set anew of an address that is on the link. */
export function pickSettings(columns: NativeColumns, rows: readonly number[]): NativeColumns {
  const picked: Columns = { ...pickRows(columns, rows) }
  for (const name of ['scope', 'flags', 'protocol', ...LIFETIMES]) {
    const column = columns[name]
    if (column instanceof Uint8Array || column instanceof Uint32Array)
      picked[name] = (column.constructor as Uint32ArrayConstructor).from(rows, (row) => column[row] ?? 0)
  }
  return picked
}

function addressOf(columns: NativeColumns, row: number): Uint8Array {
  const isIPv4 = (columns.family as Uint8Array)[row] === AF_INET
  return (columns.address as Uint8Array).subarray(row * WIDTH, row * WIDTH + (isIPv4 ? 4 : WIDTH))
}

/** A row in the caller's terms: `10.0.0.1/32`. */
export function describeRow(columns: NativeColumns, row: number): string {
  return `${formatAddress(addressOf(columns, row))}/${(columns.prefixLength as Uint8Array)[row] ?? 0}`
}

/** Whether a row is an IPv6 address. */
export function isIPv6Row(columns: NativeColumns, row: number): boolean {
  return (columns.family as Uint8Array)[row] === AF_INET6
}

/** Whether an address that is on a link has, to the second, the lifetimes that are wanted of it. Time passes: one that is to last some time seldom does. */
export function lastsAsWanted(wanted: NativeColumns, row: number, present: NativeColumns, presentRow: number): boolean {
  return LIFETIMES.every(
    (name) => ((wanted[name] as Uint32Array | undefined)?.[row] ?? NONE) === (present[name] as Uint32Array)[presentRow]
  )
}

function blobOf(columns: NativeColumns, name: string, row: number): Uint8Array | undefined {
  const offsets = columns[`${name}Offsets`] as Uint32Array
  const start = offsets[row] ?? 0
  const end = offsets[row + 1] ?? 0
  return start === end ? undefined : (columns[name] as Uint8Array).subarray(start, end)
}

/** The text of a symbol column's row; undefined where it has none. */
export function symbolOf(columns: NativeColumns, name: string, row: number): string | undefined {
  return (columns[`${name}Table`] as readonly string[])[(columns[name] as Uint32Array)[row] ?? NONE]
}

/** One row of a listing or event as an object. */
export function decodeAddress(columns: NativeColumns, row: number): LinkAddress {
  const number = (name: string): number => (columns[name] as Uint8Array | Uint32Array)[row] ?? 0
  const peer = blobOf(columns, 'peer', row)
  const broadcast = blobOf(columns, 'broadcast', row)
  const label = symbolOf(columns, 'label', row)
  const valid = number('validLifetimeSeconds')
  const preferred = number('preferredLifetimeSeconds')
  return {
    linkIndex: number('linkIndex'),
    family: isIPv6Row(columns, row) ? 'ip6' : 'ip',
    address: formatAddress(addressOf(columns, row)),
    prefixLength: number('prefixLength'),
    scope: scopeName(number('scope')),
    flags: addressFlags(number('flags')),
    protocol: number('protocol'),
    ...(peer && { peer: formatAddress(peer) }),
    ...(broadcast && { broadcast: formatAddress(broadcast) }),
    ...(label !== undefined && { label }),
    ...(valid !== NONE && { validLifetimeSeconds: valid }),
    ...(preferred !== NONE && { preferredLifetimeSeconds: preferred })
  }
}
