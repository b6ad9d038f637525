import { podPrefixes } from './kubernetes/eligibility.js'
import type { ProxyOptions } from './options.js'
import { readUntil } from './sources/once.js'
import { openSource } from './sources/open.js'

/**
 * With `detectLocalMode: NodeCIDR` the Node says who is local.
 *
 * @param signal Ends the wait for an API server that does not answer.
 * @throws Error It does not; or the signal was aborted.
 */
export async function withLocalSources(options: ProxyOptions, signal: AbortSignal): Promise<ProxyOptions> {
  if (options.configured?.isLocalByNode !== true) return options
  const source = await openSource(options, { kinds: ['Node'] })
  const { objects } = await readUntil(source, signal)
  const localSources = podPrefixes(objects, options.nodeName)
  if (localSources.length === 0) throw new Error(`detectLocalMode NodeCIDR: there is no Node ${options.nodeName} with spec.podCIDRs`)
  return { ...options, traffic: { ...options.traffic, localSources } }
}
