/**
 * Opening the tables of a plane.
 */
import { namespaceOf } from '../../core/options.js'
import type { Nftables } from '../../nftables/index.js'
import type { Ports } from '../core/node/reserved-ports.js'
import { fakeSettings, kernelSettings } from '../core/system-settings.js'
import type { PlaneEvent } from '../types.js'
import type { TableWalk } from './explain/walk.js'
import type { TableOptions } from './layout/table.js'
import { PortReservation, RESERVED_PORTS_HINT } from './node/port-reservation.js'
import { ROUTE_LOCALNET_HINT } from '../core/node/route-localnet.js'
import type { TableParts } from './parts.js'

/** What tables are opened with. */
export interface TableSettings {
  readonly table: TableOptions
  readonly reservedPorts: Ports | undefined
  /** There are no settings beside a fake. */
  readonly isFake: boolean
  /** How packets are explained. Absent: by the tables alone. */
  readonly walk?: TableWalk | undefined
}

/** What belongs to tables, in the namespace of their client. @param tell Told what they find by themselves. */
export function tableParts(nft: Nftables, settings: TableSettings, tell: (event: PlaneEvent) => void): TableParts {
  const { table, reservedPorts, isFake, walk } = settings
  if (isFake) return { tell, settings: fakeSettings(), walk }
  const place = namespaceOf(nft)
  const reservation = new PortReservation(nft, table.name, reservedPorts, kernelSettings(place, RESERVED_PORTS_HINT))
  return { tell, settings: kernelSettings(place, ROUTE_LOCALNET_HINT), reservation, walk }
}
