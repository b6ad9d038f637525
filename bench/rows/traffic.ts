import type { Bench } from '../frame/bench.js'
import type { Contenders, Row } from '../frame/row.js'
import { TrafficGroup } from '../frame/traffic-group.js'
import { loadPlane } from '../frame/loaded-plane.js'
import { serverPort, type Target, type TrafficNetwork } from '../frame/traffic.js'
import { output } from '../frame/process.js'
import { kubeProxyPeer, loadKubeProxy, verifyKubeProxy } from '../subjects/kube-proxy.js'
import { firstEndpointAddress, firstServiceAddress, modelServices, servicePort, type MixedOptions } from '../subjects/mixed-services.js'

/** Conntrack alone, which every kind of NAT needs: one rule that asks for the state. */
const conntrackAlone = 'table ip alone { chain forward { type filter hook forward priority 0; ct state new accept; }; }\n'

/** Makes a network with rules in its node, and says where its load goes. */
type Way = (bench: Bench, network: TrafficNetwork, options: MixedOptions, protocol: Target['protocol']) => Promise<void>

const throughPlane: Way = ({ netplane }, { node }, options, protocol) =>
  loadPlane(netplane, node, 'nftables', modelServices(options, protocol))

const throughConntrack: Way = async ({ file }, { node }) => {
  await output('nsenter', [`--net=${node.path}`, 'nft', '-f', file('conntrack.nft', conntrackAlone)])
}

const throughKubeProxy: Way = (bench, { node }, options, protocol) => loadKubeProxy(bench, node, { ...options, protocol })

const direct: Way = () => Promise.resolve()

/** As many services of one size and one kind, about as many slots in all. */
const throughOneSize: Way = (bench, network, { services, sizes }, protocol) =>
  throughPlane(bench, network, { services, sizes: [sizes[sizes.length >> 1]!] }, protocol)

/** Connections per second of each contender, for the notes. */
class Rates {
  readonly #times = new Map<string, number[]>()

  add(name: string, microseconds: number): number {
    this.#times.set(name, [...(this.#times.get(name) ?? []), microseconds])
    return microseconds
  }

  text(): string {
    const rate = (times: readonly number[]): string =>
      Math.round(1e6 / (times.toSorted((a, b) => a - b)[times.length >> 1] ?? Number.NaN)).toString()
    return [...this.#times].map(([name, times]) => `${name} ${rate(times)}`).join(', ')
  }
}

/** The peer that tells what many sizes and kinds cost. */
const oneSizePeer = 'one size and kind'

async function prepare(bench: Bench, options: MixedOptions, protocol: Target['protocol'], count: number): Promise<Contenders> {
  await verifyKubeProxy(bench, { ...options, services: 12, protocol })
  const rates = new Rates()
  const group = new TrafficGroup(bench)
  const open = async (name: string, way: Way, isDirect: boolean) => {
    const network = await group.open((made) => way(bench, made, options, protocol))
    const target = isDirect ? { first: firstEndpointAddress, port: serverPort } : { first: firstServiceAddress, port: servicePort }
    return async () => rates.add(name, await network.connect({ ...target, protocol, addresses: options.services }, count))
  }
  return {
    ours: await open('ours', throughPlane, false),
    floor: await open('direct', direct, true),
    peers: {
      [kubeProxyPeer]: await open(kubeProxyPeer, throughKubeProxy, false),
      ...(options.hasAllKinds === true ? { [oneSizePeer]: await open(oneSizePeer, throughOneSize, false) } : {}),
      'conntrack alone': await open('conntrack alone', throughConntrack, true)
    },
    notes: () => [`new ${protocol === 'tcp' ? 'connections' : 'flows'} per second: ${rates.text()}`],
    close: () => group.close()
  }
}

const what = { tcp: 'connections', udp: 'datagrams' } as const

/** New connections through a node, one after the other. The floor is the same way without any rule. */
function trafficRow(protocol: Target['protocol'], services: number): Row {
  const options = { services, sizes: [3, 4, 5] }
  const one = { tcp: 'TCP connection, opened and reset', udp: 'UDP flow of one datagram' }[protocol]
  return {
    name: `traffic-${what[protocol]}-${services}`,
    unit: 'µs',
    about: `a new ${one}, through a node with ${services} services of 3, 4 and 5 endpoints; the floor has no rules and no conntrack`,
    // Not dearer, but for what such a figure scatters.
    bar: { fasterThanPeerAtLeast: { [kubeProxyPeer]: 0.95 } },
    // kube-proxy's layout: the kernel walks all sets of a table for each set that is added.
    isLong: services > 10_000,
    rounds: 21,
    needs: ['nft'],
    rests: false,
    prepare: (bench) => prepare(bench, options, protocol, 5000)
  }
}

/** The same with every number of endpoints from 1 to 40, and all kinds of frontends. */
function manySizesRow(services: number): Row {
  const options = { services, sizes: Array.from({ length: 40 }, (_, index) => index + 1), hasAllKinds: true }
  return {
    name: `traffic-sizes-${services}`,
    unit: 'µs',
    about: `a new UDP flow of one datagram, through a node with ${services} services of 1 to 40 endpoints and frontends of all kinds; the floor has no rules and no conntrack`,
    bar: { fasterThanPeerAtLeast: { [kubeProxyPeer]: 0.95, [oneSizePeer]: 0.95 } },
    isLong: services > 10_000,
    rounds: 21,
    needs: ['nft'],
    rests: false,
    prepare: (bench) => prepare(bench, options, 'udp', 5000)
  }
}

/** What the data path costs. */
export const trafficRows: readonly Row[] = [
  trafficRow('tcp', 10),
  trafficRow('udp', 10),
  manySizesRow(1000),
  trafficRow('tcp', 45_000),
  manySizesRow(45_000)
]
