/**
 * Planes that relay in the test process, in whose network namespace they listen.
 */
import type { Plane, PlaneEvent, PlaneOptions, Service } from '../../src/index.js'
import { openedPlane } from './opened-plane.js'
import { addressOf, makeServingNetwork, type ServiceNetwork } from './service-network.js'

export type RelayPlaneOptions = Omit<Extract<PlaneOptions, { readonly mode: 'userspace' }>, 'mode' | 'netns'>

/** A network whose node is the namespace of the test process. */
export const makeRelayNetwork = (servers: number): Promise<ServiceNetwork> => makeServingNetwork(servers, { isOwn: true })

/** A plane that never looks by itself what others changed; it is closed when the test ends. */
export function openRelayPlane(network: ServiceNetwork, options: RelayPlaneOptions = {}): Promise<Plane> {
  return openedPlane({ mode: 'userspace', netns: network.node.path, auditMs: 0, ...options })
}

/** What a plane tells from now on, but for its looks at flows. */
export function told(plane: Plane): PlaneEvent[] {
  const events: PlaneEvent[] = []
  void (async () => {
    for await (const event of plane.watch()) if (event.type !== 'flows') events.push(event)
  })()
  return events
}

export const RELAYED = '10.96.0.53'

/** A service at {@link RELAYED}, over IPv4, on these servers. */
export function relayed(servers: readonly number[], port: number, overrides: Partial<Service> = {}): ReadonlyMap<string, Service> {
  const service: Service = {
    name: 'relayed',
    protocol: 'tcp',
    frontends: [{ kind: 'loadBalancer', address: RELAYED, port }],
    endpoints: servers.map((server) => ({ address: addressOf.ip(server), port: port === 81 ? 81 : 8080, local: true })),
    ...overrides
  }
  return new Map([[service.name, service]])
}
