/**
 * Streams of what nf_tables tells of itself, each on a socket of its own.
 */
import { openEventStream, type LostEvents, type WatchOptions } from '../core/events/watch.js'
import type { EventStream } from '../core/events/stream.js'
import { unsupportedProtocol } from '../core/failures.js'
import { type OpenOptions } from '../core/options.js'
import type { NativeAddon, NativeEvent, NativeFailure } from '../native/index.js'

/** Streams of a client that have not ended: closing it ends them. */
export type OpenStreams = Set<{ end(): void }>

/** What differs between the monitors of nf_tables. */
export interface MonitorForm<Event> {
  /** `nftables.watch`. */
  readonly operation: string
  /** Whether steps of packets are told (NFNLGRP_NFTRACE), or changes of the ruleset (NFNLGRP_NFTABLES). */
  readonly traces: boolean
  readonly convert: (event: NativeEvent) => Iterable<Event>
}

/** Opens the socket of a monitor and the stream over it, which `streams` holds until it has ended. */
export async function openMonitor<Event>(
  { operation, traces, convert }: MonitorForm<Event>,
  kernel: Pick<NativeAddon, 'monitorNftables'>,
  client: OpenOptions,
  options: WatchOptions,
  streams: OpenStreams
): Promise<EventStream<Event | LostEvents>> {
  const opened: { stream?: EventStream<Event | LostEvents>; hasEnded: boolean } = { hasEnded: false }
  const form = {
    ...{ operation, convert },
    open: (native: Parameters<NativeAddon['monitorNftables']>[0], callback: Parameters<NativeAddon['monitorNftables']>[1]) =>
      kernel.monitorNftables({ ...native, traces }, callback),
    unsupported: (failure: NativeFailure) => unsupportedProtocol(failure, 'nf_tables', 'a kernel with CONFIG_NF_TABLES is needed'),
    onEnd: () => {
      opened.hasEnded = true
      if (opened.stream !== undefined) streams.delete(opened.stream)
    }
  }
  const stream = await openEventStream<NativeEvent, Event>(form, client, options)
  opened.stream = stream
  if (!opened.hasEnded) streams.add(stream)
  return stream
}
