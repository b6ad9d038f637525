import { labelOf } from './objects.js'
import type { KubernetesObject } from './types.js'

/** What a translation is told of this node. */
export interface NodeOptions {
  /** Endpoints whose `nodeName` is this are local. */
  readonly nodeName?: string | undefined
  /** The zone; default: what the Node object of this name says. */
  readonly zone?: string | undefined
}

/** This node. */
export interface ThisNode {
  readonly name: string | undefined
  readonly zone: string | undefined
}

/** Completes what the options say by what the objects say. */
export function thisNode(objects: readonly KubernetesObject[], { nodeName: name, zone }: NodeOptions): ThisNode {
  if (zone !== undefined || name === undefined) return { name, zone }
  const node = objects.find((object) => object.kind === 'Node' && object.metadata.name === name)
  return { name, zone: node === undefined ? undefined : labelOf(node, 'zone') }
}
