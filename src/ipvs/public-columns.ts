/**
 * Columns that a caller made: checked, and copied so that they belong to nobody else.
 */
import { ValidationError } from '../errors.js'
import { requireInteger, requireObject } from './checks.js'
import type { RealServerChangeColumns, RealServerKeyColumns, ServiceColumns, ServiceKeyColumns } from './column-types.js'
import { AF_INET, AF_INET6, MAX_INT } from './constants.js'
import { ADDRESS_WIDTH } from './keys.js'
import { NO_SYMBOL } from './symbols.js'

type Numbers = Uint8Array | Uint16Array | Uint32Array
interface ColumnForm {
  readonly name: string
  readonly type: Uint8ArrayConstructor | Uint16ArrayConstructor | Uint32ArrayConstructor
  /** Entries a row; default 1. */
  readonly width?: number
  /** Largest entry; default: what the type holds. */
  readonly most?: number
}

const serviceKeys: readonly ColumnForm[] = [
  { name: 'family', type: Uint8Array },
  { name: 'protocol', type: Uint8Array },
  { name: 'address', type: Uint8Array, width: ADDRESS_WIDTH },
  { name: 'port', type: Uint16Array },
  { name: 'fwmark', type: Uint32Array }
]
const serviceSettings: readonly ColumnForm[] = [
  { name: 'flags', type: Uint32Array },
  { name: 'timeoutSeconds', type: Uint32Array },
  { name: 'netmask', type: Uint32Array }
]
const serverKeys: readonly ColumnForm[] = [
  { name: 'service', type: Uint32Array },
  { name: 'family', type: Uint8Array },
  { name: 'address', type: Uint8Array, width: ADDRESS_WIDTH },
  { name: 'port', type: Uint16Array }
]
const serverSettings: readonly ColumnForm[] = [
  { name: 'forwarding', type: Uint8Array, most: 4 },
  { name: 'weight', type: Uint32Array, most: MAX_INT },
  { name: 'upperThreshold', type: Uint32Array, most: MAX_INT },
  { name: 'lowerThreshold', type: Uint32Array, most: MAX_INT },
  { name: 'tunnelType', type: Uint8Array, most: 2 },
  { name: 'tunnelPort', type: Uint16Array },
  { name: 'tunnelFlags', type: Uint16Array, most: 3 }
]

/** Whether something was given as columns: an object that can be iterated is not. */
export function areColumns<T extends object>(path: string, given: Iterable<unknown> | T): given is T {
  if (typeof given === 'string') throw new ValidationError(path, given, 'an iterable of objects, or columns')
  requireObject(path, given, 'an iterable of objects, or columns')
  return !(Symbol.iterator in given)
}

function copy(path: string, given: object, rows: number, forms: readonly ColumnForm[]): Record<string, unknown> {
  const columns: Record<string, unknown> = { rows }
  for (const { name, type, width = 1, most } of forms) {
    const column = (given as Record<string, unknown>)[name]
    if (!(column instanceof type) || column.length !== rows * width)
      throw new ValidationError(`${path}.${name}`, column, `${type.name} of ${rows * width} entries (${width} a row)`)
    const own: Numbers = column.slice()
    const wrong = most === undefined ? -1 : own.findIndex((value) => value > most)
    if (wrong >= 0) throw new ValidationError(`${path}.${name}[${wrong}]`, own[wrong], `at most ${most}`)
    columns[name] = own
  }
  const wrong = (columns.family as Uint8Array).findIndex((family) => family !== AF_INET && family !== AF_INET6)
  if (wrong >= 0) {
    const value = (columns.family as Uint8Array)[wrong]
    throw new ValidationError(`${path}.family[${wrong}]`, value, `${AF_INET} (AF_INET) or ${AF_INET6} (AF_INET6)`)
  }
  return columns
}

function rowsOf(path: string, given: { readonly rows: number }): number {
  requireObject(path, given, 'columns')
  return requireInteger(`${path}.rows`, given.rows, 0, NO_SYMBOL - 1)
}

function copySymbols(path: string, given: object, name: string, rows: number, isRequired: boolean): Record<string, unknown> {
  const { [name]: indexes, [`${name}Table`]: table } = given as Record<string, unknown>
  if (!(indexes instanceof Uint32Array) || indexes.length !== rows)
    throw new ValidationError(`${path}.${name}`, indexes, `Uint32Array of ${rows} entries`)
  if (!Array.isArray(table) || !table.every((text) => typeof text === 'string' && text !== '' && Buffer.byteLength(text) <= 15))
    throw new ValidationError(`${path}.${name}Table`, table, 'a list of names of 1 to 15 bytes')
  const wrong = indexes.findIndex((index) => index >= table.length && (isRequired || index !== NO_SYMBOL))
  if (wrong >= 0) throw new ValidationError(`${path}.${name}[${wrong}]`, indexes[wrong], `an index into ${name}Table`)
  return { [name]: indexes.slice(), [`${name}Table`]: [...(table as string[])] }
}

export function copyServiceKeys(path: string, given: ServiceKeyColumns): ServiceKeyColumns {
  return copy(path, given, rowsOf(path, given), serviceKeys) as unknown as ServiceKeyColumns
}

/** @throws {ValidationError} Names the column, and where one is at fault its entry. */
export function copyServices(path: string, given: ServiceColumns): ServiceColumns {
  const rows = rowsOf(path, given)
  return {
    ...copy(path, given, rows, [...serviceKeys, ...serviceSettings]),
    ...copySymbols(path, given, 'scheduler', rows, true),
    ...copySymbols(path, given, 'persistenceEngine', rows, false)
  } as unknown as ServiceColumns
}

/** @throws {ValidationError} Names the column, and where one is at fault its entry. */
export function copyServers<T extends RealServerKeyColumns>(
  path: string,
  given: RealServerChangeColumns<T>,
  settings: boolean
): RealServerChangeColumns<T> {
  const services = copyServiceKeys(`${path}.services`, given.services)
  const inner = `${path}.realServers`
  const forms = settings ? [...serverKeys, ...serverSettings] : serverKeys
  const servers = copy(inner, given.realServers, rowsOf(inner, given.realServers), forms) as unknown as T
  const wrong = servers.service.findIndex((row) => row >= services.rows)
  if (wrong >= 0)
    throw new ValidationError(`${inner}.service[${wrong}]`, servers.service[wrong], `a row of services: below ${services.rows}`)
  return { services, realServers: servers }
}

/** Rows [from, to) of a table, sharing memory; tables of symbols stay whole. */
export function sliceRows<T extends { readonly rows: number }>(columns: T, from: number, to: number): T {
  const slice: Record<string, unknown> = {}
  for (const [name, column] of Object.entries(columns)) {
    const width = name === 'address' ? ADDRESS_WIDTH : 1
    slice[name] = ArrayBuffer.isView(column) ? (column as unknown as Uint32Array).subarray(from * width, to * width) : column
  }
  slice.rows = to - from
  return slice as T
}
