import type { Row } from '../frame/row.js'
import { subjectRow } from '../frame/subject-row.js'
import { kubeProxyScript, planeScript, type PlaneChange, type PlaneOptions } from '../subjects/plane.js'

const nftFile = (script: (options: PlaneOptions) => string, options: PlaneOptions) => ({
  command: (file: (name: string, content: string) => string) => [
    'nft',
    '-f',
    file(`${script.name}-${options.services}.nft`, script(options))
  ],
  afterSetup: false
})

const size = ({ services, endpoints }: PlaneOptions): string => `${services} services with ${endpoints} endpoints each`

/** The first sync against what `nft -f` takes for the same elements, and for kube-proxy's layout. */
function syncRow(
  options: PlaneOptions,
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
    options,
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
  const options = { services: 45_000, endpoints: 4, change }
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
  updateRow('swap', 'an endpoint is swapped', { oursAtMost: 1 }),
  updateRow('add-endpoint', 'an endpoint is added', twiceAndOne),
  updateRow('remove-endpoint', 'an endpoint is removed', twiceAndOne),
  updateRow('add-service', 'a service is added', twiceAndOne),
  updateRow('remove-service', 'a service is removed', twiceAndOne),
  updateRow('first-size', 'a service is the first of its size', twiceAndOne)
]
