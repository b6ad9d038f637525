/**
 * How the client's methods reach the socket: in their turn, with an account of what became of them.
 */
import { requireBulkOptions } from '../core/bulk-run.js'
import type { BulkOptions, BulkReport } from '../core/bulk-run.js'
import { requireOptions, toList } from '../core/checks.js'
import { asNative } from '../core/columns.js'
import { ESRCH } from '../core/errno.js'
import { NetlinkError } from '../core/errors.js'
import type { JobQueue } from '../core/job-queue.js'
import type { AddOptions, CallOptions } from '../core/options.js'
import type { NativeIpvsCommand, NativeIpvsQuery, NativeIpvsSocket, NativeRecord } from '../native/index.js'
import { ChangeRun, type Change } from './changes.js'
import type { RealServerChangeColumns, RealServerKeyColumns, ServiceColumns, ServiceKeyColumns } from './column-types.js'
import { describeServiceRow, encodeKey } from './keys.js'
import type { Listing } from './listing.js'
import { areColumns, copyServers, copyServiceKeys, copyServices } from './public-columns.js'
import { unwrapIpvs } from './refusals.js'
import { encodeServerKeys, encodeServers, type ServerPaths } from './server-rows.js'
import { encodeServiceKeys, encodeServices } from './service-rows.js'
import type { ListOptions, RealServerKey, RealServerOf, VirtualServiceKey, VirtualServiceSpec } from './types.js'
import { completeServers, completeServices, type Reading } from './updates.js'

type Verb = Change['verb']

/** Names rows of many in errors. */
const servicePath = (row: number): string => `services[${row}]`
const serverPaths: ServerPaths = { service: (row) => `servers[${row}].service`, server: (row) => `servers[${row}].server` }
/** Names the one there is. */
const oneService = (): string => 'service'
const oneServer: ServerPaths = { service: oneService, server: () => 'server' }

/** The rows of a change. */
type Rows = Pick<Change, 'services' | 'servers'>
/** Makes the rows within the change's turn: an update may have to read first. */
type MakeRows = (reading: Reading) => Rows | Promise<Rows>

/** Real servers as rows. */
function asServers({ services, realServers }: RealServerChangeColumns<RealServerKeyColumns>): Rows {
  return { services, servers: realServers }
}

/** Checks services, and says how their rows are made. Those to remove are keys. */
function serviceRows(verb: Verb, list: readonly VirtualServiceSpec[], pathOf: (row: number) => string): MakeRows {
  if (verb === 'remove') {
    const keys = encodeServiceKeys(list, pathOf)
    return () => ({ services: keys })
  }
  const services = encodeServices(list, pathOf)
  return verb === 'update'
    ? async (reading) => ({ services: await completeServices(reading, services, list, pathOf) })
    : () => ({ services })
}

/** Checks real servers, and says how their rows are made. Those to remove are keys. */
function serverRows(verb: Verb, list: readonly RealServerOf<RealServerKey>[], paths: ServerPaths): MakeRows {
  if (verb === 'remove') {
    const keys = encodeServerKeys(list, paths)
    return () => asServers(keys)
  }
  const columns = encodeServers(list, paths)
  return verb === 'update' ? async (reading) => asServers(await completeServers(reading, columns, list, paths)) : () => asServers(columns)
}

/** Jobs of one client. */
export class IpvsCalls {
  readonly #socket: NativeIpvsSocket
  readonly #queue: JobQueue

  constructor(socket: NativeIpvsSocket, queue: JobQueue) {
    this.#socket = socket
    this.#queue = queue
  }

  async #change(kind: Pick<Change, 'verb' | 'of' | 'operation'>, options: BulkOptions, make: MakeRows): Promise<BulkReport> {
    const { onError, ensure, signal } = requireBulkOptions(options)
    const { operation } = kind
    return await this.#queue.run(operation, options, async (deadlineMs) => {
      const deadlineAt = performance.now() + deadlineMs
      const rows = await make({ socket: this.#socket, operation, deadlineMs })
      const run = new ChangeRun(this.#socket, { ...kind, ...rows, ensure, signal, deadlineAt })
      await run.apply()
      if (run.hasFailed && onError === 'throw') throw await run.error()
      return run.report()
    })
  }

  /** Changes one service: its refusal is what is thrown. */
  async changeService(verb: Verb, service: VirtualServiceKey, options: AddOptions): Promise<void> {
    const kind = { verb, of: 'service', operation: `ipvs.${verb}Service` } as const
    await this.#change(kind, { ...options, onError: 'throw' }, serviceRows(verb, [service], oneService))
  }

  /** Changes one real server: its refusal is what is thrown. */
  async changeServer(verb: Verb, service: VirtualServiceKey, server: RealServerKey, options: AddOptions): Promise<void> {
    const kind = { verb, of: 'realServer', operation: `ipvs.${verb}RealServer` } as const
    await this.#change(kind, { ...options, onError: 'throw' }, serverRows(verb, [{ service, server }], oneServer))
  }

  /** Changes many services. Columns are complete, but for those of a removal. */
  async changeServices(
    verb: Verb,
    given: Iterable<VirtualServiceKey> | ServiceKeyColumns | ServiceColumns,
    options: BulkOptions
  ): Promise<BulkReport> {
    const kind = { verb, of: 'service', operation: `ipvs.${verb}Services` } as const
    if (!areColumns('services', given)) return await this.#change(kind, options, serviceRows(verb, toList('services', given), servicePath))
    const services = verb === 'remove' ? copyServiceKeys('services', given) : copyServices('services', given as ServiceColumns)
    return await this.#change(kind, options, () => ({ services }))
  }

  /** Changes many real servers. Columns are complete, but for those of a removal. */
  async changeServers(
    verb: Verb,
    given: Iterable<RealServerOf<RealServerKey>> | RealServerChangeColumns<RealServerKeyColumns>,
    options: BulkOptions
  ): Promise<BulkReport> {
    const kind = { verb, of: 'realServer', operation: `ipvs.${verb}RealServers` } as const
    if (!areColumns('servers', given)) return await this.#change(kind, options, serverRows(verb, toList('servers', given), serverPaths))
    const columns = copyServers('servers', given, verb !== 'remove')
    return await this.#change(kind, options, () => asServers(columns))
  }

  /** Reads in pieces, of which columns or objects can be made. */
  async list(operation: string, what: { servers: boolean; services?: ServiceKeyColumns }, options: ListOptions): Promise<Listing> {
    const { statistics = true } = requireOptions(options)
    const { servers, services } = what
    return await this.#queue.run(operation, options, async (deadlineMs) => {
      const request = { servers, statistics, deadlineMs, ...(services !== undefined && { services: asNative(services) }) }
      return { ...unwrapIpvs(await this.#socket.list(request), operation), statistics }
    })
  }

  /** @throws {NetlinkError} `ESRCH`: there is no such service. */
  async readOne(operation: string, service: VirtualServiceKey, servers: boolean, options: ListOptions): Promise<Listing> {
    const services = encodeKey('service', service)
    const listed = await this.list(operation, { servers, services }, options)
    if (listed.services.some(({ rows }) => rows > 0)) return listed
    const subject = `service ${describeServiceRow(services, 0)}`
    throw new NetlinkError({ errno: ESRCH, operation, subject, hint: 'there is no such virtual service' })
  }

  async query(operation: string, command: NativeIpvsQuery['command'], options: CallOptions): Promise<readonly NativeRecord[]> {
    return await this.#queue.run(operation, options, async (deadlineMs) =>
      unwrapIpvs(await this.#socket.query({ command, deadlineMs }), operation)
    )
  }

  async command(
    operation: string,
    options: CallOptions,
    command: Omit<NativeIpvsCommand, 'deadlineMs'>,
    key?: ServiceKeyColumns
  ): Promise<void> {
    const subject = key === undefined ? undefined : `service ${describeServiceRow(key, 0)}`
    await this.#queue.run(operation, options, async (deadlineMs) =>
      unwrapIpvs(await this.#socket.command({ ...command, deadlineMs }), operation, subject)
    )
  }
}
