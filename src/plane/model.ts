/**
 * The service model: what should be, the same for every plane. A service is a named set of frontends (addresses clients use) and endpoints (servers
 * that answer), for one protocol. Frontends and endpoints pair by address family. docs/service-model.md says what a packet meets.
 */
import type { AddressFamily } from '../core/address.js'
import type { Protocol } from '../core/protocols.js'

/**
 * Where clients address a service.
 *
 * - `cluster`: an address that exists for this service alone (a Kubernetes ClusterIP).
 * - `external`: an address routed here from outside (a Kubernetes externalIP).
 * - `loadBalancer`: as `external`, and it may say which clients it takes.
 * - `node`: a port of this node's own addresses (a Kubernetes NodePort).
 */
export type FrontendKind = 'cluster' | 'external' | 'loadBalancer' | 'node'

/**
 * Among which endpoints a new connection is balanced.
 *
 * - `cluster`: all of them, on whatever node.
 * - `local`: those of this node. Where there are endpoints but none on this node, packets are dropped. At `external`, `loadBalancer` and `node` frontends it holds for clients from outside alone:
 *   local clients and this node itself are balanced over all endpoints.
 */
export type TrafficPolicy = 'cluster' | 'local'

/** What frontends of all kinds have. */
export interface FrontendBase {
  /** 1–65535. */
  readonly port: number
  /** Default `cluster`. */
  readonly trafficPolicy?: TrafficPolicy | undefined
  /** As {@link Service.carrier}, of this frontend alone. */
  readonly carrier?: string | undefined
}

/** An address that exists for this service alone. Connections to its other ports are refused. */
export interface ClusterFrontend extends FrontendBase {
  readonly kind: 'cluster'
  /** IPv4 or IPv6 address, without prefix or zone; not unspecified, multicast, loopback or IPv4-mapped. */
  readonly address: string
}

/** An address routed here from outside. */
export interface ExternalFrontend extends FrontendBase {
  readonly kind: 'external'
  /**
   * IPv4 or IPv6 address, without prefix or zone; not unspecified, multicast, loopback or IPv4-mapped. Beside frontends of kind `node`, none of the addresses of this node at which these are served: once the node
   * has it, the service is in quarantine, and it is tried again with the next `sync`.
   */
  readonly address: string
}

/** Clients by their addresses. Prefixes are of the frontend's family, and those of one list do not overlap. */
export interface SourceRanges {
  /** Clients that are served; absent: all. At least one prefix, or an address for a prefix of its full length. */
  readonly allow?: readonly string[] | undefined
  /** Clients that are not served, though `allow` has them. Absent: none. */
  readonly deny?: readonly string[] | undefined
}

/** An address routed here from outside, which may take some clients only. */
export interface LoadBalancerFrontend extends FrontendBase {
  readonly kind: 'loadBalancer'
  /** As {@link ExternalFrontend.address}. */
  readonly address: string
  /** Who is served. Packets of all others are dropped before anything else. Default: everybody. */
  readonly sourceRanges?: SourceRanges | undefined
}

/** A port of this node's own addresses: those that option `nodeAddresses` of the plane selects. An address of another frontend is looked up first. */
export interface NodeFrontend extends FrontendBase {
  readonly kind: 'node'
  /** Absent: both families. */
  readonly family?: AddressFamily | undefined
}

/** An address and port that clients use. */
export type Frontend = ClusterFrontend | ExternalFrontend | LoadBalancerFrontend | NodeFrontend

/**
 * Whether an endpoint takes new connections.
 *
 * - `ready`: it does.
 * - `serving`: it terminates but still answers. It takes new connections where no endpoint of the same choice is ready.
 * - `draining`: it does not; established connections stay.
 */
export type EndpointState = 'ready' | 'serving' | 'draining'

/** A server behind a service. */
export interface Endpoint {
  /** IPv4 or IPv6 address, without prefix or zone; not unspecified, multicast, loopback or IPv4-mapped. */
  readonly address: string
  /** 1–65535. */
  readonly port: number
  /**
   * Share of new connections relative to the other endpoints, 0–65535; default 1. 0 takes no new connections. Weights are exact: they are divided by
   * their greatest common divisor, and what is left, summed up, must not pass {@link MAX_SLOTS}.
   */
  readonly weight?: number | undefined
  /** True where the endpoint is on this node: policy `local` chooses it, and its connections to itself through the service are masqueraded (hairpin). Default false. */
  readonly local?: boolean | undefined
  /** Default `ready`. */
  readonly state?: EndpointState | undefined
  /**
   * The only policy under which the endpoint is chosen: `local` keeps an endpoint of this node out of the choice among all (a topology hint says that others shall do), `cluster` keeps it out of the
   * choice among those of this node. Absent: both.
   */
  readonly side?: TrafficPolicy | undefined
}

/** Schedulers that every plane has or refuses by a typed error. */
export const MODEL_SCHEDULERS = ['random', 'hash', 'consistent'] as const

/** A scheduler that is not one of a single subsystem. */
export type ModelScheduler = (typeof MODEL_SCHEDULERS)[number]

/** Whether a scheduler is not one of a single subsystem. */
export function isModelScheduler(name: string): name is ModelScheduler {
  return (MODEL_SCHEDULERS as readonly string[]).includes(name)
}

/** Schedulers of IPVS by their kernel names, `net/netfilter/ipvs/ip_vs_*.c`. */
export const IPVS_SCHEDULERS = ['rr', 'wrr', 'lc', 'wlc', 'lblc', 'lblcr', 'sh', 'dh', 'sed', 'nq', 'mh', 'fo', 'ovf', 'twos'] as const

/**
 * How an endpoint is chosen for a new connection.
 *
 * - `random`: in proportion to weights.
 * - `hash`: the same client address goes to the same endpoint as long as the endpoints and weights do not change.
 * - `consistent`: as `hash`, and clients of endpoints that stay keep theirs when others come or go, but for a few. Every node chooses alike.
 * - a scheduler of IPVS: a plane that lacks it, or whose kernel does, refuses the service with an {@link UnsupportedError}, or takes what its option `schedulerFallback` says.
 */
export type Scheduler = ModelScheduler | (typeof IPVS_SCHEDULERS)[number]

/** A client address keeps its endpoint. */
export interface Affinity {
  /** Seconds after the client's last new connection, 1–{@link MAX_AFFINITY_SECONDS}. */
  readonly timeoutSeconds: number
}

/** A service as the caller declares it. */
export interface Service {
  /** Unique; `namespace/name:port` by custom. 1–255 bytes, without control characters, those of direction included, and lone surrogates. */
  readonly name: string
  readonly protocol: Protocol
  /** At least one. */
  readonly frontends: readonly Frontend[]
  /** May be empty: then new connections are refused. */
  readonly endpoints: readonly Endpoint[]
  /** Default `random`. */
  readonly scheduler?: Scheduler | undefined
  /** Absent: each connection is balanced by itself. */
  readonly affinity?: Affinity | undefined
  /** Name of the carrier of the plane (option `carriers`) that serves the frontends, unless they say otherwise. Absent: the plane itself, or the carrier that has the service in its list. */
  readonly carrier?: string | undefined
  /** Services with a higher number are written first where nothing is in the kernel yet, -1000000–1000000; default 0. */
  readonly priority?: number | undefined
}

/** The desired state: services by name. The key must be the service's own name. */
export type Services = ReadonlyMap<string, Service>

/** Most slots a service may need: the sum of its weights after division by their greatest common divisor. */
export const MAX_SLOTS = 16_384
/** Most frontends of one service. */
export const MAX_FRONTENDS = 4_096
/** Most slots that all frontends of a service may need together: each frontend has slots of its own. */
export const MAX_SERVICE_SLOTS = 262_144
/** Most prefixes in one list of a frontend's source ranges. */
export const MAX_SOURCE_RANGES = 4_096
/** Longest affinity in seconds: IPVS counts it in jiffies of 32 bits, at up to 1,000 a second (ip_vs_add_service in net/netfilter/ipvs/ip_vs_ctl.c). */
export const MAX_AFFINITY_SECONDS = 4_294_967
/** Furthest from 0 a priority may be. */
export const MAX_PRIORITY = 1_000_000
