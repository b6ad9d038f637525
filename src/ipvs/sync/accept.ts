/**
 * What is desired: checked once, brought into the form in which the kernel lists it, and frozen, so that the same reference means the same service.
 */
import { locate, ValidationError } from '../../errors.js'
import type { Slices } from '../../slices.js'
import { describeService, endpointText } from '../keys.js'
import { completeServer, encodeServers, type ServerPaths, type ServerState } from '../server-rows.js'
import { decodeService, encodeServices } from '../service-rows.js'
import type { RealServerOf, RealServerSpec, VirtualService } from '../types.js'
import { checkPolicy } from './drain-policy.js'
import type { DesiredService, DrainPolicy } from './types.js'

/** A desired service, checked and complete. */
export interface Accepted {
  /** Equal services have equal keys, however their addresses are spelt. */
  readonly key: string
  readonly service: VirtualService
  readonly servers: readonly ServerState[]
  readonly draining: DrainPolicy | undefined
}

/** The key of a real server within its service. */
export function serverKey({ address, port }: { readonly address: string; readonly port: number }): string {
  return endpointText(address, port)
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

function freezeService(service: DesiredService): void {
  const { persistence, flags, realServers = none, draining } = service
  for (const part of [persistence, flags, draining]) if (typeof part === 'object') Object.freeze(part)
  for (const server of realServers) {
    if (server.tunnel?.flags !== undefined) Object.freeze(server.tunnel.flags)
    if (server.tunnel) Object.freeze(server.tunnel)
    Object.freeze(server)
  }
  Object.freeze(realServers)
  Object.freeze(service)
}

/** Services that are checked together: few enough for a short slice. */
interface Batch {
  readonly services: DesiredService[]
  readonly paths: string[]
  readonly servers: RealServerOf[]
  /** Of each real server: the index of its service, and its own within that. */
  readonly owners: number[]
  readonly places: number[]
}

const emptyBatch = (): Batch => ({ services: [], paths: [], servers: [], owners: [], places: [] })

function addToBatch(batch: Batch, service: DesiredService, path: string): void {
  let at = -1
  try {
    checkFields(service, serviceFields)
    const { realServers = none, draining } = service
    if (!Array.isArray(realServers)) throw new ValidationError('.realServers', realServers, 'a list of real servers')
    if (draining !== undefined) checkPolicy('.draining', draining)
    const index = batch.services.push(service) - 1
    batch.paths.push(path)
    for (const server of realServers as readonly RealServerSpec[]) {
      at += 1
      checkFields(server, serverFields)
      batch.owners.push(index)
      batch.places.push(at)
      batch.servers.push({ service, server })
    }
  } catch (error) {
    throw locate(error, at < 0 ? path : `${path}.realServers[${at}]`)
  }
}

function acceptBatch({ services, paths, servers, owners, places }: Batch): void {
  const serviceColumns = encodeServices(services, (row) => paths[row] ?? '')
  const serverPaths: ServerPaths = {
    service: (row) => paths[owners[row] ?? 0] ?? '',
    server: (row) => `${paths[owners[row] ?? 0]}.realServers[${places[row]}]`
  }
  const { realServers } = encodeServers(servers, serverPaths)
  let at = 0
  for (const [row, service] of services.entries()) {
    const keys = new Set<string>()
    const list: ServerState[] = []
    for (; at < servers.length && owners[at] === row; at += 1) {
      const state = completeServer((servers[at] as RealServerOf).server, realServers, at)
      const key = serverKey(state)
      if (keys.has(key)) throw new ValidationError(serverPaths.server(at), key, 'each address and port once in a service')
      keys.add(key)
      list.push(state)
    }
    const decoded = decodeService(serviceColumns, row)
    accepted.set(service, { key: describeService(decoded), service: decoded, servers: list, draining: service.draining })
    freezeService(service)
  }
}

/** A real server without its counters. */
export function stateOf({ address, port, forwarding, weight, upperThreshold, lowerThreshold, tunnel }: ServerState): ServerState {
  return { address, port, forwarding, weight, upperThreshold, lowerThreshold, tunnel }
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
  if (typeof services === 'string' || typeof (services as unknown) !== 'object' || !(Symbol.iterator in services))
    throw new ValidationError(path, services, 'an iterable of services')
  const list = [...services]
  let batch = emptyBatch()
  const flush = async (): Promise<void> => {
    acceptBatch(batch)
    batch = emptyBatch()
    if (slices.isOver) await slices.turn()
  }
  for (const [index, service] of list.entries()) {
    if (index % 256 === 0 && slices.isOver) await slices.turn()
    if (typeof service === 'object' && accepted.has(service)) continue
    addToBatch(batch, service, `${path}[${index}]`)
    if (batch.servers.length >= BATCH_SERVERS || batch.services.length >= BATCH_SERVICES) await flush()
  }
  if (batch.services.length > 0) await flush()
  const result = new Map<string, Accepted>()
  await slices.each(list, (service, index) => {
    const found = accepted.get(service)
    if (found === undefined) return
    if (result.has(found.key)) throw new ValidationError(`${path}[${index}]`, found.key, 'each service once')
    result.set(found.key, found)
  })
  return result
}
