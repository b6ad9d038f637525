import { labelOf } from './objects.js'
import type { KubernetesObject } from './types.js'

/** What a translation is told of this node. */
export interface NodeOptions {
  /** Endpoints whose `nodeName` is this are local. */
  readonly nodeName?: string | undefined
  /** The zone; default: what the Node object of this name says. */
  readonly zone?: string | undefined
  /** Prefixes out of which external addresses are served; absent: all are. */
  readonly externalRanges?: readonly string[] | undefined
}

/** This node. */
export interface ThisNode {
  readonly name: string | undefined
  readonly zone: string | undefined
  /** Those that the cluster knows it by. */
  readonly addresses: readonly string[]
  /** As {@link NodeOptions} has it. */
  readonly externalRanges: readonly string[] | undefined
}

/** Completes what the options say by what the objects say. */
export function thisNode(objects: readonly KubernetesObject[], { nodeName: name, zone, externalRanges }: NodeOptions): ThisNode {
  const node = objects.find((object) => object.kind === 'Node' && object.metadata.name === name)
  if (node?.kind !== 'Node') return { name, zone, addresses: [], externalRanges }
  const internal = (node.status?.addresses ?? []).filter(({ type }) => type === 'InternalIP')
  const addresses = internal.flatMap(({ address }) => address ?? [])
  return { name, zone: zone ?? labelOf(node, 'zone'), addresses, externalRanges }
}
