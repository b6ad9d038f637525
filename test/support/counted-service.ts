import type { Plane, Service } from '../../src/index.js'
import { addressOf } from './service-network.js'

/** The address of the service. */
export const VIP = { ip: '10.96.0.1', ip6: 'fd00:96::1' }
export const families = ['ip', 'ip6'] as const

/** A service of both families at an address of its own and at a port of the node. */
export function countedService(servers: readonly number[], more: Partial<Service> = {}): Service {
  return {
    name: 'web',
    protocol: 'tcp',
    frontends: [
      ...families.map((family) => ({ kind: 'cluster' as const, address: VIP[family], port: 80 })),
      { kind: 'node', port: 30_080 }
    ],
    endpoints: servers.flatMap((server) => families.map((family) => ({ address: addressOf[family](server), port: 8080 }))),
    ...more
  }
}

export const only = (one: Service): Map<string, Service> => new Map([[one.name, one]])

/** Connections of a service, and of its endpoints by their addresses. */
export async function connectionsOf(
  plane: Plane,
  name = 'web'
): Promise<{ readonly connections: bigint | undefined; readonly endpoints: Readonly<Record<string, bigint | undefined>> }> {
  const { connections, endpoints } = (await plane.counters()).get(name)!
  return { connections, endpoints: Object.fromEntries(endpoints.map(({ endpoint, connections: own }) => [endpoint.address, own])) }
}
