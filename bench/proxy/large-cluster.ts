/** Many Services alike, each with a slice of endpoints, as an API server has them: what the rows of the proxy are measured on, and the test of a large cluster. */
import type { NewObject } from '../../test/support/kubernetes/client.js'

/** How many there are. */
export interface ClusterSize {
  readonly services: number
  /** Of each. */
  readonly endpoints: number
}

/** The node whose proxy is looked at: it has the first endpoint of each Service. */
export const clusterNode = 'node-a'
/** The namespace of the Services. */
export const clusterNamespace = 'shop'
export const endpointPort = 8080

/** The cluster address of a Service by its number. */
export const serviceAddress = (service: number): string => `10.96.${10 + (service >> 8)}.${service & 255}`
const podAddress = (pod: number): string => `10.${128 + (pod >> 16)}.${(pod >> 8) & 255}.${pod & 255}`

/** An address that no endpoint has at first. */
export const spareAddress = ({ services, endpoints }: ClusterSize, number: number): string => podAddress(services * endpoints + number)

/** Where the endpoints of a Service are. @param first The address of the first one; default: one of its own. */
export const addressesOf = (
  { endpoints }: Pick<ClusterSize, 'endpoints'>,
  service: number,
  first = podAddress(service * endpoints)
): string[] => [first, ...Array.from({ length: endpoints - 1 }, (_, index) => podAddress(service * endpoints + index + 1))]

/** A Service of one port. */
export const serviceObject = (number: number): NewObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: `s${number}`, namespace: clusterNamespace } as NewObject['metadata'],
  spec: { clusterIP: serviceAddress(number), ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }
})

/** The slice of a Service. @param first As {@link addressesOf} takes it. */
export const sliceObject = (size: Pick<ClusterSize, 'endpoints'>, number: number, first?: string): NewObject => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name: `s${number}-1`,
    namespace: clusterNamespace,
    labels: { 'kubernetes.io/service-name': `s${number}` }
  } as NewObject['metadata'],
  addressType: 'IPv4',
  ports: [{ name: 'http', port: endpointPort, protocol: 'TCP' }],
  endpoints: addressesOf(size, number, first).map((address, index) => ({
    addresses: [address],
    nodeName: index === 0 ? clusterNode : `node-${index}`,
    targetRef: {
      kind: 'Pod',
      namespace: clusterNamespace,
      name: `s${number}-${index}`,
      uid: `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`
    },
    conditions: { ready: true, serving: true, terminating: false }
  }))
})

/** The numbers of the Services, in parts. */
export function* partsOf({ services }: Pick<ClusterSize, 'services'>, length: number): Generator<number[]> {
  for (let first = 0; first < services; first += length)
    yield Array.from({ length: Math.min(length, services - first) }, (_, index) => first + index)
}
