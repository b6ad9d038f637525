import type { Row } from '../frame/row.js'
import { conntrackRows } from './conntrack.js'
import { conntrackCostRows } from './conntrack-cost.js'
import { conntrackEventRows } from './conntrack-events.js'
import { dispatchRows } from './dispatch.js'
import { firstServiceRows } from './first-service.js'
import { iptablesPlaneRows } from './iptables-plane.js'
import { iptablesRulesRows } from './iptables-rules.js'
import { ipvsRows } from './ipvs.js'
import { ipvsPlaneRows } from './ipvs-plane.js'
import { nftablesGenerationRow } from './nftables-generation.js'
import { nftablesListRows } from './nftables-list.js'
import { nftablesLoadRows } from './nftables-load.js'
import { nftablesObjectsRows } from './nftables-objects.js'
import { nftablesUpdateRows } from './nftables-update.js'
import { planeRows } from './plane.js'
import { processCostRows } from './process-cost.js'
import { proxyRows } from './proxy.js'
import { routeAddressesRow } from './route-addresses.js'
import { shortConnectionRows, type ShortConnectionOptions } from './short-connections.js'
import { switchRows } from './switch.js'
import { trafficRows } from './traffic.js'
import { userspaceRelayRows } from './userspace-relay.js'

/** All rows, in the table's order. */
export const makeRows = (options: ShortConnectionOptions): readonly Row[] => [
  ...nftablesLoadRows,
  ...nftablesObjectsRows,
  ...iptablesRulesRows,
  ...nftablesUpdateRows,
  ...nftablesListRows,
  nftablesGenerationRow,
  routeAddressesRow,
  ...planeRows,
  ...iptablesPlaneRows,
  ...firstServiceRows,
  ...switchRows,
  ...dispatchRows,
  ...trafficRows,
  ...shortConnectionRows(options),
  ...userspaceRelayRows,
  ...proxyRows,
  ...conntrackRows,
  ...conntrackCostRows,
  ...conntrackEventRows,
  ...ipvsRows,
  ...ipvsPlaneRows,
  ...processCostRows
]
