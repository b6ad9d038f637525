/**
 * Virtual services and real servers of IPVS, by generic netlink.
 */
import type { BulkOptions, BulkReport } from '../core/bulk-run.js'
import { requireConfirmation } from '../core/checks.js'
import { asNative } from '../core/columns.js'
import { ESRCH } from '../core/errno.js'
import { orUndefined } from '../core/failures.js'
import { JobQueue } from '../core/job-queue.js'
import type { NativeKernel } from '../core/open.js'
import type { AddOptions, RemoveOptions } from '../core/options.js'
import { networkNamespace, type CallOptions, type InNetworkNamespace, type OpenOptions } from '../core/options.js'
import type { NativeIpvsSocket } from '../native/index.js'
import { IpvsCalls } from './calls.js'
import type { IpvsColumns, RealServerChangeColumns, RealServerKeyColumns, ServiceColumns, ServiceKeyColumns } from './column-types.js'
import { openConnections } from './connections.js'
import { encodeKey } from './keys.js'
import { decodeListing, decodeServers, decodeServices, joinListing } from './listing.js'
import { openIpvsSocket, type IpvsOptions } from './open.js'
import { decodeDaemon, decodeInfo, decodeTimeouts, encodeDaemon, encodeTimeouts, requireRole } from './settings.js'
import { SyncCalls } from './sync/calls.js'
import type {
  Desired,
  Drainer,
  DrainerOptions,
  DrainingServer,
  DrainReport,
  IpvsPlan,
  IpvsPlanOptions,
  IpvsSyncOptions,
  IpvsSyncReport
} from './sync/types.js'
import type {
  ConnectionsOptions,
  IpvsConnection,
  IpvsInfo,
  IpvsTimeouts,
  ListOptions,
  RealServer,
  RealServerKey,
  RealServerOf,
  RealServerSpec,
  SyncDaemon,
  VirtualService,
  VirtualServiceKey,
  VirtualServiceListing,
  VirtualServiceSpec
} from './types.js'

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
export class Ipvs implements InNetworkNamespace, AsyncDisposable {
  readonly #socket: NativeIpvsSocket
  readonly #kernel: NativeKernel<'ipvs'>
  readonly #options: OpenOptions
  readonly #queue: JobQueue
  readonly #calls: IpvsCalls
  readonly #sync: SyncCalls

  private constructor(socket: NativeIpvsSocket, kernel: NativeKernel<'ipvs'>, deadlineMs: number) {
    this.#socket = socket
    this.#kernel = kernel
    this.#options = { netns: this, deadlineMs }
    this.#queue = new JobQueue('the Ipvs client', deadlineMs)
    this.#calls = new IpvsCalls(socket, this.#queue)
    this.#sync = new SyncCalls({ socket, kernel, netns: socket.namespace }, this.#queue, deadlineMs)
  }

  /**
   * Opens a socket and finds IPVS.
   *
   * @throws {ValidationError} An option is malformed or out of range.
   * @throws {UnsupportedError} The kernel has no IPVS (`ip_vs`), and the message says how it gets it; or the native addon cannot be loaded.
   * @throws {NetlinkError} `ENOENT`, `EINVAL`: no such network namespace; `EPERM`: it may not be entered.
   */
  static async open(options: IpvsOptions = {}): Promise<Ipvs> {
    const { socket, kernel, deadlineMs } = await openIpvsSocket(options)
    return new Ipvs(socket, kernel, deadlineMs)
  }

  /** Of use inside the package only. */
  get [networkNamespace](): unknown {
    return this.#socket.namespace
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
    await this.#calls.changeService('add', service, options)
  }

  /**
   * Changes what is mentioned of a virtual service; the rest stays. Connections stay. Equivalent to `ipvsadm -E`, which resets what it is not told.
   *
   * @throws {NetlinkError} `ESRCH`: there is no such service. `ENOENT`: as for {@link Ipvs.addService}.
   */
  async updateService(service: VirtualServiceSpec, options: CallOptions = {}): Promise<void> {
    await this.#calls.changeService('update', service, options)
  }

  /**
   * Removes a virtual service with its real servers, statistics and persistence templates. Its connections live on. Equivalent to `ipvsadm -D`.
   *
   * @throws {NetlinkError} `ESRCH`: there is no such service (not with `ensure`).
   */
  async removeService(service: VirtualServiceKey, options: RemoveOptions = {}): Promise<void> {
    await this.#calls.changeService('remove', service, options)
  }

  /**
   * Adds a real server to a service. Equivalent to `ipvsadm -a`.
   *
   * @throws {NetlinkError} `ESRCH`: there is no such service. `EEXIST`: it has this real server (not with `ensure`).
   */
  async addRealServer(service: VirtualServiceKey, server: RealServerSpec, options: AddOptions = {}): Promise<void> {
    await this.#calls.changeServer('add', service, server, options)
  }

  /**
   * Changes what is mentioned of a real server; the rest stays. Equivalent to `ipvsadm -e`, which resets what it is not told.
   *
   * @throws {NetlinkError} `ESRCH`: there is no such service. `ENOENT`: it has no such real server.
   */
  async updateRealServer(service: VirtualServiceKey, server: RealServerSpec, options: CallOptions = {}): Promise<void> {
    await this.#calls.changeServer('update', service, server, options)
  }

  /**
   * Removes a real server at once, whatever connections it has: their packets are dropped, or with the sysctl `expire_nodest_conn` refused. Equivalent to
   * `ipvsadm -d`.
   *
   * @throws {NetlinkError} `ESRCH`: there is no such service. `ENOENT`: it has no such real server. Neither with `ensure`.
   */
  async removeRealServer(service: VirtualServiceKey, server: RealServerKey, options: RemoveOptions = {}): Promise<void> {
    await this.#calls.changeServer('remove', service, server, options)
  }

  /**
   * Reads one virtual service. Undefined where there is none.
   */
  async getService(service: VirtualServiceKey, options: ListOptions = {}): Promise<VirtualService | undefined> {
    const listing = await orUndefined(ESRCH, this.#calls.readOne('ipvs.getService', service, false, options))
    return listing === undefined ? undefined : (await decodeServices(listing))[0]
  }

  /** Lists all virtual services, without their real servers. */
  async listServices(options: ListOptions = {}): Promise<VirtualService[]> {
    return await decodeServices(await this.#calls.list('ipvs.listServices', { servers: false }, options))
  }

  /**
   * Lists the real servers of one service.
   *
   * @throws {NetlinkError} `ESRCH`: there is no such service.
   */
  async listRealServers(service: VirtualServiceKey, options: ListOptions = {}): Promise<RealServer[]> {
    return await decodeServers(await this.#calls.readOne('ipvs.listRealServers', service, true, options))
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
    return await joinListing(await this.#calls.list('ipvs.listColumns', { servers: true }, options))
  }

  /**
   * Adds many virtual services, in few system calls.
   *
   * @throws {ValidationError} A row or option is not what it should be; nothing was sent.
   * @throws {NetlinkError} `EPERM`: nothing was changed. Where one row was given, also its refusal.
   * @throws {TransactionError} Rows were refused (`errors`), or the signal, the deadline or lost replies ended it early; not with `onError: 'isolate'`.
   */
  async addServices(services: Iterable<VirtualServiceSpec> | ServiceColumns, options: BulkOptions = {}): Promise<BulkReport> {
    return await this.#calls.changeServices('add', services, options)
  }

  /**
   * Changes many virtual services. Of objects what is not mentioned stays (it is read first); columns are complete, and say that a service has no
   * persistence engine by giving none.
   *
   * @throws As {@link Ipvs.addServices}.
   */
  async updateServices(services: Iterable<VirtualServiceSpec> | ServiceColumns, options: BulkOptions = {}): Promise<BulkReport> {
    return await this.#calls.changeServices('update', services, options)
  }

  /**
   * Removes many virtual services with all that belongs to them.
   *
   * @throws As {@link Ipvs.addServices}.
   */
  async removeServices(services: Iterable<VirtualServiceKey> | ServiceKeyColumns, options: BulkOptions = {}): Promise<BulkReport> {
    return await this.#calls.changeServices('remove', services, options)
  }

  /**
   * Adds many real servers, of any services, in few system calls.
   *
   * @throws As {@link Ipvs.addServices}.
   */
  async addRealServers(servers: Iterable<RealServerOf> | RealServerChangeColumns, options: BulkOptions = {}): Promise<BulkReport> {
    return await this.#calls.changeServers('add', servers, options)
  }

  /**
   * Changes many real servers. Of objects what is not mentioned stays (it is read first); columns are complete.
   *
   * @throws As {@link Ipvs.addServices}.
   */
  async updateRealServers(servers: Iterable<RealServerOf> | RealServerChangeColumns, options: BulkOptions = {}): Promise<BulkReport> {
    return await this.#calls.changeServers('update', servers, options)
  }

  /**
   * Removes many real servers at once, whatever connections they have.
   *
   * @throws As {@link Ipvs.addServices}.
   */
  async removeRealServers(
    servers: Iterable<RealServerOf<RealServerKey>> | RealServerChangeColumns<RealServerKeyColumns>,
    options: BulkOptions = {}
  ): Promise<BulkReport> {
    return await this.#calls.changeServers('remove', servers, options)
  }

  /**
   * What {@link Ipvs.sync} would do. Reads the kernel, or with `from: 'memory'` only what this client does not remember; changes nothing.
   *
   * @throws {ValidationError} What is desired, or an option, is not what it should be, or a desired service is not covered by `owns`; nothing was read.
   */
  async plan(desired: Desired, options: IpvsPlanOptions = {}): Promise<IpvsPlan> {
    return await this.#sync.plan(desired, options)
  }

  /**
   * Makes the kernel hold what is desired, in phases, each of which is known to be done before the next begins: services, real servers and their weights, and
   * only then removals. Real servers that are desired no longer drain ({@link DrainPolicy}). What is desired is frozen: an unchanged reference is an unchanged
   * service. At the deadline or on the signal it stops; undoing has as much time again.
   *
   * @throws {ValidationError} As {@link Ipvs.plan}.
   * @throws {TransactionError} With `atomic`: something was refused, or the signal, the deadline or lost replies ended it early. It says what was undone, what
   * could not be, what is unknown, and what undoing cannot bring back.
   * @throws {NetlinkError} `EPERM`, or the kernel could not be read: nothing was changed.
   */
  async sync(desired: Desired, options: IpvsSyncOptions = {}): Promise<IpvsSyncReport> {
    return await this.#sync.sync(desired, options)
  }

  /** Looks once at the real servers that drain since a `sync` of this client, and removes those without connections or past their deadline. */
  async drain(options: CallOptions = {}): Promise<DrainReport> {
    return await this.#sync.drain(options)
  }

  /**
   * Calls {@link Ipvs.drain} again and again, and tells what happens to real servers that drain, whoever removes them. It keeps the process alive only while
   * real servers drain, and not even then with `ref: false`.
   */
  startDrainer(options: DrainerOptions = {}): Drainer {
    return this.#sync.drainer(options)
  }

  /** Real servers that drain, as last read. */
  listDraining(): DrainingServer[] {
    return this.#sync.listDraining()
  }

  /**
   * Sets the counters and rates of one service and its real servers to 0, or of everything. Equivalent to `ipvsadm -Z`.
   *
   * @throws {NetlinkError} `ESRCH`: there is no such service.
   */
  async zero(service?: VirtualServiceKey, options: CallOptions = {}): Promise<void> {
    const key = service === undefined ? undefined : encodeKey('service', service)
    await this.#calls.command('ipvs.zero', options, { command: 'zero', ...(key !== undefined && { service: asNative(key) }) }, key)
  }

  /**
   * Removes every virtual service of the namespace, whoever made it. Equivalent to `ipvsadm -C`.
   *
   * @param confirmation `{ allServices: true }`, so that it is not called by accident.
   */
  async flush(confirmation: { readonly allServices: true }, options: CallOptions = {}): Promise<void> {
    requireConfirmation(confirmation, 'allServices', 'every service goes, whoever made it')
    await this.#calls.command('ipvs.flush', options, { command: 'flush' })
  }

  /** Reads the time-outs of connections. Equivalent to `ipvsadm -L --timeout`. */
  async readTimeouts(options: CallOptions = {}): Promise<IpvsTimeouts> {
    return decodeTimeouts((await this.#calls.query('ipvs.readTimeouts', 'timeouts', options))[0])
  }

  /** Sets those time-outs that are given; the others stay. Equivalent to `ipvsadm --set`. */
  async writeTimeouts(timeouts: Partial<IpvsTimeouts>, options: CallOptions = {}): Promise<void> {
    await this.#calls.command('ipvs.writeTimeouts', options, { command: 'setTimeouts', value: encodeTimeouts(timeouts) })
  }

  /** Reads what the kernel's IPVS is. */
  async readInfo(options: CallOptions = {}): Promise<IpvsInfo> {
    return decodeInfo((await this.#calls.query('ipvs.readInfo', 'info', options))[0])
  }

  /**
   * Starts a synchronisation daemon. Equivalent to `ipvsadm --start-daemon`.
   *
   * @throws {NetlinkError} `EEXIST`: one of that role runs. `ENODEV`: there is no such link. `EINVAL`: there are real servers of another family than their service.
   */
  async startDaemon(daemon: SyncDaemon, options: CallOptions = {}): Promise<void> {
    await this.#calls.command('ipvs.startDaemon', options, { command: 'startDaemon', value: encodeDaemon('daemon', daemon) })
  }

  /**
   * Stops a synchronisation daemon. Equivalent to `ipvsadm --stop-daemon`.
   *
   * @throws {NetlinkError} `ESRCH`: none of that role runs.
   */
  async stopDaemon(role: SyncDaemon['role'], options: CallOptions = {}): Promise<void> {
    await this.#calls.command('ipvs.stopDaemon', options, { command: 'stopDaemon', value: { daemon: { role: requireRole('role', role) } } })
  }

  /** Lists the synchronisation daemons: none, one or two. Equivalent to `ipvsadm -L --daemon`. */
  async listDaemons(options: CallOptions = {}): Promise<SyncDaemon[]> {
    return (await this.#calls.query('ipvs.listDaemons', 'daemons', options)).map(decodeDaemon)
  }

  /**
   * Reads the connection table, a piece at a time: entries that come or go meanwhile may be missing or, rarely, be there twice. Equivalent to `ipvsadm -L -c -n`.
   * It does not wait for other calls.
   *
   * @throws {NetlinkError} The table cannot be read.
   */
  iterateConnections(options: ConnectionsOptions = {}): AsyncIterable<IpvsConnection> {
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
