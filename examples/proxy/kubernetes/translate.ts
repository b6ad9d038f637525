import { formatAddress, parseAddress, type Endpoint, type Frontend, type Protocol, type Scheduler, type Service } from 'netplane'
import { LABELS, shapeProblem } from './shape.js'
import type { EndpointConditions, EndpointSlice, KubernetesObject, KubernetesService, ServicePort } from './types.js'

/** What a translation needs to know of this node. */
export interface TranslateOptions {
  /** Endpoints whose `nodeName` is this are local. */
  readonly nodeName?: string | undefined
}

interface Backend {
  readonly endpoint: Endpoint
  readonly isReady: boolean
  /** It ends, and serves until then. */
  readonly isLeaving: boolean
}

const PROTOCOLS: ReadonlyMap<string, Protocol> = new Map([
  ['TCP', 'tcp'],
  ['UDP', 'udp'],
  ['SCTP', 'sctp']
])

function namespaceOf(object: KubernetesObject): string {
  return object.metadata.namespace ?? 'default'
}

function labelOf({ metadata }: KubernetesObject, label: keyof typeof LABELS): string | undefined {
  return metadata.labels?.[LABELS[label]] ?? undefined
}

function isServedByUs(service: KubernetesService): boolean {
  return service.spec?.type !== 'ExternalName' && labelOf(service, 'proxy') === undefined
}

function isAddress(text: string | null | undefined): text is string {
  return text !== undefined && text !== null && text !== '' && text !== 'None'
}

/** One spelling for each address; what is no address stays as it is, for the plane to refuse by name. */
function normalize(address: string): string {
  const bytes = parseAddress(address)
  return bytes === undefined ? address : formatAddress(bytes)
}

/** Each address once: an external address that is a cluster address too is a cluster address. */
function frontendsOf({ spec }: KubernetesService, port: number): Frontend[] {
  const clusterIps = (spec?.clusterIPs ?? [spec?.clusterIP]).filter(isAddress).map(normalize)
  const externalIps = (spec?.externalIPs ?? []).filter(isAddress).map(normalize)
  const addresses = new Set([...clusterIps, ...externalIps])
  return [...addresses].map((address) => ({ kind: clusterIps.includes(address) ? 'cluster' : 'external', address, port }))
}

/** Absent conditions mean ready, serving, and not terminating (discovery.k8s.io/v1, EndpointConditions). */
function conditionsOf(conditions: EndpointConditions | null | undefined): Pick<Backend, 'isReady' | 'isLeaving'> {
  return { isReady: conditions?.ready !== false, isLeaving: conditions?.serving !== false && conditions?.terminating === true }
}

function backendsOf(slice: EndpointSlice, portName: string, options: TranslateOptions): Backend[] {
  const port = (slice.ports ?? []).find(({ name }) => (name ?? '') === portName)?.port
  if (typeof port !== 'number') return []
  return (slice.endpoints ?? []).flatMap(({ addresses, conditions, nodeName, weight }) => {
    // All addresses of an endpoint are those of one pod: the first one counts.
    const [address] = addresses ?? []
    if (address === undefined) return []
    const local = options.nodeName !== undefined && nodeName === options.nodeName
    const endpoint = { address: normalize(address), port, ...(typeof weight === 'number' ? { weight } : {}), ...(local ? { local } : {}) }
    return [{ endpoint, ...conditionsOf(conditions) }]
  })
}

/** Ready endpoints; where there are none, those that still serve while they terminate. Each address and port once. */
function chooseEndpoints(backends: readonly Backend[]): Endpoint[] {
  const ready = backends.filter(({ isReady }) => isReady)
  const chosen = ready.length > 0 ? ready : backends.filter(({ isLeaving }) => isLeaving)
  return [...new Map(chosen.map(({ endpoint }) => [`${endpoint.address} ${endpoint.port}`, endpoint])).values()]
}

/** The choice is made for each family alone: an IPv6 endpoint that is ready is of no use to an IPv4 frontend. */
function chooseByFamily(backends: readonly Backend[]): Endpoint[] {
  const isIPv6 = ({ endpoint }: Backend): boolean => endpoint.address.includes(':')
  return [...chooseEndpoints(backends.filter((backend) => !isIPv6(backend))), ...chooseEndpoints(backends.filter(isIPv6))]
}

function translatePort(
  service: KubernetesService,
  servicePort: ServicePort,
  slices: readonly EndpointSlice[],
  options: TranslateOptions
): Service | undefined {
  const protocol = PROTOCOLS.get(servicePort.protocol ?? 'TCP')
  const frontends = frontendsOf(service, servicePort.port)
  if (frontends.length === 0) return undefined
  const portName = servicePort.name ?? ''
  const scheduler = labelOf(service, 'scheduler')
  return {
    name: `${namespaceOf(service)}/${service.metadata.name}:${portName === '' ? String(servicePort.port) : portName}`,
    // An unknown protocol is left for the plane to refuse, by name.
    protocol: protocol ?? (servicePort.protocol as Protocol),
    frontends,
    endpoints: chooseByFamily(slices.flatMap((slice) => backendsOf(slice, portName, options))),
    ...(scheduler === undefined ? {} : { scheduler: scheduler as Scheduler })
  }
}

/** Objects by the service they belong to. */
function slicesByService(objects: readonly KubernetesObject[]): Map<string, EndpointSlice[]> {
  const slices = new Map<string, EndpointSlice[]>()
  for (const object of objects) {
    if (object.kind !== 'EndpointSlice' || object.addressType === 'FQDN' || labelOf(object, 'headless') !== undefined) continue
    const key = `${namespaceOf(object)}/${labelOf(object, 'service') ?? ''}`
    slices.set(key, [...(slices.get(key) ?? []), object])
  }
  return slices
}

/** The same service, told by its content: an unchanged one keeps its object, and the plane need not look at it again. */
function reuse(previous: Service | undefined, next: Service): Service {
  return previous !== undefined && JSON.stringify(previous) === JSON.stringify(next) ? previous : next
}

/**
 * Services with a cluster or external address, a service of the model for each of their ports. Headless services and those of other proxies are passed over.
 * Objects of a wrong shape are passed over too ({@link shapeProblem} says what is wrong); values that only a plane can judge are left for it to refuse.
 *
 * @param previous The last result, whose unchanged services are used again.
 */
export function translate(
  objects: readonly KubernetesObject[],
  options: TranslateOptions,
  previous: ReadonlyMap<string, Service> = new Map()
): Map<string, Service> {
  const sound = objects.filter((object) => shapeProblem(object) === undefined)
  const slices = slicesByService(sound)
  const services = new Map<string, Service>()
  for (const object of sound) {
    if (object.kind !== 'Service' || !isServedByUs(object)) continue
    const own = slices.get(`${namespaceOf(object)}/${object.metadata.name}`) ?? []
    for (const port of object.spec?.ports ?? []) {
      const service = translatePort(object, port, own, options)
      if (service !== undefined) services.set(service.name, reuse(previous.get(service.name), service))
    }
  }
  return services
}
