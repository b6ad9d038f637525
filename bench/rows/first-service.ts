import path from 'node:path'
import type { Bench } from '../frame/bench.js'
import type { Contenders, Place, Row } from '../frame/row.js'
import { median } from '../frame/statistics.js'

const size = { services: 10_000, endpoints: 10 } as const

/** How long a service with a priority waits in a fresh process. */
const firstServiceRow = (mode: 'nftables' | 'iptables'): Row => ({
  name: `plane-first-service-${mode}-${size.services}x${size.endpoints}`,
  unit: 'ms',
  about: `from the call of a fresh process's first sync of ${size.services} services with ${size.endpoints} endpoints each to the first answer of the one with a priority, in the plane of mode ${mode}`,
  bar: { oursAtMost: 50 },
  rounds: 5,
  needs: ['nsenter', 'python3'],
  prepare: (bench: Bench): Promise<Contenders> => {
    const synced: number[] = []
    return Promise.resolve({
      ours: async (place: Place) => {
        const asks = path.join(bench.sources, 'traffic', 'first-answer.py')
        const { figures } = await bench.child(place, 'plane-first-service', { mode, asks, ...size }, false)
        synced.push(figures.synced!)
        return figures.answered!
      },
      peers: {},
      figures: () => ({ 'whole sync, ms': median(synced) })
    })
  }
})

/** How soon what matters most is served. */
export const firstServiceRows: readonly Row[] = [firstServiceRow('nftables'), firstServiceRow('iptables')]
