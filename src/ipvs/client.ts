/**
 * Virtual services and real servers of IPVS, by generic netlink.
 */
import { JobQueue, nativeOpenOptions, resolveNamespace, type CallOptions, type OpenOptions } from '../client.js'
import { ValidationError } from '../errors.js'
import type { NativeIpvsSocket } from '../native.js'
import { asServers, IpvsCalls } from './calls.js'
import { asNative } from './changes.js'
import { requireObject } from './checks.js'
import type { IpvsOperations } from './client-types.js'
import type {
  ChangeOptions,
  ChangeReport,
  IpvsColumns,
  RealServerChangeColumns,
  RealServerKeyColumns,
  ServiceColumns,
  ServiceKeyColumns
} from './column-types.js'
import { openConnections } from './connections.js'
import { encodeKey } from './keys.js'
import { decodeListing, decodeServers, decodeServices } from './listing.js'
import { openIpvsSocket, type IpvsKernel, type IpvsOptions } from './open.js'
import { areColumns, copyServers, copyServiceKeys, copyServices } from './public-columns.js'
import { encodeServerKeys, encodeServers, type ServerPaths } from './server-rows.js'
import { encodeServiceKeys, encodeServices } from './service-rows.js'
import { decodeDaemon, decodeInfo, decodeTimeouts, encodeDaemon, encodeTimeouts, requireRole } from './settings.js'
import { SyncCalls } from './sync/calls.js'
import { DeclarativeIpvs } from './sync/declarative.js'
import type {
  AddOptions,
  ConnectionsOptions,
  IpvsConnection,
  IpvsInfo,
  IpvsTimeouts,
  ListOptions,
  RealServer,
  RealServerKey,
  RealServerOf,
  RealServerSpec,
  RemoveOptions,
  SyncDaemon,
  VirtualService,
  VirtualServiceKey,
  VirtualServiceListing,
  VirtualServiceSpec
} from './types.js'
import { completeServers, completeServices } from './updates.js'

const servicePath = (row: number): string => `services[${row}]`
const serverPaths: ServerPaths = { service: (row) => `servers[${row}].service`, server: (row) => `servers[${row}].server` }
const onePath: ServerPaths = { service: () => 'service', server: () => 'server' }
const oneService = (): string => 'service'

/**
 * A client of IPVS in one network namespace. Calls run one after the other, in the order in which they were made.
 *
 * IPVS has no transactions: of many changes in one call each is applied or refused by itself, and the report says which. It needs CAP_NET_ADMIN in the initial
 * user namespace even to read, and the module `ip_vs`, which opening a client loads where the kernel can.
 *
 * @example
 * await using ipvs = await Ipvs.open()
 * const web = { protocol: 'tcp', address: '10.96.0.1', port: 443 } as const
 * await ipvs.addService({ ...web, scheduler: 'mh' })
 * await ipvs.addRealServer(web, { address: '10.244.1.5', port: 8443, weight: 2 })
 */
export class Ipvs extends DeclarativeIpvs implements IpvsOperations, AsyncDisposable {
  readonly #socket: NativeIpvsSocket
  readonly #kernel: IpvsKernel
  readonly #options: OpenOptions
  readonly #queue: JobQueue
  readonly #calls: IpvsCalls
  readonly #sync: SyncCalls

  private constructor(socket: NativeIpvsSocket, kernel: IpvsKernel, options: OpenOptions) {
    const { deadlineMs } = nativeOpenOptions(options)
    const queue = new JobQueue('the Ipvs client', deadlineMs)
    const sync = new SyncCalls({ socket, kernel, netns: resolveNamespace(options.netns) }, queue, deadlineMs)
    super(sync)
    this.#socket = socket
    this.#kernel = kernel
    this.#options = options
    this.#queue = queue
    this.#calls = new IpvsCalls(socket, queue)
    this.#sync = sync
  }

  /**
   * Opens a socket and finds IPVS.
   *
   * @throws {ValidationError} An option is no such thing.
   * @throws {UnsupportedError} The kernel has no IPVS (`ip_vs`), and the message says how it gets it; or the native addon cannot be loaded.
   * @throws {NetlinkError} `ENOENT`, `EINVAL`: no such network namespace; `EPERM`: it may not be entered.
   */
  static async open(options: IpvsOptions = {}): Promise<Ipvs> {
    const { socket, kernel } = await openIpvsSocket(options)
    return new Ipvs(socket, kernel, { netns: options.netns, deadlineMs: options.deadlineMs })
  }

  /** The netlink port of this client. */
  get portId(): number {
    return this.#socket.portId
  }

  /**
   * Adds a virtual service. Equivalent to `ipvsadm -A`, but that `persistence` and `flags` have no short forms.
   *
   * @throws {ValidationError} Nothing was sent.
   * @throws {NetlinkError} `EEXIST` (not with `ensure`); `ENOENT`: the kernel has no such scheduler or persistence engine, and the message names the module.
   */
  async addService(service: VirtualServiceSpec, options: AddOptions = {}): Promise<void> {
    await this.#calls.changeOne('add', 'service', 'ipvs.addService', options, () => ({ services: encodeServices([service], oneService) }))
  }

  /**
   * Changes what is mentioned of a virtual service; the rest stays. Connections stay. Equivalent to `ipvsadm -E`, which resets what it is not told.
   *
   * @throws {NetlinkError} `ESRCH`: there is no such service. `ENOENT`: as for {@link Ipvs.addService}.
   */
  async updateService(service: VirtualServiceSpec, options: CallOptions = {}): Promise<void> {
    await this.#calls.changeOne('update', 'service', 'ipvs.updateService', options, async (reading) => ({
      services: await completeServices(reading, [service], oneService)
    }))
  }

  /**
   * Removes a virtual service with its real servers, statistics and persistence templates. Its connections live on. Equivalent to `ipvsadm -D`.
   *
   * @throws {NetlinkError} `ESRCH`: there is no such service (not with `ensure`).
   */
  async removeService(service: VirtualServiceKey, options: RemoveOptions = {}): Promise<void> {
    await this.#calls.changeOne('remove', 'service', 'ipvs.removeService', options, () => ({ services: encodeKey('service', service) }))
  }

  /**
   * Adds a real server to a service. Equivalent to `ipvsadm -a`.
   *
   * @throws {NetlinkError} `ESRCH`: there is no such service. `EEXIST`: it has this real server (not with `ensure`).
   */
  async addRealServer(service: VirtualServiceKey, server: RealServerSpec, options: AddOptions = {}): Promise<void> {
    await this.#calls.changeOne('add', 'realServer', 'ipvs.addRealServer', options, () =>
      asServers(encodeServers([{ service, server }], onePath))
    )
  }

  /**
   * Changes what is mentioned of a real server; the rest stays. Equivalent to `ipvsadm -e`, which resets what it is not told.
   *
   * @throws {NetlinkError} `ESRCH`: there is no such service. `ENOENT`: it has no such real server.
   */
  async updateRealServer(service: VirtualServiceKey, server: RealServerSpec, options: CallOptions = {}): Promise<void> {
    await this.#calls.changeOne('update', 'realServer', 'ipvs.updateRealServer', options, async (reading) =>
      asServers(await completeServers(reading, [{ service, server }], onePath))
    )
  }

  /**
   * Removes a real server at once, whatever connections it has: their packets are dropped, or with the sysctl `expire_nodest_conn` refused. Equivalent to
   * `ipvsadm -d`.
   *
   * @throws {NetlinkError} `ESRCH`: there is no such service. `ENOENT`: it has no such real server. Neither with `ensure`.
   */
  async removeRealServer(service: VirtualServiceKey, server: RealServerKey, options: RemoveOptions = {}): Promise<void> {
    await this.#calls.changeOne('remove', 'realServer', 'ipvs.removeRealServer', options, () =>
      asServers(encodeServerKeys([{ service, server }], onePath))
    )
  }

  /**
   * Reads one virtual service.
   *
   * @throws {NetlinkError} `ESRCH`: there is no such service.
   */
  async getService(service: VirtualServiceKey, options: ListOptions = {}): Promise<VirtualService> {
    const { services } = await this.#calls.readOne('ipvs.getService', service, false, options)
    const [found] = await decodeServices(services)
    return found as VirtualService
  }

  /** Lists all virtual services, without their real servers. */
  async listServices(options: ListOptions = {}): Promise<VirtualService[]> {
    const { services } = await this.#calls.list('ipvs.listServices', { servers: false }, options)
    return await decodeServices(services)
  }

  /**
   * Lists the real servers of one service.
   *
   * @throws {NetlinkError} `ESRCH`: there is no such service.
   */
  async listRealServers(service: VirtualServiceKey, options: ListOptions = {}): Promise<RealServer[]> {
    const { realServers } = await this.#calls.readOne('ipvs.listRealServers', service, true, options)
    return await decodeServers(realServers)
  }

  /**
   * Lists everything: all services with their real servers. Equivalent to `ipvsadm -L -n`.
   *
   * IPVS has a question for each service's real servers and never says that something changed in between; what another program adds or removes meanwhile is
   * noticed, and everything read again.
   *
   * @throws {NetlinkError} `EINTR`: it changed 16 times in a row.
   */
  async list(options: ListOptions = {}): Promise<VirtualServiceListing[]> {
    return await decodeListing(await this.#calls.list('ipvs.list', { servers: true }, options))
  }

  /** As {@link Ipvs.list}, as columns: no object for each service and real server. */
  async listColumns(options: ListOptions = {}): Promise<IpvsColumns> {
    return await this.#calls.list('ipvs.listColumns', { servers: true }, options)
  }

  /**
   * Adds many virtual services, in few system calls.
   *
   * @throws {ValidationError} A row or option is not what it should be; nothing was sent.
   * @throws {NetlinkError} `EPERM`: nothing was changed. Where one row was given, also its refusal.
   * @throws {TransactionError} Rows were refused (`errors`), or the signal, the deadline or lost replies ended it early; not with `onError: 'isolate'`.
   */
  async addServices(services: Iterable<VirtualServiceSpec> | ServiceColumns, options: ChangeOptions = {}): Promise<ChangeReport> {
    const columns = areColumns('services', services) ? copyServices('services', services) : encodeServices([...services], servicePath)
    return await this.#calls.change('add', 'service', 'ipvs.addServices', options, () => ({ services: columns }))
  }

  /**
   * Changes many virtual services. Of objects what is not mentioned stays (it is read first); columns are complete, and say that a service has no
   * persistence engine by giving none.
   *
   * @throws As {@link Ipvs.addServices}.
   */
  async updateServices(services: Iterable<VirtualServiceSpec> | ServiceColumns, options: ChangeOptions = {}): Promise<ChangeReport> {
    const operation = 'ipvs.updateServices'
    if (areColumns('services', services)) {
      const columns = copyServices('services', services)
      return await this.#calls.change('update', 'service', operation, options, () => ({ services: columns }))
    }
    const list = [...services]
    encodeServices(list, servicePath)
    return await this.#calls.change('update', 'service', operation, options, async (reading) => ({
      services: await completeServices(reading, list, servicePath)
    }))
  }

  /**
   * Removes many virtual services with all that belongs to them.
   *
   * @throws As {@link Ipvs.addServices}.
   */
  async removeServices(services: Iterable<VirtualServiceKey> | ServiceKeyColumns, options: ChangeOptions = {}): Promise<ChangeReport> {
    const columns = areColumns('services', services) ? copyServiceKeys('services', services) : encodeServiceKeys([...services], servicePath)
    return await this.#calls.change('remove', 'service', 'ipvs.removeServices', options, () => ({ services: columns }))
  }

  /**
   * Adds many real servers, of any services, in few system calls.
   *
   * @throws As {@link Ipvs.addServices}.
   */
  async addRealServers(servers: Iterable<RealServerOf> | RealServerChangeColumns, options: ChangeOptions = {}): Promise<ChangeReport> {
    const columns = areColumns('servers', servers) ? copyServers('servers', servers, true) : encodeServers([...servers], serverPaths)
    return await this.#calls.change('add', 'realServer', 'ipvs.addRealServers', options, () => asServers(columns))
  }

  /**
   * Changes many real servers. Of objects what is not mentioned stays (it is read first); columns are complete.
   *
   * @throws As {@link Ipvs.addServices}.
   */
  async updateRealServers(servers: Iterable<RealServerOf> | RealServerChangeColumns, options: ChangeOptions = {}): Promise<ChangeReport> {
    const operation = 'ipvs.updateRealServers'
    if (areColumns('servers', servers)) {
      const columns = copyServers('servers', servers, true)
      return await this.#calls.change('update', 'realServer', operation, options, () => asServers(columns))
    }
    const list = [...servers]
    encodeServers(list, serverPaths)
    return await this.#calls.change('update', 'realServer', operation, options, async (reading) =>
      asServers(await completeServers(reading, list, serverPaths))
    )
  }

  /**
   * Removes many real servers at once, whatever connections they have.
   *
   * @throws As {@link Ipvs.addServices}.
   */
  async removeRealServers(
    servers: Iterable<RealServerOf<RealServerKey>> | RealServerChangeColumns<RealServerKeyColumns>,
    options: ChangeOptions = {}
  ): Promise<ChangeReport> {
    const columns = areColumns('servers', servers) ? copyServers('servers', servers, false) : encodeServerKeys([...servers], serverPaths)
    return await this.#calls.change('remove', 'realServer', 'ipvs.removeRealServers', options, () => asServers(columns))
  }

  /**
   * Sets the counters and rates of one service and its real servers to 0, or of everything. Equivalent to `ipvsadm -Z`.
   *
   * @throws {NetlinkError} `ESRCH`: there is no such service.
   */
  async zero(service?: VirtualServiceKey, options: CallOptions = {}): Promise<void> {
    const key = service === undefined ? undefined : encodeKey('service', service)
    await this.#calls.tell('ipvs.zero', options, { command: 'zero', ...(key !== undefined && { service: asNative(key) }) }, key)
  }

  /**
   * Removes every virtual service of the namespace, whoever made it. Equivalent to `ipvsadm -C`.
   *
   * @param confirmation `{ allServices: true }`, so that nobody calls this by accident.
   */
  async flush(confirmation: { readonly allServices: true }, options: CallOptions = {}): Promise<void> {
    const given = requireObject<{ readonly allServices?: unknown }>('confirmation', confirmation, '{ allServices: true }')
    if (given.allServices !== true)
      throw new ValidationError('confirmation.allServices', given.allServices, 'true: every service goes, whoever made it')
    await this.#calls.tell('ipvs.flush', options, { command: 'flush' })
  }

  /** Reads the time-outs of connections. Equivalent to `ipvsadm -L --timeout`. */
  async getTimeouts(options: CallOptions = {}): Promise<IpvsTimeouts> {
    return decodeTimeouts((await this.#calls.ask('ipvs.getTimeouts', 'timeouts', options))[0])
  }

  /** Sets those time-outs that are given; the others stay. Equivalent to `ipvsadm --set`. */
  async setTimeouts(timeouts: Partial<IpvsTimeouts>, options: CallOptions = {}): Promise<void> {
    await this.#calls.tell('ipvs.setTimeouts', options, { command: 'setTimeouts', value: encodeTimeouts(timeouts) })
  }

  /** Reads what the kernel's IPVS is. */
  async getInfo(options: CallOptions = {}): Promise<IpvsInfo> {
    return decodeInfo((await this.#calls.ask('ipvs.getInfo', 'info', options))[0])
  }

  /**
   * Starts a synchronisation daemon. Equivalent to `ipvsadm --start-daemon`.
   *
   * @throws {NetlinkError} `EEXIST`: one of that role runs. `ENODEV`: there is no such link. `EINVAL`: there are real servers of another family than their service.
   */
  async startDaemon(daemon: SyncDaemon, options: CallOptions = {}): Promise<void> {
    await this.#calls.tell('ipvs.startDaemon', options, { command: 'startDaemon', value: encodeDaemon('daemon', daemon) })
  }

  /**
   * Stops a synchronisation daemon. Equivalent to `ipvsadm --stop-daemon`.
   *
   * @throws {NetlinkError} `ESRCH`: none of that role runs.
   */
  async stopDaemon(role: SyncDaemon['role'], options: CallOptions = {}): Promise<void> {
    await this.#calls.tell('ipvs.stopDaemon', options, { command: 'stopDaemon', value: { daemon: { role: requireRole('role', role) } } })
  }

  /** Lists the synchronisation daemons: none, one or two. Equivalent to `ipvsadm -L --daemon`. */
  async listDaemons(options: CallOptions = {}): Promise<SyncDaemon[]> {
    return (await this.#calls.ask('ipvs.listDaemons', 'daemons', options)).map(decodeDaemon)
  }

  /**
   * Reads the connection table, a piece at a time: entries that come or go meanwhile may be missing or, rarely, be there twice. Equivalent to `ipvsadm -L -c -n`.
   * It does not wait for other calls.
   *
   * @throws {NetlinkError} The table cannot be read.
   */
  connections(options: ConnectionsOptions = {}): AsyncIterable<IpvsConnection> {
    return openConnections(this.#kernel, this.#options, () => this.#queue.isClosed, options)
  }

  /** Waits for calls that were made, and closes the socket; drainers end. Idempotent; later calls reject with `ClosedError`. */
  async close(): Promise<void> {
    this.#sync.close()
    await this.#queue.close(() => this.#socket.close())
  }

  /** {@link Ipvs.close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
