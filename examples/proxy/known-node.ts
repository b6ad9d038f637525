import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { podPrefixes } from './kubernetes/eligibility.js'
import { isObject } from './kubernetes/shape.js'
import type { KubernetesObject } from './kubernetes/types.js'
import type { ProxyOptions } from './options.js'

/** Owner alone, as with the file of services. */
const MODE = 0o600

/**
 * What the Node of this node said last, in a file beside that of the services: with `detectLocalMode: NodeCIDR` a plane cannot be opened without it, and a node that was started anew must serve before an API server answers.
 */
export class KnownNode {
  readonly #file: string
  readonly #name: string

  /** @param state The file of services. @param name Of the Node. */
  constructor(state: string, name: string) {
    this.#file = `${state}.node`
    this.#name = name
  }

  /** Its prefixes of pods; empty: there is no such file, or it says nothing of this Node that can be understood. */
  async read(): Promise<readonly string[]> {
    try {
      const node: unknown = JSON.parse(await readFile(this.#file, 'utf8'))
      return isObject(node) && isObject(node['metadata']) ? podPrefixes([node as unknown as KubernetesObject], this.#name) : []
    } catch {
      return []
    }
  }

  /** Keeps prefixes; a file that was not finished is never taken for one. @throws It cannot be written. */
  async write(podCIDRs: readonly string[]): Promise<void> {
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: this.#name }, spec: { podCIDRs } }
    await writeFile(`${this.#file}.new`, `${JSON.stringify(node)}\n`, { mode: MODE })
    await rename(`${this.#file}.new`, this.#file)
  }

  /** Removes the file. @throws It cannot be removed. */
  async remove(): Promise<void> {
    await rm(this.#file, { force: true })
  }
}

/** Where a state is kept, what is known beside it. */
export function knownNodeOf({ state, nodeName }: Pick<ProxyOptions, 'state' | 'nodeName'>): KnownNode | undefined {
  return state === undefined ? undefined : new KnownNode(state, nodeName)
}
