import type { Affinity, Protocol, Scheduler, Service } from 'netplane'
import { drainPolicyOf, noteDraining } from './draining.js'
import { endpointsOf } from './endpoints.js'
import { frontendsOf } from './frontends.js'
import { thisNode, type NodeOptions, type ThisNode } from './node.js'
import { isServedByUs, keyOf, slicesByService } from './objects.js'
import { settingOf, weightsOf, type WeightOf } from './settings.js'
import { portNameOf, shapeProblem } from './shape.js'
import type { EndpointSlice, KubernetesObject, KubernetesService, ServicePort } from './types.js'

const PROTOCOLS: ReadonlyMap<string, Protocol> = new Map([
  ['TCP', 'tcp'],
  ['UDP', 'udp'],
  ['SCTP', 'sctp']
])

/** What the API server writes where nobody says how long. */
const DEFAULT_AFFINITY_SECONDS = 10_800

function affinityOf({ spec }: KubernetesService): Affinity | undefined {
  if (spec?.sessionAffinity !== 'ClientIP') return undefined
  return { timeoutSeconds: spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS }
}

/** What a service says of all its ports. */
function commonPartOf(service: KubernetesService): Pick<Service, 'scheduler' | 'affinity' | 'priority'> {
  const scheduler = settingOf(service, 'scheduler')
  const affinity = affinityOf(service)
  const priority = settingOf(service, 'priority')
  return {
    ...(scheduler === undefined ? {} : { scheduler: scheduler as Scheduler }),
    ...(affinity === undefined ? {} : { affinity }),
    // Annotations and labels are texts. What is no number is left for the plane to refuse.
    ...(priority === undefined ? {} : { priority: Number(priority === '' ? NaN : priority) })
  }
}

function translatePort(
  service: KubernetesService,
  servicePort: ServicePort,
  slices: readonly EndpointSlice[],
  node: ThisNode,
  weightOf: WeightOf | undefined
): Service | undefined {
  const frontends = frontendsOf(service, servicePort, node)
  if (frontends.length === 0) return undefined
  const { protocol } = servicePort
  const translated: Service = {
    name: `${keyOf(service)}:${portNameOf(servicePort)}`,
    // An unknown protocol is left for the plane to refuse, by name.
    protocol: PROTOCOLS.get(protocol || 'TCP') ?? (protocol as Protocol),
    frontends,
    endpoints: endpointsOf(slices, servicePort, node, weightOf),
    ...commonPartOf(service)
  }
  noteDraining(translated, settingOf(service, 'drainDeadline'))
  return translated
}

function isSame(one: Service, other: Service): boolean {
  const [policy, otherPolicy] = [one, other].map((service) => JSON.stringify(drainPolicyOf(service)))
  return policy === otherPolicy && JSON.stringify(one) === JSON.stringify(other)
}

/** The same service, told by its content: an unchanged one keeps its object, and the plane need not look at it again. */
export function reuse(previous: Service | undefined, next: Service): Service {
  return previous !== undefined && isSame(previous, next) ? previous : next
}

/** A service of the model for each port of a Kubernetes service; none where it is not ours, or has no address or port of this node. Objects must have been checked. */
export function servicesOf(service: KubernetesService, slices: readonly EndpointSlice[], node: ThisNode): Service[] {
  if (!isServedByUs(service)) return []
  const weightOf = weightsOf(service)
  return (service.spec?.ports ?? []).flatMap((port) => translatePort(service, port, slices, node, weightOf) ?? [])
}

/**
 * Services that have an address or a port of this node, a service of the model for each of their ports. Headless services and those of other proxies are passed over.
 * Objects of a wrong shape are passed over too ({@link shapeProblem} says what is wrong); values that only a plane can judge are left for it to refuse.
 *
 * @param previous The last result, whose unchanged services are used again.
 */
export function translate(
  objects: readonly KubernetesObject[],
  options: NodeOptions,
  previous: ReadonlyMap<string, Service> = new Map()
): Map<string, Service> {
  const sound = objects.filter((object) => shapeProblem(object) === undefined)
  const slices = slicesByService(sound)
  const node = thisNode(sound, options)
  const services = new Map<string, Service>()
  for (const object of sound) {
    if (object.kind !== 'Service') continue
    for (const service of servicesOf(object, slices.get(keyOf(object)) ?? [], node))
      services.set(service.name, reuse(previous.get(service.name), service))
  }
  return services
}
