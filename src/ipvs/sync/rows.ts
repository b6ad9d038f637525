/**
 * Services and real servers as rows of columns: those that are desired, and those that the kernel lists.
 */
import { NO_SYMBOL } from '../../core/columns.js'
import { AF_INET } from '../../core/protocols.js'
import {
  ADDRESS_WIDTH,
  gatherRows,
  indexedServiceForms,
  serverForms,
  serviceForms,
  viewColumns,
  zeroColumns,
  type Run
} from '../column-forms.js'
import type { IpvsColumns, RealServerColumns, RealServerListColumns, ServiceColumns } from '../column-types.js'
import { PERSISTENT, SETTABLE_FLAGS } from '../constants.js'
import { describeServiceRow } from '../keys.js'
import { sameForwarding } from '../server-rows.js'
import { decodeService } from '../service-rows.js'
import { joinSymbols } from '../symbols.js'
import type { VirtualService } from '../types.js'

/** Real servers; what is only remembered has no counters. */
export type ServerTable = RealServerColumns & Partial<Pick<RealServerListColumns, 'activeConnections' | 'inactiveConnections'>>

/** A service, and its real servers: rows that follow one another. */
export interface ServiceRow {
  /** `tcp 10.96.0.1:80`: equal services have equal keys, however their addresses are spelt. */
  readonly key: string
  readonly services: ServiceColumns
  readonly row: number
  readonly servers: ServerTable
  /** The rows of its real servers: [from, to). */
  readonly from: number
  readonly to: number
}

/** A real server. */
export interface ServerRow {
  readonly servers: ServerTable
  readonly row: number
}

/** A service as an object, made anew with every call. */
export function serviceOf({ services, row }: ServiceRow): VirtualService {
  return decodeService(services, row)
}

/** `service` is made when rows are sent. */
const keptForms = serverForms.filter(({ name }) => name !== 'service')

/** Zeros, to be filled and packed. */
export function emptyKeptServers(rows: number): RealServerColumns {
  return zeroColumns(rows, keptForms) as unknown as RealServerColumns
}

/**
 * Services that were accepted together, with their real servers, for as long as one of them is remembered. Only the memory of their columns is kept: what looks
 * into it is made when it is needed, as twenty typed arrays would weigh more than the few rows of a small change.
 */
export class Pack {
  readonly #services: { readonly memory: ArrayBuffer; readonly rows: number; views?: WeakRef<ServiceColumns> }
  readonly #servers: { readonly memory: ArrayBuffer; readonly rows: number; views?: WeakRef<RealServerColumns> }
  readonly #tables: Pick<ServiceColumns, 'schedulerTable' | 'persistenceEngineTable'>

  /** @param services As {@link ServiceWriter} makes them. @param servers As {@link emptyKeptServers} makes them. */
  constructor(services: ServiceColumns, servers: RealServerColumns) {
    const { schedulerTable, persistenceEngineTable } = services
    this.#services = { memory: services.flags.buffer as ArrayBuffer, rows: services.rows, views: new WeakRef(services) }
    this.#servers = { memory: servers.weight.buffer as ArrayBuffer, rows: servers.rows, views: new WeakRef(servers) }
    this.#tables = { schedulerTable, persistenceEngineTable }
  }

  get services(): ServiceColumns {
    const { memory, rows, views } = this.#services
    const known = views?.deref()
    if (known !== undefined) return known
    const made = { ...viewColumns(memory, rows, indexedServiceForms), ...this.#tables } as unknown as ServiceColumns
    this.#services.views = new WeakRef(made)
    return made
  }

  get servers(): RealServerColumns {
    const { memory, rows, views } = this.#servers
    const known = views?.deref()
    if (known !== undefined) return known
    const made = viewColumns(memory, rows, keptForms) as unknown as RealServerColumns
    this.#servers.views = new WeakRef(made)
    return made
  }
}

/** What the kernel lists, service by service. */
export function* listedServices({ services, realServers }: IpvsColumns): Generator<ServiceRow> {
  let to = 0
  for (let row = 0; row < services.rows; row += 1) {
    const from = to
    while (to < realServers.rows && realServers.service[to] === row) to += 1
    yield { key: describeServiceRow(services, row), services, row, servers: realServers, from, to }
  }
}

function symbolAt(indexes: Uint32Array, table: readonly string[], row: number): string | undefined {
  return table[indexes[row] ?? NO_SYMBOL]
}

/** Whether two services of one key are set alike. Of the kernel's own flags, and of a persistence that is off, nothing is compared. */
export function sameService(left: ServiceRow, right: ServiceRow): boolean {
  const { services: a, row: i } = left
  const { services: b, row: j } = right
  const bits = PERSISTENT | SETTABLE_FLAGS
  const flags = (a.flags[i] ?? 0) & bits
  return (
    flags === ((b.flags[j] ?? 0) & bits) &&
    symbolAt(a.scheduler, a.schedulerTable, i) === symbolAt(b.scheduler, b.schedulerTable, j) &&
    symbolAt(a.persistenceEngine, a.persistenceEngineTable, i) === symbolAt(b.persistenceEngine, b.persistenceEngineTable, j) &&
    ((flags & PERSISTENT) === 0 || (a.timeoutSeconds[i] === b.timeoutSeconds[j] && a.netmask[i] === b.netmask[j]))
  )
}

/** Whether a real server in the kernel is as wanted. */
export function sameServer(known: ServerTable, i: number, wanted: ServerTable, j: number): boolean {
  if (known.weight[i] !== wanted.weight[j] || known.upperThreshold[i] !== wanted.upperThreshold[j]) return false
  if (known.lowerThreshold[i] !== wanted.lowerThreshold[j]) return false
  return sameForwarding(known, i, wanted, j)
}

/** Whether two rows name the same address and port. */
function sameEndpoint(left: ServerTable, i: number, right: ServerTable, j: number): boolean {
  if (left.port[i] !== right.port[j] || left.family[i] !== right.family[j]) return false
  const width = left.family[i] === AF_INET ? 4 : ADDRESS_WIDTH
  for (let at = 0; at < width; at += 1) if (left.address[i * ADDRESS_WIDTH + at] !== right.address[j * ADDRESS_WIDTH + at]) return false
  return true
}

function hashEndpoint({ address, family, port }: ServerTable, row: number): number {
  const from = row * ADDRESS_WIDTH
  const to = from + (family[row] === AF_INET ? 4 : ADDRESS_WIDTH)
  let hash = port[row] ?? 0
  for (let at = from; at < to; at += 1) hash = Math.imul(hash, 31) + (address[at] ?? 0)
  return Math.imul(hash, 0x9e3779b1) >>> 8
}

const VACANT = -1

/** Rows of one table by address and port. One index is used for one service after the other. */
export class EndpointIndex {
  #slots = new Int32Array(32)
  #mask = 31
  #servers: ServerTable | undefined

  /** Forgets everything, and makes room for rows of another table. */
  reset(servers: ServerTable, rows: number): void {
    this.#servers = servers
    const size = 2 ** Math.max(5, Math.ceil(Math.log2(2 * rows + 1)))
    if (size > this.#slots.length) this.#slots = new Int32Array(size)
    this.#mask = size - 1
    this.#slots.fill(VACANT, 0, size)
  }

  /** Puts a row of the table in. False: another one has its address and port. */
  add(row: number): boolean {
    const servers = this.#servers as ServerTable
    const slot = this.#find(servers, row)
    if (this.#slots[slot] !== VACANT) return false
    this.#slots[slot] = row
    return true
  }

  /** The row with the address and port of a row of any table; undefined: there is none. */
  find(servers: ServerTable, row: number): number | undefined {
    const found = this.#slots[this.#find(servers, row)] ?? VACANT
    return found === VACANT ? undefined : found
  }

  #find(servers: ServerTable, row: number): number {
    const own = this.#servers as ServerTable
    let slot = hashEndpoint(servers, row) & this.#mask
    while (this.#slots[slot] !== VACANT && !sameEndpoint(own, this.#slots[slot] ?? 0, servers, row)) slot = (slot + 1) & this.#mask
    return slot
  }
}

/** The row among a service's real servers with the address and port of another row; undefined: there is none. */
export function findServer(service: ServiceRow, { servers, row }: ServerRow): number | undefined {
  for (let at = service.from; at < service.to; at += 1) if (sameEndpoint(service.servers, at, servers, row)) return at
  return undefined
}

/** Copies of a service's real servers, with weight 0. */
export function withoutWeight({ servers, from, to }: ServiceRow): ServerTable {
  const copies = gatherRows([{ columns: servers, from, to }], serverForms) as unknown as RealServerColumns
  copies.weight.fill(0)
  return copies
}

/** Rows of services, whatever tables they are in, as one. */
export function gatherServices(runs: readonly Run[]): ServiceColumns {
  const pieces = runs.map(({ columns, from, to }) => ({ columns: columns as ServiceColumns, from, to }))
  const scheduler = joinSymbols(
    pieces.map(({ columns, from, to }) => ({ indexes: columns.scheduler.subarray(from, to), table: columns.schedulerTable }))
  )
  const engine = joinSymbols(
    pieces.map(({ columns, from, to }) => ({
      indexes: columns.persistenceEngine.subarray(from, to),
      table: columns.persistenceEngineTable
    }))
  )
  return {
    ...(gatherRows(runs, serviceForms) as unknown as ServiceColumns),
    scheduler: scheduler.indexes,
    schedulerTable: scheduler.table,
    persistenceEngine: engine.indexes,
    persistenceEngineTable: engine.table
  }
}

/** Adds rows [from, to) to runs of rows. */
export function addRun(runs: Run[], columns: { readonly rows: number }, from: number, to = from + 1): void {
  const last = runs.at(-1)
  if (last?.columns === columns && last.to === from) last.to = to
  else runs.push({ columns, from, to })
}
