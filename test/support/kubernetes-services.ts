/** Manifests of services as an API server gives them: one for each thing that a Service or an EndpointSlice can ask of a proxy. */
import { addressOf, clusterRange } from '../contract/behaviour/network.js'

/** The node of the tests and where it is; another one. */
export const NODE = { name: 'node-a', zone: 'zone-a' } as const
/** The node as an API has it, without a zone. */
export const NODE_OBJECT = { apiVersion: 'v1', kind: 'Node', metadata: { name: NODE.name } } as const
const OTHER = { name: 'node-b', zone: 'zone-b' } as const

type Server = 'pod-a' | 'pod-b' | 'far-c'
const SERVERS: readonly Server[] = ['pod-a', 'pod-b', 'far-c']

interface EndpointOptions {
  readonly conditions?: object
  readonly hints?: object
  readonly addresses?: readonly string[]
}

const CLUSTER_PREFIX = clusterRange.ip.replace(/0\.0\/.*/, '')

/** The cluster addresses of a service by its number. */
export const clusterAddress = {
  ip: (number: number): string => `${CLUSTER_PREFIX}1.${number}`,
  ip6: (number: number): string => `fd00:10:96::${number}`
}
/** Addresses that a load balancer or a router brings here. */
export const externalAddress = (number: number): string => `198.18.0.${number}`

function endpoint(server: Server, family: 'ip' | 'ip6', options: EndpointOptions): object {
  const node = server === 'far-c' ? OTHER : NODE
  return { addresses: [addressOf[server][family]], nodeName: node.name, zone: node.zone, ...options }
}

/** A slice of a service, with options for some of its endpoints. */
export function sliceOf(
  name: string,
  servers: readonly Server[] = SERVERS,
  options: Partial<Record<Server, EndpointOptions>> = {},
  family: 'ip' | 'ip6' = 'ip'
): object {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-${family}`, namespace: 'shop', labels: { 'kubernetes.io/service-name': name } },
    addressType: family === 'ip' ? 'IPv4' : 'IPv6',
    ports: [
      { name: 'http', port: 8080, protocol: 'TCP' },
      { name: 'dns', port: 8080, protocol: 'UDP' }
    ],
    endpoints: servers.map((server) => endpoint(server, family, options[server] ?? {}))
  }
}

interface ServiceOptions {
  readonly spec?: object
  readonly labels?: object
  readonly nodePort?: number
  /** Addresses of a load balancer, which hands packets on as they are. */
  readonly ingress?: readonly object[]
  readonly ports?: readonly object[]
}

/** What a server refuses without it: a node port, or the address of a load balancer, of a service that has none. */
function typeOf({ nodePort, ingress, ports = [] }: ServiceOptions): string {
  if (ingress !== undefined) return 'LoadBalancer'
  return nodePort !== undefined || ports.some((port) => 'nodePort' in port) ? 'NodePort' : 'ClusterIP'
}

/** A service with the port `http`. */
export function serviceOf(name: string, number: number, options: ServiceOptions = {}): object {
  const { spec, labels, nodePort, ingress, ports = [{ name: 'http', port: 80, protocol: 'TCP', nodePort }] } = options
  const clusterIP = clusterAddress.ip(number)
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop', labels },
    spec: { type: typeOf(options), clusterIP, clusterIPs: [clusterIP], ports, ...spec },
    status: { loadBalancer: { ingress } }
  }
}

/** A server would give them any that are free. */
const NO_NODE_PORTS = { allocateLoadBalancerNodePorts: false }
const LOCAL = { externalTrafficPolicy: 'Local' }
const zoneHints = (zone: string): EndpointOptions => ({ hints: { forZones: [{ name: zone }] } })
const LEAVING: EndpointOptions = { conditions: { ready: false, serving: true, terminating: true } }

/** Both ports, in both families. */
function dualStack(): object[] {
  const ports = [
    { name: 'http', port: 80, protocol: 'TCP', nodePort: 30_080 },
    { name: 'dns', port: 53, protocol: 'UDP', nodePort: 30_053 }
  ]
  const families = { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv4', 'IPv6'] }
  const spec = { ...families, clusterIPs: [clusterAddress.ip(1), clusterAddress.ip6(1)] }
  return [serviceOf('dual', 1, { ports, spec }), sliceOf('dual'), sliceOf('dual', SERVERS, {}, 'ip6')]
}

/** What kube-proxy leaves alone, whatever its addresses. */
function withoutProxy(): object[] {
  const headless = { clusterIP: 'None', clusterIPs: ['None'], externalIPs: [externalAddress(18)] }
  const external = { type: 'ExternalName', externalName: 'elsewhere.invalid', externalIPs: [externalAddress(19)] }
  const elsewhere = { ...serviceOf('elsewhere', 19), spec: external }
  return [serviceOf('headless', 18, { spec: headless }), withLabel(sliceOf('headless'), HEADLESS_LABEL), elsewhere]
}

const HEADLESS_LABEL = { 'service.kubernetes.io/headless': '' }

interface Labelled {
  readonly metadata: { readonly name: string; readonly labels?: object }
}

function withLabel(object: object, label: object): object {
  const { metadata } = object as Labelled
  return { ...object, metadata: { ...metadata, labels: { ...metadata.labels, ...label } } }
}

/** A slice of a service under a name of its own, with other ports. */
function otherSlice(name: string, suffix: string, servers: readonly Server[], ports: readonly object[]): object {
  const { metadata, ...slice } = sliceOf(name, servers) as Labelled
  return { ...slice, metadata: { ...metadata, name: `${name}-${suffix}` }, ports }
}

/** Services whose slices need to be read with care. */
function manySlices(): object[] {
  const http = (port: number): object[] => [{ name: 'http', port, protocol: 'TCP' }]
  const protocols = ['TCP', 'UDP', 'SCTP'].map((protocol) => ({ name: protocol.toLowerCase(), port: 5060, protocol }))
  const unready = { conditions: { ready: false, serving: false, terminating: false } }
  return [
    // A name of a port stands for another number, or for none, in each slice.
    ...[serviceOf('named', 21), otherSlice('named', 'a', ['pod-a'], http(8080)), otherSlice('named', 'b', ['pod-b'], http(8081))],
    otherSlice('named', 'c', ['far-c'], [{ name: 'metrics', port: 9100, protocol: 'TCP' }]),
    // What is published although it is not ready says that it is; who says nothing is.
    serviceOf('published', 22, { spec: { publishNotReadyAddresses: true } }),
    sliceOf('published', SERVERS, { 'pod-a': { conditions: { ready: true, serving: false } }, 'pod-b': unready }),
    // The same endpoint twice, and an endpoint with two addresses, of which the first counts.
    ...[serviceOf('twice', 23), otherSlice('twice', 'again', ['pod-a'], http(8080))],
    sliceOf('twice', ['pod-a'], { 'pod-a': { addresses: [addressOf['pod-a'].ip, addressOf['pod-b'].ip] } }),
    serviceOf('no-slice', 24),
    ...[
      serviceOf('protocols', 20, { ports: protocols }),
      otherSlice(
        'protocols',
        'all',
        SERVERS,
        protocols.map((port) => ({ ...port, port: 8080 }))
      )
    ]
  ]
}

/** Services that are each served in a way of their own. */
export function kubernetesObjects(): object[] {
  const ranges = { type: 'LoadBalancer', loadBalancerSourceRanges: ['192.168.77.0/28', '198.51.100.0/24'] }
  const health = { type: 'LoadBalancer', ...LOCAL, healthCheckNodePort: 32_104 }
  const affinity = (timeoutSeconds: number): object => ({
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds } }
  })
  return [
    { apiVersion: 'v1', kind: 'Node', metadata: { name: NODE.name, labels: { 'topology.kubernetes.io/zone': NODE.zone } } },
    ...dualStack(),
    ...[serviceOf('ranges', 3, { spec: ranges, nodePort: 30_103, ingress: [{ ip: externalAddress(3) }] }), sliceOf('ranges')],
    ...[
      serviceOf('health', 4, { spec: health, nodePort: 30_104, ingress: [{ ip: externalAddress(4), ipMode: 'VIP' }] }),
      sliceOf('health')
    ],
    ...[serviceOf('far', 5, { spec: { type: 'NodePort', ...LOCAL }, nodePort: 30_105 }), sliceOf('far', ['far-c'])],
    ...[serviceOf('inside', 6, { spec: { internalTrafficPolicy: 'Local' } }), sliceOf('inside')],
    ...[serviceOf('inside-far', 7, { spec: { internalTrafficPolicy: 'Local' } }), sliceOf('inside-far', ['far-c'])],
    ...[serviceOf('sticky', 8, { spec: affinity(600), nodePort: 30_108 }), sliceOf('sticky')],
    ...[serviceOf('sticky-shortly', 9, { spec: affinity(1) }), sliceOf('sticky-shortly')],
    ...[serviceOf('external', 10, { spec: { externalIPs: [externalAddress(10)] } }), sliceOf('external')],
    ...[serviceOf('nobody', 11, { spec: { externalIPs: [externalAddress(11)] }, nodePort: 30_111 }), sliceOf('nobody', [])],
    serviceOf('behind', 12, {
      spec: NO_NODE_PORTS,
      ingress: [{ ip: externalAddress(12), ipMode: 'Proxy' }]
    }),
    ...[
      serviceOf('zonal', 13, { spec: { ...NO_NODE_PORTS, ...LOCAL, healthCheckNodePort: 32_113 }, ingress: [{ ip: externalAddress(13) }] }),
      sliceOf('zonal', SERVERS, { 'pod-a': zoneHints('zone-a'), 'pod-b': zoneHints('zone-b'), 'far-c': zoneHints('zone-b') })
    ],
    ...[serviceOf('partly', 14), sliceOf('partly', SERVERS, { 'pod-a': zoneHints('zone-a'), 'pod-b': zoneHints('zone-b') })],
    ...[
      serviceOf('leaving', 15),
      sliceOf('leaving', ['pod-a', 'pod-b'], { 'pod-a': LEAVING, 'pod-b': { conditions: { ready: false, serving: false } } })
    ],
    ...[serviceOf('staying', 16), sliceOf('staying', ['pod-a', 'far-c'], { 'pod-a': LEAVING })],
    ...[
      serviceOf('other', 17, {
        labels: { 'service.kubernetes.io/service-proxy-name': 'other' },
        spec: { externalIPs: [externalAddress(17)] }
      }),
      sliceOf('other')
    ],
    ...[serviceOf('near', 25, { spec: LOCAL, nodePort: 30_125 }), sliceOf('near')],
    ...withoutProxy(),
    ...manySlices()
  ]
}
