import { SETTINGS } from './settings.js'
import { isObject, LABELS, TRIGGER_TIME } from './shape.js'
import type { KubernetesObject } from './types.js'

/** Which parts of a value stay: all of it, the fields of an object, or the same parts of each entry of a list. */
export type Parts = true | { readonly [field: string]: Parts } | readonly [Parts]

const named = (names: readonly string[]): Parts => Object.fromEntries(names.map((name) => [name, true as const]))

/** Events name objects by their uids. */
const METADATA = { name: true, namespace: true, uid: true, resourceVersion: true, labels: named(Object.values(LABELS)) } as const
/** Labels and annotations of a Service may say what Kubernetes has no field for. */
const SETTING_NAMES = Object.values(SETTINGS)
const SERVICE_METADATA = {
  ...METADATA,
  labels: named([...Object.values(LABELS), ...SETTING_NAMES]),
  annotations: named(SETTING_NAMES)
} as const

const NAMES: Parts = [{ name: true }]

/** What is kept of each kind: what `kubernetes/types.ts` has, and the version of the object. */
export const KEPT: Readonly<Record<KubernetesObject['kind'], Parts>> = {
  Service: {
    metadata: SERVICE_METADATA,
    spec: {
      type: true,
      clusterIP: true,
      clusterIPs: true,
      externalIPs: true,
      loadBalancerSourceRanges: true,
      externalTrafficPolicy: true,
      internalTrafficPolicy: true,
      healthCheckNodePort: true,
      sessionAffinity: true,
      sessionAffinityConfig: { clientIP: { timeoutSeconds: true } },
      ports: [{ name: true, protocol: true, port: true, nodePort: true }]
    },
    status: { loadBalancer: { ingress: [{ ip: true, ipMode: true }] } }
  },
  EndpointSlice: {
    metadata: { ...METADATA, annotations: { [TRIGGER_TIME]: true } },
    addressType: true,
    ports: [{ name: true, protocol: true, port: true }],
    endpoints: [
      {
        addresses: true,
        conditions: { ready: true, serving: true, terminating: true },
        nodeName: true,
        zone: true,
        hints: { forZones: NAMES, forNodes: NAMES },
        weight: true
      }
    ]
  },
  // Taints and the time of deletion say whether the node is leaving; `spec.podCIDRs`, who is local.
  Node: {
    metadata: { ...METADATA, deletionTimestamp: true },
    spec: { podCIDR: true, podCIDRs: true, taints: [{ key: true }] },
    status: { addresses: [{ type: true, address: true }] }
  },
  ServiceCIDR: { metadata: METADATA, spec: { cidrs: true } }
}

function isList(parts: Parts): parts is readonly [Parts] {
  return Array.isArray(parts)
}

/** Takes the parts of a value. */
type Take = (value: unknown) => unknown

/** What is of another shape than expected stays as it is, for the check of shapes to name it. Fields are looked up once, and not for each of many thousand objects. */
function takerOf(parts: Parts): Take {
  if (parts === true) return (value) => value
  if (isList(parts)) {
    const each = takerOf(parts[0])
    return (value) => (Array.isArray(value) ? value.map((entry) => each(entry)) : value)
  }
  const fields = Object.entries(parts).map(([field, inner]) => [field, takerOf(inner)] as const)
  return (value) => {
    if (!isObject(value)) return value
    const taken: Record<string, unknown> = {}
    for (const [field, take] of fields) {
      const found = value[field]
      if (found !== undefined && found !== null) taken[field] = take(found)
    }
    return taken
  }
}

const TAKERS: Readonly<Record<KubernetesObject['kind'], Take>> = {
  Service: takerOf(KEPT.Service),
  EndpointSlice: takerOf(KEPT.EndpointSlice),
  Node: takerOf(KEPT.Node),
  ServiceCIDR: takerOf(KEPT.ServiceCIDR)
}

/**
 * The parts of an object that a proxy reads. The rest (other annotations, `managedFields`, selectors, the whole status of a Node) is most of an object, and is not kept.
 * Items of a list have no kind; here they get it.
 */
export function prune(value: unknown, kind: KubernetesObject['kind']): unknown {
  const pruned = TAKERS[kind](value)
  if (!isObject(pruned)) return pruned
  // The API gives null for a slice without endpoints.
  return { kind, ...pruned, ...(kind === 'EndpointSlice' && isObject(value) && value['endpoints'] === null ? { endpoints: [] } : {}) }
}
