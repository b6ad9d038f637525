/**
 * Routes of the fake of the route kernel: those that follow from addresses, those that a test adds, and which of them a packet takes.
 */
import { requireAddress, requirePrefix } from '../../core/address.js'
import { requireFields, requireInteger, requireKnown } from '../../core/checks.js'
import { EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH, ENODEV } from '../../core/errno.js'
import { ValidationError } from '../../core/errors.js'
import { AF_INET, AF_INET6 } from '../../core/protocols.js'
import type { NativeLinkReference, NativeOutcome, NativeRoute, NativeRouteLookup } from '../../native/index.js'
import { failed } from '../outcome.js'
import { IFF_UP, type FakeAddress, type FakeLink } from './rows.js'

// include/uapi/linux/rtnetlink.h
/** RTN_*. */
export const ROUTE_TYPES = { unicast: 1, local: 2, broadcast: 3, multicast: 5, blackhole: 6, unreachable: 7, prohibit: 8 } as const
const [RT_TABLE_MAIN, RT_TABLE_LOCAL] = [254, 255]
const [RTPROT_KERNEL, RTPROT_BOOT] = [2, 3]
const [RT_SCOPE_UNIVERSE, RT_SCOPE_LINK, RT_SCOPE_HOST] = [0, 253, 254]
/** IP6_RT_PRIO_USER and IP6_RT_PRIO_ADDRCONF (include/uapi/linux/ipv6_route.h). */
const [PRIORITY_USER, PRIORITY_ADDRCONF] = [1024, 256]
const IFA_F_NOPREFIXROUTE = 0x200
const IFA_F_SECONDARY = 1

/** What a route that leads nowhere answers (fib_props in net/ipv4/fib_semantics.c; ip6_rt_type_to_error in net/ipv6/route.c). */
const REFUSALS: Readonly<Record<number, number>> = {
  [ROUTE_TYPES.blackhole]: EINVAL,
  [ROUTE_TYPES.unreachable]: EHOSTUNREACH,
  [ROUTE_TYPES.prohibit]: EACCES
}

/** A route of the main table that {@link FakeRouteKernel.addRoute} adds. */
export interface FakeRoute {
  /** `10.0.0.0/8`; a default route is `0.0.0.0/0` or `::/0`. */
  readonly destination: string
  /** Default: `unicast`. */
  readonly type?: 'unicast' | 'blackhole' | 'unreachable' | 'prohibit'
  /** By which it leaves: name or index. Needed for `unicast`, and for no other type. */
  readonly link?: string | number
  readonly gateway?: string
  /** The preferred source. */
  readonly source?: string
  /** 0 … 4294967295. Default: 0 for IPv4, 1024 for IPv6. */
  readonly metric?: number
}

/** One entry of a table. */
interface Entry {
  readonly family: number
  readonly destination: Uint8Array
  readonly length: number
  readonly type: number
  readonly table: number
  readonly protocol: number
  readonly scope: number
  readonly link: FakeLink | undefined
  readonly gateway?: Uint8Array | undefined
  readonly source?: Uint8Array | undefined
  readonly metric: number
}

const bitsOf = (family: number): number => (family === AF_INET ? 32 : 128)
const isEqual = (left: Uint8Array | undefined, right: Uint8Array | undefined): boolean =>
  left !== undefined && right !== undefined && Buffer.compare(left, right) === 0

/** The first bytes of a row of columns: the address itself. */
const bytesOf = ({ family, bytes }: FakeAddress): Uint8Array => bytes.slice(0, family === AF_INET ? 4 : 16)

/** How many bits at the start of both are the same. */
function commonBits(left: Uint8Array, right: Uint8Array): number {
  const at = left.findIndex((byte, index) => byte !== right[index])
  return at === -1 ? left.length * 8 : at * 8 + Math.clz32(left[at]! ^ right[at]!) - 24
}

/** An address with all bits from `length` on set to one value. */
function masked(bytes: Uint8Array, length: number, bit: 0 | 1 = 0): Uint8Array {
  return bytes.map((byte, at) => {
    const mask = (0xff << Math.min(8, Math.max(0, 8 - (length - at * 8)))) & 0xff
    return bit === 0 ? byte & mask : byte | (~mask & 0xff)
  })
}

/** The routes of one namespace. */
export class FakeRoutes {
  readonly #links: () => Iterable<FakeLink>
  readonly #find: (reference: NativeLinkReference) => FakeLink | undefined
  #added: Entry[] = []

  constructor(links: () => Iterable<FakeLink>, find: (reference: NativeLinkReference) => FakeLink | undefined) {
    this.#links = links
    this.#find = find
  }

  /** Adds a route, in place of one of the same destination and metric. @throws {ValidationError} */
  add(route: FakeRoute): NativeRoute {
    const entry = this.#entryOf(route)
    this.#added = [...this.#added.filter((other) => !isSamePlace(other, entry)), entry]
    return nativeOf(entry)
  }

  /** Those that were added, and are there. */
  listAdded(): NativeRoute[] {
    return this.#added.map(nativeOf)
  }

  /** Removes a route; undefined where there is none. @throws {ValidationError} */
  remove({ destination, metric }: Pick<FakeRoute, 'destination' | 'metric'>): NativeRoute | undefined {
    const { address, length } = requirePrefix('route.destination', destination)
    const [gone] = this.#added
      .filter((entry) => isEqual(entry.destination, masked(address, length)) && entry.length === length)
      .filter((entry) => metric === undefined || entry.metric === metric)
      .sort((left, right) => left.metric - right.metric)
    this.#added = this.#added.filter((entry) => entry !== gone)
    return gone && nativeOf(gone)
  }

  /** Drops the routes of a link that goes down or away; those that the kernel tells of are returned (IPv4 goes silently: fib_sync_down_dev). */
  dropLink(link: FakeLink): NativeRoute[] {
    const gone = this.#added.filter((entry) => entry.link === link)
    this.#added = this.#added.filter((entry) => entry.link !== link)
    return gone.filter(({ family }) => family === AF_INET6).map(nativeOf)
  }

  /** What an address that is gone leaves behind: IPv4 drops the routes that prefer it (fib_sync_down_addr), IPv6 forgets the preference (rt6_remove_prefsrc). */
  dropAddress(address: FakeAddress): void {
    const bytes = bytesOf(address)
    if (this.#hosts(bytes) !== undefined) return
    const isOf = ({ source }: Entry): boolean => isEqual(source, bytes)
    this.#added = this.#added
      .filter((entry) => address.family !== AF_INET || !isOf(entry))
      .map((entry) => (isOf(entry) ? { ...entry, source: undefined } : entry))
  }

  /** The kernel's answer to RTM_GETROUTE. */
  lookUp(lookup: NativeRouteLookup): NativeOutcome<NativeRoute> {
    const { destination, source, family, inputLink, match } = lookup
    const outputLink = lookup.outputLink === undefined ? undefined : this.#find(lookup.outputLink)
    const isLinkMissing = lookup.outputLink !== undefined && outputLink === undefined
    if (isLinkMissing || (inputLink !== undefined && this.#find(inputLink) === undefined)) return failed(ENODEV, 'RTM_GETLINK')
    const isSent = inputLink === undefined
    if (isSent && family === AF_INET && source !== undefined && this.#hosts(source) === undefined) return refused(ENETUNREACH)
    if (isSent && outputLink !== undefined && (outputLink.flags & IFF_UP) === 0) return refused(ENETUNREACH)
    const entry = this.#match(destination, family, outputLink)
    if (entry === undefined && family === AF_INET && outputLink !== undefined)
      return match ? refused(EHOSTUNREACH) : this.#onLink(lookup, outputLink)
    if (entry === undefined) return refused(ENETUNREACH)
    const refusal = REFUSALS[entry.type]
    if (refusal !== undefined) return refused(refusal)
    // A fresh namespace does not forward; IPv6 says the way all the same.
    if (!isSent && family === AF_INET && entry.type !== ROUTE_TYPES.local) return refused(EHOSTUNREACH)
    return { value: match ? nativeOf(entry) : this.#answer(lookup, entry) }
  }

  #entryOf(route: FakeRoute): Entry {
    requireFields('route', route)
    requireKnown('route.', route, ['destination', 'type', 'link', 'gateway', 'source', 'metric'])
    const { address, length } = requirePrefix('route.destination', route.destination)
    const family = address.length === 4 ? AF_INET : AF_INET6
    const word = family === AF_INET ? 'ip' : 'ip6'
    const type = ROUTE_TYPES[route.type ?? 'unicast'] as number | undefined
    if (type === undefined) throw new ValidationError('route.type', route.type, "'unicast', 'blackhole', 'unreachable' or 'prohibit'")
    const link = route.link === undefined ? undefined : this.#find(route.link)
    const isUp = link !== undefined && (link.flags & IFF_UP) !== 0
    if (type === ROUTE_TYPES.unicast ? !isUp : route.link !== undefined)
      throw new ValidationError(
        'route.link',
        route.link,
        type === ROUTE_TYPES.unicast ? 'a link that is up' : 'nothing: the route leads nowhere'
      )
    return {
      ...{ family, destination: masked(address, length), length, type, table: RT_TABLE_MAIN, protocol: RTPROT_BOOT, link },
      scope: route.gateway === undefined && family === AF_INET && type === ROUTE_TYPES.unicast ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
      gateway: route.gateway === undefined ? undefined : requireAddress('route.gateway', route.gateway, word),
      source: route.source === undefined ? undefined : requireAddress('route.source', route.source, word),
      metric: requireInteger('route.metric', route.metric ?? (family === AF_INET ? 0 : PRIORITY_USER), 0, 0xffffffff)
    }
  }

  /** The link that has an address. */
  #hosts(address: Uint8Array): FakeLink | undefined {
    return [...this.#links()].find((link) => link.addresses.some((own) => isEqual(bytesOf(own), address)))
  }

  /** Of the longest prefix, and of those of the lowest metric; the local table comes first. */
  #match(destination: Uint8Array, family: number, outputLink: FakeLink | undefined): Entry | undefined {
    const fits = (entry: Entry): boolean =>
      entry.family === family &&
      commonBits(entry.destination, destination) >= entry.length &&
      (outputLink === undefined || entry.link === outputLink)
    const local = [...this.#links()].flatMap((link) => link.addresses.flatMap((address) => localRoutes(link, address)))
    const main = [...this.#links()].flatMap((link) => link.addresses.flatMap((address) => prefixRoutes(link, address)))
    const [best] = [...main, ...this.#added].filter(fits).sort((left, right) => right.length - left.length || left.metric - right.metric)
    return local.find(fits) ?? best
  }

  /** With a link that no route names, IPv4 takes the destination for one that is on it (ip_route_output_key_hash_rcu). */
  #onLink({ destination }: NativeRouteLookup, link: FakeLink): NativeOutcome<NativeRoute> {
    const source = this.#sourceFor(link, destination, AF_INET)
    const entry = {
      family: AF_INET,
      destination,
      length: 32,
      type: ROUTE_TYPES.unicast,
      table: 0,
      protocol: 0,
      scope: 0,
      link,
      source,
      metric: 0
    }
    return { value: nativeOf(entry) }
  }

  /** What becomes of a route for one packet (rt_fill_info, rt6_fill_node). */
  #answer({ destination, source, inputLink, family }: NativeRouteLookup, entry: Entry): NativeRoute {
    const isLocal = entry.type === ROUTE_TYPES.local
    const link = isLocal ? this.#find('lo') : entry.link
    const chosen = source ?? (isLocal ? destination : (entry.source ?? this.#sourceFor(entry.link!, entry.gateway ?? destination, family)))
    // Nothing is chosen of a packet that comes in, and IPv4 does not repeat what it was told.
    const isSaid = inputLink === undefined && (family !== AF_INET || source === undefined)
    const scope = family === AF_INET ? RT_SCOPE_UNIVERSE : entry.scope
    const protocol = family === AF_INET ? 0 : entry.protocol
    const found = { ...entry, destination, length: bitsOf(family), protocol, scope, link, source: isSaid ? chosen : undefined }
    return nativeOf(family === AF_INET ? { ...found, metric: 0 } : found)
  }

  /** An address of the link that shares most with where the packet goes, else one of another link (inet_select_addr, ipv6_dev_get_saddr). */
  #sourceFor(link: FakeLink, towards: Uint8Array, family: number): Uint8Array | undefined {
    const of = ({ addresses }: FakeLink): FakeAddress[] =>
      addresses.filter((address) => address.family === family && address.scope < RT_SCOPE_LINK && (address.flags & IFA_F_SECONDARY) === 0)
    const others = [...this.#links()].flatMap(of)
    const candidates = of(link).length > 0 ? of(link) : others
    const common = (address: FakeAddress): number => {
      const bits = commonBits(bytesOf(address), towards)
      return family === AF_INET ? (bits >= address.prefixLength ? 1 : 0) : bits
    }
    const [best] = [...candidates].sort((left, right) => common(right) - common(left))
    return best && bytesOf(best)
  }
}

function isSamePlace(left: Entry, right: Entry): boolean {
  return isEqual(left.destination, right.destination) && left.length === right.length && left.metric === right.metric
}

/** An address of this machine is reached through `lo`, and IPv4's last one of a network is everybody's (fib_add_ifaddr). */
function localRoutes(link: FakeLink, address: FakeAddress): Entry[] {
  const { family, prefixLength } = address
  const isIPv4 = family === AF_INET
  const own = bytesOf(address)
  const common = { family, table: isIPv4 ? RT_TABLE_MAIN : RT_TABLE_LOCAL, protocol: RTPROT_KERNEL, link, metric: 0 }
  const scope = isIPv4 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE
  const source = isIPv4 ? own : undefined
  const local: Entry = { ...common, destination: own, length: bitsOf(family), type: ROUTE_TYPES.local, scope, source }
  const hasBroadcast = isIPv4 && prefixLength < 31 && (link.flags & IFF_UP) !== 0 && link.name !== 'lo'
  if (!hasBroadcast) return [local]
  return [local, { ...local, destination: masked(own, prefixLength, 1), type: ROUTE_TYPES.broadcast, scope: RT_SCOPE_LINK }]
}

/** The network of an address is on its link while that is up. */
function prefixRoutes(link: FakeLink, address: FakeAddress): Entry[] {
  const { family, prefixLength, flags } = address
  const isIPv4 = family === AF_INET
  if ((link.flags & IFF_UP) === 0 || prefixLength === bitsOf(family) || (flags & IFA_F_NOPREFIXROUTE) !== 0) return []
  const own = bytesOf(address)
  return [
    {
      ...{ family, destination: masked(own, prefixLength), length: prefixLength, link, table: RT_TABLE_MAIN, protocol: RTPROT_KERNEL },
      type: link.name === 'lo' && isIPv4 ? ROUTE_TYPES.local : ROUTE_TYPES.unicast,
      scope: isIPv4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
      source: isIPv4 ? own : undefined,
      metric: isIPv4 ? 0 : PRIORITY_ADDRCONF
    }
  ]
}

function nativeOf({ destination, length, type, scope, protocol, table, link, gateway, source, metric, family }: Entry): NativeRoute {
  return {
    ...{ destination, destinationLength: length, type, scope, protocol, table },
    ...(link && { linkIndex: link.index }),
    ...(gateway && { gateway }),
    ...(source && { source }),
    ...((metric !== 0 || family === AF_INET6) && { metric }),
    hops: []
  }
}

function refused(errno: number): { readonly failure: NonNullable<NativeOutcome<never>['failure']> } {
  return failed(errno, 'RTM_GETROUTE')
}
