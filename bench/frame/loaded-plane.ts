import type { Service } from 'netplane'
import type { Netplane } from './netplane.js'
import type { Place } from './row.js'
import { localPrefix } from './traffic.js'

/** The planes that change packets in the kernel alone. */
export type LoadedMode = 'ipvs' | 'iptables' | 'nftables'

/** Puts services into effect at a node by a plane of netplane. What the plane has made in the kernel stays. */
export async function loadPlane(netplane: Netplane, node: Place, mode: LoadedMode, services: ReadonlyMap<string, Service>): Promise<void> {
  const plane = await netplane.openPlane({ mode, netns: node.path, auditMs: 0, localSources: [localPrefix] })
  try {
    await plane.sync(services)
  } finally {
    await plane.close()
  }
}
