import { normalizePrefix } from './addresses.js'
import { isObject } from './shape.js'
import type { KubernetesObject } from './types.js'

/** The taint by which an autoscaler says that it is about to take the node away (KEP-3836). */
const TO_BE_DELETED = 'ToBeDeletedByClusterAutoscaler'

/** Fields of a Node that may be anything, because the proxy reads them for this alone. */
interface LeavingNode {
  readonly metadata: { readonly deletionTimestamp?: unknown }
  readonly spec?: unknown
}

/** Whether load balancers may send new connections to this node: not where it is being deleted, or is about to be. A Node that is not known is eligible. */
export function isNodeEligible(objects: readonly KubernetesObject[], name: string): boolean {
  const node = objects.find(({ kind, metadata }) => kind === 'Node' && metadata.name === name) as LeavingNode | undefined
  if (node === undefined) return true
  const { taints } = isObject(node.spec) ? node.spec : {}
  const isTainted = Array.isArray(taints) && taints.some((taint) => isObject(taint) && taint['key'] === TO_BE_DELETED)
  return !isTainted && typeof node.metadata.deletionTimestamp !== 'string'
}

/** The prefixes of pods of a Node (`spec.podCIDRs`, else `spec.podCIDR`); empty: it has none, or is not known. What is no prefix says nothing. */
export function podPrefixes(objects: readonly KubernetesObject[], name: string): readonly string[] {
  const node = objects.find(({ kind, metadata }) => kind === 'Node' && metadata.name === name) as LeavingNode | undefined
  const { podCIDRs, podCIDR } = isObject(node?.spec) ? node.spec : {}
  const all: unknown[] = Array.isArray(podCIDRs) && podCIDRs.length > 0 ? podCIDRs : [podCIDR]
  return all.flatMap((prefix) => (typeof prefix === 'string' ? (normalizePrefix(prefix) ?? []) : []))
}
