import type { PlaneOptions } from 'netplane'
import { drainPolicyOf } from './kubernetes/draining.js'
import type { ProxyOptions } from './options.js'

/** The network namespace that the options name, as the library takes it. */
export function placeOf({ netns }: Pick<ProxyOptions, 'netns'>): string | number | undefined {
  return netns !== undefined && /^[0-9]+$/.test(netns) ? Number(netns) : netns
}

/** With what options the plane is opened, or goes on in another mode. */
export function planeOptionsOf(options: ProxyOptions): PlaneOptions {
  const { plane, name, traffic, state, counters } = options
  const common = { netns: placeOf(options), stateFile: state }
  if (plane.mode === 'iptables') return { ...plane, ...common, ...traffic }
  if (plane.mode === 'nftables') return { ...plane, name, counters, ...common, ...traffic }
  if (plane.mode === 'ipvs') return { ...plane, name, ...common, ...traffic, draining: drainPolicyOf }
  const { localSources, nodeAddresses, ownAddresses, serviceRanges } = traffic
  return { ...plane, name, ...common, localSources, nodeAddresses, ownAddresses, serviceRanges }
}
