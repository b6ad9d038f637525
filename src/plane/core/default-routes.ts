/**
 * The ways by which packets leave that no other route leads anywhere.
 */
import type { AddressFamily } from '../../core/address.js'
import { EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH, EOPNOTSUPP } from '../../core/errno.js'
import { NetlinkError } from '../../core/errors.js'
import type { LookupOptions, Route, RouteEntry } from '../../route/index.js'

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

/** Not what rules of routing find in other tables, as those of tunnels: that is no address by which the node is known. */
async function wayOf(route: Pick<Route, 'lookup'>, family: AddressFamily): Promise<DefaultWay | undefined> {
  const entry = await lookup(route, PROBES[family], { match: true })
  if (entry?.table !== MAIN_TABLE || entry.type !== 'unicast' || !entry.destination.endsWith('/0')) return undefined
  const taken = await lookup(route, PROBES[family])
  return { preferred: entry.source, linkIndex: entry.linkIndex ?? entry.hops?.[0]?.linkIndex ?? taken?.linkIndex, source: taken?.source }
}

/**
 * Asks the kernel for the default routes of the main table; of several the one with the lowest metric.
 *
 * @throws {NetplaneError} The kernel could not be asked.
 */
export async function readDefaultWays(route: Pick<Route, 'lookup'>): Promise<DefaultWays> {
  return { ip: await wayOf(route, 'ip'), ip6: await wayOf(route, 'ip6') }
}
