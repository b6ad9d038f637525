/**
 * The ways by which packets leave that no other route leads anywhere.
 */
import type { AddressFamily } from '../../../core/address.js'
import { EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH, EOPNOTSUPP } from '../../../core/errno.js'
import { NetlinkError } from '../../../core/errors.js'
import type { LinkAddress, LookupOptions, Route, RouteEntry } from '../../../route/index.js'

/** What the default route of a family says of this node's address. */
export interface DefaultWay {
  /** Its preferred source, where one was set. */
  readonly preferred: string | undefined
  /** Its link; of several the first. */
  readonly linkIndex: number | undefined
  /** The source that the kernel takes, which is of another link where this one has no address. */
  readonly source: string | undefined
}

/** By family; undefined: there is no default route. */
export type DefaultWays = Readonly<Record<AddressFamily, DefaultWay | undefined>>

/** No default routes. */
export const NO_WAYS: DefaultWays = { ip: undefined, ip6: undefined }

/** RT_TABLE_MAIN (include/uapi/linux/rtnetlink.h). */
const MAIN_TABLE = 254
/** Links that are asked about one by one, where that is needed at all. */
const MAX_LINKS = 64

/**
 * Addresses that no route but the default one leads to: a look-up of them finds it without a walk over all routes, of which there may be a hundred thousand. 0.0.0.0 itself would
 * be this machine; `::` is in prefixes that some systems make unreachable. Neither block is given to anybody (RFC 1122, section 3.2.1.3; RFC 4291, section 2.4).
 */
const PROBES: Readonly<Record<AddressFamily, string>> = { ip: '0.0.0.1', ip6: '4000::1' }

/** No way leads there; EOPNOTSUPP: the kernel runs without the family. Anything else concerns the call. */
const NO_WAY: readonly number[] = [ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL, EOPNOTSUPP]

/** What the kernel finds; undefined where no way leads there. */
async function lookup(route: Pick<Route, 'lookup'>, address: string, options?: LookupOptions): Promise<RouteEntry | undefined> {
  try {
    return await route.lookup(address, options)
  } catch (error) {
    if (error instanceof NetlinkError && NO_WAY.includes(-error.errno)) return undefined
    throw error
  }
}

/** Not what rules of routing find in other tables, and no half of all addresses: those are of tunnels, by whose addresses a node is not known. */
function isDefault(entry: RouteEntry | undefined): entry is RouteEntry {
  return entry?.table === MAIN_TABLE && entry.type === 'unicast' && entry.destination.endsWith('/0')
}

/** The default route behind such routes of a tunnel: bound to a link, a look-up passes over those of other links. */
async function hiddenDefault(
  route: Pick<Route, 'lookup'>,
  family: AddressFamily,
  links: readonly number[]
): Promise<RouteEntry | undefined> {
  const found: RouteEntry[] = []
  for (const outputLink of links.slice(0, MAX_LINKS)) {
    const entry = await lookup(route, PROBES[family], { match: true, outputLink })
    if (isDefault(entry)) found.push(entry)
  }
  return found.sort((left, right) => (left.metric ?? 0) - (right.metric ?? 0))[0]
}

const linkOf = ({ linkIndex, hops }: RouteEntry): number | undefined => linkIndex ?? hops?.[0]?.linkIndex

async function wayOf(route: Pick<Route, 'lookup'>, family: AddressFamily, links: readonly number[]): Promise<DefaultWay | undefined> {
  const first = await lookup(route, PROBES[family], { match: true })
  if (first === undefined) return undefined
  const entry = isDefault(first) ? first : await hiddenDefault(route, family, links)
  if (entry === undefined) return undefined
  const outputLink = entry === first ? undefined : linkOf(entry)
  const taken = await lookup(route, PROBES[family], outputLink === undefined ? {} : { outputLink })
  return { preferred: entry.source, linkIndex: linkOf(entry) ?? taken?.linkIndex, source: taken?.source }
}

function linksWith(addresses: readonly LinkAddress[], wanted: AddressFamily): readonly number[] {
  const found = addresses.filter(({ family, scope }) => family === wanted && scope === 'global').map(({ linkIndex }) => linkIndex)
  return [...new Set(found)].sort((left, right) => left - right)
}

/**
 * Asks the kernel for the default routes of the main table; of several the one with the lowest metric.
 *
 * @param addresses All that the links have.
 * @throws {NetplaneError} The kernel could not be asked.
 */
export async function readDefaultWays(route: Pick<Route, 'lookup'>, addresses: readonly LinkAddress[]): Promise<DefaultWays> {
  return { ip: await wayOf(route, 'ip', linksWith(addresses, 'ip')), ip6: await wayOf(route, 'ip6', linksWith(addresses, 'ip6')) }
}
