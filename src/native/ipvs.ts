/** The IPVS part of what crosses between TypeScript and C++ (`native/addon/ipvs_*`). */
import type { NativeBatchReport, NativeColumns, NativeOutcome, NativeRecord, NativeSocket } from './common.js'

/** A change of many services, or where `servers` is given of many real servers of those services. */
export interface NativeIpvsChange {
  readonly verb: 'add' | 'update' | 'remove'
  /** native/ipvs/services.h; copied before the call returns. */
  readonly services: NativeColumns
  /** native/ipvs/servers.h; `service` is a row of `services`. */
  readonly servers?: NativeColumns
  readonly deadlineMs: number
}

export interface NativeIpvsListRequest {
  /** Only these services, by key; those that do not exist are left out. */
  readonly services?: NativeColumns
  /** Their real servers too. */
  readonly servers: boolean
  readonly statistics: boolean
  readonly deadlineMs: number
}

/** In pieces; `service` of `servers` counts the rows of all pieces of `services`. A piece in which nobody has counted anything has no columns of statistics. */
export interface NativeIpvsListing {
  readonly services: readonly NativeColumns[]
  readonly servers: readonly NativeColumns[]
}

export interface NativeIpvsQuery {
  readonly command: 'timeouts' | 'info' | 'daemons'
  readonly deadlineMs: number
}

export interface NativeIpvsCommand {
  readonly command: 'setTimeouts' | 'startDaemon' | 'stopDaemon' | 'zero' | 'flush'
  /** Fields of native/ipvs/schemas.cc (`command`). */
  readonly value?: NativeRecord
  /** One key, for `zero`. */
  readonly service?: NativeColumns
  readonly deadlineMs: number
}

export interface NativeIpvsSocket extends NativeSocket {
  /** Finds the number of generic netlink's family, and uses it from then on; before anything else. `ENOENT`: there is no IPVS. */
  resolve(request: { readonly deadlineMs: number }): Promise<NativeOutcome<number>>
  change(change: NativeIpvsChange): Promise<NativeOutcome<NativeBatchReport>>
  list(request: NativeIpvsListRequest): Promise<NativeOutcome<NativeIpvsListing>>
  query(query: NativeIpvsQuery): Promise<NativeOutcome<readonly NativeRecord[]>>
  command(command: NativeIpvsCommand): Promise<NativeOutcome<undefined>>
}

/** The connection table as it is read: one piece at a time. */
export interface NativeIpvsConnections {
  /** The next entries, about `rows` of them at most (columns of native/ipvs/connections.h); none: the end, and it is closed. */
  read(request: { readonly rows: number }): Promise<NativeOutcome<NativeColumns>>
  /** Closes the file; idempotent. */
  close(): void
}
