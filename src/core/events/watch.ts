/**
 * Monitors of all clients: a multicast socket of its own, as an {@link EventStream}.
 */
import type { NativeFailure, NativeMonitor, NativeMonitorOptions, NativeOutcome } from '../../native/index.js'
import { requireOptions } from '../checks.js'
import { ValidationError, type UnsupportedError } from '../errors.js'
import { failureError } from '../failures.js'
import { nativeOpenOptions, type OpenOptions } from '../options.js'
import { traceResync } from '../tracing.js'
import { EventStream } from './stream.js'

/** Options of every `monitor`. */
export interface WatchOptions {
  /** Ends the stream; the iteration throws the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Receive buffer in bytes: how far events may run ahead of the consumer in the kernel. Default 1 MiB. */
  readonly receiveBufferBytes?: number | undefined
  /** Events that may wait in the process before reading stops; default 4096. */
  readonly queueLimit?: number | undefined
  /** Whether the stream keeps the process alive; default true. */
  readonly ref?: boolean | undefined
}

/** Events are missing before this one: list again. No other is missing up to the next `lost`. */
export interface LostEvents {
  readonly type: 'lost'
}

/** An object came, changed or went. */
export interface Change<Kind extends string, T> {
  /** `new`: made, or changed (a chain's policy, a link's flags, an address's lifetimes). */
  readonly type: 'new' | 'delete'
  readonly kind: Kind
  readonly object: T
  /** Port id of the socket that did it (netlink(7)); 0: the kernel by itself, or links before Linux 6.2. */
  readonly portId: number
}

/** How one client's monitor differs from another's. */
export interface WatchForm<Native, Event> {
  /** `nftables.watch`. */
  readonly operation: string
  readonly open: (
    options: NativeMonitorOptions,
    callback: (events: readonly (Native | 'lost')[], failure: NativeFailure | undefined) => void
  ) => Promise<NativeOutcome<NativeMonitor>>
  /** The events for a native one: none, one or many. */
  readonly convert: (native: Native) => Iterable<Event>
  /** A more telling error for a socket that cannot be opened. */
  readonly unsupported?: (failure: NativeFailure) => UnsupportedError | undefined
  /** Called once, when the stream has ended. */
  readonly onEnd?: () => void
}

function requireLimit(limit: unknown): number | undefined {
  if (limit === undefined || (typeof limit === 'number' && Number.isInteger(limit) && limit > 0)) return limit
  throw new ValidationError('options.queueLimit', limit, 'an integer of at least 1')
}

/**
 * Opens the socket of a monitor in the client's namespace, and the stream over it. Events are handed over from the moment the promise resolves.
 *
 * @throws {ValidationError} An option is malformed or out of range.
 * @throws {NetlinkError} The socket cannot be opened.
 */
export async function openEventStream<Native, Event>(
  form: WatchForm<Native, Event>,
  client: OpenOptions,
  options: WatchOptions
): Promise<EventStream<Event | LostEvents>> {
  requireOptions(options)
  const { operation } = form
  const limit = requireLimit(options.queueLimit)
  const native = nativeOpenOptions({ netns: client.netns, deadlineMs: client.deadlineMs, receiveBufferBytes: options.receiveBufferBytes })
  options.signal?.throwIfAborted()
  const opened: { stream?: EventStream<Event | LostEvents> } = {}
  const outcome = await form.open(native, (events, failure) => {
    for (const event of events) {
      if (event === 'lost') {
        traceResync({ operation, reason: 'overrun' })
        opened.stream?.push({ type: 'lost' })
      } else {
        for (const converted of form.convert(event)) opened.stream?.push(converted)
      }
    }
    if (failure !== undefined) opened.stream?.fail(failureError(failure, { operation }))
  })
  if (outcome.failure !== undefined) throw form.unsupported?.(outcome.failure) ?? failureError(outcome.failure, { operation })
  const monitor = outcome.value
  if (options.ref === false) monitor.unref()
  const close = (): void => {
    monitor.close()
    form.onEnd?.()
  }
  // Where the signal has aborted meanwhile, the stream closes the monitor at once.
  const source = { pause: () => monitor.pause(), resume: () => monitor.resume(), close }
  return (opened.stream = new EventStream(source, { limit, signal: options.signal }))
}
