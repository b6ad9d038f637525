/**
 * Columns that a caller made: checked, and copied so that they belong to no one else.
 */
import { copyArray, requireInteger, requireObject } from '../core/checks.js'
import { NO_SYMBOL } from '../core/columns.js'
import { ValidationError } from '../core/errors.js'
import { AF_INET, AF_INET6 } from '../core/protocols.js'
import { serverForms, serverKeyForms, serviceForms, serviceKeyForms, type ColumnForm } from './column-forms.js'
import type { RealServerChangeColumns, RealServerKeyColumns, ServiceColumns, ServiceKeyColumns } from './column-types.js'

type Numbers = Uint8Array | Uint16Array | Uint32Array

/** Whether something was given as columns: an object that can be iterated is not. */
export function areColumns<T extends object>(path: string, given: Iterable<unknown> | T): given is T {
  if (typeof given !== 'object' || (given as unknown) === null) throw new ValidationError(path, given, 'an iterable of objects, or columns')
  return !(Symbol.iterator in given)
}

function copy(path: string, given: object, rows: number, forms: readonly ColumnForm[]): Record<string, unknown> {
  const columns: Record<string, unknown> = { rows }
  for (const { name, type, width = 1, max } of forms) {
    const column = (given as Record<string, unknown>)[name]
    if (!(column instanceof type) || column.length !== rows * width)
      throw new ValidationError(`${path}.${name}`, column, `${type.name} of ${rows * width} entries (${width} a row)`)
    const own = copyArray<Numbers>(`${path}.${name}`, column)
    const wrong = max === undefined ? -1 : own.findIndex((value) => value > max)
    if (wrong >= 0) throw new ValidationError(`${path}.${name}[${wrong}]`, own[wrong], `at most ${max}`)
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
  return { [name]: copyArray(`${path}.${name}`, indexes), [`${name}Table`]: [...(table as string[])] }
}

export function copyServiceKeys(path: string, given: ServiceKeyColumns): ServiceKeyColumns {
  return copy(path, given, rowsOf(path, given), serviceKeyForms) as unknown as ServiceKeyColumns
}

/** @throws {ValidationError} Names the column, and where one is at fault its entry. */
export function copyServices(path: string, given: ServiceColumns): ServiceColumns {
  const rows = rowsOf(path, given)
  return {
    ...copy(path, given, rows, serviceForms),
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
  const forms = settings ? serverForms : serverKeyForms
  const servers = copy(inner, given.realServers, rowsOf(inner, given.realServers), forms) as unknown as T
  const wrong = servers.service.findIndex((row) => row >= services.rows)
  if (wrong >= 0)
    throw new ValidationError(`${inner}.service[${wrong}]`, servers.service[wrong], `a row of services: below ${services.rows}`)
  return { services, realServers: servers }
}
