import type { Service } from 'netplane'
import type { Netplane } from './netplane.js'
import type { Place } from './row.js'
import { localPrefix } from './traffic.js'

/** Puts services into effect at a node by a plane of netplane. What the plane has made in the kernel stays. */
export async function loadPlane(
  netplane: Netplane,
  node: Place,
  mode: 'ipvs' | 'nftables',
  services: ReadonlyMap<string, Service>
): Promise<void> {
  const plane = await netplane.openPlane({ mode, netns: node.path, auditMs: 0, localSources: [localPrefix] })
  try {
    await plane.sync(services)
  } finally {
    await plane.close()
  }
}
