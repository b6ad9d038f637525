/**
 * A kernel's links, addresses and routes in memory, for tests of code that uses the route client: same checks, same refusals, no privileges.
 */
import { EADDRNOTAVAIL, EBADF, EEXIST, ENODEV, EOPNOTSUPP, EPERM } from '../../core/errno.js'
import { asFakeKernel, type FakeKernel, type NativeKernel, kernelPart } from '../../core/open.js'
import { AF_INET } from '../../core/protocols.js'
import type {
  NativeAddressChange,
  NativeAddressReport,
  NativeColumns,
  NativeLink,
  NativeLinkChange,
  NativeLinkReference,
  NativeOutcome,
  NativeRoute,
  NativeRouteEvent,
  NativeRouteLookup,
  NativeRouteMonitorCallback,
  NativeRouteMonitorOptions,
  NativeRouteSocket
} from '../../native/index.js'
import { Route, type RouteOptions } from '../../route/client.js'
import { Faults, type Fault, type FaultCalls, type FaultOptions } from '../faults.js'
import { failed, refusalColumns } from '../outcome.js'
import type { FakeRefusal } from '../outcome.js'
import { dumpRoute } from './dump.js'
import { METHODS } from './methods.js'
import { FakeRoutes, type FakeRoute } from './routes.js'
import {
  IFF_UP,
  NONE,
  addressAt,
  isSame,
  isSameNetwork,
  lifetimesOf,
  nativeLink,
  padded,
  toColumns,
  type FakeAddress,
  type FakeLink
} from './rows.js'

// include/uapi/asm-generic/errno-base.h, errno.h

const IFA_F_SECONDARY = 1
const IFA_F_DEPRECATED = 0x20
const IFA_F_PERMANENT = 0x80
const PORT = 4711
/** dummy_setup (drivers/net/dummy.c): IFF_NOARP and IFF_BROADCAST, and an MTU that may be anything. */
const DUMMY_FLAGS = 0x82

interface FakeMonitor {
  readonly wanted: Pick<NativeRouteMonitorOptions, 'links' | 'addresses' | 'defaultRoutes'>
  readonly callback: NativeRouteMonitorCallback
  isPaused: boolean
  hasLost: boolean
}

/** What a {@link FakeRouteKernel} can do. */
export interface FakeRouteOptions {
  /** Whether it has dummy links; default true. */
  readonly dummies?: boolean
  /** Whether the caller may change anything (CAP_NET_ADMIN); default true. */
  readonly privileged?: boolean
}

/** Stands for one network namespace; it begins with `lo`, which is down. Any number of clients can be opened on it. */
export class FakeRouteKernel implements FakeKernel<'route'> {
  readonly [kernelPart] = 'route'
  readonly #links = new Map<number, FakeLink>()
  readonly #monitors = new Set<FakeMonitor>()
  readonly #routes = new FakeRoutes(
    () => this.#links.values(),
    (reference) => this.#find(reference)
  )
  readonly #hasDummies: boolean
  readonly #isPrivileged: boolean
  readonly #faults = new Faults<'route'>(['add', 'update', 'remove', 'list', 'get', 'lookup'])
  #nextIndex = 1

  constructor(options: FakeRouteOptions = {}) {
    this.#hasDummies = options.dummies ?? true
    this.#isPrivileged = options.privileged ?? true
    this.#makeLink('lo', undefined, 8, 65536)
  }

  /** Opens a client whose kernel is this one. */
  open(options: Omit<RouteOptions, 'kernel'> = {}): Promise<Route> {
    return Route.open({ ...options, kernel: asFakeKernel<'route'>(this) })
  }

  /**
   * Makes a call fail: `kernel.fail('add', { at: 3, code: 'EBUSY' })`. Several faults can wait at once.
   *
   * @throws {ValidationError} There is no such call, or no such errno.
   */
  fail(call: FaultCalls['route'], options: FaultOptions): Fault {
    return this.#faults.add(call, options)
  }

  /** Links with their addresses, and routes that were added, as text: a line for each. Flags and lifetimes are not in it. */
  dump(): string {
    return dumpRoute([...this.#links.values()], this.#routes.listAdded())
  }

  /** Makes every monitor that is open miss events, as when the kernel's buffer was full. */
  loseEvents(): void {
    for (const monitor of this.#monitors) this.#deliver(monitor, 'lost')
  }

  /**
   * Adds a route to the main table, in place of one of the same destination and metric, as `ip route replace` does: the client only looks routes up. Those of addresses are there
   * by themselves. It goes away with its link, also when that goes down.
   *
   * @throws {ValidationError} The route is malformed, or its link does not exist or is down.
   */
  addRoute(route: FakeRoute): void {
    this.#emitRoutes('newroute', [this.#routes.add(route)])
  }

  /**
   * Removes a route that was added; without `metric` the one with the lowest. Nothing happens where there is none.
   *
   * @throws {ValidationError} The destination is no prefix.
   */
  removeRoute(route: Pick<FakeRoute, 'destination' | 'metric'>): void {
    const gone = this.#routes.remove(route)
    if (gone !== undefined) this.#emitRoutes('delroute', [gone])
  }

  /** @internal */
  lookUpRoute(lookup: NativeRouteLookup): NativeOutcome<NativeRoute> {
    return this.#routes.lookUp(lookup)
  }

  /** @internal */
  openRoute(): ReturnType<NativeKernel<'route'>['openRoute']> {
    return Promise.resolve({ value: this.#faults.wrap(new FakeRouteSocket(this), METHODS) })
  }

  /** @internal */
  monitorRoute(wanted: FakeMonitor['wanted'], callback: NativeRouteMonitorCallback): ReturnType<NativeKernel<'route'>['monitorRoute']> {
    const monitor: FakeMonitor = { wanted, callback, isPaused: false, hasLost: false }
    this.#monitors.add(monitor)
    return Promise.resolve({
      value: {
        portId: PORT + 1,
        // What happens while no one reads would fill the kernel's buffer; this one has none.
        pause: () => (monitor.isPaused = true),
        resume: () => {
          monitor.isPaused = false
          if (monitor.hasLost) this.#deliver(monitor, 'lost')
          monitor.hasLost = false
        },
        ref: () => undefined,
        unref: () => undefined,
        close: () => void this.#monitors.delete(monitor)
      }
    })
  }

  /** @internal */
  listLinks(): NativeLink[] {
    return [...this.#links.values()].map((link) => nativeLink(link))
  }

  /** @internal */
  getLink(reference: NativeLinkReference): NativeOutcome<NativeLink> {
    const link = this.#find(reference)
    return link === undefined ? failed(ENODEV, 'RTM_GETLINK') : { value: nativeLink(link) }
  }

  /** @internal */
  changeLink(change: NativeLinkChange): NativeOutcome<undefined> {
    if (!this.#isPrivileged) return failed(EPERM, 'netlink')
    const link = this.#find(change.link)
    if (change.verb === 'create') return this.#create(change, link)
    if (link === undefined) return failed(ENODEV, 'netlink')
    if (change.verb === 'delete') return this.#delete(link)
    link.mtu = (change.value.mtu as number | undefined) ?? link.mtu
    this.#setUp(link, (link.flags & ~change.changeMask) | (change.flags & change.changeMask))
    this.#emit({ type: 'newlink', portId: 0, sequence: 0, link: nativeLink(link) })
    return { value: undefined }
  }

  /** @internal */
  listAddresses(family: number, reference: NativeLinkReference | undefined): NativeOutcome<NativeColumns[]> {
    const one = reference === undefined ? undefined : this.#find(reference)
    if (reference !== undefined && one === undefined) return failed(ENODEV, 'RTM_GETADDR')
    const links = one === undefined ? [...this.#links.values()] : [one]
    const rows = links.flatMap((link) =>
      link.addresses.filter((address) => family === 0 || address.family === family).map((address) => ({ link, address }))
    )
    // As the kernel's dump: all of IPv4, then all of IPv6.
    return { value: [toColumns(rows.sort((a, b) => a.address.family - b.address.family))] }
  }

  /** @internal */
  changeAddresses(change: NativeAddressChange): NativeOutcome<NativeAddressReport> {
    const link = this.#find(change.link)
    if (link === undefined) return failed(ENODEV, 'RTM_GETLINK')
    const refused: FakeRefusal[] = []
    for (let row = 0; row < change.columns.rows; row += 1) {
      const [errno, message] = this.#isPrivileged ? this.#changeAddress(change, link, row) : [EPERM, '']
      if (errno !== 0) refused.push({ index: row, errno, message })
    }
    const sent = change.columns.rows
    return { value: { linkIndex: link.index, errors: refusalColumns(refused), sent, unknownFrom: sent, systemCalls: sent === 0 ? 0 : 2 } }
  }

  #makeLink(name: string, kind: string | undefined, flags: number, mtu: number, hardwareAddress?: Uint8Array): FakeLink {
    const link = { index: this.#nextIndex, name, kind, flags, mtu, hardwareAddress, addresses: [] }
    this.#nextIndex += 1
    this.#links.set(link.index, link)
    return link
  }

  #find(reference: NativeLinkReference): FakeLink | undefined {
    if (typeof reference === 'number') return this.#links.get(reference)
    return [...this.#links.values()].find((link) => link.name === reference)
  }

  #create(change: NativeLinkChange, present: FakeLink | undefined): NativeOutcome<undefined> {
    if (present !== undefined) return failed(EEXIST, 'RTM_NEWLINK')
    const { kind } = change.value.info as { kind: string }
    if (kind !== 'dummy' || !this.#hasDummies) return failed(EOPNOTSUPP, 'RTM_NEWLINK', 'Unknown device type')
    const hardwareAddress = change.value.hardwareAddress as Uint8Array | undefined
    // is_valid_ether_addr (dummy_validate in drivers/net/dummy.c).
    const isRefused = hardwareAddress !== undefined && ((hardwareAddress[0]! & 1) === 1 || hardwareAddress.every((byte) => byte === 0))
    if (isRefused) return failed(EADDRNOTAVAIL, 'RTM_NEWLINK')
    const flags = DUMMY_FLAGS | (change.flags & change.changeMask)
    const link = this.#makeLink(String(change.link), kind, flags, (change.value.mtu as number | undefined) ?? 1500, hardwareAddress)
    this.#emit({ type: 'newlink', portId: 0, sequence: 0, link: nativeLink(link) })
    return { value: undefined }
  }

  #delete(link: FakeLink): NativeOutcome<undefined> {
    if (link.kind === undefined) return failed(EOPNOTSUPP, 'RTM_DELLINK')
    this.#dropAddresses(link, () => true)
    this.#emitRoutes('delroute', this.#routes.dropLink(link))
    this.#links.delete(link.index)
    this.#emit({ type: 'dellink', portId: 0, sequence: 0, link: nativeLink(link) })
    return { value: undefined }
  }

  /** Going down takes the IPv6 addresses away (addrconf_ifdown); `lo` has its own as long as it is up. */
  #setUp(link: FakeLink, flags: number): void {
    const wasUp = (link.flags & IFF_UP) !== 0
    const isUp = (flags & IFF_UP) !== 0
    link.flags = flags
    if (wasUp && !isUp) {
      this.#dropAddresses(link, ({ family }) => family !== AF_INET)
      this.#emitRoutes('delroute', this.#routes.dropLink(link))
    }
    if (wasUp || !isUp || link.name !== 'lo') return
    const own = [
      { family: AF_INET, bytes: padded([127, 0, 0, 1]), prefixLength: 8 },
      { family: 10, bytes: padded([...new Uint8Array(15), 1]), prefixLength: 128 }
    ]
    for (const address of own) {
      if (link.addresses.some(({ bytes, family }) => family === address.family && isSame(bytes, address.bytes))) continue
      this.#insert(link, { ...address, scope: 254, flags: IFA_F_PERMANENT, protocol: 0, ...lifetimesOf() }, 0)
    }
  }

  #changeAddress(change: NativeAddressChange, link: FakeLink, row: number): [errno: number, message: string] {
    const wanted = addressAt(change.columns, row)
    const bits = wanted.family === AF_INET ? 32 : 128
    const version = wanted.family === AF_INET ? 'ipv4' : 'ipv6'
    // IPv6 knows an address by itself alone (ipv6_add_addr), IPv4 by its prefix length too (__inet_insert_ifa).
    const isIt = (other: FakeAddress): boolean => other.family === wanted.family && isSame(other.bytes, wanted.bytes)
    const exact = (other: FakeAddress): boolean => isIt(other) && other.prefixLength === wanted.prefixLength
    if (change.verb === 'delete') {
      const present = link.addresses.find(exact)
      if (present === undefined)
        return [EADDRNOTAVAIL, `${version}: ${wanted.family === AF_INET ? 'Address not found' : 'address not found'}`]
      this.#remove(link, present, bits)
      return [0, '']
    }
    if (wanted.family !== AF_INET && wanted.bytes[0] === 0xff)
      return [EADDRNOTAVAIL, 'ipv6: Cannot assign multicast address without "IFA_F_MCAUTOJOIN" flag']
    const present = link.addresses.find(wanted.family === AF_INET ? exact : isIt)
    if (present !== undefined && change.verb === 'replace') return this.#renew(link, present, wanted)
    if (present !== undefined)
      return [EEXIST, `${version}: ${wanted.family === AF_INET ? 'Address already assigned' : 'address already assigned'}`]
    const isSecondary =
      wanted.family === AF_INET && link.addresses.some((other) => isSameNetwork(other, wanted) && (other.flags & IFA_F_SECONDARY) === 0)
    this.#insert(link, { ...wanted, flags: lastingFlags(wanted) | (isSecondary ? IFA_F_SECONDARY : 0) }, PORT)
    return [0, '']
  }

  /** IPv4 keeps its flags (inet_rtm_newaddr), IPv6 takes those that are given (inet6_addr_modify). */
  #renew(link: FakeLink, present: FakeAddress, wanted: FakeAddress): [errno: number, message: string] {
    const { validSeconds, preferredSeconds, sinceMs, protocol } = wanted
    const flags = lastingFlags({
      ...wanted,
      flags: wanted.family === AF_INET ? present.flags & ~IFA_F_PERMANENT & ~IFA_F_DEPRECATED : wanted.flags
    })
    Object.assign(present, { validSeconds, preferredSeconds, sinceMs, protocol, flags })
    this.#emit({ type: 'newaddr', portId: PORT, sequence: 0, addresses: toColumns([{ link, address: present }]) })
    return [0, '']
  }

  #insert(link: FakeLink, address: FakeAddress, portId: number): void {
    link.addresses.push(address)
    this.#emit({ type: 'newaddr', portId, sequence: 0, addresses: toColumns([{ link, address }]) })
  }

  /** Removing a primary IPv4 address removes its secondaries, first (__inet_del_ifa with promote_secondaries 0). */
  #remove(link: FakeLink, address: FakeAddress, bits: number): void {
    const isPrimary = address.family === AF_INET && (address.flags & IFA_F_SECONDARY) === 0 && address.prefixLength < bits
    if (isPrimary) this.#dropAddresses(link, (other) => (other.flags & IFA_F_SECONDARY) !== 0 && isSameNetwork(other, address))
    this.#dropAddresses(link, (other) => other === address)
  }

  #dropAddresses(link: FakeLink, isDropped: (address: FakeAddress) => boolean): void {
    for (const address of link.addresses.filter(isDropped)) {
      link.addresses = link.addresses.filter((other) => other !== address)
      this.#routes.dropAddress(address)
      this.#emit({ type: 'deladdr', portId: PORT, sequence: 0, addresses: toColumns([{ link, address }]) })
    }
  }

  /** Of a whole family: others are not reported. */
  #emitRoutes(type: 'newroute' | 'delroute', routes: readonly NativeRoute[]): void {
    for (const route of routes) if (route.destinationLength === 0) this.#emit({ type, portId: 0, sequence: 0, route })
  }

  #emit(event: NativeRouteEvent): void {
    for (const monitor of this.#monitors) {
      const { links, addresses, defaultRoutes } = monitor.wanted
      const isWanted = event.link !== undefined ? links : event.route !== undefined ? defaultRoutes : addresses
      if (isWanted) this.#deliver(monitor, event)
    }
  }

  #deliver(monitor: FakeMonitor, event: NativeRouteEvent | 'lost'): void {
    if (monitor.isPaused) monitor.hasLost = true
    else monitor.callback([event], undefined)
  }
}

/** The client's view of a {@link FakeRouteKernel}. */
class FakeRouteSocket implements NativeRouteSocket {
  readonly portId = PORT
  readonly maxSendBytes = 1 << 20
  readonly #kernel: FakeRouteKernel
  #isClosed = false

  constructor(kernel: FakeRouteKernel) {
    this.#kernel = kernel
  }

  close(): Promise<void> {
    this.#isClosed = true
    return Promise.resolve()
  }

  listLinks(): Promise<NativeOutcome<NativeLink[]>> {
    return this.#job(() => ({ value: this.#kernel.listLinks() }))
  }

  getLink({ link }: { link: NativeLinkReference }): Promise<NativeOutcome<NativeLink>> {
    return this.#job(() => this.#kernel.getLink(link))
  }

  changeLink(change: NativeLinkChange): Promise<NativeOutcome<undefined>> {
    return this.#job(() => this.#kernel.changeLink(change))
  }

  listAddresses({ family, link }: { family: number; link?: NativeLinkReference }): Promise<NativeOutcome<NativeColumns[]>> {
    return this.#job(() => this.#kernel.listAddresses(family, link))
  }

  changeAddresses(change: NativeAddressChange): Promise<NativeOutcome<NativeAddressReport>> {
    return this.#job(() => this.#kernel.changeAddresses(change))
  }

  lookUpRoute(lookup: NativeRouteLookup): Promise<NativeOutcome<NativeRoute>> {
    return this.#job(() => this.#kernel.lookUpRoute(lookup))
  }

  /** A turn of the event loop passes, as with a job on another thread. */
  #job<T>(work: () => NativeOutcome<T>): Promise<NativeOutcome<T>> {
    return new Promise((resolve) => setImmediate(() => resolve(this.#isClosed ? failed(EBADF, 'submit') : work())))
  }
}

/** With what follows from the lifetimes (set_ifa_lifetime). */
function lastingFlags({ flags, validSeconds, preferredSeconds }: FakeAddress): number {
  return flags | (validSeconds === NONE ? IFA_F_PERMANENT : 0) | (preferredSeconds === 0 ? IFA_F_DEPRECATED : 0)
}
