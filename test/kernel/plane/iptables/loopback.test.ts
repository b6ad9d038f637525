import { expect, it, onTestFinished } from 'vitest'
import { openPlane, type IptablesPlaneOptions, type Plane, type Service } from '../../../../src/index.js'
import { listenForFrames } from '../../../support/loopback-frames.js'
import { addressOf, ask, makeServiceNetwork, reachable, serve, tally, type ServiceNetwork } from '../../../support/service-network.js'

async function planeIn(network: ServiceNetwork, options: Partial<IptablesPlaneOptions> = {}): Promise<Plane> {
  const plane = await openPlane({ mode: 'iptables', netns: network.node.path, auditMs: 0, ...options })
  onTestFinished(() => plane.close())
  return plane
}

const endpoint = (server: number, more = {}) => ({ address: addressOf.ip(server), port: 8080, ...more })

const onPort = (name: string, port: number, more: Partial<Service> = {}): [string, Service] => [
  name,
  { name, protocol: 'tcp', frontends: [{ kind: 'node', port }], endpoints: [endpoint(1), endpoint(2)], ...more }
]

const services = new Map([
  onPort('web', 30080),
  onPort('dns', 30053, { protocol: 'udp' }),
  onPort('own', 30081, {
    frontends: [{ kind: 'node', port: 30081, trafficPolicy: 'local' }],
    endpoints: [endpoint(1), endpoint(2, { local: true })]
  })
])

const SETTING = '/proc/sys/net/ipv4/conf/all/route_localnet'
const setting = async ({ node }: ServiceNetwork): Promise<string> => (await node.run('cat', [SETTING])).trim()
const writeSetting = ({ node }: ServiceNetwork, value: 0 | 1): Promise<string> => node.run('sh', ['-c', `echo ${value} >${SETTING}`])

async function networkWithServers(): Promise<ServiceNetwork> {
  const network = await makeServiceNetwork(2)
  await Promise.all(network.servers.map((host, index) => serve(host, `s${index + 1}`, 8080)))
  await reachable(network, 8080)
  return network
}

it.each<[string, IptablesPlaneOptions['nodeAddresses']]>([
  ['all', 'all'],
  ['those that are named', ['10.1.0.0/24']]
])('serves ports of this node at its loopback addresses beside %s, to itself', async (_, nodeAddresses) => {
  const network = await networkWithServers()
  const without = await planeIn(network, { nodeAddresses })
  await without.sync(services)
  expect(tally(await ask(network.node, 'tcp', '127.0.0.1', 30080, 1))).toEqual({ ConnectionRefusedError: 1 })
  await without.close()

  const plane = await planeIn(network, { nodeAddresses, loopbackNodePorts: true })
  await plane.sync(services)
  // The server sees the address of the link by which the connection leaves.
  expect(new Set(await ask(network.node, 'tcp', '127.0.0.1', 30080, 30))).toEqual(new Set(['s1 10.1.1.1', 's2 10.1.2.1']))
  expect(Object.keys(tally(await ask(network.node, 'udp', '127.0.0.1', 30053, 30))).sort()).toEqual(['s1', 's2'])
  expect(Object.keys(tally(await ask(network.node, 'tcp', '127.0.0.1', 30081, 30))).sort()).toEqual(['s1', 's2'])
  expect(tally(await ask(network.node, 'tcp', '10.1.0.1', 30080, 1))).not.toHaveProperty('ConnectionRefusedError')
  expect(tally(await ask(network.node, 'tcp', '::1', 30080, 1))).toEqual({ ConnectionRefusedError: 1 })
  expect(await setting(network)).toBe('1')
})

it('lets nobody from elsewhere to loopback addresses, nor take one as its own', async () => {
  const network = await makeServiceNetwork(0)
  const frames = await listenForFrames(network)
  expect(await frames.heard()).toBe(0)
  // What would be without the plane's rules.
  await writeSetting(network, 1)
  expect(await frames.heard()).toBe(2)
  await (await planeIn(network, { loopbackNodePorts: true })).sync(services)
  expect(await frames.heard()).toBe(0)
})

it('leads nobody from elsewhere by a loopback address to an endpoint, whether it is elsewhere or on this node', async () => {
  const network = await makeServiceNetwork(1)
  const frames = await listenForFrames(network)
  const onNode = onPort('host', 30054, { protocol: 'udp', endpoints: [{ address: '10.1.0.1', port: 7778, local: true }] })
  const remote = onPort('dns', 30053, { protocol: 'udp', endpoints: [endpoint(1)] })
  await (await planeIn(network, { loopbackNodePorts: true })).sync(new Map([onNode, remote]))
  const rules = `add table ip watch
add chain ip watch leaving { type filter hook postrouting priority 300; }
add rule ip watch leaving udp dport 8080 counter
add chain ip watch entering { type filter hook input priority 90; }
add rule ip watch entering udp dport 7778 counter`
  await network.node.run('nft', ['-f', '-'], { input: rules })
  const counted = async (): Promise<string[]> =>
    [...(await network.node.nft('list', 'table', 'ip', 'watch')).matchAll(/dport (\d+) counter packets (\d+)/g)].map(
      ([, port, packets]) => `${port}: ${packets}`
    )
  for (const port of [30053, 30054]) for (const source of ['10.1.0.2', '127.0.0.2']) await frames.send(source, '127.0.0.1', port)
  expect(await counted()).toEqual(['8080: 0', '7778: 0'])
  // At another address of the node they are served.
  for (const port of [30053, 30054]) await frames.send('10.1.0.2', '10.1.0.1', port)
  await expect.poll(counted).toEqual(['8080: 1', '7778: 1'])
})

it('puts the setting back as it was, whoever cleans up', async () => {
  const network = await makeServiceNetwork(0)
  const first = await planeIn(network, { loopbackNodePorts: true })
  await first.sync(services)
  await first.close()
  expect(await setting(network)).toBe('1')
  const second = await planeIn(network, { loopbackNodePorts: true })
  expect(await second.sync(services)).toMatchObject({ requests: 0 })
  await second.close()
  await (await planeIn(network)).close({ cleanup: true })
  expect(await setting(network)).toBe('0')

  await writeSetting(network, 1)
  const third = await planeIn(network, { loopbackNodePorts: true })
  await third.sync(services)
  await third.close({ cleanup: true })
  expect(await setting(network)).toBe('1')
})

it('puts it back when a plane without the option takes over', async () => {
  const network = await makeServiceNetwork(0)
  const first = await planeIn(network, { loopbackNodePorts: true })
  await first.sync(services)
  await first.close()
  await (await planeIn(network)).sync(services)
  expect(await setting(network)).toBe('0')
  expect(await network.node.nft('list', 'ruleset')).not.toContain('KUBE-LOCALNET')
})

it('audits the setting, too', async () => {
  const network = await makeServiceNetwork(0)
  const plane = await planeIn(network, { loopbackNodePorts: true, auditMs: 50 })
  await plane.sync(services)
  await writeSetting(network, 0)
  await expect.poll(() => setting(network), { timeout: 5000 }).toBe('1')
})
