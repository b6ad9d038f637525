/**
 * What plan and sync need of a client.
 */
import type { BulkReport } from '../../core/bulk-run.js'
import type { IpvsColumns, RealServerKeyColumns, ServiceColumns, ServiceKeyColumns } from '../column-types.js'
import type { ChangeKind } from '../refusals.js'

/** Rows of one change. Those to remove are keys; others are complete. */
export interface ChangeRows extends ChangeKind {
  readonly services: ServiceKeyColumns | ServiceColumns
  /** Of a change of real servers: rows of `services`. */
  readonly servers?: RealServerKeyColumns
}

/** How long a change may go on. */
export interface Limits {
  readonly signal: AbortSignal | undefined
  /** `performance.now()` at which it must be done. */
  readonly deadlineAt: number
}

/** The kernel, as plan and sync see it. Calls are made one after the other. */
export interface SyncTarget {
  /**
   * Reads everything, or these services alone (those that do not exist are left out), without statistics.
   *
   * @throws Nothing is known then, and nothing is removed because of it.
   */
  list(services: ServiceKeyColumns | undefined): Promise<IpvsColumns>
  /**
   * Changes row by row; a row refused does not keep the others from being tried. Removing what does not exist counts as `unchanged`. Rejects only where
   * nothing was changed. The rows are the caller's again once it has settled.
   */
  change(rows: ChangeRows, limits: Limits): Promise<BulkReport>
  /** Reads a number of /proc/sys/net/ipv4/vs; undefined where this kernel has no such file. */
  setting(name: string): Promise<number | undefined>
}
