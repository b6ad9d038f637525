/**
 * What relays are told, and what they tell.
 */
import type { Affinity } from '../../model.js'

/** One end of a connection, or of a session of UDP. */
export interface SocketAddress {
  readonly address: string
  readonly port: number
}

/** A server to which a relay passes connections. */
export interface RelayEndpoint {
  readonly address: string
  readonly port: number
  /** Share of new connections, relative to those of the others; 0: none. */
  readonly weight: number
}

/** One listener and where its connections go. */
export interface RelaySpec {
  /** Names the relay in events, errors and counters; one listener each. */
  readonly id: string
  readonly protocol: 'tcp' | 'udp'
  /** Local address that it listens on: `0.0.0.0` or `::` (IPv6 alone) as a rule. */
  readonly listenAddress: string
  /** Port that it listens on; 0: any, chosen by the kernel. */
  readonly listenPort: number
  readonly endpoints: readonly RelayEndpoint[]
  readonly scheduler: 'random' | 'hash'
  readonly affinity?: Affinity | undefined
  /** Seconds that connections of an endpoint that was taken away may go on; 0: they are reset at once. Default: no end. */
  readonly drainSeconds?: number | undefined
  /** Sends a header of the PROXY protocol, version 2, that names this as the address that the client asked for. TCP alone. */
  readonly proxyProtocol?: { readonly address: string; readonly port: number } | undefined
}

/** Options of all relays. */
export interface RelayOptions {
  /** Connections and sessions of UDP at a time, all relays together. Default 10,000. */
  readonly maxConnections?: number | undefined
  /** Connections and sessions of UDP of one relay at a time. Default: as many as `maxConnections`. */
  readonly maxConnectionsPerRelay?: number | undefined
  /** Seconds after which a session of UDP ends in which only the client spoke. Default 30. */
  readonly udpUnansweredSeconds?: number | undefined
  /** Seconds after which any other idle session of UDP ends. Default 120. */
  readonly udpIdleSeconds?: number | undefined
  /** Tells of each connection that has ended. Default false. */
  readonly logsConnections?: boolean | undefined
  /**
   * Threads that pass on what connections of TCP send, 0–64: one for each processor that is to spare. Each connection has one of them, and needs four file descriptors instead of two. Default 0: the
   * thread of the plane does it.
   */
  readonly threads?: number | undefined
}

/** How a relayed connection ended; `lost`: the thread that carried it ended. */
export type RelayEnding =
  'closed' | 'reset by client' | 'reset by endpoint' | 'no endpoint answered' | 'drained' | 'idle' | 'refused' | 'lost'

/** A connection that has ended, or a session of UDP. */
export interface RelayedConnection {
  /** Address and port, as all below: `10.0.0.1:80`, `[fd00::1]:80`. */
  readonly client: string
  /** Undefined where none answered. */
  readonly endpoint: string | undefined
  readonly bytesFromClient: number
  readonly bytesToClient: number
  readonly seconds: number
  readonly ending: RelayEnding
}

export type RelayEvent =
  | ({ readonly type: 'connection'; readonly relay: string } & RelayedConnection)
  /** Connections were refused since the last such event, and why, in words. */
  | { readonly type: 'refused'; readonly relay: string; readonly count: number; readonly reason: string }
  /** `relay`: absent where it is about all of them. */
  | { readonly type: 'error'; readonly relay?: string; readonly error: Error }

/** What was counted of an endpoint, or of a relay. */
export interface RelayCounts {
  readonly connections: number
  readonly openConnections: number
  readonly bytesFromClients: number
  readonly bytesToClients: number
  readonly packetsFromClients: number
  readonly packetsToClients: number
  readonly failedDials: number
}

export interface RelayStatus extends RelayCounts {
  readonly id: string
  readonly port: number
  readonly refused: number
  /** By `address:port` (`[address]:port`); those that still drain among them. */
  readonly endpoints: ReadonlyMap<string, RelayCounts>
}

/** All relays of a plane. */
export interface Relays {
  /** Starts to listen. @returns The port. @throws {NetplaneError} The port is taken, or may not be used. */
  listen(spec: RelaySpec): Promise<number>
  /** Changes where the connections of a relay go; what it listens on stays. */
  update(spec: RelaySpec): void
  /** Stops listening; open connections drain. */
  withdraw(id: string): void
  status(): readonly RelayStatus[]
  /** Ends everything at once. */
  close(): Promise<void>
}
