import { expect } from 'vitest'
import type { Endpoint, Plane, Service } from '../../src/index.js'
import { listenForFrames } from './loopback-frames.js'
import { addressOf, ask, makeServiceNetwork, tally, type ServiceNetwork } from './service-network.js'

/** Opens a plane in the node of a network. */
export type OpenIn = (
  network: ServiceNetwork,
  options?: { readonly loopbackNodePorts?: boolean; readonly auditMs?: number }
) => Promise<Plane>

/** The endpoint of a server. */
export const endpoint = (server: number, more: Partial<Endpoint> = {}): Endpoint => ({ address: addressOf.ip(server), port: 8080, ...more })

/** A service at a port of the node. */
export const onPort = (name: string, port: number, more: Partial<Service> = {}): [string, Service] => [
  name,
  { name, protocol: 'tcp', frontends: [{ kind: 'node', port }], endpoints: [endpoint(1), endpoint(2)], ...more }
]

/** Services at ports of the node, over both protocols and under both policies. */
export const nodePortServices = new Map([
  onPort('web', 30080),
  onPort('dns', 30053, { protocol: 'udp' }),
  onPort('own', 30081, {
    frontends: [{ kind: 'node', port: 30081, trafficPolicy: 'local' }],
    endpoints: [endpoint(1), endpoint(2, { local: true })]
  })
])

const SETTING = '/proc/sys/net/ipv4/conf/all/route_localnet'

/** The node's `route_localnet`. */
export const readRouteLocalnet = async ({ node }: ServiceNetwork): Promise<string> => (await node.run('cat', [SETTING])).trim()

/** Changes it, as another process would. */
export const writeRouteLocalnet = ({ node }: ServiceNetwork, value: 0 | 1): Promise<string> =>
  node.run('sh', ['-c', `echo ${value} >${SETTING}`])

/** Ports of the node are served at `127.0.0.1` with the option alone. */
export async function expectServedAtLoopback(network: ServiceNetwork, open: OpenIn): Promise<void> {
  const without = await open(network)
  await without.sync(nodePortServices)
  expect(tally(await ask(network.node, 'tcp', '127.0.0.1', 30080, 1))).toEqual({ ConnectionRefusedError: 1 })
  await without.close()

  const plane = await open(network, { loopbackNodePorts: true })
  await plane.sync(nodePortServices)
  // The server sees the address of the link by which the connection leaves.
  expect(new Set(await ask(network.node, 'tcp', '127.0.0.1', 30080, 30))).toEqual(new Set(['s1 10.1.1.1', 's2 10.1.2.1']))
  expect(Object.keys(tally(await ask(network.node, 'udp', '127.0.0.1', 30053, 30))).sort()).toEqual(['s1', 's2'])
  expect(Object.keys(tally(await ask(network.node, 'tcp', '127.0.0.1', 30081, 30))).sort()).toEqual(['s1', 's2'])
  expect(tally(await ask(network.node, 'tcp', '10.1.0.1', 30080, 1))).not.toHaveProperty('ConnectionRefusedError')
  expect(tally(await ask(network.node, 'tcp', '::1', 30080, 1))).toEqual({ ConnectionRefusedError: 1 })
  expect(await readRouteLocalnet(network)).toBe('1')
}

/** The rules keep from others what the setting would let in. */
export async function expectLoopbackGuarded(open: OpenIn): Promise<void> {
  const network = await makeServiceNetwork(0)
  const frames = await listenForFrames(network)
  expect(await frames.heard()).toBe(0)
  // What would be without the plane's rules.
  await writeRouteLocalnet(network, 1)
  expect(await frames.heard()).toBe(2)
  await (await open(network, { loopbackNodePorts: true })).sync(nodePortServices)
  expect(await frames.heard()).toBe(0)
}

/** The setting is switched on again when another process switches it off. */
export async function expectRouteLocalnetAudited(open: OpenIn): Promise<void> {
  const network = await makeServiceNetwork(0)
  const plane = await open(network, { loopbackNodePorts: true, auditMs: 50 })
  await plane.sync(nodePortServices)
  await writeRouteLocalnet(network, 0)
  await expect.poll(() => readRouteLocalnet(network), { timeout: 5000 }).toBe('1')
}
