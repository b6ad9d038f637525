/**
 * What the kernel tells of services without anybody who knows them: frontends, and the endpoints behind them.
 */
import type { AddressFamily } from '../../core/address.js'
import type { KernelMode } from '../options.js'

/** Whose connections a frontend's endpoints get: `inside` are local clients and this node, `outside` all others. */
export type Clients = 'all' | 'inside' | 'outside'

/** An endpoint as the kernel has it. */
export interface ShownEndpoint {
  readonly address: string
  readonly port: number
  readonly clients: Clients
  /** Part of new connections, 0–1. Absent: the scheduler goes by the connections there are. */
  readonly share?: number | undefined
  /** Mode ipvs: the weight of the real server; 0 drains. */
  readonly weight?: number | undefined
  /** Mode ipvs: connections there are. */
  readonly activeConnections?: number | undefined
  readonly inactiveConnections?: number | undefined
  /** New connections since the kernel began to count; in mode nftables where the plane was opened with option `counters`. */
  readonly connections?: bigint | undefined
}

/** What becomes of connections to a frontend that has no endpoint: for these clients. */
export interface ShownRefusal {
  readonly type: 'refused' | 'dropped'
  readonly clients: Clients
}

/** A port of this node to which connections are redirected, so that a relay takes them: which endpoints that has, its process knows. */
export interface ShownRelay {
  readonly port: number
  readonly clients: Clients
}

/** What a frontend lacks, as a field that is absent where that is nothing. */
export function withMissing(missing: readonly string[]): Pick<ShownFrontend, 'missing'> {
  return missing.length === 0 ? {} : { missing }
}

/** A frontend as the kernel has it. */
export interface ShownFrontend {
  readonly mode: KernelMode
  /** The service's name as the kernel has it, which may be shortened. Absent: the kernel does not tell. */
  readonly service?: string | undefined
  readonly family: AddressFamily
  /** Absent where the kernel does not tell: IPVS knows some frontends by a mark alone. */
  readonly protocol?: string | undefined
  /** Absent: a port of this node. */
  readonly address?: string | undefined
  readonly port?: number | undefined
  /** Mode ipvs: the mark by which a virtual service knows its packets. */
  readonly fwmark?: number | undefined
  /** Mode ipvs: its scheduler. */
  readonly scheduler?: string | undefined
  /** Mode ipvs: false for virtual services of other programs. */
  readonly isOurs: boolean
  readonly endpoints: readonly ShownEndpoint[]
  readonly refusals: readonly ShownRefusal[]
  /** What of it the kernel lacks, so that it does not serve all of its clients, or not at all. Absent: nothing, as far as the kernel tells. */
  readonly missing?: readonly string[] | undefined
  /** Mode userspace alone. */
  readonly relays?: readonly ShownRelay[] | undefined
}
