import { expect, it, onTestFinished } from 'vitest'
import { openPlane, type Plane, type PlaneOptions, type Service } from '../../../../src/index.js'
import { listenForFrames } from '../../../support/loopback-frames.js'
import { addressOf, ask, makeServiceNetwork, reachable, serve, tally, type ServiceNetwork } from '../../../support/service-network.js'

async function planeIn(
  network: ServiceNetwork,
  options: Partial<Extract<PlaneOptions, { readonly mode: 'nftables' }>> = {}
): Promise<Plane> {
  const plane = await openPlane({ mode: 'nftables', netns: network.node.path, auditMs: 0, ...options })
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

it('serves ports of this node at its loopback addresses, to itself', async () => {
  const network = await networkWithServers()
  const without = await planeIn(network)
  await without.sync(services)
  expect(tally(await ask(network.node, 'tcp', '127.0.0.1', 30080, 1))).toEqual({ ConnectionRefusedError: 1 })
  await without.close()

  const plane = await planeIn(network, { loopbackNodePorts: true })
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

it('puts the setting back as it was, whoever cleans up', async () => {
  const network = await makeServiceNetwork(0)
  const first = await planeIn(network, { loopbackNodePorts: true })
  await first.sync(services)
  const listing = await network.node.nft('list', 'ruleset')
  expect(listing).toMatch(/set route-localnet-found \{\s+type mark\s+elements = \{ 0x00000000 \}/)
  expect(listing).toContain('ip daddr 127.0.0.0/8 iifname != "lo" drop')
  expect(listing.slice(listing.indexOf('table ip6'))).not.toMatch(/loopback|localnet/)
  await first.close()
  expect(await setting(network)).toBe('1')

  const second = await planeIn(network, { loopbackNodePorts: true })
  expect(await second.sync(services)).toMatchObject({ requests: 0 })
  // Tables that are made anew still know how it was.
  await network.node.nft('delete', 'table', 'ip6', 'netplane')
  await second.sync(services)
  expect(await network.node.nft('list', 'set', 'ip', 'netplane', 'route-localnet-found')).toContain('0x00000000')
  await second.close()
  await (await planeIn(network)).close({ cleanup: true })
  expect(await setting(network)).toBe('0')

  await writeSetting(network, 1)
  const third = await planeIn(network, { loopbackNodePorts: true })
  await third.sync(services)
  expect(await network.node.nft('list', 'set', 'ip', 'netplane', 'route-localnet-found')).toContain('0x00000001')
  await third.close({ cleanup: true })
  expect(await setting(network)).toBe('1')
})

it('puts it back when a plane without the option takes over, and when the tables are gone', async () => {
  const network = await makeServiceNetwork(0)
  const first = await planeIn(network, { loopbackNodePorts: true })
  await first.sync(services)
  await first.close()
  const without = await planeIn(network)
  await without.sync(services)
  expect(await setting(network)).toBe('0')
  expect(await network.node.nft('list', 'ruleset')).not.toContain('loopback')
  await without.close()

  const again = await planeIn(network, { loopbackNodePorts: true })
  await again.sync(services)
  await network.node.nft('flush', 'ruleset')
  await again.close({ cleanup: true })
  expect(await setting(network)).toBe('0')
})

it('audits the setting, too', async () => {
  const network = await makeServiceNetwork(0)
  const plane = await planeIn(network, { loopbackNodePorts: true, auditMs: 50 })
  await plane.sync(services)
  await writeSetting(network, 0)
  await expect.poll(() => setting(network), { timeout: 5000 }).toBe('1')
})
