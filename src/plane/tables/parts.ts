/**
 * What tables are made of.
 */
import type { SystemSettings } from '../core/system-settings.js'
import type { PlaneEvent } from '../types.js'
import type { TableWalk } from './explain/walk.js'
import type { PortReservation } from './node/port-reservation.js'

/** What tables are made of, beside their client. */
export interface TableParts {
  /** Told what the back end finds by itself. */
  readonly tell: (event: PlaneEvent) => void
  readonly settings: SystemSettings
  readonly reservation?: PortReservation | undefined
  /** How packets are explained. */
  readonly walk?: TableWalk | undefined
}
