/**
 * Links and addresses as they change.
 */
import { requireOptions } from '../core/checks.js'
import { ValidationError } from '../core/errors.js'
import { openEventStream, type Change, type LostEvents, type WatchOptions } from '../core/events/watch.js'
import type { EventStream } from '../core/events/stream.js'
import type { OpenOptions } from '../core/options.js'
import type { NativeAddon, NativeRouteEvent } from '../native/index.js'
import { decodeAddress } from './columns.js'
import { decodeLink } from './links.js'
import type { Link, LinkAddress } from './types.js'

/** Options of {@link Route.watch}. */
export interface RouteWatchOptions extends WatchOptions {
  /** Whether links are reported; default true. */
  readonly links?: boolean | undefined
  /** Whether addresses are reported; default true. */
  readonly addresses?: boolean | undefined
}

/** Something that happened to a link or an address. */
export type RouteEvent = Change<'link', Link> | Change<'address', LinkAddress> | LostEvents

/** A stream of events; close it by leaving the loop, or with `await using`. */
export type RouteEvents = EventStream<RouteEvent>

function* convert({ type: name, portId, link, addresses }: NativeRouteEvent): Generator<RouteEvent> {
  const type = name === 'newlink' || name === 'newaddr' ? 'new' : 'delete'
  if (link !== undefined) yield { type, kind: 'link', object: decodeLink(link), portId }
  if (addresses === undefined) return
  for (let row = 0; row < addresses.rows; row += 1) yield { type, kind: 'address', object: decodeAddress(addresses, row), portId }
}

function requireFlag(path: string, value: unknown): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? true
  throw new ValidationError(path, value, 'true or false')
}

/** Opens the socket of a monitor and the stream over it, which `streams` holds until it has ended. */
export async function openWatch(
  kernel: Pick<NativeAddon, 'monitorRoute'>,
  client: OpenOptions,
  options: RouteWatchOptions,
  streams: Set<RouteEvents>
): Promise<RouteEvents> {
  requireOptions(options)
  const links = requireFlag('options.links', options.links)
  const addresses = requireFlag('options.addresses', options.addresses)
  if (!links && !addresses) throw new ValidationError('options', { links, addresses }, 'links, addresses, or both')
  const opened: { stream?: RouteEvents; hasEnded: boolean } = { hasEnded: false }
  const onEnd = (): void => {
    opened.hasEnded = true
    if (opened.stream !== undefined) streams.delete(opened.stream)
  }
  const stream = await openEventStream<NativeRouteEvent, RouteEvent>(
    {
      operation: 'route.watch',
      open: (native, callback) => kernel.monitorRoute({ ...native, links, addresses }, callback),
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
