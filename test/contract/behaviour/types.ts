import { clusterRange, type Family, type Host } from './network.js'
import type { Protocol } from '../../../src/core/protocols.js'
import type { EndpointState, FrontendKind, Service, TrafficPolicy } from '../../../src/plane/model.js'

/** What a plane is told beside services. */
export interface Settings {
  /** Whose connections to cluster addresses are masqueraded: nobody's, those of clients that are in no local range, everybody's. */
  readonly masquerade: 'never' | 'nonLocal' | 'all'
  /** Which addresses of the node serve `node` frontends: all but loopback, the primary one of each family, or those in prefixes. */
  readonly nodeAddresses: 'all' | 'primary' | readonly string[]
  /** Prefixes from which cluster addresses come: packets to those that no service has are dropped. */
  readonly serviceRanges: readonly string[]
}

/** By name; a row says which it runs under. */
export const settings = {
  usual: { masquerade: 'nonLocal', nodeAddresses: 'all', serviceRanges: [] },
  'never masqueraded': { masquerade: 'never', nodeAddresses: 'all', serviceRanges: [] },
  'always masqueraded': { masquerade: 'all', nodeAddresses: 'all', serviceRanges: [] },
  'primary node address': { masquerade: 'nonLocal', nodeAddresses: 'primary', serviceRanges: [] },
  'listed node addresses': { masquerade: 'nonLocal', nodeAddresses: ['10.251.0.0/24', 'fd00:251::/64'], serviceRanges: [] },
  'service ranges told': { masquerade: 'nonLocal', nodeAddresses: 'all', serviceRanges: [clusterRange.ip, clusterRange.ip6] }
} as const satisfies Record<string, Settings>

export type SettingsName = keyof typeof settings

/** Who asks: an address from outside, this node (from its second address), a pod of this node, a pod of another node, or the endpoint `pod-a`. */
export const clients = ['outside', 'node', 'pod here', 'pod elsewhere', 'itself'] as const
export type Client = (typeof clients)[number]

/** Where a client is. */
export const hostOf: Readonly<Record<Client, Host | 'node'>> = {
  outside: 'outside',
  node: 'node',
  'pod here': 'pod-b',
  'pod elsewhere': 'far-d',
  itself: 'pod-a'
}

/** Who may answer: endpoints, or the host `uplink`, which stands for what a packet meets that the node routes on as it came. */
export type Server = 'pod-a' | 'pod-b' | 'far-c' | 'uplink'

/** An endpoint of a row, in both families. */
export interface Target {
  readonly server: Exclude<Server, 'uplink'>
  readonly state?: EndpointState
  readonly side?: TrafficPolicy
  readonly weight?: number
}

/** Whose address the server sees: the client's, or one of the node's, by masquerade. */
export type Seen = 'client' | 'node'

/** A reset of TCP, ICMP or ICMPv6 "port unreachable", nothing at all. */
export type Refusal = 'reset' | 'icmp' | 'silence'

/** What happens to a row's connections. */
export type Expected =
  | { readonly refused: Refusal }
  | {
      /** All of these answer, and nobody else. */
      readonly answers: Readonly<Partial<Record<Server, Seen>>>
      /** Each client address stays with one of them. */
      readonly sticky?: true
      /** With a pause in between, clients do not all stay. */
      readonly forgotten?: true
      /** Smallest and largest part of the connections that a server takes. */
      readonly shares?: Readonly<Partial<Record<Server, readonly [min: number, max: number]>>>
    }
  /** The plane refuses the service by an error with this code. */
  | { readonly unsupported: string }

/** One thing that is tried. */
export interface Row {
  /** Stable: names what is tried. */
  readonly id: string
  readonly chapter: string
  /** What tells lines of the chapter's table apart, by column; rows of other protocols and families share the line. */
  readonly about: Readonly<Record<string, string>>
  readonly settings: SettingsName
  readonly client: Client
  readonly protocol: Protocol
  readonly family: Family
  readonly kind: FrontendKind
  readonly policy: TrafficPolicy
  /** What must be in effect; rows share services. */
  readonly services: readonly Service[]
  readonly address: string
  readonly port: number
  /** Addresses from which the client asks, in turn. */
  readonly sources: readonly string[]
  /** How long to wait before they begin again. Absent: not at all. */
  readonly pauseMs?: number
  /** How often each of many sources asks. Absent: twice. */
  readonly rounds?: number
  /** Those of the service that is asked. */
  readonly endpoints: readonly Target[]
  readonly expected: Expected
}
