import { clusterRangesOf } from './kubernetes/cluster-ranges.js'
import type { KubernetesObject } from './kubernetes/types.js'
import type { ProxyOptions } from './options.js'
import { readUntil } from './sources/once.js'
import { openSource } from './sources/open.js'

/** Who starts waits no longer for an API server to say what is good to know. */
const WAIT_MS = 5000

/** Whether the cluster's own ranges count: as for kube-proxy in mode `nftables` alone, and where the options name none. */
export function followsClusterRanges({ plane, traffic }: Pick<ProxyOptions, 'plane' | 'traffic'>): boolean {
  return plane.mode === 'nftables' && traffic.serviceRanges === undefined
}

function withRanges(options: ProxyOptions, serviceRanges: readonly string[]): ProxyOptions {
  return serviceRanges.length === 0 ? options : { ...options, traffic: { ...options.traffic, serviceRanges } }
}

/** Options with the ranges that objects of the cluster say. */
export function withRangesOf(objects: readonly KubernetesObject[], options: ProxyOptions): ProxyOptions {
  return followsClusterRanges(options) ? withRanges(options, clusterRangesOf(objects)) : options
}

/** The ranges that a cluster has for the addresses of Services, as far as they are known. A plane is opened with them, and anew where they change. */
export class ClusterRanges {
  readonly #waitMs: number
  #known: readonly string[] | undefined

  /** @param waitMs How long an API server is waited for. */
  constructor(waitMs = WAIT_MS) {
    this.#waitMs = waitMs
  }

  /**
   * Completes options. An API server is asked first, so that its answer need not make the plane be opened twice; one that does not answer is asked again by the daemon.
   *
   * @throws The signal's reason, where it is aborted.
   */
  async complete(options: ProxyOptions, signal: AbortSignal): Promise<ProxyOptions> {
    if (!followsClusterRanges(options)) return options
    if (options.api !== undefined) this.#known ??= await this.#ask(options, signal)
    return withRanges(options, this.#known ?? [])
  }

  /** Takes what a source says now. Returns whether the plane was opened with something else. */
  learn(ranges: readonly string[]): boolean {
    const isOther = JSON.stringify(ranges) !== JSON.stringify(this.#known ?? [])
    this.#known = ranges
    return isOther
  }

  async #ask(options: ProxyOptions, signal: AbortSignal): Promise<readonly string[] | undefined> {
    try {
      const source = await openSource(options, { kinds: ['ServiceCIDR'] })
      const { objects } = await readUntil(source, AbortSignal.any([signal, AbortSignal.timeout(this.#waitMs)]))
      return clusterRangesOf(objects)
    } catch {
      signal.throwIfAborted()
      return undefined
    }
  }
}
