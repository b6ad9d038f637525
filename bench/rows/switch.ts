import type { Netplane } from '../frame/netplane.js'
import type { Row } from '../frame/row.js'
import { sessionRow } from '../frame/subject-row.js'
import { planeSync } from '../subjects/plane.js'

const size = { services: 10_000, endpoints: 10 } as const

const syncOf = (mode: string): string => `first sync, ${mode}`

/** A switch of a plane that carries many services, beside first syncs of both modes. What rules of iptables are made of takes the kernel as long to remove as to make, so that the longer one is the measure. */
const switchRow = (from: 'nftables' | 'iptables', to: 'nftables' | 'iptables'): Row =>
  sessionRow({
    name: `plane-switch-${from}-${to}-${size.services}x${size.endpoints}`,
    unit: 'ms',
    about: `switch from mode ${from} to ${to} with ${size.services} services of ${size.endpoints} endpoints each, until nothing is left of the old mode; the peers are first syncs of both`,
    bar: { timesPeerAtMost: { [syncOf('iptables')]: 3 } },
    rounds: 3,
    needs: [],
    subject: 'plane-switch',
    options: { from, to, ...size },
    repeat: 1,
    peers: Object.fromEntries(
      (['iptables', 'nftables'] as const).map((mode) => [
        syncOf(mode),
        { open: (netplane: Netplane, netns: string) => planeSync(netplane, netns, { mode, ...size }) }
      ])
    )
  })

/** What switching costs. */
export const switchRows: readonly Row[] = [switchRow('nftables', 'iptables'), switchRow('iptables', 'nftables')]
