import type { Row } from '../frame/row.js'
import { subjectRow } from '../frame/subject-row.js'

const common = { unit: 'ms', needs: [], repeat: 1, operations: 1, peers: {} } as const
const size = { mode: 'iptables', services: 5000, endpoints: 10 } as const

/** What the plane of mode `iptables` is measured by. Its rules are kube-proxy's, so that the kernel has as much to do as with those. */
export const iptablesPlaneRows: readonly Row[] = [
  subjectRow({
    ...common,
    name: 'iptables-plane-sync-5000x10',
    about: 'first sync of the iptables plane: 5000 services with 10 endpoints each, from the call to the resolved promise',
    bar: { timesFloorAtMost: 2 },
    rounds: 3,
    subject: 'plane-sync',
    options: size
  }),
  subjectRow({
    ...common,
    name: 'iptables-plane-update-5000x10',
    about: 'an endpoint is swapped among 5000 services with 10 endpoints each, in the iptables plane',
    bar: { timesFloorAtMost: 1, plusAtMost: 5 },
    rounds: 3,
    subject: 'plane-update',
    options: { ...size, change: 'swap' }
  })
]
