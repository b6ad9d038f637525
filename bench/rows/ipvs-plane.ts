import type { Row } from '../frame/row.js'
import { sessionRow, subjectRow } from '../frame/subject-row.js'
import { planeAtRest, planeVirtualServices } from '../subjects/plane.js'

const common = { unit: 'ms', requires: 'ipvs and nftables', repeat: 1, needs: [] } as const
const part = 'Ipvs.sync'

/** Without a floor: it asks whether there are links and schedulers, which the kernel refuses where there are none. */
const syncRow = sessionRow({
  ...common,
  name: 'ipvs-plane-sync-1000x10',
  about: 'first sync of the ipvs plane: 1000 services with 10 endpoints each, beside the virtual services alone',
  bar: { timesPeerAtMost: { [part]: 1.5 } },
  rounds: 5,
  subject: 'plane-sync',
  options: { mode: 'ipvs', services: 1000, endpoints: 10 },
  peers: { [part]: { open: planeVirtualServices } }
})

/** Long enough for several comparisons of everything. */
const restSeconds = 3600

/** Waiting costs no time where the clock of the machine leaps. */
const auditRow: Row = {
  name: 'ipvs-plane-audit-10000x10',
  unit: '%',
  about: `share of one processor that the ipvs plane takes in ${restSeconds} s at rest, audited as by default: 10000 services with 10 endpoints each`,
  bar: { oursAtMost: 1 },
  rounds: 1,
  needs: [],
  requires: common.requires,
  isLong: true,
  prepare: ({ netplane }) =>
    Promise.resolve({
      ours: ({ path }) => planeAtRest(netplane, path, { mode: 'ipvs', services: 10_000, endpoints: 10 }, restSeconds),
      peers: {}
    })
}

/** What the plane of mode `ipvs` is measured by: beside the virtual services it has addresses and tables to write. */
export const ipvsPlaneRows: readonly Row[] = [
  syncRow,
  auditRow,
  subjectRow({
    ...common,
    name: 'ipvs-plane-update-10000x10',
    about: 'an endpoint is swapped among 10000 services with 10 endpoints each, in the ipvs plane',
    bar: { timesFloorAtMost: 3, plusAtMost: 5 },
    rounds: 3,
    operations: 1,
    subject: 'plane-update',
    options: { mode: 'ipvs', services: 10_000, endpoints: 10, change: 'swap' },
    peers: {}
  })
]
