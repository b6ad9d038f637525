/**
 * Tracing without a dependency: subscribe with `node:diagnostics_channel`. Costs nothing while no one listens.
 *
 * - `netplane:request`: {@link RequestTrace}, when a job on a netlink socket has ended.
 * - `netplane:commit`: {@link CommitTrace}, when a transaction was committed or refused.
 * - `netplane:resync`: {@link ResyncTrace}, when a state must be, or was, read again.
 *
 * `NETPLANE_DEBUG=netlink` prints every decoded netlink message to standard error.
 */
import { channel } from 'node:diagnostics_channel'

/** One job of a client. */
export interface RequestTrace {
  /** `nftables.list`, `route.addAddresses`. */
  readonly operation: string
  /** From the moment the job left the client's queue. */
  readonly durationMs: number
  /** Milliseconds it had waited in the queue. */
  readonly waitedMs: number
  readonly error?: unknown
}

/** One transaction. */
export interface CommitTrace {
  readonly operation: string
  readonly operations: number
  /** Bytes of the netlink messages. */
  readonly bytes: number
  readonly applied: boolean
  readonly durationMs: number
}

/** A state that could not be trusted any more. */
export interface ResyncTrace {
  readonly operation: string
  /** `overrun`: events were lost in the kernel; `generation`: another process committed; `drift`: our objects were changed. */
  readonly reason: 'overrun' | 'generation' | 'drift'
}

const requests = channel('netplane:request')
const commits = channel('netplane:commit')
const resyncs = channel('netplane:resync')

/** Whether there is a subscriber to requests: measuring can be left out where not. */
export function tracesRequests(): boolean {
  return requests.hasSubscribers
}

/** Publishes on `netplane:request`. */
export function traceRequest(trace: RequestTrace): void {
  requests.publish(trace)
}

/** Publishes on `netplane:commit`. */
export function traceCommit(trace: CommitTrace): void {
  if (commits.hasSubscribers) commits.publish(trace)
}

/** Publishes on `netplane:resync`. */
export function traceResync(trace: ResyncTrace): void {
  if (resyncs.hasSubscribers) resyncs.publish(trace)
}
