import { setTimeout } from 'node:timers/promises'
import { podPrefixes } from './kubernetes/eligibility.js'
import type { ProxyOptions } from './options.js'
import { Backoff, type BackoffOptions } from './sources/api/backoff.js'
import { readUntil } from './sources/once.js'
import { openSource } from './sources/open.js'
import type { ObjectSource } from './sources/types.js'

/** How long the first start waits: a node that joins a cluster gets its prefixes of pods some time after its Node. That long kube-proxy waits, too. */
export interface Patience {
  readonly longestMs: number
  readonly backoff: BackoffOptions
  /** Told why it waits, each time. */
  readonly waits: (error: Error) => void
}

/** That of kube-proxy, and pauses that let a node begin soon. */
export const FIRST_START: Omit<Patience, 'waits'> = {
  longestMs: 300_000,
  backoff: { firstMs: 500, maxMs: 8000, resetMs: 600_000 }
}

const open = (options: ProxyOptions): Promise<ObjectSource> => openSource(options, { kinds: ['Node'] })

async function readPrefixes(source: ObjectSource, options: ProxyOptions, signal: AbortSignal): Promise<readonly string[]> {
  const { objects } = await readUntil(source, signal)
  const prefixes = podPrefixes(objects, options.nodeName)
  if (prefixes.length === 0) throw new Error(`detectLocalMode NodeCIDR: there is no Node ${options.nodeName} with spec.podCIDRs`)
  return prefixes
}

async function readPatiently(
  options: ProxyOptions,
  signal: AbortSignal,
  { longestMs, backoff, waits }: Patience
): Promise<readonly string[]> {
  const pauses = new Backoff(backoff)
  const until = performance.now() + longestMs
  for (;;) {
    // A kubeconfig that cannot be used does not mend itself.
    const source = await open(options)
    try {
      return await readPrefixes(source, options, signal)
    } catch (error) {
      signal.throwIfAborted()
      if (performance.now() >= until) throw error
      waits(error as Error)
    }
    await setTimeout(pauses.next(), undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

/**
 * With `detectLocalMode: NodeCIDR` the Node says who is local.
 *
 * @param signal Ends the wait for an API server that does not answer.
 * @param patience Absent: the Node must be there.
 * @throws Error It does not answer, or has no such Node; or the signal was aborted.
 */
export async function withLocalSources(options: ProxyOptions, signal: AbortSignal, patience?: Patience): Promise<ProxyOptions> {
  if (options.configured?.isLocalByNode !== true) return options
  // A folder is complete: nobody else puts a Node there.
  const waits = patience !== undefined && options.api !== undefined
  const localSources = waits ? await readPatiently(options, signal, patience) : await readPrefixes(await open(options), options, signal)
  return { ...options, traffic: { ...options.traffic, localSources } }
}
