/**
 * The little of rtnetlink that a service data plane needs: links, dummy links, addresses by the thousand, and where a packet would go.
 */
import { type BulkReport, requireBulkOptions } from '../core/bulk-run.js'
import { requireOptions } from '../core/checks.js'
import { EEXIST, ENODEV, EOPNOTSUPP } from '../core/errno.js'
import { ClosedError, type NetlinkError, UnsupportedError, ValidationError } from '../core/errors.js'
import { failureError, orUndefined, unwrapOutcome } from '../core/failures.js'
import { JobQueue } from '../core/job-queue.js'
import { type FakeKernel, type NativeKernel, openSocket } from '../core/open.js'
import { type CallOptions, type InNetworkNamespace, networkNamespace, type OpenOptions, requireEnsure } from '../core/options.js'
import type { RemoveOptions } from '../core/options.js'
import { Slices } from '../core/slices.js'
import type { NativeLinkReference, NativeRouteSocket } from '../native/index.js'
import { AddressRun } from './changes.js'
import { decodeAddress, encodeAddresses } from './columns.js'
import { decodeLink, encodeHardwareAddress, encodeSettings, requireLink, requireNewName } from './links.js'
import { decodeRoute, encodeLookup, lookupHint } from './routes.js'
import { type RouteEvents, type RouteWatchOptions, openWatch } from './watch.js'
import type {
  AddAddressesOptions,
  AddressColumns,
  AddressInput,
  AddDummyOptions,
  Link,
  LinkAddress,
  LinkReference,
  LinkSettings,
  ListAddressesOptions,
  LookupOptions,
  RemoveAddressesOptions,
  RouteEntry
} from './types.js'

/** Options of {@link Route.open}. */
export interface RouteOptions extends OpenOptions {
  /** What stands for the kernel: a fake of `netplane/testing`. Default: the kernel. */
  readonly kernel?: FakeKernel<'route'> | undefined
}

const families = { ip: 2, ip6: 10 } as const
const onErrors = { add: ['throw', 'isolate', 'atomic'], delete: ['throw', 'isolate'] } as const

/** How a change of addresses is checked and carried out. */
interface AddressCall {
  readonly verb: 'add' | 'delete'
  readonly operation: string
  readonly link: LinkReference
  readonly addresses: Iterable<AddressInput> | AddressColumns
  readonly options: AddAddressesOptions
}

/**
 * A client of NETLINK_ROUTE in one network namespace. Calls run one after the other, in the order in which they were made.
 *
 * @example
 * await using route = await Route.open()
 * await route.addDummy('proxy0', { up: true })
 * await route.addAddresses('proxy0', ['10.96.0.1/32', 'fd00:96::1/128'], { flags: ['nodad', 'noprefixroute'], ensure: true })
 */
export class Route implements InNetworkNamespace, AsyncDisposable {
  readonly #socket: NativeRouteSocket
  readonly #kernel: NativeKernel<'route'>
  readonly #options: OpenOptions
  readonly #queue: JobQueue
  readonly #streams = new Set<RouteEvents>()

  private constructor(socket: NativeRouteSocket, kernel: NativeKernel<'route'>, deadlineMs: number) {
    this.#socket = socket
    this.#kernel = kernel
    this.#options = { netns: this, deadlineMs }
    this.#queue = new JobQueue('the Route client', deadlineMs)
  }

  /**
   * Opens a socket.
   *
   * @throws {ValidationError} An option is malformed or out of range.
   * @throws {NetlinkError} `ENOENT`, `EINVAL`: no such network namespace; `EPERM`: it may not be entered.
   * @throws {UnsupportedError} The native addon cannot be loaded.
   */
  static async open(options: RouteOptions = {}): Promise<Route> {
    const { socket, kernel, deadlineMs } = await openSocket({ part: 'route', open: (kernel, native) => kernel.openRoute(native) }, options)
    return new Route(socket, kernel, deadlineMs)
  }

  /** Of use inside the package only. */
  get [networkNamespace](): unknown {
    return this.#socket.namespace
  }

  /** The netlink port of this client: events with this `portId` were caused by it. */
  get portId(): number {
    return this.#socket.portId
  }

  /** Lists all links of the namespace. Equivalent to `ip link`. */
  listLinks(options: CallOptions = {}): Promise<Link[]> {
    const operation = 'route.listLinks'
    return this.#queue.run(operation, options, async (deadlineMs) => {
      const links = unwrapOutcome(await this.#socket.listLinks({ deadlineMs }), { operation })
      return links.map(decodeLink)
    })
  }

  /** Reads one link. Undefined where there is none of that name or index. */
  async getLink(link: LinkReference, options: CallOptions = {}): Promise<Link | undefined> {
    const operation = 'route.getLink'
    const reference = requireLink('link', link)
    return await orUndefined(
      ENODEV,
      this.#queue.run(operation, options, (deadlineMs) => this.#readLink(operation, reference, deadlineMs))
    )
  }

  /**
   * Lists addresses, of all links or of one; IPv4 and IPv6. Equivalent to `ip address show dev LINK`.
   *
   * @throws {NetlinkError} `ENODEV`: there is no such link.
   */
  async listAddresses(options: ListAddressesOptions = {}): Promise<LinkAddress[]> {
    const operation = 'route.listAddresses'
    requireOptions(options)
    const link = options.link === undefined ? undefined : requireLink('options.link', options.link)
    const { family } = options as { family?: unknown }
    if (family !== undefined && family !== 'ip' && family !== 'ip6') throw new ValidationError('options.family', family, "'ip' or 'ip6'")
    return await this.#queue.run(operation, options, async (deadlineMs) => {
      const request = { family: family === undefined ? 0 : families[family], deadlineMs, ...(link !== undefined && { link }) }
      const context = { operation, subject: link === undefined ? undefined : `link ${link}` }
      const addresses: LinkAddress[] = []
      const slices = new Slices()
      for (const piece of unwrapOutcome(await this.#socket.listAddresses(request), context)) {
        for (let row = 0; row < piece.rows; row += 1) {
          addresses.push(decodeAddress(piece, row))
          if (slices.isOver) await slices.turn()
        }
      }
      return addresses
    })
  }

  /**
   * Adds addresses to a link, in few system calls. Equivalent to `ip address add`, once for each.
   *
   * An address without prefix length gets the full one. Of several IPv4 addresses of one wider prefix (`10.0.0.1/24`, `10.0.0.2/24`) all but the first become
   * `secondary`; removing the first removes them all, unless the sysctl `promote_secondaries` is set: use /32.
   *
   * The kernel walks a list of the link's addresses for each one it adds, so the time grows with the square: 2,000 take some 50 ms, 20,000 several seconds.
   *
   * @throws {ValidationError} An address or option is not what it should be; nothing was sent.
   * @throws {NetlinkError} `ENODEV`: there is no such link. `EPERM`: CAP_NET_ADMIN is missing. Where one address was given, also its refusal: `EEXIST`.
   * @throws {TransactionError} Some were refused (`errors`, and unless `onError` is `isolate`), or the signal, the deadline or lost replies ended it early.
   */
  async addAddresses(
    link: LinkReference,
    addresses: Iterable<AddressInput> | AddressColumns,
    options: AddAddressesOptions = {}
  ): Promise<BulkReport> {
    return await this.#changeAddresses({ verb: 'add', operation: 'route.addAddresses', link, addresses, options })
  }

  /**
   * Removes addresses from a link. Equivalent to `ip address del`, once for each. The prefix length is part of what is removed: `10.0.0.1` means `10.0.0.1/32`.
   *
   * @throws {ValidationError} An address or option is not what it should be; nothing was sent.
   * @throws {NetlinkError} `ENODEV`, `EPERM`. Where one address was given, also its refusal: `EADDRNOTAVAIL`, it is not on the link.
   * @throws {TransactionError} As for {@link Route.addAddresses}.
   */
  async removeAddresses(
    link: LinkReference,
    addresses: Iterable<AddressInput> | AddressColumns,
    options: RemoveAddressesOptions = {}
  ): Promise<BulkReport> {
    return await this.#changeAddresses({ verb: 'delete', operation: 'route.removeAddresses', link, addresses, options })
  }

  /**
   * Adds a dummy link: it takes addresses and drops what is sent to it. Equivalent to `ip link add NAME type dummy`.
   *
   * @throws {UnsupportedError} The kernel has no dummy links; the message says how it gets them.
   * @throws {NetlinkError} `EEXIST`: there is a link of that name (with `ensure`: of another kind). `EPERM`. `EINVAL`: the MTU is out of range.
   *   `EADDRNOTAVAIL`: the hardware address is none that a link may have.
   */
  async addDummy(name: string, options: AddDummyOptions = {}): Promise<Link> {
    const operation = 'route.addDummy'
    const link = requireNewName('name', name)
    const ensure = requireEnsure(options)
    const settings = encodeSettings('options', options)
    const hardwareAddress = encodeHardwareAddress('options.hardwareAddress', options.hardwareAddress)
    return await this.#queue.run(operation, options, async (deadlineMs) => {
      const value = { ...settings.value, ...(hardwareAddress !== undefined && { hardwareAddress }), info: { kind: 'dummy' } }
      const made = await this.#socket.changeLink({ ...settings, verb: 'create', link, value, deadlineMs })
      if (made.failure === undefined) return await this.#readLink(operation, link, deadlineMs)
      const { errno } = made.failure
      if (errno === EOPNOTSUPP) throw this.#noDummies(failureError(made.failure, { operation, subject: `link ${link}` }))
      const present = errno === EEXIST && ensure ? await this.#readLink(operation, link, deadlineMs) : undefined
      if (present?.kind !== 'dummy') throw failureError(made.failure, { operation, subject: `link ${link}` })
      if (options.up === undefined && options.mtu === undefined) return present
      unwrapOutcome(await this.#socket.changeLink({ ...settings, verb: 'set', link, deadlineMs }), { operation, subject: `link ${link}` })
      return await this.#readLink(operation, link, deadlineMs)
    })
  }

  /**
   * Changes a link. Equivalent to `ip link set`.
   *
   * @throws {NetlinkError} `ENODEV`, `EPERM`. `EINVAL`: the link cannot have that MTU.
   */
  async updateLink(link: LinkReference, settings: LinkSettings, options: CallOptions = {}): Promise<void> {
    const operation = 'route.updateLink'
    const reference = requireLink('link', link)
    const change = encodeSettings('settings', settings)
    if (settings.up === undefined && settings.mtu === undefined) throw new ValidationError('settings', settings, 'up, mtu, or both')
    await this.#queue.run(operation, options, async (deadlineMs) => {
      const outcome = await this.#socket.changeLink({ ...change, verb: 'set', link: reference, deadlineMs })
      unwrapOutcome(outcome, { operation, subject: `link ${reference}` })
    })
  }

  /**
   * Removes a link with all its addresses. Equivalent to `ip link delete`.
   *
   * @throws {NetlinkError} `ENODEV`: there is none (not with `ensure`). `EOPNOTSUPP`: it is hardware, or `lo`. `EPERM`.
   */
  async removeLink(link: LinkReference, options: RemoveOptions = {}): Promise<void> {
    const operation = 'route.removeLink'
    const reference = requireLink('link', link)
    const ensure = requireEnsure(options)
    await this.#queue.run(operation, options, async (deadlineMs) => {
      const outcome = await this.#socket.changeLink({ verb: 'delete', link: reference, changeMask: 0, flags: 0, value: {}, deadlineMs })
      if (ensure && outcome.failure?.errno === ENODEV) return
      unwrapOutcome(outcome, { operation, subject: `link ${reference}` })
    })
  }

  /**
   * Asks the kernel which way a packet to an address would go, as its rules and tables of routing are now. Equivalent to `ip route get ADDRESS`. It needs no privileges, and its
   * cost does not grow with the number of routes (inet_rtm_getroute in net/ipv4/route.c, inet6_rtm_getroute in net/ipv6/route.c).
   *
   * @param destination An IPv4 or IPv6 address without prefix or zone.
   * @throws {ValidationError} The address or an option is not what it should be; nothing was sent.
   * @throws {NetlinkError} There is no way, and `subject` names the address. `ENETUNREACH`: no route leads there, or `source` is no address of this machine's
   *   (of IPv4; older kernels say `EINVAL`). `EHOSTUNREACH`, `EACCES`, `EINVAL`: its route is of type
   *   `unreachable`, `prohibit`, `blackhole`. `EHOSTUNREACH` also: the packet comes in, and this machine does not forward it. `ENODEV`: there is no such link.
   */
  async lookup(destination: string, options: LookupOptions = {}): Promise<RouteEntry> {
    const operation = 'route.lookup'
    const lookup = encodeLookup(destination, options)
    return await this.#queue.run(operation, options, async (deadlineMs) => {
      const outcome = await this.#socket.lookUpRoute({ ...lookup, deadlineMs })
      const hint = outcome.failure && lookupHint(outcome.failure.errno)
      return decodeRoute(unwrapOutcome(outcome, { operation, subject: `route to ${destination}`, hint }))
    })
  }

  /**
   * Reports changes of links and addresses, and of default routes where that is asked for, from the moment the promise resolves: list what is there after that, not before. Leave the loop, abort the
   * signal, or close the client to end it. While it is open the process stays alive. Equivalent to `ip monitor link address`.
   *
   * @throws {ValidationError} An option is malformed, or nothing is to be reported.
   * @throws {NetlinkError} The socket cannot be opened.
   */
  async watch(options: RouteWatchOptions = {}): Promise<RouteEvents> {
    if (this.#queue.isClosed) throw new ClosedError('the Route client')
    const stream = await openWatch(this.#kernel, this.#options, options, this.#streams)
    await this.#endIfClosed(stream)
    return stream
  }

  /** Waits for calls that were made, ends monitors, and closes the socket. Idempotent; later calls reject with {@link ClosedError}. */
  async close(): Promise<void> {
    for (const stream of this.#streams) stream.end()
    await this.#queue.close(() => this.#socket.close())
  }

  /** {@link Route.close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** The client may have been closed while the monitor was opened. */
  async #endIfClosed(stream: RouteEvents): Promise<void> {
    if (this.#queue.isClosed) await stream.return()
  }

  async #readLink(operation: string, link: NativeLinkReference, deadlineMs: number): Promise<Link> {
    return decodeLink(unwrapOutcome(await this.#socket.getLink({ link, deadlineMs }), { operation, subject: `link ${link}` }))
  }

  #noDummies(cause: NetlinkError): UnsupportedError {
    const remedy = 'load its module (modprobe dummy), or use a kernel built with CONFIG_DUMMY'
    return new UnsupportedError('dummy links', `this kernel has no dummy links: ${remedy}`, { cause })
  }

  async #changeAddresses({ verb, operation, link, addresses, options }: AddressCall): Promise<BulkReport> {
    const reference = requireLink('link', link)
    const { onError, ensure, signal } = requireBulkOptions(options, onErrors[verb])
    const columns = encodeAddresses(addresses, options)
    return await this.#queue.run(operation, options, async (deadlineMs) => {
      const start = performance.now()
      // Half of the time is kept for undoing, so that the account is complete at the deadline.
      const deadlineAt = start + (onError === 'atomic' ? deadlineMs / 2 : deadlineMs)
      const run = new AddressRun(this.#socket, { verb, operation, link: reference, columns, ensure, signal, deadlineAt })
      await run.apply()
      if (!run.hasFailed || onError === 'isolate') return run.report()
      throw await run.error(onError === 'atomic' ? await run.undo(start + deadlineMs) : undefined)
    })
  }
}
