import { NetlinkError } from '../../src/errors.js'
import type {
  ChangeReport,
  IpvsColumns,
  RealServerColumns,
  RealServerListColumns,
  ServiceColumns,
  ServiceKeyColumns
} from '../../src/ipvs/column-types.js'
import { ROW_APPLIED, ROW_NOT_SENT, ROW_REFUSED, ROW_UNCHANGED, ROW_UNKNOWN } from '../../src/ipvs/column-types.js'
import { describeServiceRow } from '../../src/ipvs/keys.js'
import { decodeServer, encodeServers } from '../../src/ipvs/server-rows.js'
import { decodeService, encodeServices } from '../../src/ipvs/service-rows.js'
import type { RealServer, VirtualService, VirtualServiceSpec } from '../../src/ipvs/types.js'
import { serverKey } from '../../src/ipvs/sync/accept.js'
import type { ChangeRows, Limits, SyncTarget } from '../../src/ipvs/sync/target.js'

const EPERM = 1
const ENOENT = 2
const ESRCH = 3
const EEXIST = 17
const ENOBUFS = 105

/** What happens to the n-th operation: an errno refuses it; `lost`: it and three more are tried, their replies and what follows in the call are lost. */
export type Fault = number | 'lost' | undefined

interface Held {
  service: VirtualService
  servers: Map<string, RealServer>
}

/** IPVS as a table in memory, below the client: what plan and sync see of a kernel, with faults to order. */
export class MemoryIpvs implements SyncTarget {
  readonly services = new Map<string, Held>()
  readonly settings = new Map<string, number>()
  /** `add service tcp 10.0.0.1:80`, in the order in which they were applied. */
  readonly log: string[] = []
  operations = 0
  /** Of operations whose replies are lost, rows of this parity are applied; the others are refused in silence. */
  appliedParity: 0 | 1 = 0
  lists = 0
  changes = 0
  fault: (operation: number, text: string) => Fault = () => undefined
  listFault: () => void = () => undefined
  /** Called after every call. */
  afterChange: () => void = () => undefined

  /** The configuration as text: equal texts are equal configurations. */
  dump(): string {
    const lines = [...this.services].map(([key, { service, servers }]) => {
      const { scheduler, flags, persistence, persistenceEngine } = service
      const settings = JSON.stringify([scheduler, flags, persistence, persistenceEngine])
      const own = [...servers.values()].map(({ forwarding, weight, upperThreshold, lowerThreshold, tunnel, ...server }) =>
        JSON.stringify([serverKey(server), forwarding, weight, upperThreshold, lowerThreshold, tunnel])
      )
      return [`${key} ${settings}`, ...own.sort()].join('\n  ')
    })
    return lines.sort().join('\n')
  }

  /** Sets the connections of a real server. */
  connect(key: string, server: string, activeConnections: number, inactiveConnections = 0): void {
    const held = this.services.get(key)
    const found = held?.servers.get(server)
    if (held === undefined || found === undefined) throw new Error(`there is no ${server} of ${key}`)
    held.servers.set(server, { ...found, activeConnections, inactiveConnections })
  }

  list(keys: ServiceKeyColumns | undefined): Promise<IpvsColumns> {
    this.lists++
    this.listFault()
    const wanted = keys === undefined ? undefined : new Set(Array.from({ length: keys.rows }, (_, row) => describeServiceRow(keys, row)))
    const held = [...this.services].filter(([key]) => wanted?.has(key) !== false).map(([, value]) => value)
    const path = (row: number): string => `${row}`
    const services = encodeServices(
      held.map(({ service }) => service as VirtualServiceSpec),
      path
    )
    const rows = held.flatMap(({ service, servers }) => [...servers.values()].map((server) => ({ service, server })))
    const { realServers } = encodeServers(rows, { service: path, server: path })
    const column = (of: (server: RealServer) => number): Uint32Array => Uint32Array.from(rows, ({ server }) => of(server))
    const indexes = new Map(held.map(({ service }, index) => [service, index]))
    return Promise.resolve({
      services,
      realServers: {
        ...realServers,
        service: Uint32Array.from(rows, ({ service }) => indexes.get(service)!),
        activeConnections: column(({ activeConnections }) => activeConnections),
        inactiveConnections: column(({ inactiveConnections }) => inactiveConnections),
        persistentConnections: column(({ persistentConnections }) => persistentConnections)
      }
    })
  }

  setting(name: string): Promise<number | undefined> {
    return Promise.resolve(this.settings.get(name))
  }

  change(given: ChangeRows, { signal }: Limits): Promise<ChangeReport> {
    const rows = given.servers === undefined ? given : { ...given, servers: complete(given.servers as RealServerColumns) }
    this.changes++
    if (signal?.aborted === true) throw new Error('the signal should have been noticed before')
    const count = (rows.servers ?? rows.services).rows
    const outcomes = new Uint8Array(count)
    const refused: NetlinkError[] = []
    let stopped: NetlinkError | undefined
    for (let row = 0; row < count; row++) {
      const text = describeRow(rows, row)
      const fault = this.fault(this.operations++, text)
      if (fault === EPERM) return Promise.reject(new NetlinkError({ errno: EPERM, operation: 'test' }))
      if (fault === 'lost') {
        stopped = new NetlinkError({ errno: ENOBUFS, operation: 'test', outcomeUnknown: true })
        const end = Math.min(count, row + 4)
        for (let lost = row; lost < end; lost++) {
          if (lost % 2 === this.appliedParity) this.#apply(rows, lost, describeRow(rows, lost))
          outcomes[lost] = ROW_UNKNOWN
        }
        this.operations += end - row - 1
        break
      }
      const errno = fault ?? this.#apply(rows, row, text)
      outcomes[row] = errno === 0 ? ROW_APPLIED : ROW_REFUSED
      if (errno === 0) continue
      if (rows.verb === 'remove' && fault === undefined) outcomes[row] = ROW_UNCHANGED
      else refused.push(new NetlinkError({ errno, operation: 'test', index: row, subject: text }))
    }
    this.afterChange()
    const number = (outcome: number): number => outcomes.filter((found) => found === outcome).length
    return Promise.resolve({
      applied: number(ROW_APPLIED),
      unchanged: number(ROW_UNCHANGED),
      refused,
      unknown: number(ROW_UNKNOWN),
      notSent: number(ROW_NOT_SENT),
      ...(stopped !== undefined && { stopped }),
      outcomes,
      systemCalls: 1
    })
  }

  /** Does one row; 0, or the errno of the kernel. */
  #apply(rows: ChangeRows, row: number, text: string): number {
    const { verb, of, services, servers } = rows
    const key = describeServiceRow(services, servers === undefined ? row : servers.service[row]!)
    const held = this.services.get(key)
    const errno = of === 'service' ? this.#applyService(verb, key, rows, row) : this.#applyServer(verb, held, rows, row)
    if (errno === 0) this.log.push(text)
    return errno
  }

  #applyService(verb: ChangeRows['verb'], key: string, { services }: ChangeRows, row: number): number {
    const held = this.services.get(key)
    if (verb === 'add' && held !== undefined) return EEXIST
    if (verb !== 'add' && held === undefined) return ESRCH
    if (verb === 'remove') this.services.delete(key)
    else {
      const service = decodeService(services as ServiceColumns, row)
      if (service.scheduler === 'unknown') return ENOENT
      this.services.set(key, { service, servers: held?.servers ?? new Map<string, RealServer>() })
    }
    return 0
  }

  #applyServer(verb: ChangeRows['verb'], held: Held | undefined, { servers }: ChangeRows, row: number): number {
    if (held === undefined) return ESRCH
    const columns = servers as RealServerListColumns
    const name = serverKey(decodeServer(columns, row))
    const old = held.servers.get(name)
    if (verb === 'add' && old !== undefined) return EEXIST
    if (verb !== 'add' && old === undefined) return ENOENT
    if (verb === 'remove') {
      held.servers.delete(name)
      return 0
    }
    const { activeConnections = 0, inactiveConnections = 0, persistentConnections = 0 } = old ?? {}
    const server = { ...decodeServer(columns, row), activeConnections, inactiveConnections, persistentConnections }
    // The kernel puts a new one before the others.
    held.servers = old === undefined ? new Map([[name, server], ...held.servers]) : held.servers.set(name, server)
    return 0
  }
}

const none = new Uint32Array(0)

/** Columns of keys are missing most of what is decoded. */
function complete(columns: RealServerColumns): RealServerListColumns {
  const settings = { forwarding: none, weight: none, upperThreshold: none, lowerThreshold: none }
  const tunnel = { tunnelType: none, tunnelPort: none, tunnelFlags: none }
  const counters = { activeConnections: none, inactiveConnections: none, persistentConnections: none }
  return { ...(settings as unknown as RealServerColumns), ...(tunnel as unknown as RealServerColumns), ...columns, ...counters }
}

function describeRow({ verb, of, services, servers }: ChangeRows, row: number): string {
  if (servers === undefined) return `${verb} ${of} ${describeServiceRow(services, row)}`
  const server = serverKey(decodeServer(servers as RealServerListColumns, row))
  return `${verb} ${of} ${server} of ${describeServiceRow(services, servers.service[row]!)}`
}
