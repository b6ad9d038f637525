/**
 * What a node must have for the objects of an API, as the documents of Kubernetes say it; for what the workloads of the soak ask for.
 */
import { isIPv6 } from 'node:net'
import { groupBy } from '../../contract/behaviour/group-by.js'
import { NODE, NODE_OBJECT } from '../../support/kubernetes-services.js'
import type { ApiObject, ApiWriter } from '../../support/kubernetes/client.js'
import type { SoakMode } from './kernel.js'

interface ApiService extends ApiObject {
  readonly spec: {
    readonly clusterIPs?: readonly string[]
    readonly internalTrafficPolicy?: string
    readonly externalTrafficPolicy?: string
    readonly ports: readonly { readonly name?: string; readonly protocol: string; readonly port: number; readonly nodePort?: number }[]
  }
}

interface ApiEndpoint {
  readonly addresses: readonly string[]
  readonly nodeName?: string
  readonly conditions: { readonly ready: boolean; readonly serving: boolean; readonly terminating: boolean }
  readonly hints?: { readonly forZones?: readonly { readonly name: string }[] }
}

interface ApiSlice extends ApiObject {
  readonly addressType: string
  readonly ports: readonly { readonly name: string; readonly port: number }[]
  readonly endpoints: readonly ApiEndpoint[] | null
}

/** An endpoint of a port. */
type Target = ApiEndpoint & { readonly port: number }

/** Those that are ready, or else those that still serve while they end. */
function usable(targets: readonly Target[]): readonly Target[] {
  const ready = targets.filter(({ conditions }) => conditions.ready)
  return ready.length > 0 ? ready : targets.filter(({ conditions }) => conditions.serving && conditions.terminating)
}

const zonesOf = ({ hints }: Target): string[] => (hints?.forZones ?? []).map(({ name }) => name)

/** Those for the zone of the node, where each says for which zones it is and one is for this one. */
function nearest(targets: readonly Target[], zone: string | undefined): readonly Target[] {
  const all = usable(targets)
  const near = all.filter((target) => zone !== undefined && zonesOf(target).includes(zone))
  const areReady = all.some(({ conditions }) => conditions.ready)
  return areReady && near.length > 0 && all.every((target) => zonesOf(target).length > 0) ? near : all
}

/** Who answers, by the policy. */
const chosen = (targets: readonly Target[], policy: string | undefined, zone: string | undefined): readonly Target[] =>
  policy === 'Local' ? usable(targets.filter(({ nodeName }) => nodeName === NODE.name)) : nearest(targets, zone)

function targetsOf(service: ApiService, slices: readonly ApiSlice[], addressType: string, portName: string | undefined): Target[] {
  const own = slices.filter((slice) => slice.addressType === addressType && slice.metadata.namespace === service.metadata.namespace)
  return own.flatMap(({ ports, endpoints }) =>
    ports.filter(({ name }) => name === portName).flatMap(({ port }) => (endpoints ?? []).map((endpoint) => ({ ...endpoint, port })))
  )
}

/** One line for each endpoint of each port of a Service, as `linesOfKernel` has them. */
function linesOf(service: ApiService, slices: readonly ApiSlice[], zone: string | undefined): string[] {
  const { clusterIPs = [], ports, internalTrafficPolicy, externalTrafficPolicy } = service.spec
  return clusterIPs.flatMap((address) =>
    ports.flatMap(({ name, protocol, port, nodePort }) => {
      const isV6 = isIPv6(address)
      const targets = targetsOf(service, slices, isV6 ? 'IPv6' : 'IPv4', name)
      const lines = (at: string, number: number, policy: string | undefined): string[] =>
        chosen(targets, policy, zone).map((to) => `${at} ${protocol.toLowerCase()} ${number} -> ${to.addresses[0]} ${to.port}`)
      return [
        ...lines(address, port, internalTrafficPolicy),
        ...(nodePort === undefined ? [] : lines(isV6 ? 'node-ip6' : 'node-ip', nodePort, externalTrafficPolicy))
      ]
    })
  )
}

interface ApiRange extends ApiObject {
  readonly spec: { readonly cidrs: readonly string[] }
}

/** All endpoints that the API has for the node, and the ranges where the mode has them, sorted. */
export async function linesOfApi(mode: SoakMode, writer: ApiWriter): Promise<string[]> {
  const [services, slices, node, ranges] = await Promise.all([
    writer.get('/api/v1/services'),
    writer.get('/apis/discovery.k8s.io/v1/endpointslices'),
    writer.get(`/api/v1/nodes/${NODE_OBJECT.metadata.name}`),
    writer.get('/apis/networking.k8s.io/v1/servicecidrs')
  ])
  const slicesOf = groupBy(slices['items'] as ApiSlice[], ({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] ?? '')
  const zone = node.metadata.labels?.['topology.kubernetes.io/zone']
  const all = (services['items'] as ApiService[]).flatMap((service) => linesOf(service, slicesOf.get(service.metadata.name) ?? [], zone))
  const prefixes = mode === 'nftables' ? (ranges['items'] as ApiRange[]).flatMap(({ spec }) => spec.cidrs) : []
  return [...all, ...prefixes.map((prefix) => `range ${prefix}`)].sort()
}
