import { normalizePrefix } from './addresses.js'
import type { KubernetesObject } from './types.js'

/** The prefixes out of which a cluster gives addresses to Services, as its ServiceCIDR objects have them: each once, in order. */
export function clusterRangesOf(objects: Iterable<KubernetesObject>): readonly string[] {
  const prefixes = new Set<string>()
  for (const object of objects) {
    if (object.kind !== 'ServiceCIDR') continue
    for (const prefix of object.spec?.cidrs ?? []) prefixes.add(normalizePrefix(prefix) ?? prefix)
  }
  return [...prefixes].sort()
}
