/**
 * Listings: pieces put together, and objects made of them in short slices.
 */
import type { NativeColumns, NativeIpvsListing } from '../native.js'
import { Slices } from '../slices.js'
import type { IpvsColumns, RealServerListColumns, ServiceListColumns } from './column-types.js'
import { ADDRESS_WIDTH } from './keys.js'
import { decodeServer } from './server-rows.js'
import { decodeService } from './service-rows.js'
import { NO_SYMBOL } from './symbols.js'
import type { RealServer, VirtualService, VirtualServiceListing } from './types.js'

type Numbers = Uint8Array | Uint16Array | Uint32Array | BigUint64Array

/** What an empty listing has. */
const empty = {
  service: Uint32Array,
  family: Uint8Array,
  protocol: Uint8Array,
  address: Uint8Array,
  port: Uint16Array,
  fwmark: Uint32Array,
  scheduler: Uint32Array,
  flags: Uint32Array,
  timeoutSeconds: Uint32Array,
  netmask: Uint32Array,
  persistenceEngine: Uint32Array,
  forwarding: Uint8Array,
  weight: Uint32Array,
  upperThreshold: Uint32Array,
  lowerThreshold: Uint32Array,
  tunnelType: Uint8Array,
  tunnelPort: Uint16Array,
  tunnelFlags: Uint16Array,
  activeConnections: Uint32Array,
  inactiveConnections: Uint32Array,
  persistentConnections: Uint32Array
}

function emptyColumns(): NativeColumns {
  const arrays = Object.entries(empty).map(([name, Type]): [string, unknown] => [name, new Type(0)])
  return { rows: 0, ...(Object.fromEntries(arrays) as Record<string, unknown>), schedulerTable: [], persistenceEngineTable: [] }
}

/** Indexes into the table of a piece become those into a common one. */
function joinSymbols(pieces: readonly NativeColumns[], name: string, rows: number): Record<string, unknown> {
  const indexes = new Uint32Array(rows)
  const table = new Map<string, number>()
  let row = 0
  for (const piece of pieces) {
    const own = (piece[`${name}Table`] as readonly string[]).map((text) => {
      if (!table.has(text)) table.set(text, table.size)
      return table.get(text) ?? NO_SYMBOL
    })
    for (const index of piece[name] as Uint32Array) indexes[row++] = own[index] ?? NO_SYMBOL
  }
  return { [name]: indexes, [`${name}Table`]: [...table.keys()] }
}

/** One table of several, column by column. */
async function join(pieces: readonly NativeColumns[]): Promise<NativeColumns> {
  const [first] = pieces
  if (first === undefined) return emptyColumns()
  if (pieces.length === 1) return first
  const slices = new Slices()
  const rows = pieces.reduce((sum, piece) => sum + piece.rows, 0)
  let joined: NativeColumns = { rows }
  for (const [name, column] of Object.entries(first)) {
    if (slices.isOver) await slices.turn()
    if (`${name}Table` in first) {
      joined = { ...joined, ...joinSymbols(pieces, name, rows) }
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
export async function joinListing({ services, servers }: NativeIpvsListing): Promise<IpvsColumns> {
  return {
    services: (await join(services)) as unknown as ServiceListColumns,
    realServers: (await join(servers)) as unknown as RealServerListColumns
  }
}

/** Makes an object of every row. */
async function decodeRows<T>(rows: number, decode: (row: number) => T, slices = new Slices()): Promise<T[]> {
  const objects: T[] = []
  for (let row = 0; row < rows; row += 1) {
    if (row % 64 === 0 && slices.isOver) await slices.turn()
    objects.push(decode(row))
  }
  return objects
}

export async function decodeServices(columns: ServiceListColumns): Promise<VirtualService[]> {
  return await decodeRows(columns.rows, (row) => decodeService(columns, row))
}

export async function decodeServers(columns: RealServerListColumns): Promise<RealServer[]> {
  return await decodeRows(columns.rows, (row) => decodeServer(columns, row))
}

/** Services with their real servers. */
export async function decodeListing({ services, realServers }: IpvsColumns, slices = new Slices()): Promise<VirtualServiceListing[]> {
  const decode = (row: number) => ({ ...decodeService(services, row), realServers: [] as RealServer[] })
  const listings = await decodeRows(services.rows, decode, slices)
  const put = (row: number) => listings[realServers.service[row] ?? 0]?.realServers.push(decodeServer(realServers, row))
  await decodeRows(realServers.rows, put, slices)
  return listings
}
