import type { Bench } from '../frame/bench.js'
import type { Contender, Contenders, Row } from '../frame/row.js'
import { median } from '../frame/statistics.js'
import { TrafficGroup } from '../frame/traffic-group.js'
import { loadDispatch, type DispatchChange, type DispatchVariant } from '../subjects/dispatch.js'
import { firstServiceAddress, servicePort } from '../subjects/mixed-services.js'

const peer = 'one verdict map'

/** A change and the way back, sent from C: the kernel's own time. Ours are the classes that the plane uses. */
async function prepareChange(bench: Bench, services: number, change: DispatchChange): Promise<Contenders> {
  const contender = async (variant: DispatchVariant): Promise<Contender> => {
    const recording = await bench.record('dispatch-change', { services, sizes: [3, 4, 5], variant, change })
    return async (place) => (median(await bench.replay(place, recording, 50)) * 1000) / 2
  }
  return { ours: await contender('powers'), peers: { [peer]: await contender('verdict-map') } }
}

function changeRow(change: DispatchChange, about: string, services: number): Row {
  return {
    name: `dispatch-${change}-${services}`,
    unit: 'µs',
    about: `the kernel's time to ${about} among ${services}`,
    bar: { fasterThanPeerAtLeast: { [peer]: change === 'swap' ? 0.9 : 2 } },
    rounds: 3,
    needs: [],
    prepare: (bench) => prepareChange(bench, services, change)
  }
}

async function prepareFlows(bench: Bench, services: number, sizes: readonly number[]): Promise<Contenders> {
  const group = new TrafficGroup(bench)
  const contender = async (variant: DispatchVariant): Promise<Contender> => {
    const network = await group.open(async ({ node }) => {
      const nft = await bench.netplane.Nftables.open({ netns: node.path })
      await loadDispatch(nft, bench.netplane, { services, sizes, variant }).finally(() => nft.close())
    })
    return () => network.connect({ protocol: 'udp', first: firstServiceAddress, addresses: services, port: servicePort }, 10_000)
  }
  return {
    ours: await contender('powers'),
    peers: { [peer]: await contender('verdict-map'), 'a set for each size': await contender('sets') },
    close: () => group.close()
  }
}

function flowRow(count: number): Row {
  const services = 10_000
  const sizes = Array.from({ length: count }, (_, index) => index + 1)
  return {
    name: `dispatch-flow-${count}`,
    unit: 'µs',
    about: `a new UDP flow through a node with ${services} services of ${count === 1 ? 'one size' : `${count} sizes`}`,
    // The price of the sets: a look-up for each class, and a choice again where a slot is empty.
    bar: { fasterThanPeerAtLeast: { [peer]: 0.85 } },
    rounds: 21,
    needs: [],
    rests: false,
    prepare: (bench) => prepareFlows(bench, services, sizes)
  }
}

const counts = [1000, 10_000, 45_000]

/** Sets for each class beside one verdict map, and beside a set for each size, in changes and in packets. */
export const dispatchRows: readonly Row[] = [
  ...counts.map((services) => changeRow('swap', "swap one service's endpoint", services)),
  ...counts.map((services) => changeRow('size', 'add an endpoint to one service or remove it', services)),
  ...counts.map((services) => changeRow('service', 'add or remove one service', services)),
  ...[1, 3, 10, 40].map(flowRow)
]
