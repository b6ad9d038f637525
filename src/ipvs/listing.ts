/**
 * Listings: pieces put together, and objects made of them in short slices.
 */
import { Slices } from '../core/slices.js'
import type { NativeColumns, NativeIpvsListing } from '../native/index.js'
import { ADDRESS_WIDTH, counterForms, indexedServiceForms, serverForms, serviceSymbols, zeroColumns } from './column-forms.js'
import type { IpvsColumns, RealServerListColumns, ServiceListColumns } from './column-types.js'
import { decodeServer } from './server-rows.js'
import { decodeService } from './service-rows.js'
import { readStatistics, STATISTICS_COLUMNS } from './statistics.js'
import { joinSymbols } from './symbols.js'
import type { RealServer, VirtualService, VirtualServiceListing } from './types.js'

type Numbers = Uint8Array | Uint16Array | Uint32Array | BigUint64Array

/** What the kernel was asked for, as it came. */
export interface Listing extends NativeIpvsListing {
  /** Whether statistics were asked for. Pieces in which nobody has counted anything lack their columns all the same. */
  readonly statistics: boolean
}

const isStatistics = (name: string): boolean => (STATISTICS_COLUMNS as readonly string[]).includes(name)

/** What an empty listing has. */
const noServices = (): NativeColumns => {
  const tables = serviceSymbols.map((name): [string, unknown] => [`${name}Table`, []])
  return { ...zeroColumns(0, indexedServiceForms), ...(Object.fromEntries(tables) as Record<string, unknown>), rows: 0 }
}
const noServers = (): NativeColumns => ({ ...zeroColumns(0, [...serverForms, ...counterForms]), rows: 0 })

function joinNames(pieces: readonly NativeColumns[], name: string): Record<string, unknown> {
  const parts = pieces.map((piece) => ({ indexes: piece[name] as Uint32Array, table: piece[`${name}Table`] as readonly string[] }))
  const { indexes, table } = joinSymbols(parts)
  return { [name]: indexes, [`${name}Table`]: table }
}

/** The statistics' columns: zeros, but for what pieces have. Memory of zeros that nobody writes to is none. */
function joinStatistics(pieces: readonly NativeColumns[]): Record<string, BigUint64Array> {
  const rows = pieces.reduce((sum, piece) => sum + piece.rows, 0)
  const joined: Record<string, BigUint64Array> = {}
  for (const name of STATISTICS_COLUMNS) {
    const whole = (joined[name] = new BigUint64Array(rows))
    let at = 0
    for (const piece of pieces) {
      if (piece[name] !== undefined) whole.set(piece[name] as BigUint64Array, at)
      at += piece.rows
    }
  }
  return joined
}

/** One table of several, column by column, without statistics. */
async function join(pieces: readonly NativeColumns[], empty: () => NativeColumns): Promise<NativeColumns> {
  const [first] = pieces
  if (first === undefined) return empty()
  if (pieces.length === 1) return first
  const slices = new Slices()
  const rows = pieces.reduce((sum, piece) => sum + piece.rows, 0)
  let joined: NativeColumns = { rows }
  for (const [name, column] of Object.entries(first)) {
    if (slices.isOver) await slices.turn()
    if (isStatistics(name)) continue
    if (`${name}Table` in first) {
      joined = { ...joined, ...joinNames(pieces, name) }
    } else if (ArrayBuffer.isView(column)) {
      const Type = column.constructor as new (length: number) => Numbers
      const whole = new Type(rows * (name === 'address' ? ADDRESS_WIDTH : 1))
      let at = 0
      for (const piece of pieces) {
        const part = piece[name] as Uint32Array
        ;(whole as Uint32Array).set(part, at)
        at += part.length
      }
      joined = { ...joined, [name]: whole }
    }
  }
  return joined
}

/** A listing as one table of services and one of real servers. */
export async function joinListing({ services, servers, statistics }: Listing): Promise<IpvsColumns> {
  const whole = async (pieces: readonly NativeColumns[], empty: () => NativeColumns): Promise<unknown> => {
    const joined = await join(pieces, empty)
    if (!statistics || (pieces.length === 1 && STATISTICS_COLUMNS[0] in joined)) return joined
    return { ...joined, ...joinStatistics(pieces) }
  }
  return {
    services: (await whole(services, noServices)) as ServiceListColumns,
    realServers: (await whole(servers, noServers)) as RealServerListColumns
  }
}

/** Visits every row of all pieces. `begin` makes what is needed for the rows of a piece. */
async function eachRow(pieces: readonly NativeColumns[], begin: (piece: NativeColumns) => (row: number) => void): Promise<void> {
  const slices = new Slices()
  for (const piece of pieces) {
    const visit = begin(piece)
    for (let row = 0; row < piece.rows; row += 1) {
      if (row % 64 === 0 && slices.isOver) await slices.turn()
      visit(row)
    }
  }
}

/** Services of a listing as objects, without their real servers. */
export async function decodeServices({ services, statistics }: Listing): Promise<VirtualService[]> {
  const decoded: VirtualService[] = []
  await eachRow(services, (piece) => {
    const columns = piece as unknown as ServiceListColumns
    const read = statistics ? readStatistics(columns) : undefined
    return (row) => decoded.push(decodeService(columns, row, read?.(row)))
  })
  return decoded
}

async function eachServer({ servers, statistics }: Listing, visit: (server: RealServer, service: number) => void): Promise<void> {
  await eachRow(servers, (piece) => {
    const columns = piece as unknown as RealServerListColumns
    const read = statistics ? readStatistics(columns) : undefined
    return (row) => visit(decodeServer(columns, row, read?.(row)), columns.service[row] ?? 0)
  })
}

/** Real servers of a listing as objects, whatever service they are of. */
export async function decodeServers(listing: Listing): Promise<RealServer[]> {
  const decoded: RealServer[] = []
  await eachServer(listing, (server) => decoded.push(server))
  return decoded
}

/** Services with their real servers. The pieces are not put together first: that would be another copy of them. */
export async function decodeListing(listing: Listing): Promise<VirtualServiceListing[]> {
  const listings: (VirtualService & { readonly realServers: RealServer[] })[] = []
  await eachRow(listing.services, (piece) => {
    const columns = piece as unknown as ServiceListColumns
    const read = listing.statistics ? readStatistics(columns) : undefined
    return (row) => {
      const service = decodeService(columns, row, read?.(row)) as VirtualService & { realServers: RealServer[] }
      service.realServers = []
      listings.push(service)
    }
  })
  await eachServer(listing, (server, service) => listings[service]?.realServers.push(server))
  return listings
}
