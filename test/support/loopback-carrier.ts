import { expect } from 'vitest'
import type { CarrierOptions, PlaneMode, PlaneOptions, Service } from '../../src/index.js'
import { openedPlane } from './opened-plane.js'
import { makeRelayNetwork, told } from './relay-plane.js'
import { addressOf, ask, type ServiceNetwork, whoAnswered } from './service-network.js'

const loopback: CarrierOptions = { mode: 'userspace', name: 'loopback', carries: 'loopbackNodePorts' }
const families = ['ip', 'ip6'] as const

const onPort = (protocol: 'tcp' | 'udp', port: number, servers: readonly number[] = [1, 2]): Service => ({
  name: `node-${protocol}`,
  protocol,
  frontends: [
    { kind: 'node', port },
    { kind: 'cluster', address: '10.96.0.1', port: 80 }
  ],
  endpoints: servers.flatMap((server) => families.map((family) => ({ address: addressOf[family](server), port: 8080 })))
})

const ports = (...servers: number[]): Map<string, Service> =>
  new Map([onPort('tcp', 30080, servers), onPort('udp', 30053, servers)].map((service) => [service.name, service]))

/** Who answers at ports of the node, from the node itself and from outside. */
async function everywhere({ node, client }: ServiceNetwork, count = 20): Promise<unknown[]> {
  const found: unknown[] = []
  for (const [protocol, port] of [
    ['tcp', 30080],
    ['udp', 30053]
  ] as const) {
    for (const address of ['127.0.0.1', '::1', '10.1.0.1', 'fd00:1:0::1'])
      found.push(['node', protocol, address, whoAnswered(await ask(node, protocol, address, port, count))])
    for (const address of ['10.1.0.1', 'fd00:1:0::1'])
      found.push(['client', protocol, address, whoAnswered(await ask(client, protocol, address, port, count))])
  }
  return found
}

const by = (who: string, atLoopback = who): unknown[] =>
  (['tcp', 'udp'] as const).flatMap((protocol) => [
    ...['127.0.0.1', '::1'].map((address) => ['node', protocol, address, atLoopback]),
    ...['node', 'client'].flatMap((from) => ['10.1.0.1', 'fd00:1:0::1'].map((address) => [from, protocol, address, who]))
  ])

/** A plane of a mode serves ports of this node, and a carrier those at `127.0.0.1` and `::1`: both change, refuse, are adopted and go as one plane, and others' tables stay as they are. */
export async function expectLoopbackCarried(mode: 'nftables' | 'iptables' | 'ipvs'): Promise<void> {
  const network = await makeRelayNetwork(2)
  await network.node.nft(
    'add table ip others; add chain ip others seen { type nat hook output priority -90; }; add rule ip others seen counter'
  )
  const foreign = await network.node.nft('-s', 'list', 'table', 'ip', 'others')
  const options = { mode, netns: network.node.path, carriers: [loopback] } as PlaneOptions & { readonly mode: PlaneMode }
  const plane = await openedPlane(options)
  const events = told(plane)
  const report = await plane.sync(ports(1, 2))
  expect(report).toMatchObject({
    details: { mode },
    quarantined: [],
    services: { added: 2 },
    carriers: [{ carrier: 'loopback', report: { details: { mode: 'userspace', relays: 4 } } }]
  })
  expect(await everywhere(network)).toEqual(by('s1,s2'))
  expect((await network.node.run('cat', ['/proc/sys/net/ipv4/conf/all/route_localnet'])).trim()).toBe('0')
  // What has no endpoint is refused everywhere.
  await plane.update({ set: [onPort('tcp', 30080, []), onPort('udp', 30053, [])] })
  const refused = (await everywhere(network, 1)) as string[][]
  // What this node sends itself is refused before it leaves.
  expect(refused).toEqual(
    refused.map(([from, protocol, to]) => [
      from,
      protocol,
      to,
      from === 'node' && protocol === 'udp' ? 'PermissionError' : 'ConnectionRefusedError'
    ])
  )
  await plane.update({ set: [...ports(2).values()] })
  expect(await everywhere(network, 2)).toEqual(by('s2'))
  expect(plane.status()).toMatchObject({ services: 2, details: { mode }, carriers: [{ carrier: 'loopback', services: 2 }] })
  expect((await plane.explain({ protocol: 'tcp', address: '127.0.0.1', port: 30080 })).carrier).toBe('loopback')
  expect((await plane.explain({ protocol: 'tcp', address: '10.1.0.1', port: 30080 })).carrier).toBeUndefined()
  expect(events.filter(({ type }) => type !== 'progress')).toEqual([])
  await plane.close()
  // The next process adopts both; relays are new ones.
  const second = await openedPlane(options)
  await second.sync(ports(1))
  expect(await everywhere(network, 2)).toEqual(by('s1'))
  expect((await second.plan(ports(1))).isEmpty).toBe(true)
  await second.close()
  // One that has no carrier removes what is left of it.
  const without = await openedPlane({ mode, netns: network.node.path })
  await without.sync(ports(1))
  expect(await everywhere(network, 1)).toEqual(by('s1', 'ConnectionRefusedError'))
  expect(await network.node.nft('list', 'tables')).not.toContain('loopback')
  await without.close({ cleanup: true })
  expect(await network.node.nft('list', 'tables')).toBe('table ip others\n')
  expect(await network.node.nft('-s', 'list', 'table', 'ip', 'others')).toBe(foreign)
}
