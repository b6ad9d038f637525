// Services of the model as the objects of Kubernetes that ask a proxy for them.
import type { Endpoint, Frontend, FrontendKind, Service, TrafficPolicy } from '../../../../src/plane/model.js'
import { NODE } from '../../../support/kubernetes-services.js'

const OTHER_NODE = 'node-b'
/** Of a Service that is reached at a node port alone. */
const ANY_PORT = 80

const CONDITIONS = {
  ready: { ready: true, serving: true, terminating: false },
  serving: { ready: false, serving: true, terminating: true },
  draining: { ready: false, serving: true, terminating: false }
} as const

const familyOf = (address: string): 'IPv4' | 'IPv6' => (address.includes(':') ? 'IPv6' : 'IPv4')
const only = (values: readonly unknown[]): boolean => new Set(values).size <= 1

type Addressed = Exclude<Frontend, { readonly kind: 'node' }>

const addressed = ({ frontends }: Service): Addressed[] => frontends.filter((frontend): frontend is Addressed => frontend.kind !== 'node')
const addressesOf = (service: Service, kind: FrontendKind): string[] =>
  addressed(service).flatMap((frontend) => (frontend.kind === kind ? [frontend.address] : []))
const policiesOf = ({ frontends }: Service, isCluster: boolean): (TrafficPolicy | undefined)[] =>
  frontends.filter(({ kind }) => (kind === 'cluster') === isCluster).map(({ trafficPolicy }) => trafficPolicy)
const rangesOf = ({ frontends }: Service): readonly Extract<Frontend, { readonly kind: 'loadBalancer' }>['sourceRanges'][] =>
  frontends.flatMap((frontend) => (frontend.kind === 'loadBalancer' ? [frontend.sourceRanges] : []))

/** Whether Kubernetes has words for a service: one port, one policy inside and one outside, no clients that are refused by name, and no endpoint that is chosen by one policy alone. */
export function canBeWritten(service: Service): boolean {
  const { endpoints } = service
  return (
    only(addressed(service).map(({ port }) => port)) &&
    only(policiesOf(service, true)) &&
    only(policiesOf(service, false)) &&
    rangesOf(service).every((ranges) => ranges?.deny === undefined) &&
    endpoints.every(({ side }) => side === undefined) &&
    only(endpoints.map(({ port }) => port))
  )
}

const policyWord = (policy: TrafficPolicy | undefined): string => (policy === 'local' ? 'Local' : 'Cluster')

/** Names of objects: services of several protocols may differ in that alone. */
function nameOf({ name }: Service): { readonly namespace: string; readonly name: string; readonly port: string } {
  const [, namespace = '', word = '', port = ''] = /^([^/]+)\/([^:]+):(.+)$/.exec(name) ?? []
  return { namespace, name: `${word}-${port}`, port }
}

/** What the proxy calls a service, which it makes of the objects. */
export function translatedName(service: Service): string {
  const { namespace, name, port } = nameOf(service)
  return `${namespace}/${name}:${port}`
}

/** The cluster addresses of a service. A node port is served in the families of these: where one of them is wanted alone, it needs one of that. */
function clusterAddressesOf(service: Service): string[] {
  const own = addressesOf(service, 'cluster')
  const node = service.frontends.find((frontend) => frontend.kind === 'node')
  if (own.length > 0 || node?.family === undefined) return own
  return [node.family === 'ip' ? `10.96.254.${(node.port % 254) + 1}` : `fd00:10:96::fe:${node.port.toString(16)}`]
}

function specOf(service: Service): object {
  const { affinity, frontends } = service
  const clusterIPs = clusterAddressesOf(service)
  const nodePort = frontends.find(({ kind }) => kind === 'node')?.port
  const port = addressed(service)[0]?.port ?? ANY_PORT
  const ranges = rangesOf(service).flatMap((one) => one?.allow ?? [])
  const isBalanced = addressesOf(service, 'loadBalancer').length > 0
  return {
    type: isBalanced ? 'LoadBalancer' : nodePort === undefined ? 'ClusterIP' : 'NodePort',
    clusterIP: clusterIPs[0],
    clusterIPs,
    externalIPs: addressesOf(service, 'external'),
    loadBalancerSourceRanges: ranges,
    internalTrafficPolicy: policyWord(policiesOf(service, true)[0]),
    externalTrafficPolicy: policyWord(policiesOf(service, false)[0]),
    ...(affinity === undefined
      ? {}
      : { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: affinity.timeoutSeconds } } }),
    ports: [{ name: nameOf(service).port, port, nodePort, protocol: service.protocol.toUpperCase() }]
  }
}

function endpointOf({ address, local, state = 'ready', weight }: Endpoint): object {
  const nodeName = local === true ? NODE.name : OTHER_NODE
  return { addresses: [address], nodeName, conditions: CONDITIONS[state], ...(weight === undefined ? {} : { weight }) }
}

function slicesOf(service: Service): object[] {
  const { namespace, name, port } = nameOf(service)
  return (['IPv4', 'IPv6'] as const).map((addressType) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace, name: `${name}-${addressType.toLowerCase()}`, labels: { 'kubernetes.io/service-name': name } },
    addressType,
    ports: [{ name: port, port: service.endpoints[0]?.port ?? ANY_PORT, protocol: service.protocol.toUpperCase() }],
    endpoints: service.endpoints.filter(({ address }) => familyOf(address) === addressType).map(endpointOf)
  }))
}

/** The Service and the EndpointSlices that ask for a service. */
export function objectsOf(service: Service): object[] {
  const { namespace, name } = nameOf(service)
  const { scheduler } = service
  const annotations = scheduler === undefined ? {} : { 'netplane/scheduler': scheduler }
  const ingress = addressesOf(service, 'loadBalancer').map((ip) => ({ ip, ipMode: 'VIP' }))
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace, name, annotations },
      spec: specOf(service),
      status: { loadBalancer: { ingress } }
    },
    ...slicesOf(service)
  ]
}
