import type { Endpoint, Frontend, Protocol, Scheduler, Service } from 'netplane'
import type { EndpointConditions, EndpointSlice, KubernetesObject, KubernetesService, ServicePort } from './types.js'

/** What a translation needs to know of this node. */
export interface TranslateOptions {
  /** Endpoints whose `nodeName` is this are local. */
  readonly nodeName?: string | undefined
}

/** Annotations that go beyond Kubernetes: the scheduler of a service. */
const SCHEDULER_LABEL = 'netplane/scheduler'
const WEIGHT_FIELD = 'weight'

/** Services that another proxy has been told to handle (as kube-proxy has it). */
const PROXY_NAME_LABEL = 'service.kubernetes.io/service-proxy-name'
const HEADLESS_LABEL = 'service.kubernetes.io/headless'
const SERVICE_NAME_LABEL = 'kubernetes.io/service-name'

interface Backend {
  readonly endpoint: Endpoint
  readonly isReady: boolean
  readonly isServing: boolean
}

const PROTOCOLS: Readonly<Record<string, Protocol>> = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' }

function namespaceOf(object: KubernetesObject): string {
  return object.metadata?.namespace ?? 'default'
}

function isServedByUs({ metadata, spec }: KubernetesService): boolean {
  return spec?.type !== 'ExternalName' && metadata?.labels?.[PROXY_NAME_LABEL] === undefined
}

function isAddress(text: string | undefined): text is string {
  return text !== undefined && text !== '' && text !== 'None'
}

function frontendsOf({ spec }: KubernetesService, port: number): Frontend[] {
  const clusterIps = spec?.clusterIPs ?? [spec?.clusterIP ?? '']
  return [
    ...clusterIps.filter(isAddress).map((address) => ({ kind: 'cluster' as const, address, port })),
    ...(spec?.externalIPs ?? []).filter(isAddress).map((address) => ({ kind: 'external' as const, address, port }))
  ]
}

/** Absent conditions mean yes, for `ready`; `serving` follows `ready` where it is absent, and a terminating endpoint is not ready. */
function conditionsOf(conditions: EndpointConditions | undefined): { readonly isReady: boolean; readonly isServing: boolean } {
  const isReady = conditions?.ready !== false && conditions?.terminating !== true
  return { isReady, isServing: conditions?.serving ?? isReady }
}

function backendsOf(slice: EndpointSlice, portName: string, options: TranslateOptions): Backend[] {
  const port = (slice.ports ?? []).find(({ name }) => (name ?? '') === portName)?.port
  if (typeof port !== 'number') return []
  return (slice.endpoints ?? []).flatMap(({ addresses, conditions, nodeName, ...rest }) => {
    const [address] = addresses ?? []
    if (address === undefined) return []
    const weight = rest[WEIGHT_FIELD]
    const local = options.nodeName !== undefined && nodeName === options.nodeName
    return [
      { endpoint: { address, port, ...(weight === undefined ? {} : { weight }), ...(local ? { local } : {}) }, ...conditionsOf(conditions) }
    ]
  })
}

/** Ready endpoints; where there are none, those that still serve while they terminate. Each address and port once. */
function chooseEndpoints(backends: readonly Backend[]): Endpoint[] {
  const ready = backends.filter(({ isReady }) => isReady)
  const chosen = ready.length > 0 ? ready : backends.filter(({ isServing }) => isServing)
  return [...new Map(chosen.map(({ endpoint }) => [`${endpoint.address} ${endpoint.port}`, endpoint])).values()]
}

function translatePort(
  service: KubernetesService,
  servicePort: ServicePort,
  slices: readonly EndpointSlice[],
  options: TranslateOptions
): Service | undefined {
  const protocol = PROTOCOLS[servicePort.protocol ?? 'TCP']
  const frontends = frontendsOf(service, servicePort.port ?? 0)
  if (frontends.length === 0) return undefined
  const portName = servicePort.name ?? ''
  const scheduler = service.metadata?.labels?.[SCHEDULER_LABEL]
  return {
    name: `${namespaceOf(service)}/${service.metadata?.name ?? ''}:${portName === '' ? String(servicePort.port) : portName}`,
    // An unknown protocol is left for the plane to refuse, by name.
    protocol: protocol ?? (servicePort.protocol as Protocol),
    frontends,
    endpoints: chooseEndpoints(slices.flatMap((slice) => backendsOf(slice, portName, options))),
    ...(scheduler === undefined ? {} : { scheduler: scheduler as Scheduler })
  }
}

/** Objects by the service they belong to. */
function slicesByService(objects: Iterable<KubernetesObject>): Map<string, EndpointSlice[]> {
  const slices = new Map<string, EndpointSlice[]>()
  for (const object of objects) {
    if (object.kind !== 'EndpointSlice' || object.addressType === 'FQDN' || object.metadata?.labels?.[HEADLESS_LABEL] !== undefined)
      continue
    const key = `${namespaceOf(object)}/${object.metadata?.labels?.[SERVICE_NAME_LABEL] ?? ''}`
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
 *
 * @param previous The last result, whose unchanged services are used again.
 */
export function translate(
  objects: readonly KubernetesObject[],
  options: TranslateOptions,
  previous: ReadonlyMap<string, Service> = new Map()
): Map<string, Service> {
  const slices = slicesByService(objects)
  const services = new Map<string, Service>()
  for (const object of objects) {
    if (object.kind !== 'Service' || !isServedByUs(object)) continue
    const own = slices.get(`${namespaceOf(object)}/${object.metadata?.name ?? ''}`) ?? []
    for (const port of object.spec?.ports ?? []) {
      const service = translatePort(object, port, own, options)
      if (service !== undefined) services.set(service.name, reuse(previous.get(service.name), service))
    }
  }
  return services
}
