import { parseAddress } from 'netplane'
import { familyOf, normalize } from './addresses.js'
import { isLocal, stateOf } from './endpoints.js'
import { thisNode, type NodeOptions, type ThisNode } from './node.js'
import { isServedByUs, keyOf, namespaceOf, slicesByService } from './objects.js'
import { shapeProblem } from './shape.js'
import type { EndpointSlice, KubernetesObject, KubernetesService } from './types.js'

/** A port at which a load balancer asks whether this node has endpoints of a service. */
export interface HealthCheck {
  readonly namespace: string
  readonly name: string
  readonly port: number
  /** Ready endpoints on this node, by family. */
  readonly localEndpoints: Readonly<Record<'ip' | 'ip6', number>>
}

/** Only where each node answers for itself does a load balancer have to ask. */
function needsHealthCheck(object: KubernetesObject): object is KubernetesService {
  if (object.kind !== 'Service' || !isServedByUs(object)) return false
  const { type, externalTrafficPolicy, healthCheckNodePort } = object.spec ?? {}
  return type === 'LoadBalancer' && externalTrafficPolicy === 'Local' && (healthCheckNodePort ?? 0) !== 0
}

function countLocal(slices: readonly EndpointSlice[], node: ThisNode): HealthCheck['localEndpoints'] {
  const addresses = { ip: new Set<string>(), ip6: new Set<string>() }
  for (const { endpoints, ports } of slices) {
    // What has no port serves nobody.
    if (ports?.some(({ port }) => Boolean(port)) !== true) continue
    for (const { addresses: listed, conditions, nodeName } of endpoints ?? []) {
      const address = listed?.[0]
      if (address === undefined || parseAddress(address) === undefined) continue
      if (isLocal(nodeName, node) && stateOf(conditions) === 'ready') addresses[familyOf(address)].add(normalize(address))
    }
  }
  return { ip: addresses.ip.size, ip6: addresses.ip6.size }
}

/** The health check that load balancers make here of a service; undefined where they need none. Objects must have been checked. */
export function healthCheckOf(service: KubernetesService, slices: readonly EndpointSlice[], node: ThisNode): HealthCheck | undefined {
  if (!needsHealthCheck(service)) return undefined
  return {
    namespace: namespaceOf(service),
    name: service.metadata.name,
    port: service.spec!.healthCheckNodePort!,
    localEndpoints: countLocal(slices, node)
  }
}

/** The health checks that load balancers make here. */
export function findHealthChecks(objects: readonly KubernetesObject[], options: NodeOptions): HealthCheck[] {
  const sound = objects.filter((object) => shapeProblem(object) === undefined)
  const services = sound.filter(needsHealthCheck)
  if (services.length === 0) return []
  const slices = slicesByService(sound)
  const node = thisNode(sound, options)
  return services.flatMap((service) => healthCheckOf(service, slices.get(keyOf(service)) ?? [], node) ?? [])
}
