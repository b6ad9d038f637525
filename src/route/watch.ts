/**
 * Links, addresses and default routes as they change.
 */
import { requireFlag, requireOptions } from '../core/checks.js'
import { ValidationError } from '../core/errors.js'
import { openEventStream, type Change, type LostEvents, type WatchOptions } from '../core/events/watch.js'
import type { EventStream } from '../core/events/stream.js'
import type { OpenOptions } from '../core/options.js'
import type { NativeAddon, NativeRouteEvent } from '../native/index.js'
import { decodeAddress } from './columns.js'
import { decodeLink } from './links.js'
import { decodeRoute } from './routes.js'
import type { Link, LinkAddress, RouteEntry } from './types.js'

/** Options of {@link Route.watch}. */
export interface RouteWatchOptions extends WatchOptions {
  /** Whether links are reported; default true. */
  readonly links?: boolean | undefined
  /** Whether addresses are reported; default true. */
  readonly addresses?: boolean | undefined
  /**
   * Whether routes of a whole family (`0.0.0.0/0`, `::/0`) are reported, of all tables; default false. A table may have a hundred thousand other routes that change often: the
   * addon reads over those. The kernel does not report the IPv4 routes that go with their link: watch `links`, too, and look up again.
   */
  readonly defaultRoutes?: boolean | undefined
}

/** Something that happened to a link, an address or a default route. `new` also says that it is another one than before. */
export type RouteEvent = Change<'link', Link> | Change<'address', LinkAddress> | Change<'route', RouteEntry> | LostEvents

/** A stream of events; close it by leaving the loop, or with `await using`. */
export type RouteEvents = EventStream<RouteEvent>

function* convert({ type: name, portId, link, route, addresses }: NativeRouteEvent): Generator<RouteEvent> {
  const type = name.startsWith('new') ? 'new' : 'delete'
  if (link !== undefined) yield { type, kind: 'link', object: decodeLink(link), portId }
  if (route !== undefined) yield { type, kind: 'route', object: decodeRoute(route), portId }
  if (addresses === undefined) return
  for (let row = 0; row < addresses.rows; row += 1) yield { type, kind: 'address', object: decodeAddress(addresses, row), portId }
}

/** Opens the socket of a monitor and the stream over it, which `streams` holds until it has ended. */
export async function openWatch(
  kernel: Pick<NativeAddon, 'monitorRoute'>,
  client: OpenOptions,
  options: RouteWatchOptions,
  streams: Set<RouteEvents>
): Promise<RouteEvents> {
  requireOptions(options)
  const links = requireFlag('options.links', options.links === undefined ? true : options.links)
  const addresses = requireFlag('options.addresses', options.addresses === undefined ? true : options.addresses)
  const defaultRoutes = requireFlag('options.defaultRoutes', options.defaultRoutes)
  if (!links && !addresses && !defaultRoutes)
    throw new ValidationError('options', { links, addresses, defaultRoutes }, 'links, addresses or defaultRoutes')
  const opened: { stream?: RouteEvents; hasEnded: boolean } = { hasEnded: false }
  const onEnd = (): void => {
    opened.hasEnded = true
    if (opened.stream !== undefined) streams.delete(opened.stream)
  }
  const stream = await openEventStream<NativeRouteEvent, RouteEvent>(
    {
      operation: 'route.watch',
      open: (native, callback) => kernel.monitorRoute({ ...native, links, addresses, defaultRoutes }, callback),
      convert,
      onEnd
    },
    client,
    options
  )
  opened.stream = stream
  if (!opened.hasEnded) streams.add(stream)
  return stream
}
