/**
 * What {@link Plane.explain} takes and gives: what becomes of the first packet of a connection, and why.
 */
import type { Protocol } from '../core/protocols.js'
import type { TrafficPolicy } from './model.js'

/**
 * How a packet gets to the rules.
 *
 * - `incoming`: by a link, from somebody else (hook prerouting).
 * - `outgoing`: this node itself sends it (hook output).
 */
export type PacketDirection = 'incoming' | 'outgoing'

/** The first packet of a connection. */
export interface ExplainRequest {
  readonly protocol: Protocol
  /** What the client connects to: IPv4 or IPv6 address, without prefix or zone. */
  readonly address: string
  /** 1–65535. */
  readonly port: number
  /** The client's address, of the same family. Absent: this node's own, whichever it is; then `direction` is not `incoming`. */
  readonly from?: string | undefined
  /** Default: `outgoing` where `from` is absent, or an address of this node; else `incoming`. */
  readonly direction?: PacketDirection | undefined
  /** The link by which an incoming packet comes, 1–15 bytes: of use where option `localSources` knows clients by their link. */
  readonly interface?: string | undefined
}

/** An address and port that packets are sent to. */
export interface ExplainedTarget {
  readonly address: string
  readonly port: number
}

/** An endpoint, and how likely it is that the connection goes there. */
export interface ExplainedShare extends ExplainedTarget {
  /** 0–1. Undefined where a scheduler of IPVS goes by the connections there are. */
  readonly probability?: number | undefined
}

/** Why a connection is refused, or dropped. */
export type RefusalReason =
  /** The service has no endpoint that takes connections. Refused. */
  | 'noEndpoint'
  /** The frontend's traffic policy is `local`, and there are endpoints, but none on this node. Dropped. */
  | 'noLocalEndpoint'
  /** The frontend's source ranges do not have the client. Dropped. */
  | 'sourceRanges'
  /** The address is one of a service, which does not have this port. Refused. */
  | 'unservedPort'
  /** The address is in one of option `serviceRanges`, and no service has it. Dropped. */
  | 'unservedAddress'
  /** The address is one of a service, and what leads from there to its endpoints is not all in the kernel: a step `missing` says what. Refused. */
  | 'incomplete'
  /** A rule that is not the plane's says so, and stands in a chain of the plane's. Dropped. Mode `iptables` alone, whose rules are followed one by one. */
  | 'foreignRule'

/** Why an endpoint sees an address of this node, or the client's own. */
export type SourceReason =
  /** This node's: the endpoint is the client, and would answer itself, past the translation. */
  | 'hairpin'
  /** This node's: the frontend is asked from outside, and answers must come back through this node. */
  | 'external'
  /** This node's: this node itself asks a frontend whose traffic policy is `local`. */
  | 'node'
  /** This node's: option `masquerade` is `all`, or the kernel does so with everybody. */
  | 'all'
  /** This node's: the client is not a local one, and option `masquerade` says so of such clients. */
  | 'notLocal'
  /** This node's: IPVS gave the connection the service's address as its source. */
  | 'serviceAddress'
  /** This node's: a relay of it makes a connection of its own (mode `userspace`). */
  | 'relay'
  /** The client's: it is a local client. */
  | 'local'
  /** The client's: endpoints of this node answer through it. */
  | 'policyLocal'
  /** The client's: option `masquerade` is `never`, or nothing says otherwise. */
  | 'never'
  /** The client's: the endpoint has an address of this node, which the packet does not leave. */
  | 'delivered'
  /** The client's: it was to be this node's, and what gives it that is not all in the kernel. */
  | 'unmasked'

/** What becomes of a connection at one endpoint. */
export interface ExplainedEndpoint extends ExplainedShare {
  /** Whose address the endpoint sees. */
  readonly source: 'client' | 'node'
  readonly reason: SourceReason
  /** Present where the translated packet does not arrive: the endpoint's own address is one that is refused or dropped. */
  readonly refusal?: { readonly type: 'refused' | 'dropped'; readonly reason: RefusalReason } | undefined
}

/** What was found on the packet's way, in its order. */
export type ExplanationStep =
  /** What is in the kernel otherwise than the plane made it, so that packets may meet something else. An audit repairs it. */
  | { readonly type: 'drift'; readonly objects: readonly string[] }
  /** What the packet should have met and the kernel lacks, so that connections get to no endpoint, or to some alone, or are not refused. */
  | { readonly type: 'missing'; readonly objects: readonly string[] }
  /** Whether the address is one of a service, one of this node at which its ports are served, or none that is looked up. */
  | { readonly type: 'destination'; readonly is: 'service' | 'node' | 'neither' }
  /**
   * Who the client is. `by` tells how it was found out: `direction`, this node sends the packet, or has the source address; `prefixes` and `interface`, by option `localSources`; `nothing`,
   * nobody is said to be a local client.
   */
  | { readonly type: 'client'; readonly is: 'node' | 'local' | 'outside'; readonly by: 'direction' | 'prefixes' | 'interface' | 'nothing' }
  /** The list of the frontend's source ranges that decided, and the range in it that has the client. */
  | { readonly type: 'sourceRanges'; readonly list: 'allow' | 'deny'; readonly range?: string | undefined; readonly isServed: boolean }
  /**
   * The frontend, and the object of the kernel that it was found in. `clients`: whose connections that object is for; `inside` are those of local clients and of this node itself.
   * `scope`: `address`, a frontend with an address of its own, or `node`, a port of this node's addresses. `trafficPolicy` is undefined where the kernel holds nothing that tells.
   */
  | {
      readonly type: 'frontend'
      /** Undefined where neither the kernel nor the plane knows the name. */
      readonly service: string | undefined
      readonly scope: 'address' | 'node'
      readonly clients: 'all' | 'inside' | 'outside'
      readonly trafficPolicy: TrafficPolicy | undefined
      readonly object: string
    }
  /** Whether the client is remembered, which endpoint it keeps, and for how long if it does not come again. Milliseconds. */
  | {
      readonly type: 'affinity'
      readonly endpoint?: ExplainedTarget | undefined
      readonly leftMs?: number | undefined
      /** How long clients are remembered; undefined where it could not be found. */
      readonly timeoutMs: number | undefined
    }
  /**
   * The port of this node to which the connection is redirected (mode `userspace`). `isListening`: a relay of this process listens there; else one of another process, or nobody.
   * `timeoutMs`: how long the relay remembers clients; absent: it does not.
   */
  | { readonly type: 'relay'; readonly port: number; readonly isListening: boolean; readonly timeoutMs?: number | undefined }
  /** How an endpoint is chosen: `random`, `hash`, or a scheduler of IPVS by its name; and with what probability for a client of which nothing is known. */
  | {
      readonly type: 'choice'
      readonly scheduler: string
      readonly endpoints: readonly ExplainedShare[]
      /** What a client's hash leads to, where the client is known. */
      readonly chosen?: ExplainedTarget | undefined
    }
  /** Whose address these endpoints see. */
  | {
      readonly type: 'source'
      readonly source: 'client' | 'node'
      readonly reason: SourceReason
      readonly endpoints: readonly ExplainedTarget[]
    }

/** What becomes of the connection. */
export type ExplanationOutcome =
  /** It goes to one of the endpoints. Where the probabilities do not add up to 1, some connections are not translated; there are no endpoints where it goes to a port at which no relay of this process listens. */
  | { readonly type: 'served'; readonly service: string | undefined; readonly endpoints: readonly ExplainedEndpoint[] }
  /** The client gets ICMP "port unreachable". */
  | { readonly type: 'refused'; readonly service: string | undefined; readonly reason: RefusalReason }
  /** The client gets no answer. */
  | { readonly type: 'dropped'; readonly service: string | undefined; readonly reason: RefusalReason }
  /**
   * The plane leaves it alone: `notOurs`, no service has this address and port; `nothing`, the kernel holds nothing of this plane's; `incomplete`, what leads to the service's endpoints is not all in
   * the kernel.
   */
  | { readonly type: 'untouched'; readonly reason: 'notOurs' | 'nothing' | 'incomplete' }

/** What {@link Plane.explain} found. `String(explanation)` says it in English, a line for each step. */
export interface Explanation {
  /** What was asked, with what was not said filled in. */
  readonly request: ExplainRequest & { readonly direction: PacketDirection }
  readonly steps: readonly ExplanationStep[]
  readonly outcome: ExplanationOutcome
  /**
   * Fields that were not given, and that something on the way asked for. `from`: the answer holds for an address of this node that no prefix, remembered client or endpoint has. `interface`: it holds for
   * links that `localSources` does not mean.
   */
  readonly dependsOn: readonly ('from' | 'interface')[]
  /** Name of the carrier that decides what becomes of the packet, and whose rules the steps are about (option `carriers`). Absent: the plane itself. */
  readonly carrier?: string | undefined
  toString(): string
}
