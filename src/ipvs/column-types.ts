/**
 * IPVS in bulk: struct of arrays, one entry a row, host byte order unless said. What a list gives can be given to a change again.
 */

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
