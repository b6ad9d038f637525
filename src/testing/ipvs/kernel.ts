/**
 * A kernel's virtual services and real servers in memory, for tests of code that uses the IPVS client: same checks, same refusals, no privileges.
 */
import { asNative } from '../../core/columns.js'
import { EBADF, EEXIST, EINVAL, ENOBUFS, ENOENT, EPERM, ESRCH } from '../../core/errno.js'
import { asFakeKernel, type FakeKernel, type NativeKernel, kernelPart } from '../../core/open.js'
import { AF_INET6 } from '../../core/protocols.js'
import { Ipvs } from '../../ipvs/client.js'
import type { RealServerKeyColumns, RealServerListColumns, ServiceKeyColumns, ServiceListColumns } from '../../ipvs/column-types.js'
import { describeServiceRow } from '../../ipvs/keys.js'
import type { IpvsOptions } from '../../ipvs/open.js'
import { decodeServerState, describeServerRow, encodeServerKeys } from '../../ipvs/server-rows.js'
import { decodeService } from '../../ipvs/service-rows.js'
import { describeServerSettings, describeServiceSettings } from '../../ipvs/sync/plan.js'
import type { RealServerKey, VirtualServiceKey } from '../../ipvs/types.js'
import type {
  NativeBatchReport,
  NativeColumns,
  NativeIpvsChange,
  NativeIpvsConnections,
  NativeIpvsListing,
  NativeIpvsListRequest,
  NativeIpvsCommand,
  NativeIpvsQuery,
  NativeIpvsSocket,
  NativeOutcome,
  NativeRecord
} from '../../native/index.js'
import { Faults, outcomes, type Fault, type FaultCalls, type FaultOptions, type FaultyMethods } from '../faults.js'
import { failed, refusalColumns } from '../outcome.js'
import type { FakeRefusal } from '../outcome.js'
import { listedServers, listedServices, serverAt, serverKey, serviceAt, serviceKey, type FakeServer, type FakeService } from './rows.js'

// include/uapi/asm-generic/errno-base.h, errno.h

const PORT = 4712
const TUNNEL = 2

/** Some number of a family of generic netlink: they begin at 16. */
const FAMILY = 30

const COMMANDS: Readonly<Record<NativeIpvsCommand['command'], FaultCalls['ipvs']>> = {
  setTimeouts: 'write',
  startDaemon: 'start',
  stopDaemon: 'stop',
  zero: 'zero',
  flush: 'flush'
}

const METHODS: FaultyMethods = {
  change: {
    call: ({ verb }: NativeIpvsChange) => verb,
    answers: 'rows',
    rows: ({ servers, services }: NativeIpvsChange) => (servers ?? services).rows
  },
  ...outcomes('list', 'list'),
  ...outcomes('read', 'query'),
  command: { call: ({ command }: NativeIpvsCommand) => COMMANDS[command], answers: 'outcome' }
}

/** What a {@link FakeIpvsKernel} can do. */
export interface FakeIpvsOptions {
  /** Whether it has IPVS; default true. */
  readonly supported?: boolean
  /** Whether the caller may use it (CAP_NET_ADMIN in the initial user namespace); default true. */
  readonly privileged?: boolean
  /** Schedulers that it has at first. Default: all that Linux has. */
  readonly schedulers?: readonly string[]
  /** Default: `sip`. */
  readonly persistenceEngines?: readonly string[]
}

const allSchedulers = ['rr', 'wrr', 'lc', 'wlc', 'lblc', 'lblcr', 'dh', 'sh', 'sed', 'nq', 'fo', 'ovf', 'mh', 'twos', 'none']

/** A change of one row, as the fake is about to carry it out. */
export interface FakeIpvsOperation {
  readonly verb: 'add' | 'update' | 'remove'
  readonly of: 'service' | 'realServer'
  /** `add service tcp 10.96.0.1:80`, `remove real server 10.1.0.1:8080 of fwmark 7`. */
  readonly text: string
  /** How many were asked for before. */
  readonly index: number
}

/**
 * What happens to an operation instead of what it asks for. A number: that errno (positive) refuses it. `lost`: it is carried out, `lost-refused`: it is
 * refused, but the reply is lost in either case; those that follow in the same call are lost, too, or are not sent at all from the first one on for which the
 * answer is another.
 */
export type FakeIpvsFault = number | 'lost' | 'lost-refused' | undefined

/** How many connections a real server of the fake has. */
export interface FakeConnectionCounts {
  readonly active?: number
  readonly inactive?: number
  readonly persistent?: number
}

/** Stands for one network namespace, empty at first. Any number of clients can be opened on it. It carries no traffic: counters stay 0. */
export class FakeIpvsKernel implements FakeKernel<'ipvs'> {
  readonly [kernelPart] = 'ipvs'
  readonly #services = new Map<string, FakeService>()
  readonly #daemons = new Map<unknown, NativeRecord>()
  readonly #engines: ReadonlySet<string>
  readonly #isSupported: boolean
  readonly #isPrivileged: boolean
  readonly #faults = new Faults<'ipvs'>(['add', 'update', 'remove', ...new Set(Object.values(COMMANDS)), 'list', 'read'])
  #operations = 0
  #timeouts: NativeRecord = { tcpSeconds: 900, tcpFinSeconds: 120, udpSeconds: 300 }

  /** Asked before each change of a row: what goes wrong with it. */
  fault: (operation: FakeIpvsOperation) => FakeIpvsFault = () => undefined
  /** Told of each change that was carried out. */
  applied: (operation: FakeIpvsOperation) => void = () => undefined
  /** Asked before each listing: an errno (positive) that refuses it. */
  listFault: () => number | undefined = () => undefined
  /** Schedulers that it has. */
  readonly schedulers: Set<string>
  /** Of net.ipv4.vs (Documentation/networking/ipvs-sysctl.rst), those that the client reads; what is missing this kernel does not have. */
  readonly settings = new Map([['expire_quiescent_template', 0]])

  constructor(options: FakeIpvsOptions = {}) {
    this.#isSupported = options.supported ?? true
    this.#isPrivileged = options.privileged ?? true
    this.schedulers = new Set(options.schedulers ?? allSchedulers)
    this.#engines = new Set(options.persistenceEngines ?? ['sip'])
  }

  /** Opens a client whose kernel is this one. */
  open(options: Omit<IpvsOptions, 'kernel'> = {}): Promise<Ipvs> {
    return Ipvs.open({ ...options, kernel: asFakeKernel<'ipvs'>(this) })
  }

  /**
   * Makes a call fail: `kernel.fail('add', { at: 3, code: 'EBUSY' })`. Several faults can wait at once.
   *
   * @throws {ValidationError} There is no such call, or no such errno.
   */
  fail(call: FaultCalls['ipvs'], options: FaultOptions): Fault {
    return this.#faults.add(call, options)
  }

  /**
   * Gives a real server connections, as its clients would.
   *
   * @throws {Error} There is no such real server.
   */
  setConnections(service: VirtualServiceKey, server: RealServerKey, counts: FakeConnectionCounts): void {
    const paths = { service: () => 'service', server: () => 'server' }
    const { services, realServers } = encodeServerKeys([{ service, server }], paths)
    const found = this.#services.get(serviceKey(asNative(services), 0))?.servers.get(serverKey(asNative(realServers), 0))
    if (found === undefined) throw new Error('the fake has no such real server')
    found.numbers.activeConnections = counts.active ?? 0
    found.numbers.inactiveConnections = counts.inactive ?? 0
    found.numbers.persistentConnections = counts.persistent ?? 0
  }

  /**
   * What is configured, as text: a line for each service, in the order of the lines, and below it one for each real server. Settings that go without saying are
   * left out, and so are connections and the kernel's order; equal texts are equal configurations.
   */
  dump(): string {
    const blocks = [...this.#services.values()].map((held) => {
      const services = listedServices([held]) as unknown as ServiceListColumns
      const servers = listedServers([held]) as unknown as RealServerListColumns
      const lines = Array.from({ length: servers.rows }, (_, row) => {
        const server = decodeServerState(servers, row)
        return `\n  ${describeServerRow(servers, row)} ${describeServerSettings(server)}`
      })
      return `${describeServiceRow(services, 0)} ${describeServiceSettings(decodeService(services, 0))}${lines.sort().join('')}`
    })
    return blocks.sort().join('\n')
  }

  /** @internal */
  openIpvs(): ReturnType<NativeKernel<'ipvs'>['openIpvs']> {
    return Promise.resolve({ value: this.#faults.wrap(new FakeIpvsSocket(this), METHODS) })
  }

  /**
   * The connection table of the fake is empty.
   *
   * @internal
   */
  openIpvsConnections(): ReturnType<NativeKernel<'ipvs'>['openIpvsConnections']> {
    const value: NativeIpvsConnections = { read: () => Promise.resolve({ value: { rows: 0 } }), close: () => undefined }
    return Promise.resolve({ value })
  }

  /**
   * Settings are what they are in a new namespace.
   *
   * @internal
   */
  readSystemSetting({ name }: { readonly name: string }): ReturnType<NativeKernel<'ipvs'>['readSystemSetting']> {
    const file = /^ipv4\/vs\/([a-z_]+)$/.exec(name)?.[1] ?? ''
    const value = this.settings.get(file)
    return Promise.resolve(value === undefined ? failed(ENOENT, 'open') : { value: `${value}\n` })
  }

  /** @internal */
  resolve(): NativeOutcome<number> {
    return this.#isSupported ? { value: FAMILY } : failed(ENOENT, 'CTRL_CMD_GETFAMILY')
  }

  /** @internal */
  change(change: NativeIpvsChange): NativeBatchReport {
    const { rows } = change.servers ?? change.services
    const errors: FakeRefusal[] = []
    let unknownFrom: number | undefined
    let row = 0
    for (; row < rows; row += 1) {
      const operation = describeOperation(change, row, this.#operations)
      const fault = this.#isPrivileged ? this.fault(operation) : EPERM
      const isLost = fault === 'lost' || fault === 'lost-refused'
      if (unknownFrom !== undefined && !isLost) break
      this.#operations += 1
      if (isLost) unknownFrom ??= row
      if (fault === 'lost-refused') continue
      const errno = typeof fault === 'number' ? fault : this.#changeRow(change, row)
      if (errno === 0) this.applied(operation)
      else if (!isLost) errors.push({ index: row, errno })
    }
    const report = { errors: refusalColumns(errors), sent: row, unknownFrom: unknownFrom ?? row, systemCalls: 2 }
    if (unknownFrom === undefined) return report
    return { ...report, stopped: { errno: ENOBUFS, operation: 'recvmsg', message: '', outcomeUnknown: true } }
  }

  #changeRow({ verb, services, servers }: NativeIpvsChange, row: number): number {
    if (servers !== undefined) return this.#changeServer(verb, services, servers, row)
    const key = serviceKey(services, row)
    const current = this.#services.get(key)
    // As ip_vs_genl_set_cmd has it: what exists is asked first.
    if (verb === 'add' ? current !== undefined : current === undefined) return verb === 'add' ? EEXIST : ESRCH
    if (verb === 'remove') {
      this.#services.delete(key)
      return 0
    }
    const service = serviceAt(services, row)
    const { family, netmask = 0 } = service.numbers
    if (!this.schedulers.has(service.scheduler) || (service.engine !== undefined && !this.#engines.has(service.engine))) return ENOENT
    // In this order. A prefix length is checked, a mask is not (ip_vs_add_service, ip_vs_edit_service).
    if (family === AF_INET6 && (netmask < 1 || netmask > 128)) return EINVAL
    this.#services.set(key, current === undefined ? service : { ...service, servers: current.servers })
    return 0
  }

  #changeServer(verb: NativeIpvsChange['verb'], services: NativeColumns, servers: NativeColumns, row: number): number {
    const service = this.#services.get(serviceKey(services, (servers.service as Uint32Array)[row] ?? 0))
    if (service === undefined) return ESRCH
    const key = serverKey(servers, row)
    const current = service.servers.get(key)
    if (verb === 'remove') return service.servers.delete(key) ? 0 : ENOENT
    const server = serverAt(servers, row)
    const isMixed = server.numbers.family !== service.numbers.family
    if (isMixed && (this.#daemons.size > 0 || server.numbers.forwarding !== TUNNEL)) return EINVAL
    if (verb === 'add' ? current !== undefined : current === undefined) return verb === 'add' ? EEXIST : ENOENT
    service.servers.set(key, current === undefined ? server : withCounts(server, current))
    return 0
  }

  /** @internal */
  list({ services: keys, servers }: NativeIpvsListRequest): NativeOutcome<NativeIpvsListing> {
    const errno = this.#isPrivileged ? this.listFault() : EPERM
    if (errno !== undefined) return failed(errno, 'IPVS_CMD_GET_SERVICE')
    const wanted = keys === undefined ? undefined : Array.from({ length: keys.rows }, (_, row) => this.#services.get(serviceKey(keys, row)))
    const found = wanted === undefined ? [...this.#services.values()] : wanted.filter((service) => service !== undefined)
    return { value: { services: [listedServices(found)], servers: servers ? [listedServers(found)] : [] } }
  }

  /** @internal */
  query({ command }: NativeIpvsQuery): NativeOutcome<readonly NativeRecord[]> {
    if (!this.#isPrivileged) return failed(EPERM, command)
    if (command === 'timeouts') return { value: [this.#timeouts] }
    if (command === 'daemons') return { value: [...this.#daemons.values()] }
    return { value: [{ version: 0x010201, connectionTableSize: 4096 }] }
  }

  /** @internal */
  command({ command, value = {}, service }: NativeIpvsCommand): NativeOutcome<undefined> {
    if (!this.#isPrivileged) return failed(EPERM, command)
    const { role } = (value.daemon ?? {}) as { role?: unknown }
    if (command === 'flush') this.#services.clear()
    if (command === 'zero' && service !== undefined && !this.#services.has(serviceKey(service, 0))) return failed(ESRCH, 'IPVS_CMD_ZERO')
    if (command === 'setTimeouts') this.#timeouts = { ...this.#timeouts, ...value }
    if (command === 'startDaemon') {
      if (this.#daemons.has(role)) return failed(EEXIST, 'IPVS_CMD_NEW_DAEMON')
      this.#daemons.set(role, value)
    }
    if (command === 'stopDaemon' && !this.#daemons.delete(role)) return failed(ESRCH, 'IPVS_CMD_DEL_DAEMON')
    return { value: undefined }
  }
}

function describeOperation({ verb, services, servers }: NativeIpvsChange, row: number, index: number): FakeIpvsOperation {
  const keys = services as unknown as ServiceKeyColumns
  if (servers === undefined) return { verb, of: 'service', text: `${verb} service ${describeServiceRow(keys, row)}`, index }
  const own = servers as unknown as RealServerKeyColumns
  const service = describeServiceRow(keys, own.service[row] ?? 0)
  return { verb, of: 'realServer', text: `${verb} real server ${describeServerRow(own, row)} of ${service}`, index }
}

/** An update keeps the connections. */
function withCounts(server: FakeServer, current: FakeServer): FakeServer {
  const { activeConnections, inactiveConnections, persistentConnections } = current.numbers as Record<string, number>
  return {
    ...server,
    numbers: { ...server.numbers, activeConnections, inactiveConnections, persistentConnections } as Record<string, number>
  }
}

/** A client's end. */
class FakeIpvsSocket implements NativeIpvsSocket {
  readonly portId = PORT
  readonly maxSendBytes = 1 << 20
  readonly #kernel: FakeIpvsKernel
  #isOpen = true

  constructor(kernel: FakeIpvsKernel) {
    this.#kernel = kernel
  }

  close(): Promise<void> {
    this.#isOpen = false
    return Promise.resolve()
  }

  resolve(): Promise<NativeOutcome<number>> {
    return Promise.resolve(this.#kernel.resolve())
  }

  change(change: NativeIpvsChange): Promise<NativeOutcome<NativeBatchReport>> {
    return this.#answer(() => ({ value: this.#kernel.change(change) }))
  }

  list(request: NativeIpvsListRequest): Promise<NativeOutcome<NativeIpvsListing>> {
    return this.#answer(() => this.#kernel.list(request))
  }

  query(query: NativeIpvsQuery): Promise<NativeOutcome<readonly NativeRecord[]>> {
    return this.#answer(() => this.#kernel.query(query))
  }

  command(command: NativeIpvsCommand): Promise<NativeOutcome<undefined>> {
    return this.#answer(() => this.#kernel.command(command))
  }

  #answer<T>(answer: () => NativeOutcome<T>): Promise<NativeOutcome<T>> {
    return Promise.resolve(this.#isOpen ? answer() : failed(EBADF, 'the socket is closed'))
  }
}
