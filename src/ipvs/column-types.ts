/**
 * IPVS in bulk: struct of arrays, one entry a row, host byte order unless said. What a list gives can be given to a change again.
 */
import type { NetlinkError } from '../core/errors.js'
import type { CallOptions } from '../core/options.js'

/** Keys of virtual services. */
export interface ServiceKeyColumns {
  readonly rows: number
  /** 2 (AF_INET) or 10 (AF_INET6). */
  readonly family: Uint8Array
  /** 6 tcp, 17 udp, 132 sctp; 0 where the row is a fwmark. */
  readonly protocol: Uint8Array
  /** 16 bytes a row, network order; an IPv4 address is the first 4 of them, the others are 0. All 0 where the row is a fwmark. */
  readonly address: Uint8Array
  /** 0 where the row is a fwmark. */
  readonly port: Uint16Array
  /** 0 where the row is an address. */
  readonly fwmark: Uint32Array
}

/** Virtual services, complete. */
export interface ServiceColumns extends ServiceKeyColumns {
  /** Indexes into `schedulerTable`. */
  readonly scheduler: Uint32Array
  readonly schedulerTable: readonly string[]
  /** IP_VS_SVC_F_* bits (`SERVICE_FLAG_BITS`): 1 persistent, 4 one-packet, 8 16 32 the scheduler's. The kernel's own (2) is never listed, and ignored. */
  readonly flags: Uint32Array
  /** Persistence; 0 without. */
  readonly timeoutSeconds: Uint32Array
  /** IPv4: the mask as a number (0xffffff00); IPv6: the prefix length, 1–128. Without persistence: 0xffffffff, 128. */
  readonly netmask: Uint32Array
  /** Indexes into `persistenceEngineTable`; 0xffffffff: none. An update with none takes away the one there was. */
  readonly persistenceEngine: Uint32Array
  readonly persistenceEngineTable: readonly string[]
}

/** Real servers by key: row by row, of the service in row `service[row]` of the key columns beside them. */
export interface RealServerKeyColumns {
  readonly rows: number
  readonly service: Uint32Array
  /** 2 or 10. */
  readonly family: Uint8Array
  /** 16 bytes a row, network order; an IPv4 address is the first 4 of them, the others are 0. */
  readonly address: Uint8Array
  readonly port: Uint16Array
}

/** Real servers, complete. */
export interface RealServerColumns extends RealServerKeyColumns {
  /** 0 masquerade, 1 local, 2 tunnel, 3 direct-route, 4 bypass. */
  readonly forwarding: Uint8Array
  /** 0–2147483647. */
  readonly weight: Uint32Array
  readonly upperThreshold: Uint32Array
  readonly lowerThreshold: Uint32Array
  /** 0 ipip, 1 gue, 2 gre. */
  readonly tunnelType: Uint8Array
  /** 0 but for gue. */
  readonly tunnelPort: Uint16Array
  /** 1 checksum, 2 remote checksum. */
  readonly tunnelFlags: Uint16Array
}

/** {@link IpvsStatistics} as columns. */
export interface StatisticsColumns {
  readonly connections: BigUint64Array
  readonly incomingPackets: BigUint64Array
  readonly outgoingPackets: BigUint64Array
  readonly incomingBytes: BigUint64Array
  readonly outgoingBytes: BigUint64Array
  readonly connectionsPerSecond: BigUint64Array
  readonly incomingPacketsPerSecond: BigUint64Array
  readonly outgoingPacketsPerSecond: BigUint64Array
  readonly incomingBytesPerSecond: BigUint64Array
  readonly outgoingBytesPerSecond: BigUint64Array
}

/** Listed services; the statistics' columns are there only where they were asked for. */
export type ServiceListColumns = ServiceColumns & Partial<StatisticsColumns>

/** Listed real servers; the statistics' columns are there only where they were asked for. */
export type RealServerListColumns = RealServerColumns &
  Partial<StatisticsColumns> & {
    readonly activeConnections: Uint32Array
    readonly inactiveConnections: Uint32Array
    readonly persistentConnections: Uint32Array
  }

/** Everything that a namespace's IPVS holds. `realServers.service` is a row of `services`; the real servers of one service follow one another. */
export interface IpvsColumns {
  readonly services: ServiceListColumns
  readonly realServers: RealServerListColumns
}

/** Many real servers, and the services that their rows name. */
export interface RealServerChangeColumns<Servers extends RealServerKeyColumns = RealServerColumns> {
  readonly services: ServiceKeyColumns
  readonly realServers: Servers
}

/** What became of a row, in {@link ChangeReport.outcomes}: it was not sent, because the change ended early. */
export const ROW_NOT_SENT = 0
/** The kernel carried it out. */
export const ROW_APPLIED = 1
/** The kernel refused it: one of {@link ChangeReport.refused} says why. */
export const ROW_REFUSED = 2
/** Already as wanted (option `ensure`). */
export const ROW_UNCHANGED = 3
/** Sent, but replies were lost: read the state to know. */
export const ROW_UNKNOWN = 4

/** How a change of many goes about refusals. */
export interface ChangeOptions extends CallOptions {
  /** Takes for done what is as wanted: adding what exists (whatever its settings are), removing what does not. It counts as `unchanged`. */
  readonly ensure?: boolean | undefined
  /**
   * What happens when the kernel refuses a row. All others are tried in either case. `throw` (default): then the promise rejects. `isolate`: the report says
   * everything, also why it stopped early, and once anything has been sent the promise does not reject.
   */
  readonly onError?: 'throw' | 'isolate' | undefined
}

/** What became of every row. The counts add up to the number of rows given. */
export interface ChangeReport {
  readonly applied: number
  readonly unchanged: number
  /** One error for each row refused: `index` is the row, `subject` names it. Ascending. */
  readonly refused: readonly NetlinkError[]
  /** Rows of which it is not known. */
  readonly unknown: number
  /** Rows that were not sent, because `stopped`. */
  readonly notSent: number
  /** Why it ended early or why something is unknown: the signal's reason, the deadline, lost replies. */
  readonly stopped?: unknown
  /** ROW_* by row. */
  readonly outcomes: Uint8Array
  /** System calls made. */
  readonly systemCalls: number
}
