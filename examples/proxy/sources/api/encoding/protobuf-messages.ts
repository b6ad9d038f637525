import type protobuf from 'protobufjs/minimal.js'
import { KEPT } from '../../../kubernetes/prune.js'
import type { KubernetesObject } from '../../../kubernetes/types.js'
import { messageReader, type Fields, type FieldType, type ReadMessage } from './protobuf-fields.js'

/** Numbers and types are those of `generated.proto` in k8s.io/api (core/v1, discovery/v1, networking/v1) and k8s.io/apimachinery (meta/v1, runtime). They never change. */
const metadata: Fields = {
  name: [1, 'text'],
  namespace: [3, 'word'],
  uid: [5, 'text'],
  resourceVersion: [6, 'text'],
  deletionTimestamp: [9, 'time'],
  labels: [11, 'map of texts'],
  annotations: [12, 'map of texts']
}

const of = (message: Fields): FieldType => ({ message })
const listOf = (messages: Fields): FieldType => ({ messages })

const names: Fields = { name: [1, 'kept word'] }

/** By kind: what {@link KEPT} names, but for fields that the API does not have. */
export const MESSAGES: Readonly<Record<KubernetesObject['kind'], Fields>> = {
  Service: {
    metadata: [1, of(metadata)],
    spec: [
      2,
      of({
        ports: [1, listOf({ name: [1, 'word'], protocol: [2, 'word'], port: [3, 'kept number'], nodePort: [5, 'number'] })],
        clusterIP: [3, 'text'],
        type: [4, 'word'],
        externalIPs: [5, 'texts'],
        sessionAffinity: [7, 'word'],
        loadBalancerSourceRanges: [9, 'texts'],
        externalTrafficPolicy: [11, 'word'],
        healthCheckNodePort: [12, 'number'],
        sessionAffinityConfig: [14, of({ clientIP: [1, of({ timeoutSeconds: [1, 'kept number'] })] })],
        clusterIPs: [18, 'texts'],
        internalTrafficPolicy: [22, 'kept word']
      })
    ],
    status: [3, of({ loadBalancer: [1, of({ ingress: [1, listOf({ ip: [1, 'text'], ipMode: [3, 'kept word'] })] })] })]
  },
  EndpointSlice: {
    metadata: [1, of(metadata)],
    endpoints: [
      2,
      listOf({
        addresses: [1, 'texts'],
        conditions: [2, of({ ready: [1, 'kept flag'], serving: [2, 'kept flag'], terminating: [3, 'kept flag'] })],
        nodeName: [6, 'kept word'],
        zone: [7, 'kept word'],
        hints: [8, of({ forZones: [1, listOf(names)], forNodes: [2, listOf(names)] })]
      })
    ],
    ports: [3, listOf({ name: [1, 'kept word'], protocol: [2, 'kept word'], port: [3, 'kept number'] })],
    addressType: [4, 'kept word']
  },
  Node: {
    metadata: [1, of(metadata)],
    spec: [2, of({ podCIDR: [1, 'text'], taints: [5, listOf({ key: [1, 'kept text'] })], podCIDRs: [7, 'texts'] })],
    status: [3, of({ addresses: [5, listOf({ type: [1, 'kept word'], address: [2, 'kept text'] })] })]
  },
  ServiceCIDR: { metadata: [1, of(metadata)], spec: [2, of({ cidrs: [1, 'texts'] })] }
}

/** An object with the parts alone that a proxy reads, as `prune` makes it of one in JSON. @throws RangeError It is none of its kind. */
type ReadObject = (reader: protobuf.Reader, end: number) => unknown

function objectReader(kind: KubernetesObject['kind']): ReadObject {
  const read = messageReader(MESSAGES[kind], KEPT[kind])
  // A list that is empty is not written at all.
  const empty = kind === 'EndpointSlice' ? { endpoints: [] } : {}
  return (reader, end) => ({ kind, ...empty, ...read(reader, end) })
}

export const OBJECT_READERS: Readonly<Record<KubernetesObject['kind'], ReadObject>> = {
  Service: objectReader('Service'),
  EndpointSlice: objectReader('EndpointSlice'),
  Node: objectReader('Node'),
  ServiceCIDR: objectReader('ServiceCIDR')
}

/** What stands around the items of a list. */
export const readListMetadata: ReadMessage = messageReader({ resourceVersion: [2, 'text'], continue: [3, 'text'] }, true)

/** What an object is. */
export const readType: ReadMessage = messageReader({ apiVersion: [1, 'text'], kind: [2, 'word'] }, true)

/** What `readEvent` gives. */
export interface EventMessage {
  readonly type?: string
  /** An object in its envelope. */
  readonly object?: { readonly raw?: Buffer }
}

/** An event of a watch (`WatchEvent`, and the `RawExtension` in it). */
export const readEvent: ReadMessage = messageReader({ type: [1, 'word'], object: [2, of({ raw: [1, 'bytes'] })] }, true)

/** An error. */
export const readStatus: ReadMessage = messageReader(
  {
    status: [2, 'word'],
    message: [3, 'text'],
    reason: [4, 'word'],
    details: [5, of({ causes: [4, listOf({ reason: [1, 'word'], message: [2, 'text'] })], retryAfterSeconds: [5, 'number'] })],
    code: [6, 'number']
  },
  true
)
