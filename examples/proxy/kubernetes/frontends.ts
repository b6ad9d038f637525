import { parseAddress, type Frontend, type TrafficPolicy } from 'netplane'
import { familyOf, normalize } from './addresses.js'
import type { ThisNode } from './node.js'
import { isAmong, sourceRangesOf } from './source-ranges.js'
import type { KubernetesService, ServicePort } from './types.js'

type Family = 'ip' | 'ip6'

function isAddress(text: string | null | undefined): text is string {
  return text !== undefined && text !== null && text !== '' && text !== 'None'
}

function clusterAddresses({ spec }: KubernetesService): string[] {
  const listed = (spec?.clusterIPs ?? []).filter(isAddress)
  return (listed.length > 0 ? listed : [spec?.clusterIP].filter(isAddress)).map(normalize)
}

/** A load balancer that is a proxy of its own must be gone through; only one that hands packets on as they are may be passed by. */
function loadBalancerAddresses({ status }: KubernetesService): string[] {
  const ingress = status?.loadBalancer?.ingress ?? []
  return ingress
    .filter(({ ipMode }) => (ipMode ?? 'VIP') === 'VIP')
    .map(({ ip }) => ip)
    .filter(isAddress)
    .map(normalize)
}

/** A service is served in the families of its cluster addresses; one that has none yet, in both. */
function familiesOf(addresses: readonly string[]): readonly Family[] {
  const sound = addresses.filter((address) => parseAddress(address) !== undefined)
  return sound.length === 0 ? ['ip', 'ip6'] : [...new Set(sound.map(familyOf))]
}

function policyOf(policy: string | null | undefined): { readonly trafficPolicy?: TrafficPolicy } {
  return policy === 'Local' ? { trafficPolicy: 'local' } : {}
}

/**
 * Who may ask at an address of a load balancer.
 *
 * @param all The service's addresses of load balancers. Where this node has one of them, that is the source of what it sends to it: where the node may ask, they may.
 */
function rangesOf(
  { spec }: KubernetesService,
  address: string,
  all: readonly string[],
  node: ThisNode
): { readonly sourceRanges?: { readonly allow: readonly string[] } } {
  const family = familyOf(address)
  const allow = sourceRangesOf(spec?.loadBalancerSourceRanges, family)
  if (allow.length === 0) return {}
  const mayNodeAsk = node.addresses.some((own) => isAmong(own, allow))
  return {
    sourceRanges: { allow: mayNodeAsk ? sourceRangesOf([...allow, ...all.filter((own) => familyOf(own) === family)], family) : allow }
  }
}

/** Where clients find a port of a service. Each address once: one that is of several kinds is of the first of cluster, load balancer, external. */
export function frontendsOf(service: KubernetesService, { port, nodePort }: ServicePort, node: ThisNode): Frontend[] {
  const { spec } = service
  const external = policyOf(spec?.externalTrafficPolicy)
  const clusterIps = clusterAddresses(service)
  const families = familiesOf(clusterIps)
  const frontends = new Map<string, Frontend>()
  const add = (addresses: readonly string[], make: (address: string) => Frontend): void => {
    for (const address of addresses) if (!frontends.has(address)) frontends.set(address, make(address))
  }
  const served = (addresses: readonly string[]): string[] =>
    addresses.filter((address) => parseAddress(address) === undefined || families.includes(familyOf(address)))
  add(clusterIps, (address) => ({ kind: 'cluster', address, port, ...policyOf(spec?.internalTrafficPolicy) }))
  const balanced = served(loadBalancerAddresses(service))
  add(balanced, (address) => ({
    kind: 'loadBalancer',
    address,
    port,
    ...external,
    ...rangesOf(service, address, balanced, node)
  }))
  add(served((spec?.externalIPs ?? []).filter(isAddress).map(normalize)), (address) => ({ kind: 'external', address, port, ...external }))
  const family = families.length === 1 ? { family: families[0]! } : {}
  return [...frontends.values(), ...(nodePort ? [{ kind: 'node' as const, port: nodePort, ...family, ...external }] : [])]
}
