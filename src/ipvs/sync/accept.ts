/**
 * What is desired: checked once, brought into columns, and frozen, so that the same reference means the same service.
 */
import { toList } from '../../core/checks.js'
import { locate, ValidationError } from '../../core/errors.js'
import type { Slices } from '../../core/slices.js'
import type { RealServerColumns, ServiceColumns } from '../column-types.js'
import { describeServiceRow } from '../keys.js'
import { describeServerRow, putServer } from '../server-rows.js'
import { ServiceWriter } from '../service-rows.js'
import type { RealServerSpec } from '../types.js'
import { checkPolicy } from './drain-policy.js'
import { emptyKeptServers, EndpointIndex, Pack, type ServiceRow } from './rows.js'
import type { DesiredService, DrainPolicy } from './types.js'
import { writtenServers, type WritingService } from './written.js'

/** A desired service, checked and complete. */
export class Accepted implements ServiceRow {
  readonly #pack: Pack
  readonly key: string
  readonly row: number
  readonly from: number
  readonly to: number
  readonly draining: DrainPolicy | undefined

  constructor(pack: Pack, key: string, row: number, from: number, to: number, draining: DrainPolicy | undefined) {
    this.#pack = pack
    this.key = key
    this.row = row
    this.from = from
    this.to = to
    this.draining = draining
  }

  get services(): ServiceColumns {
    return this.#pack.services
  }

  get servers(): RealServerColumns {
    return this.#pack.servers
  }
}

// Fields that are listed may be given back: they are not settings, and say nothing.
const KEY_FIELDS = ['protocol', 'address', 'port', 'fwmark', 'family']
const serviceFields = new Set([
  ...KEY_FIELDS,
  ...['scheduler', 'flags', 'persistence', 'persistenceEngine', 'realServers', 'draining', 'statistics']
])
const serverFields = new Set([
  ...['address', 'port', 'family', 'forwarding', 'weight', 'upperThreshold', 'lowerThreshold', 'tunnel'],
  ...['activeConnections', 'inactiveConnections', 'persistentConnections', 'statistics']
])

/** A misspelt field would be a setting that silently does nothing. */
function checkFields(value: unknown, fields: ReadonlySet<string>): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ValidationError('', value, 'an object')
  for (const field in value) {
    if (!fields.has(field))
      throw new ValidationError(`.${field}`, (value as Record<string, unknown>)[field], `one of ${[...fields].join(', ')}`)
  }
}

const accepted = new WeakMap<DesiredService, Accepted>()
const none: readonly RealServerSpec[] = Object.freeze([])
const index = new EndpointIndex()

function freezeService(service: DesiredService): void {
  const { persistence, flags, realServers = none, draining } = service
  if (typeof persistence === 'object') Object.freeze(persistence)
  if (flags !== undefined) Object.freeze(flags)
  if (typeof draining === 'object') Object.freeze(draining)
  for (let index = 0; index < realServers.length; index += 1) {
    const server = realServers[index] as RealServerSpec
    if (server.tunnel) {
      if (server.tunnel.flags !== undefined) Object.freeze(server.tunnel.flags)
      Object.freeze(server.tunnel)
    }
    Object.freeze(server)
  }
  Object.freeze(realServers)
  Object.freeze(service)
}

/** Writes the real servers of a service from a row on; returns the row behind them. */
function putServers(list: readonly RealServerSpec[], columns: RealServerColumns, from: number, family: number | undefined): number {
  index.reset(columns, list.length)
  let at = 0
  try {
    for (; at < list.length; at += 1) {
      const server = list[at] as RealServerSpec
      checkFields(server, serverFields)
      putServer(server, columns, from + at, family)
      if (!index.add(from + at))
        throw new ValidationError('', describeServerRow(columns, from + at), 'each address and port once in a service')
    }
  } catch (error) {
    throw locate(error, `.realServers[${at}]`)
  }
  return from + list.length
}

/** Services that are checked together: few enough for a short slice. */
class Batch {
  readonly #path: string
  readonly #services: DesiredService[] = []
  readonly #places: number[] = []
  #servers = 0

  constructor(path: string) {
    this.#path = path
  }

  get isEmpty(): boolean {
    return this.#services.length === 0
  }

  get isFull(): boolean {
    return this.#servers >= BATCH_SERVERS || this.#services.length >= BATCH_SERVICES
  }

  /** @param place Of the service in what was given. */
  add(service: DesiredService, place: number): void {
    const { realServers, [writtenServers]: written } = Object(service) as Partial<WritingService>
    this.#services.push(service)
    this.#places.push(place)
    if (written !== undefined) this.#servers += written.count
    else if (Array.isArray(realServers)) this.#servers += realServers.length
  }

  accept(): void {
    const writer = new ServiceWriter(this.#services.length)
    const servers = emptyKeptServers(this.#servers)
    const ends = new Uint32Array(this.#services.length)
    let row = 0
    try {
      for (let end = 0; row < ends.length; row += 1)
        ends[row] = end = this.#put(this.#services[row] as DesiredService, row, writer, servers, end)
    } catch (error) {
      throw locate(error, `${this.#path}[${this.#places[row]}]`)
    }
    this.#keep(new Pack(writer.columns, servers), writer.columns, ends)
  }

  #keep(pack: Pack, columns: ServiceColumns, ends: Uint32Array): void {
    let from = 0
    for (let row = 0; row < ends.length; row += 1) {
      const service = this.#services[row] as DesiredService
      const to = ends[row] ?? 0
      accepted.set(service, new Accepted(pack, describeServiceRow(columns, row), row, from, to, service.draining))
      freezeService(service)
      from = to
    }
  }

  #put(service: WritingService, row: number, writer: ServiceWriter, servers: RealServerColumns, from: number): number {
    checkFields(service, serviceFields)
    const { realServers = none, draining, [writtenServers]: written } = service
    if (!Array.isArray(realServers)) throw new ValidationError('.realServers', realServers, 'a list of real servers')
    if (draining !== undefined) checkPolicy('.draining', draining)
    writer.put(service, row)
    if (written !== undefined) {
      written.write(servers, from)
      return from + written.count
    }
    return putServers(realServers as readonly RealServerSpec[], servers, from, writer.columns.family[row])
  }
}

/** Real servers of one batch. */
const BATCH_SERVERS = 512
const BATCH_SERVICES = 256

/**
 * Checks all services, by key. Those seen before cost a look-up.
 *
 * @throws {ValidationError} Names the service (`services[3]`), the field, and what is allowed. Services accepted before stay frozen.
 */
export async function acceptAll(path: string, services: Iterable<DesiredService>, slices: Slices): Promise<Map<string, Accepted>> {
  const list = toList(path, services, 'an iterable of services')
  let batch = new Batch(path)
  const flush = async (): Promise<void> => {
    batch.accept()
    batch = new Batch(path)
    if (slices.isOver) await slices.turn()
  }
  for (let place = 0; place < list.length; place += 1) {
    const service = list[place] as DesiredService
    if (place % 256 === 0 && slices.isOver) await slices.turn()
    if (typeof service === 'object' && accepted.has(service)) continue
    batch.add(service, place)
    if (batch.isFull) await flush()
  }
  if (!batch.isEmpty) await flush()
  const result = new Map<string, Accepted>()
  await slices.each(list, (service, place) => {
    const found = accepted.get(service)
    if (found === undefined) return
    if (result.has(found.key)) throw new ValidationError(`${path}[${place}]`, found.key, 'each service once')
    result.set(found.key, found)
  })
  return result
}
