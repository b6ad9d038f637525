import type { CarrierOptions, PlaneOptions } from 'netplane'
import { drainPolicyOf } from './kubernetes/draining.js'
import type { ProxyOptions } from './options.js'

/** The network namespace that the options name, as the library takes it. */
export function placeOf({ netns }: Pick<ProxyOptions, 'netns'>): string | number | undefined {
  return netns !== undefined && /^[0-9]+$/.test(netns) ? Number(netns) : netns
}

/** Serves node ports at loopback addresses. */
const LOOPBACK: CarrierOptions = { mode: 'userspace', name: 'loopback', carries: 'loopbackNodePorts' }

/** Options of a plane that could serve them by itself, as a configuration of kube-proxy asks for it. */
const BESIDE = { loopbackNodePorts: false } as const

/** A plane leaves to its carrier what this one carries. */
function carriedOf({ plane, loopbackNodePorts }: ProxyOptions): Pick<ProxyOptions, 'plane'> & Pick<PlaneOptions, 'carriers'> {
  if (!loopbackNodePorts) return { plane }
  const isOwn = plane.mode === 'nftables' || plane.mode === 'iptables'
  return { plane: isOwn ? { ...plane, ...BESIDE } : plane, carriers: [LOOPBACK] }
}

/** With what options the plane is opened, or goes on in another mode. */
export function planeOptionsOf(options: ProxyOptions): PlaneOptions {
  const { name, traffic, state, counters } = options
  const { plane, carriers } = carriedOf(options)
  const common = { netns: placeOf(options), stateFile: state, carriers }
  if (plane.mode === 'iptables') return { ...plane, ...common, ...traffic }
  if (plane.mode === 'nftables') return { ...plane, name, counters, ...common, ...traffic }
  if (plane.mode === 'ipvs') return { ...plane, name, ...common, ...traffic, draining: drainPolicyOf }
  const { localSources, nodeAddresses, ownAddresses, serviceRanges } = traffic
  return { ...plane, name, ...common, localSources, nodeAddresses, ownAddresses, serviceRanges }
}
