import type { Row } from '../frame/row.js'
import { sessionRow, subjectRow } from '../frame/subject-row.js'
import { kubeProxyScript, planeScript, type PlaneChange, type PlaneSize } from '../subjects/plane.js'

const nftFile = (script: (options: PlaneSize) => string, options: PlaneSize) => ({
  command: (file: (name: string, content: string) => string) => [
    'nft',
    '-f',
    file(`${script.name}-${options.services}.nft`, script(options))
  ],
  afterSetup: false
})

const size = ({ services, endpoints }: PlaneSize): string => `${services} services with ${endpoints} endpoints each`

/** The first sync against what `nft -f` takes for the same elements, and for kube-proxy's layout. */
function syncRow(
  options: PlaneSize,
  rounds: number,
  more: Pick<Row, 'bar'> & { readonly withNft: boolean; readonly withKubeProxy: boolean }
): Row {
  const { bar, withNft, withKubeProxy } = more
  return subjectRow({
    name: `plane-sync-${options.services}x${options.endpoints}`,
    unit: 'ms',
    about: `first sync of the nftables plane: ${size(options)}, from the call to the resolved promise`,
    bar,
    rounds,
    needs: withNft || withKubeProxy ? ['nft'] : [],
    subject: 'plane-sync',
    options: { ...options, mode: 'nftables' },
    repeat: 1,
    operations: 1,
    peers: {
      ...(withNft ? { 'nft -f': nftFile(planeScript, options) } : {}),
      ...(withKubeProxy ? { "nft -f, kube-proxy's layout": nftFile(kubeProxyScript, options) } : {})
    }
  })
}

/** One changed service among 45,000. The floor is the same bytes, sent from C. */
function updateRow(change: PlaneChange, about: string, bar: Row['bar']): Row {
  const options = { mode: 'nftables', services: 45_000, endpoints: 4, change } as const
  return subjectRow({
    name: `plane-update-${change}`,
    unit: 'ms',
    about: `${about}, among ${size(options)}`,
    bar,
    rounds: 5,
    needs: [],
    subject: 'plane-update',
    options,
    repeat: 1,
    operations: 1,
    peers: {}
  })
}

/** A first sync of services of all kinds. */
const mixedRow = subjectRow({
  name: 'plane-sync-mixed-10000x10',
  unit: 'ms',
  about: 'first sync of 10000 services with 10 endpoints each and frontends of all kinds, a tenth with affinity, a fifth with policy local',
  bar: { timesFloorAtMost: 1.5 },
  rounds: 5,
  needs: [],
  subject: 'plane-mixed',
  options: { services: 10_000, endpoints: 10 },
  repeat: 1,
  operations: 1,
  peers: {}
})

/** Without a floor: what was committed depends on the generation, and cannot be sent again. */
const driftRow = sessionRow({
  name: 'plane-drift-1000x10',
  unit: 'ms',
  about:
    'another process flushes the rules of our table with 1000 services of 10 endpoints: from its commit to the end of the repair, audited every 10 ms',
  bar: { oursAtMost: 50 },
  rounds: 5,
  needs: [],
  subject: 'plane-drift',
  options: { services: 1000, endpoints: 10 },
  repeat: 5
})

const LIMITS = [
  ['endpoints', 5000, 'one service with 5000 endpoints', 100],
  ['node-ports', 65_000, '65000 services, each at one port of the node', 1000],
  ['node-addresses', 1000, 'ten services at ports of a node with 1000 addresses', 100]
] as const

/** What there is very much of. */
const limitRows = LIMITS.map(([limit, count, about, oursAtMost]) =>
  subjectRow({
    name: `plane-limit-${limit}-${count}`,
    unit: 'ms',
    about: `first sync of ${about}`,
    bar: { oursAtMost },
    rounds: 3,
    needs: [],
    subject: 'plane-limit',
    options: { limit, count },
    repeat: 1,
    operations: 1,
    peers: {}
  })
)

const twiceAndOne = { timesFloorAtMost: 2, plusAtMost: 1 }

/** What the nftables plane is measured by. */
export const planeRows: readonly Row[] = [
  syncRow({ services: 10_000, endpoints: 10 }, 7, {
    bar: { timesFloorAtMost: 1.5, fasterThanPeerAtLeast: { 'nft -f': 8 } },
    withNft: true,
    withKubeProxy: false
  }),
  syncRow({ services: 5000, endpoints: 10 }, 3, {
    bar: { fasterThanPeerAtLeast: { "nft -f, kube-proxy's layout": 25 } },
    withNft: false,
    withKubeProxy: true
  }),
  syncRow({ services: 100_000, endpoints: 10 }, 3, { bar: { timesFloorAtMost: 1.5 }, withNft: false, withKubeProxy: false }),
  mixedRow,
  driftRow,
  ...limitRows,
  updateRow('swap', 'an endpoint is swapped', { oursAtMost: 1 }),
  updateRow('add-endpoint', 'an endpoint is added', twiceAndOne),
  updateRow('remove-endpoint', 'an endpoint is removed', twiceAndOne),
  updateRow('add-service', 'a service is added', twiceAndOne),
  updateRow('remove-service', 'a service is removed', twiceAndOne),
  updateRow('first-size', 'a service is the first of its size', twiceAndOne)
]
