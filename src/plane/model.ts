/**
 * The service model: what should be, the same for every plane. A service is a named set of frontends (addresses clients use) and endpoints (servers
 * that answer), for one protocol. Frontends and endpoints pair by address family.
 */
import type { Protocol } from '../core/protocols.js'

/**
 * Where clients address a service.
 *
 * - `cluster`: an address that exists for this service alone (a Kubernetes ClusterIP).
 * - `external`: an address routed here from outside.
 */
export type FrontendKind = 'cluster' | 'external'

/** An address and port that clients use. */
export interface Frontend {
  readonly kind: FrontendKind
  /** IPv4 or IPv6 address, without prefix or zone. */
  readonly address: string
  /** 1–65535. */
  readonly port: number
}

/** A server behind a service. */
export interface Endpoint {
  /** IPv4 or IPv6 address, without prefix or zone. */
  readonly address: string
  /** 1–65535. */
  readonly port: number
  /**
   * Share of new connections relative to the other endpoints, 0–65535; default 1. 0 takes no new connections. Weights are exact: they are divided by
   * their greatest common divisor, and what is left, summed up, must not pass {@link MAX_SLOTS}.
   */
  readonly weight?: number | undefined
  /** True where the endpoint is on this node: its connections to itself through the service are masqueraded (hairpin). Default false. */
  readonly local?: boolean | undefined
  /** `draining` takes no new connections; established ones stay. Default `ready`. */
  readonly state?: 'ready' | 'draining' | undefined
}

/**
 * How an endpoint is chosen for a new connection: `random` (in proportion to weights) or `hash` (the same client address goes to the same endpoint as long as the
 * endpoints and weights do not change).
 */
export type Scheduler = 'random' | 'hash'

/** A service as the caller declares it. */
export interface Service {
  /** Unique; `namespace/name:port` by custom. 1–255 bytes, without control characters. */
  readonly name: string
  readonly protocol: Protocol
  /** At least one. */
  readonly frontends: readonly Frontend[]
  /** May be empty: then new connections are rejected. */
  readonly endpoints: readonly Endpoint[]
  /** Default `random`. */
  readonly scheduler?: Scheduler | undefined
}

/** The desired state: services by name. The key must be the service's own name. */
export type Services = ReadonlyMap<string, Service>

/** Most slots a service may need: the sum of its weights after division by their greatest common divisor. */
export const MAX_SLOTS = 16_384
/** Most frontends of one service. */
export const MAX_FRONTENDS = 4_096
/** Most slots that all frontends of a service may need together: each frontend has slots of its own. */
export const MAX_SERVICE_SLOTS = 262_144
