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

/** The addresses of a service that are not external, its families, and which of other addresses these serve. */
function addressesOf(service: KubernetesService): {
  readonly clusterIps: readonly string[]
  readonly balanced: readonly string[]
  readonly others: readonly string[]
  readonly families: readonly Family[]
  readonly served: (addresses: readonly string[]) => string[]
} {
  const clusterIps = clusterAddresses(service)
  const families = familiesOf(clusterIps)
  const served = (addresses: readonly string[]): string[] =>
    addresses.filter((address) => parseAddress(address) === undefined || families.includes(familyOf(address)))
  const balanced = served(loadBalancerAddresses(service))
  return { clusterIps, balanced, others: [...clusterIps, ...balanced], families, served }
}

const NO_EXTERNAL = { allowed: [], refused: [] } as const

/** External addresses that a service would be served at, by whether the ranges of the options allow them. What is no address is left for the plane to refuse. */
export function externalAddresses(
  service: KubernetesService,
  { externalRanges }: Pick<ThisNode, 'externalRanges'>
): { readonly allowed: readonly string[]; readonly refused: readonly string[] } {
  const listed = service.spec?.externalIPs ?? []
  if (listed.length === 0) return NO_EXTERNAL
  const { served, others } = addressesOf(service)
  const all = served(listed.filter(isAddress).map(normalize)).filter((address) => !others.includes(address))
  const isAllowed = (address: string): boolean =>
    externalRanges === undefined || parseAddress(address) === undefined || isAmong(address, externalRanges)
  return { allowed: all.filter(isAllowed), refused: all.filter((address) => !isAllowed(address)) }
}

/** Where clients find a port of a service. Each address once: one that is of several kinds is of the first of cluster, load balancer, external. */
export function frontendsOf(service: KubernetesService, { port, nodePort }: ServicePort, node: ThisNode): Frontend[] {
  const { spec } = service
  const external = policyOf(spec?.externalTrafficPolicy)
  const { clusterIps, balanced, families } = addressesOf(service)
  const frontends = new Map<string, Frontend>()
  const add = (addresses: readonly string[], make: (address: string) => Frontend): void => {
    for (const address of addresses) if (!frontends.has(address)) frontends.set(address, make(address))
  }
  add(clusterIps, (address) => ({ kind: 'cluster', address, port, ...policyOf(spec?.internalTrafficPolicy) }))
  add(balanced, (address) => ({
    kind: 'loadBalancer',
    address,
    port,
    ...external,
    ...rangesOf(service, address, balanced, node)
  }))
  add(externalAddresses(service, node).allowed, (address) => ({ kind: 'external', address, port, ...external }))
  const family = families.length === 1 ? { family: families[0]! } : {}
  return [...frontends.values(), ...(nodePort ? [{ kind: 'node' as const, port: nodePort, ...family, ...external }] : [])]
}
