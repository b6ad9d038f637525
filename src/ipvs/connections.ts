/**
 * The connection table, as a stream.
 */
import { formatAddress, requireAddress } from '../core/address.js'
import { requireInteger, requireObject, requireOptions } from '../core/checks.js'
import { NO_SYMBOL } from '../core/columns.js'
import { ClosedError, ValidationError } from '../core/errors.js'
import { nativeOpenOptions, type OpenOptions } from '../core/options.js'
import type { NativeAddon, NativeColumns } from '../native/index.js'
import { ADDRESS_WIDTH } from './column-forms.js'
import { unwrapIpvs } from './refusals.js'
import type { ConnectionFilter, ConnectionsOptions, IpvsConnection } from './types.js'

/** Entries of one job. */
const ROWS_PER_READ = 2048

const addressFields = ['clientAddress', 'virtualAddress', 'realAddress'] as const
const portFields = ['clientPort', 'virtualPort', 'realPort'] as const
const textFields = ['protocol', 'state'] as const

/** A filter with its addresses in the form in which they are listed. */
function normalise(filter: ConnectionFilter): [keyof ConnectionFilter, string | number][] {
  requireObject('options.filter', filter, 'an object')
  const wanted: [keyof ConnectionFilter, string | number][] = []
  for (const name of addressFields) {
    if (filter[name] !== undefined) wanted.push([name, formatAddress(requireAddress(`options.filter.${name}`, filter[name]))])
  }
  for (const name of portFields) {
    if (filter[name] !== undefined) wanted.push([name, requireInteger(`options.filter.${name}`, filter[name], 0, 65_535)])
  }
  for (const name of textFields) {
    const value: unknown = filter[name]
    if (value === undefined) continue
    if (typeof value !== 'string') throw new ValidationError(`options.filter.${name}`, value, 'text')
    wanted.push([name, name === 'state' ? value.toUpperCase() : value.toLowerCase()])
  }
  return wanted
}

function decode(columns: NativeColumns, row: number): IpvsConnection {
  const symbol = (name: string): string | undefined =>
    (columns[`${name}Table`] as readonly string[])[(columns[name] as Uint32Array)[row] ?? NO_SYMBOL]
  const number = (name: string): number => (columns[name] as Uint16Array | Uint32Array)[row] ?? 0
  const address = (name: string): string => {
    const length = (columns[`${name}Length`] as Uint8Array)[row] ?? 4
    return formatAddress((columns[`${name}Address`] as Uint8Array).subarray(row * ADDRESS_WIDTH, row * ADDRESS_WIDTH + length))
  }
  const engine = symbol('persistenceEngine')
  return {
    protocol: (symbol('protocol') ?? '').toLowerCase(),
    clientAddress: address('client'),
    clientPort: number('clientPort'),
    virtualAddress: address('virtual'),
    virtualPort: number('virtualPort'),
    realAddress: address('real'),
    realPort: number('realPort'),
    state: symbol('state') ?? '',
    expiresSeconds: number('expiresSeconds'),
    ...(engine !== undefined && { persistenceEngine: engine, persistenceData: symbol('persistenceData') ?? '' })
  }
}

/**
 * Streams the connection table. The file is opened when the iteration begins, and closed when it ends.
 *
 * @throws {ValidationError} The filter is none.
 */
export function openConnections(
  kernel: Pick<NativeAddon, 'openIpvsConnections'>,
  defaults: OpenOptions,
  isClosed: () => boolean,
  options: ConnectionsOptions
): AsyncIterable<IpvsConnection> {
  const operation = 'ipvs.iterateConnections'
  requireOptions(options)
  const wanted = options.filter === undefined ? [] : normalise(options.filter)
  const native = nativeOpenOptions({ ...defaults, deadlineMs: options.deadlineMs ?? defaults.deadlineMs })
  return {
    async *[Symbol.asyncIterator]() {
      if (isClosed()) throw new ClosedError('the Ipvs client')
      options.signal?.throwIfAborted()
      const table = unwrapIpvs(await kernel.openIpvsConnections(native), operation)
      try {
        for (;;) {
          options.signal?.throwIfAborted()
          const columns = unwrapIpvs(await table.read({ rows: ROWS_PER_READ }), operation)
          if (columns.rows === 0) return
          for (let row = 0; row < columns.rows; row += 1) {
            const connection = decode(columns, row)
            if (wanted.every(([name, value]) => connection[name] === value)) yield connection
          }
        }
      } finally {
        table.close()
      }
    }
  }
}
