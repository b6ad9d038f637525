/**
 * Links and addresses as they change.
 */
import { failureError, nativeOpenOptions } from '../client.js'
import { ValidationError } from '../errors.js'
import { DEFAULT_QUEUE_LIMIT, EventStream } from '../event-stream.js'
import {
  type NativeMonitor,
  type NativeRouteEvent,
  type NativeRouteMonitorCallback,
  type NativeRouteMonitorOptions,
  type NativeOutcome
} from '../native.js'
import { traceResync } from '../tracing.js'
import { decodeAddress } from './columns.js'
import { decodeLink } from './links.js'
import { type MonitorOptions, type RouteEvent } from './types.js'

/** The part of the addon that monitors. */
export type OpenRouteMonitor = (
  options: NativeRouteMonitorOptions,
  callback: NativeRouteMonitorCallback
) => Promise<NativeOutcome<NativeMonitor>>

function* decodeEvent({ type, portId, link, addresses }: NativeRouteEvent): Generator<RouteEvent> {
  if (link !== undefined) yield { type: type === 'newlink' ? 'link-changed' : 'link-removed', link: decodeLink(link), portId }
  if (addresses === undefined) return
  for (let row = 0; row < addresses.rows; row += 1) {
    yield { type: type === 'newaddr' ? 'address-added' : 'address-removed', address: decodeAddress(addresses, row), portId }
  }
}

function requireFlag(path: string, value: unknown): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? true
  throw new ValidationError(path, value, 'true or false')
}

function requireLimit(limit: unknown): number {
  if (limit === undefined) return DEFAULT_QUEUE_LIMIT
  if (typeof limit === 'number' && Number.isInteger(limit) && limit > 0) return limit
  throw new ValidationError('options.queueLimit', limit, 'an integer of at least 1')
}

/**
 * Subscribes, and hands over what comes from then on.
 *
 * @param netns Path of the namespace, or undefined.
 * @param open Where it comes from: the addon, or a fake.
 * @param streams Holds the stream until it has ended.
 */
export async function openMonitor(
  open: OpenRouteMonitor,
  netns: string | undefined,
  options: MonitorOptions,
  streams: Set<EventStream<RouteEvent>>
): Promise<EventStream<RouteEvent>> {
  const operation = 'route.monitor'
  const links = requireFlag('options.links', options.links)
  const addresses = requireFlag('options.addresses', options.addresses)
  if (!links && !addresses) throw new ValidationError('options', { links, addresses }, 'links, addresses, or both')
  const limit = requireLimit(options.queueLimit)
  const nativeOptions = { ...nativeOpenOptions({ netns, receiveBufferBytes: options.receiveBufferBytes }), links, addresses }
  options.signal?.throwIfAborted()
  const state: { native?: NativeMonitor; hasEnded: boolean } = { hasEnded: false }
  const close = (): void => {
    state.hasEnded = true
    state.native?.close()
    streams.delete(stream)
  }
  const source = { pause: () => state.native?.pause(), resume: () => state.native?.resume(), close }
  const stream: EventStream<RouteEvent> = new EventStream(source, { limit, signal: options.signal })
  streams.add(stream)
  const outcome = await open(nativeOptions, (events, failure) => {
    for (const event of events) {
      if (event === 'lost') {
        traceResync({ operation, reason: 'overrun' })
        stream.push({ type: 'lost' })
      } else {
        for (const decoded of decodeEvent(event)) stream.push(decoded)
      }
    }
    if (failure !== undefined) stream.fail(failureError(failure, { operation }))
  })
  if (outcome.failure !== undefined) {
    stream.end()
    throw failureError(outcome.failure, { operation })
  }
  state.native = outcome.value
  // The signal may have aborted, or the client been closed, meanwhile.
  if (state.hasEnded) state.native.close()
  return stream
}
