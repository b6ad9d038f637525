import { setTimeout } from 'node:timers/promises'
import { knownNodeOf, type KnownNode } from './known-node.js'
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
  /** How long an API server may be silent where what the Node said before is known. */
  readonly knownMs: number
  /** Told why it waits, each time; or why it begins with what is known. */
  readonly waits: (error: Error) => void
  /** Told that what is known cannot be kept. */
  readonly unkept: (error: Error) => void
}

/** That of kube-proxy, and pauses that let a node begin soon. */
export const FIRST_START: Omit<Patience, 'waits' | 'unkept'> = {
  longestMs: 300_000,
  knownMs: 5000,
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

/** As {@link readPatiently}, but with what the Node said before where it does not answer: the daemon follows what it says later. */
async function readOrRemember(
  options: ProxyOptions,
  signal: AbortSignal,
  patience: Patience,
  known: KnownNode
): Promise<readonly string[]> {
  const before = await known.read()
  if (before.length === 0) return await readPatiently(options, signal, patience)
  const source = await open(options)
  try {
    return await readPrefixes(source, options, AbortSignal.any([signal, AbortSignal.timeout(patience.knownMs)]))
  } catch (error) {
    signal.throwIfAborted()
    patience.waits(error as Error)
    return before
  }
}

async function readWithPatience(options: ProxyOptions, signal: AbortSignal, patience: Patience): Promise<readonly string[]> {
  const known = knownNodeOf(options)
  if (known === undefined) return await readPatiently(options, signal, patience)
  const prefixes = await readOrRemember(options, signal, patience, known)
  await known.write(prefixes).catch(patience.unkept)
  return prefixes
}

/**
 * With `detectLocalMode: NodeCIDR` the Node says who is local.
 *
 * @param signal Ends the wait for an API server that does not answer.
 * @param patience Absent: the Node must be there, and nothing is kept.
 * @throws Error It does not answer, or has no such Node; or the signal was aborted.
 */
export async function withLocalSources(options: ProxyOptions, signal: AbortSignal, patience?: Patience): Promise<ProxyOptions> {
  if (options.configured?.isLocalByNode !== true) return options
  // A folder is complete: nobody else puts a Node there.
  const waits = patience !== undefined && options.api !== undefined
  const localSources = waits ? await readWithPatience(options, signal, patience) : await readPrefixes(await open(options), options, signal)
  return { ...options, traffic: { ...options.traffic, localSources } }
}
