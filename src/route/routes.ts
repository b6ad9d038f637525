/**
 * Look-ups of routes between the caller's words and what the addon gives and takes.
 */
import { formatAddress, requireAddress } from '../core/address.js'
import { requireFlag, requireInteger, requireOptions } from '../core/checks.js'
import { EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH } from '../core/errno.js'
import { ValidationError } from '../core/errors.js'
import { AF_INET, AF_INET6 } from '../core/protocols.js'
import type { NativeRoute, NativeRouteLookup } from '../native/index.js'
import { routeTypeName, scopeName } from './constants.js'
import { requireLink } from './links.js'
import type { LinkReference, LookupOptions, RouteEntry, RouteHop } from './types.js'

const MAX_MARK = 0xffffffff
/** 4294967295 stands for no user (INVALID_UID). */
const MAX_USER_ID = 0xfffffffe

/** What the kernel means by refusing a look-up (fib_props of net/ipv4/fib_semantics.c, ip6_rt_init_dst of net/ipv6/route.c). */
const HINTS: Readonly<Record<number, string>> = {
  [ENETUNREACH]: 'no route leads there, or not from that source',
  [EHOSTUNREACH]: 'the route there is of type unreachable, or the packet would be forwarded and this machine does not',
  [EACCES]: 'the route there is of type prohibit',
  [EINVAL]: 'the route there is of type blackhole, or the source is none that the packet can have'
}

/** What usually explains a refusal of the kernel's. */
export function lookupHint(errno: number): string | undefined {
  return HINTS[errno]
}

function requireLinkIfAny(path: string, link: LinkReference | undefined): NativeRouteLookup['inputLink'] {
  return link === undefined ? undefined : requireLink(path, link)
}

/**
 * Checks a look-up and says it as the addon takes it.
 *
 * @throws {ValidationError}
 */
export function encodeLookup(destination: string, options: LookupOptions): Omit<NativeRouteLookup, 'deadlineMs'> {
  requireOptions(options)
  const bytes = requireAddress('destination', destination)
  const isIPv4 = bytes.length === 4
  const { source, inputLink, outputLink, mark = 0, userId, match } = options
  if (inputLink !== undefined && outputLink !== undefined)
    throw new ValidationError(
      'options.outputLink',
      outputLink,
      'nothing beside inputLink: the route decides by which link the packet leaves'
    )
  if (inputLink !== undefined && userId !== undefined)
    throw new ValidationError('options.userId', userId, 'nothing beside inputLink: a packet that comes in is of no user')
  if (inputLink !== undefined && isIPv4 && source === undefined)
    throw new ValidationError('options.source', source, 'an IPv4 address: that of the packet that comes in by inputLink')
  return {
    family: isIPv4 ? AF_INET : AF_INET6,
    destination: bytes,
    source: source === undefined ? undefined : requireAddress('options.source', source, isIPv4 ? 'ip' : 'ip6'),
    inputLink: requireLinkIfAny('options.inputLink', inputLink),
    outputLink: requireLinkIfAny('options.outputLink', outputLink),
    mark: requireInteger('options.mark', mark, 0, MAX_MARK),
    userId: userId === undefined ? undefined : requireInteger('options.userId', userId, 0, MAX_USER_ID),
    match: requireFlag('options.match', match)
  }
}

function decodeHop({ linkIndex, weight, gateway }: NativeRoute['hops'][number]): RouteHop {
  return { linkIndex, ...(gateway && { gateway: formatAddress(gateway) }), weight }
}

/** A route of an answer or event as an object. */
export function decodeRoute({ destination, destinationLength, ...route }: NativeRoute): RouteEntry {
  const { linkIndex, gateway, source, metric, nexthopId, hops } = route
  return {
    family: destination.length === 4 ? 'ip' : 'ip6',
    type: routeTypeName(route.type),
    destination: `${formatAddress(destination)}/${destinationLength}`,
    table: route.table,
    protocol: route.protocol,
    scope: scopeName(route.scope),
    ...(linkIndex !== undefined && { linkIndex }),
    ...(gateway && { gateway: formatAddress(gateway) }),
    ...(source && { source: formatAddress(source) }),
    ...(metric !== undefined && { metric }),
    ...(nexthopId !== undefined && { nexthopId }),
    ...(hops.length > 0 && { hops: hops.map(decodeHop) })
  }
}
