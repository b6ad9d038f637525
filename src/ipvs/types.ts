/**
 * What the IPVS client takes and gives: virtual services, real servers, their columns, and what became of a change.
 *
 * Three shapes of everything: a *key* names an object; a *spec* is what a caller wants it to be; what is *listed* is a complete spec with counters, so that it
 * can be given back to any call that takes a spec. In a spec for adding, what is not mentioned (absent or `undefined`) gets its default; in a spec for
 * updating it stays as it is. Columns are complete: they leave nothing out, so nothing is read before they are sent.
 */
import type { AddressFamily } from '../core/address.js'
import type { CallOptions } from '../core/options.js'
import type { Protocol } from '../core/protocols.js'

/** A virtual service by where clients connect to. Port 0 means every port, and needs `persistence`. */
export interface AddressServiceKey {
  readonly protocol: Protocol
  /** IPv4 or IPv6; it is the service's family. */
  readonly address: string
  /** 0–65535. */
  readonly port: number
  readonly fwmark?: undefined
}

/** A virtual service by the mark that packets carry (`meta mark set`, `MARK --set-mark`). */
export interface FwmarkServiceKey {
  /** 1–4294967295. */
  readonly fwmark: number
  /** Default: `ip`. */
  readonly family?: AddressFamily | undefined
  readonly protocol?: undefined
  readonly address?: undefined
  readonly port?: undefined
}

/** What names a virtual service. Everything that has these fields will do: a spec, or what was listed. */
export type VirtualServiceKey = AddressServiceKey | FwmarkServiceKey

/**
 * IP_VS_SVC_F_* of include/uapi/linux/ip_vs.h by the names of ipvsadm(8), but for `persistent`, which is having `persistence`. The bits `flag-1` … `flag-3`
 * mean what the scheduler makes of them, so those of `sh` and `mh` are named after them and can be given with that scheduler only.
 *
 * `one-packet`: every datagram is scheduled by itself, no connection is kept (UDP; with fwmark the kernel heeds it for UDP only). `sh-fallback`, `mh-fallback`: clients of a
 * server with weight 0 go to others instead of being refused. `sh-port`, `mh-port`: the client's port is hashed too.
 */
export type ServiceFlag = 'one-packet' | 'sh-fallback' | 'sh-port' | 'mh-fallback' | 'mh-port' | 'flag-1' | 'flag-2' | 'flag-3'

/** Clients of one network come back to the same real server. */
export interface Persistence {
  /**
   * Seconds after a client's last connection; default 300, as ipvsadm has it. Listed always. 1–42949672; a kernel that ticks more often than 100 times a second holds less
   * (4294967 at 1000), for it counts ticks in 32 bits and wraps. 0 is accepted in what was listed.
   */
  readonly timeoutSeconds?: number | undefined
  /** Clients that share these leading bits are one: 0 (all clients are one) to 32, or 1–128 for an IPv6 service. Default: the full length, each client by itself. */
  readonly prefixLength?: number | undefined
  /** IPv4 only, instead of `prefixLength`: any mask, such as `255.0.255.0`. Listed only where it is no prefix. */
  readonly netmask?: string | undefined
}

/** What a virtual service is besides its key. */
export interface ServiceSettings {
  /** `rr`, `wrr`, `lc`, `wlc`, `lblc`, `lblcr`, `dh`, `sh`, `sed`, `nq`, `fo`, `ovf`, `mh`, `twos`, or any other module `ip_vs_NAME`. Default: `wlc`. */
  readonly scheduler?: string | undefined
  /** Default: none. A list replaces the whole list. */
  readonly flags?: readonly ServiceFlag[] | undefined
  /** `null`: none, the default. A spec replaces the whole of it. */
  readonly persistence?: Persistence | null | undefined
  /** Finds out what belongs together otherwise than by address: `sip` (module `ip_vs_pe_sip`). `null`: none, the default. */
  readonly persistenceEngine?: string | null | undefined
}

/** A virtual service to add or to update. */
export type VirtualServiceSpec = VirtualServiceKey & ServiceSettings

/**
 * Counters since the object was made or zeroed, and rates. The kernel brings both up to date every 2 seconds; with the sysctl `run_estimation` = 0 rates stay 0.
 * 64 bits wide since Linux 4.1.
 */
export interface IpvsStatistics {
  readonly connections: bigint
  readonly incomingPackets: bigint
  readonly outgoingPackets: bigint
  readonly incomingBytes: bigint
  readonly outgoingBytes: bigint
  readonly connectionsPerSecond: bigint
  readonly incomingPacketsPerSecond: bigint
  readonly outgoingPacketsPerSecond: bigint
  readonly incomingBytesPerSecond: bigint
  readonly outgoingBytesPerSecond: bigint
}

/** Settings as the kernel reports them: all of them. */
export interface ListedServiceSettings {
  readonly family: AddressFamily
  /** `none` where it has been taken away. */
  readonly scheduler: string
  /** In the order of {@link ServiceFlag}; bits that the kernel keeps for itself are left out. */
  readonly flags: readonly ServiceFlag[]
  readonly persistence: Persistence | null
  readonly persistenceEngine: string | null
  /** Absent where the list was asked for without. */
  readonly statistics?: IpvsStatistics
}

/** A virtual service as the kernel reports it. It is a complete {@link VirtualServiceSpec}. */
export type VirtualService = VirtualServiceKey & ListedServiceSettings

/** A virtual service with its real servers, in the kernel's order. */
export type VirtualServiceListing = VirtualService & { readonly realServers: readonly RealServer[] }

/**
 * How packets reach a real server (IP_VS_CONN_F_FWD_MASK). `masquerade`: destination NAT, answers come back through here. `direct-route`: by its hardware
 * address, with the virtual address kept (same link). `tunnel`: encapsulated. `local`: a socket of this host; the kernel chooses it by itself for an address
 * of this host, whatever was given, and reports it. `bypass`: past IPVS, to the original destination.
 */
export type ForwardingMethod = 'masquerade' | 'local' | 'tunnel' | 'direct-route' | 'bypass'

/** IP_VS_CONN_F_TUNNEL_TYPE_*: IP in IP; Generic UDP Encapsulation (Linux 5.3); GRE (Linux 5.4). */
export type TunnelType = 'ipip' | 'gue' | 'gre'

/** IP_VS_TUNNEL_ENCAP_FLAG_*. `checksum`: of GRE, or of the outer UDP; `remote-checksum`: GUE's remote checksum offload. */
export type TunnelFlag = 'checksum' | 'remote-checksum'

/** How `tunnel` encapsulates. */
export interface Tunnel {
  readonly type: TunnelType
  /** UDP port at the real server, 1–65535: needed with `gue`, and only there. */
  readonly port?: number | undefined
  /** Default: none. Not with `ipip`. */
  readonly flags?: readonly TunnelFlag[] | undefined
}

/** What names a real server of a virtual service. */
export interface RealServerKey {
  /** Of the service's family; another one with `tunnel` only (Linux 3.18), and not while a synchronisation daemon runs. */
  readonly address: string
  /** 0–65535. With `direct-route` and `tunnel` packets keep the service's port, whatever is given. 0 for a service of fwmark or port 0: the port is kept. */
  readonly port: number
}

/** What a real server is besides its key. */
export interface RealServerSettings {
  /** Default: `masquerade` (ipvsadm's own default is direct-route). */
  readonly forwarding?: ForwardingMethod | undefined
  /** 0–2147483647; default 1. 0: no new connections (but see the flag `sh-fallback`). */
  readonly weight?: number | undefined
  /** 0–2147483647: from this many connections on it gets no new ones; 0, the default: no limit. */
  readonly upperThreshold?: number | undefined
  /** 0–`upperThreshold`: below this many it gets new ones again; 0, the default: below three quarters of `upperThreshold`. */
  readonly lowerThreshold?: number | undefined
  /** Only with `tunnel`; default: `ipip`. `null` is that default. */
  readonly tunnel?: Tunnel | null | undefined
}

/** A real server to add or to update. */
export type RealServerSpec = RealServerKey & RealServerSettings

/** A real server as the kernel reports it. It is a complete {@link RealServerSpec}. */
export interface RealServer {
  readonly address: string
  readonly port: number
  readonly family: AddressFamily
  readonly forwarding: ForwardingMethod
  readonly weight: number
  readonly upperThreshold: number
  /** As it was given: 0 where the kernel uses three quarters of `upperThreshold`. */
  readonly lowerThreshold: number
  /** `null` unless `forwarding` is `tunnel` with something other than plain `ipip`. */
  readonly tunnel: Tunnel | null
  readonly activeConnections: number
  readonly inactiveConnections: number
  /** Persistence templates that lead to it. */
  readonly persistentConnections: number
  /** Absent where the list was asked for without. */
  readonly statistics?: IpvsStatistics
}

/** A real server and the service it belongs to. */
export interface RealServerOf<Server extends RealServerKey = RealServerSpec> {
  readonly service: VirtualServiceKey
  readonly server: Server
}

/** What is listed. */
export interface ListOptions extends CallOptions {
  /** Counters and rates of every object; default true. Without them a list of 100,000 objects is several times as fast to make. */
  readonly statistics?: boolean | undefined
}

/** Time-outs of connections, for the whole namespace (`ipvsadm --set`). */
export interface IpvsTimeouts {
  /** Established TCP connections: seconds, 1–2147483. Default of the kernel: 900. */
  readonly tcpSeconds: number
  /** After a FIN. Default of the kernel: 120. */
  readonly tcpFinSeconds: number
  /** Default of the kernel: 300. */
  readonly udpSeconds: number
}

/** What the kernel's IPVS is. */
export interface IpvsInfo {
  /** `1.2.1` in every kernel so far. */
  readonly version: string
  /** Buckets of the connection table, a power of 2. */
  readonly connectionTableSize: number
}

/** A daemon that copies connections to (`master`) or from (`backup`) another director. One of each can run in a namespace. */
export interface SyncDaemon {
  readonly role: 'master' | 'backup'
  /** Name of the link for multicast. */
  readonly interface: string
  /** 0–255: only directors of the same id understand each other; a backup with 0 takes all. */
  readonly syncId: number
  /** Bytes of a datagram, 1–65535; default: by the link's MTU (Linux 4.3, as what follows). */
  readonly maximumLength?: number | undefined
  /** Multicast group, IPv4 or IPv6; default 224.0.0.81. */
  readonly group?: string | undefined
  /** UDP port; default 8848. */
  readonly port?: number | undefined
  /** 1–255; default 1. */
  readonly ttl?: number | undefined
}

/** An entry of the connection table (/proc/net/ip_vs_conn). */
export interface IpvsConnection {
  /** A {@link Protocol}; `ip` is a persistence template of a service by fwmark. */
  readonly protocol: string
  readonly clientAddress: string
  readonly clientPort: number
  readonly virtualAddress: string
  readonly virtualPort: number
  readonly realAddress: string
  readonly realPort: number
  /** `ESTABLISHED`, `FIN_WAIT`, `TIME_WAIT`, `UDP`, `NONE` … as the kernel names it. */
  readonly state: string
  readonly expiresSeconds: number
  /** Of a connection that a persistence engine looked at. */
  readonly persistenceEngine?: string
  readonly persistenceData?: string
}

/** Which connections are wanted: those that match all that is given. */
export interface ConnectionFilter {
  readonly protocol?: Protocol | 'ip' | undefined
  readonly clientAddress?: string | undefined
  readonly clientPort?: number | undefined
  readonly virtualAddress?: string | undefined
  readonly virtualPort?: number | undefined
  readonly realAddress?: string | undefined
  readonly realPort?: number | undefined
  readonly state?: string | undefined
}

/** Which connections are read. */
export interface ConnectionsOptions extends CallOptions {
  readonly filter?: ConnectionFilter | undefined
}
