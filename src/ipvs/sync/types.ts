/**
 * What plan, sync and draining take and give.
 */
import type { NetlinkError, NetplaneError } from '../../core/errors.js'
import type { EventStream } from '../../core/events/stream.js'
import type { CallOptions } from '../../core/options.js'
import type { Protocol } from '../../core/protocols.js'
import type { RealServerSpec, VirtualService, VirtualServiceKey, VirtualServiceSpec } from '../types.js'

/**
 * What becomes of a real server that is desired no longer. `at-once`: it is removed, and what is left of its connections is dropped. With a deadline it
 * drains: its weight becomes 0, so that it gets no new connections, and it is removed when it has no active and inactive ones, or so many seconds (0 or more,
 * `Infinity`: never) after this process first saw it drain.
 */
export type DrainPolicy = 'at-once' | { readonly deadlineSeconds: number }

/** Policies by the protocol of the service; `fwmark` for those by mark. Default: UDP at once, the others 900 seconds. */
export type DrainPolicies = { readonly [Name in Protocol | 'fwmark']?: DrainPolicy | undefined }

/** A virtual service with all the real servers that it shall have. What is not mentioned has its default. */
export type DesiredService = VirtualServiceSpec & {
  /** Each address and port once. Default: none. */
  readonly realServers?: readonly RealServerSpec[] | undefined
  /** Default: the policy of its protocol. */
  readonly draining?: DrainPolicy | undefined
}

/** Services to set (new or changed) and to remove; all others stay as they are. */
export interface DesiredChange {
  readonly set?: Iterable<DesiredService> | undefined
  /** Removing what is not there is not an error. */
  readonly delete?: Iterable<VirtualServiceKey> | undefined
}

/** What is desired: all services, or a change of some. */
export type Desired = Iterable<DesiredService> | DesiredChange

/** How a plan is made. */
export interface IpvsPlanOptions extends CallOptions {
  /**
   * Which services in the kernel may be removed when they are not desired: those whose address is in one of these prefixes (`['10.96.0.0/12']`), or for which
   * a function says so. All others are foreign and stay as they are. Every desired service must be covered too. Default: the services that an earlier `sync`
   * of this client was given, and nothing else.
   */
  readonly owns?: readonly string[] | ((service: VirtualService) => boolean) | undefined
  readonly draining?: DrainPolicies | undefined
  /**
   * What the desired state is compared with. `kernel` (default): everything is read. `memory`: what the last `sync` of this client left; only services that it
   * has not met are read. Then the cost follows the change, and what others did in between goes unnoticed unless the kernel refuses something because of it.
   */
  readonly from?: 'kernel' | 'memory' | undefined
}

/** How a plan is carried out. */
export interface IpvsSyncOptions extends IpvsPlanOptions {
  /**
   * `isolate` (default): services with a refusal are put back as they were and reported (`failed`); the others stay. `atomic`: a refusal undoes everything that was applied
   * before, and the call rejects.
   */
  readonly onError?: 'isolate' | 'atomic' | undefined
}

/** What would happen to one service. */
export interface IpvsPlanEntry {
  readonly action: 'add' | 'change' | 'remove'
  /** `tcp 10.96.0.1:443`, `fwmark 7`. */
  readonly service: string
  /** A phrase each: `+ 10.1.0.3:8080 weight 1`, `10.1.0.1:8080 weight 1 -> 3`. */
  readonly details: readonly string[]
}

/** A real server that is desired no longer and waits for the end of its connections. */
export interface DrainingServer {
  readonly service: VirtualServiceKey
  readonly address: string
  readonly port: number
  /** As last read; undefined: not yet, as with `from: 'memory'`. */
  readonly activeConnections: number | undefined
  readonly inactiveConnections: number | undefined
  /** Since this process first saw it drain. */
  readonly drainingSeconds: number
  /** Until it is removed whatever connections it has; `Infinity`: never. */
  readonly remainingSeconds: number
}

/** What a sync would do. `String(plan)` prints it, a line a service: `+` added, `~` changed, `-` removed; `!` what to know. */
export interface IpvsPlan {
  /** In the order of what is desired, then removals. Made when first asked for. */
  readonly entries: readonly IpvsPlanEntry[]
  /** Real servers that drain already, and stay. */
  readonly draining: readonly DrainingServer[]
  /** What the caller should know: a setting of the system that keeps real servers from draining, say. */
  readonly notes: readonly string[]
  /** True where the kernel holds what is desired. */
  readonly isEmpty: boolean
  toString(): string
}

/** A service that was put back as it was. */
export interface IpvsSyncFailure {
  readonly service: VirtualServiceKey
  /** What was refused; empty where something else ended the sync early (`stopped`). */
  readonly errors: readonly NetlinkError[]
  /** What could not be put back, and what is unknown: an operation each. */
  readonly applied: readonly string[]
  readonly unknown: readonly string[]
  /** What putting back cannot bring back. */
  readonly lost: readonly string[]
}

/** Numbers of objects. */
export interface ChangedObjects {
  readonly added: number
  readonly updated: number
  readonly removed: number
}

/** What a sync did. */
export interface IpvsSyncReport {
  /** What was to be done. */
  readonly plan: IpvsPlan
  /** What was done, without what was put back. A weight that became 0 to drain is an update. */
  readonly services: ChangedObjects
  readonly realServers: ChangedObjects
  /** Only with `isolate`. */
  readonly failed: readonly IpvsSyncFailure[]
  /** Real servers that drain now. */
  readonly draining: readonly DrainingServer[]
  /** Why it ended early, with `isolate`: the signal's reason, the deadline, lost replies. */
  readonly stopped?: unknown
  /** System calls that changed something. */
  readonly systemCalls: number
  /** From its turn to completion. */
  readonly durationMs: number
}

/** What a step of draining did. */
export interface DrainReport {
  readonly removed: readonly DrainedServer[]
  readonly draining: readonly DrainingServer[]
  /** Real servers that should have gone; they are tried again with the next step. */
  readonly errors: readonly NetlinkError[]
}

/** A real server that has gone. */
export interface DrainedServer {
  readonly service: VirtualServiceKey
  readonly address: string
  readonly port: number
  /** `idle`: it had no connections. `deadline`: it had `connections`. `gone`: another process removed it. */
  readonly reason: 'idle' | 'deadline' | 'gone'
  /** Active and inactive ones that were dropped. */
  readonly connections: number
}

/** What happens to draining real servers. */
export type DrainEvent =
  | { readonly type: 'draining'; readonly server: DrainingServer }
  | { readonly type: 'removed'; readonly server: DrainedServer }
  /** It is desired again, or another process gave it a weight. */
  | { readonly type: 'restored'; readonly service: VirtualServiceKey; readonly address: string; readonly port: number }
  /** A step failed; the next one tries again. */
  | { readonly type: 'error'; readonly error: NetplaneError }
  /** A slow consumer missed this many events. */
  | { readonly type: 'lost'; readonly count: number }

/** Options of a drainer. */
export interface DrainerOptions {
  /** Between two readings of what drains, 10–3600000; default 1000. Nothing is read while nothing drains. */
  readonly intervalMs?: number | undefined
  /** Ends it. */
  readonly signal?: AbortSignal | undefined
  /** `false`: it never keeps the process alive. Default `true`: while real servers drain it does, and while none do it does not. */
  readonly ref?: boolean | undefined
}

/** Removes drained real servers in the background; its events say what happens. Ends when the consumer leaves, on the signal, or when the client is closed. */
export type Drainer = EventStream<DrainEvent>
