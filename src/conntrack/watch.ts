/**
 * Flows as they begin, change and end.
 */
import { ValidationError } from '../core/errors.js'
import { openEventStream, type LostEvents, type WatchOptions } from '../core/events/watch.js'
import type { EventStream } from '../core/events/stream.js'
import type { OpenOptions } from '../core/options.js'
import type { NativeAddon, NativeFlowEvents } from '../native/index.js'
import { FlowReader } from './columns.js'
import type { FlowFilter } from './filter.js'
import { compileFilter } from './filter-compile.js'
import type { Flow } from './types.js'

/** Options of {@link Conntrack.watch}. */
export interface ConntrackWatchOptions extends WatchOptions {
  /** Flows that begin. Without any of the three: all. */
  readonly new?: boolean | undefined
  /** Flows that change: state, status, mark, labels, helper. */
  readonly update?: boolean | undefined
  /** Flows that end, with their last counters. */
  readonly destroy?: boolean | undefined
  /** Which flows; matched natively, so that the others cost next to nothing. */
  readonly filter?: FlowFilter | readonly FlowFilter[] | undefined
}

/** A flow began, changed or ended. */
export interface FlowEvent {
  readonly type: 'new' | 'update' | 'destroy'
  /** What the event tells: the counters and the times only at the end. */
  readonly flow: Flow
  /** Port id of the socket whose request did it; 0: a packet, or time. */
  readonly portId: number
}

/**
 * The first event: what the kernel will report, by `nf_conntrack_events`. `all`: every flow; `since-first-listener`: flows that were there before any process in this
 * namespace listened end without a word (setting 2, the default from Linux 5.19 on); `none`: events are off (0). `unknown`: the setting cannot be read.
 */
export interface WatchStarted {
  readonly type: 'start'
  readonly covers: 'all' | 'since-first-listener' | 'none' | 'unknown'
}

/** What {@link Conntrack.watch} gives. `lost`: events are missing here, because they came faster than they were taken: list again. */
export type ConntrackEvent = WatchStarted | FlowEvent | LostEvents

/** A stream of events; close it by leaving the loop, or with `await using`. */
export type ConntrackEvents = EventStream<ConntrackEvent>

const COVERS: Readonly<Record<string, WatchStarted['covers']>> = { '0': 'none', '1': 'all', '2': 'since-first-listener' }

/** What a setting of `nf_conntrack_events` means. */
export function coverageOf(setting: string | undefined): WatchStarted['covers'] {
  return COVERS[setting?.trim() ?? ''] ?? 'unknown'
}

function* convert(events: NativeFlowEvents): Generator<FlowEvent> {
  const reader = new FlowReader(events)
  const { type, portId } = events
  for (let row = 0; row < reader.rows; row++) yield { type, flow: reader.flow(row), portId }
}

function requireFlag(path: string, value: unknown): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value
  throw new ValidationError(path, value, 'true or false')
}

/** Which kinds: those that are asked for, or all where none is said. */
function kindsOf(options: ConntrackWatchOptions): { created: boolean; updated: boolean; destroyed: boolean } {
  const flags = (['new', 'update', 'destroy'] as const).map((name) => requireFlag(`options.${name}`, options[name]))
  const all = flags.every((flag) => flag === undefined)
  const [created, updated, destroyed] = flags.map((flag) => flag ?? all)
  if (created !== true && updated !== true && destroyed !== true) {
    throw new ValidationError(
      'options',
      { new: options.new, update: options.update, destroy: options.destroy },
      'new, update, destroy, or several'
    )
  }
  return { created: created!, updated: updated!, destroyed: destroyed! }
}

/** Whose watch it is. */
interface WatchPlace {
  readonly covers: WatchStarted['covers']
  /** Holds the stream until it has ended, so that closing the client ends it. */
  readonly streams: Set<{ end(): void }>
  /** Whether the client was closed while the watch was opened. */
  readonly isClosed: () => boolean
}

/** Opens the socket of a watch and the stream over it, which `streams` holds until it has ended. */
export async function openWatch(
  kernel: Pick<NativeAddon, 'monitorConntrack'>,
  client: OpenOptions,
  options: ConntrackWatchOptions,
  { covers, streams, isClosed }: WatchPlace
): Promise<ConntrackEvents> {
  const kinds = kindsOf(options)
  const filter = compileFilter(options.filter)
  const opened: { stream?: ConntrackEvents; hasEnded: boolean } = { hasEnded: false }
  const early: WatchStarted = { type: 'start', covers }
  const stream: ConntrackEvents = await openEventStream<NativeFlowEvents, FlowEvent | WatchStarted>(
    {
      operation: 'conntrack.watch',
      open: (native, callback) => kernel.monitorConntrack({ ...native, ...kinds, ...(filter === undefined ? {} : { filter }) }, callback),
      convert,
      onEnd: () => {
        opened.hasEnded = true
        if (opened.stream !== undefined) streams.delete(opened.stream)
      }
    },
    client,
    options
  )
  // Events are handed over by the event loop: none has been yet.
  stream.push(early)
  opened.stream = stream
  if (isClosed()) await stream.return()
  if (!opened.hasEnded) streams.add(stream)
  return stream
}
