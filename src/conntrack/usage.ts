/**
 * How full the table is, watched: a full one drops packets of new connections ("nf_conntrack: table full, dropping packet").
 */
import { requireInteger, requireOptions } from '../core/checks.js'
import { ValidationError } from '../core/errors.js'
import { EventStream } from '../core/events/stream.js'
import type { NativeRecord } from '../native/index.js'
import type { ConntrackUsage } from './types.js'

/** Options of {@link Conntrack.watchUsage}. */
export interface UsageWatchOptions {
  /** Share of the limit at which to warn, more than 0 and at most 1; default 0.8. */
  readonly warnAt?: number | undefined
  /** Milliseconds between two readings, 10–3600000; default 5000. */
  readonly intervalMs?: number | undefined
  /** Ends the stream; the iteration throws the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Whether the stream keeps the process alive; default true. */
  readonly ref?: boolean | undefined
}

/** `high`: the table passed the mark; `normal`: it is below again by a tenth of it, so that it does not flutter. */
export interface UsageEvent extends ConntrackUsage {
  readonly type: 'high' | 'normal'
  /** `entries / maxEntries`. */
  readonly share: number
}

/** A stream of events; close it by leaving the loop, or with `await using`. */
export type UsageEvents = EventStream<UsageEvent>

/** Part of the mark below which the table is called normal again. */
const CALM = 0.9

function requireShare(value: unknown): number {
  if (typeof value === 'number' && value > 0 && value <= 1) return value
  throw new ValidationError('options.warnAt', value, 'a number above 0 and at most 1')
}

/** The usage that the kernel's statistics say; the limit from `readLimit`, where they do not say it (before Linux 4.16). */
export async function usageOf(record: NativeRecord, readLimit: () => Promise<number | undefined>): Promise<ConntrackUsage> {
  const maxEntries = record['maxEntries'] === undefined ? await readLimit() : Number(record['maxEntries'])
  return { entries: Number(record['entries'] ?? 0), maxEntries: maxEntries ?? 0 }
}

/** Starts to read; `streams` holds the stream until it has ended. */
export function watchUsage(read: () => Promise<ConntrackUsage>, options: UsageWatchOptions, streams: Set<{ end(): void }>): UsageEvents {
  requireOptions(options)
  const warnAt = requireShare(options.warnAt ?? 0.8)
  const intervalMs = requireInteger('options.intervalMs', options.intervalMs ?? 5000, 10, 3_600_000)
  options.signal?.throwIfAborted()
  let isHigh = false
  let timer: NodeJS.Timeout | undefined
  const source = {
    pause: () => undefined,
    resume: () => undefined,
    close: () => {
      clearTimeout(timer)
      timer = undefined
      streams.delete(stream)
    }
  }
  const stream: UsageEvents = new EventStream<UsageEvent>(source, { signal: options.signal })
  const schedule = (delay: number): void => {
    timer = setTimeout(() => void look(), delay)
    if (options.ref === false) timer.unref()
  }
  const look = async (): Promise<void> => {
    try {
      const usage = await read()
      const share = usage.maxEntries === 0 ? 0 : usage.entries / usage.maxEntries
      const mark = isHigh ? warnAt * CALM : warnAt
      if (share >= mark !== isHigh) {
        isHigh = !isHigh
        stream.push({ type: isHigh ? 'high' : 'normal', ...usage, share })
      }
      // Ended meanwhile: `timer` was cleared.
      if (timer !== undefined) schedule(intervalMs)
    } catch (error) {
      stream.fail(error)
    }
  }
  streams.add(stream)
  schedule(0)
  return stream
}
