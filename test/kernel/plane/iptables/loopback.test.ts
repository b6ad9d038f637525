import { expect, it } from 'vitest'
import { type IptablesPlaneOptions, type Plane } from '../../../../src/index.js'
import { openedPlane } from '../../../support/opened-plane.js'
import { listenForFrames } from '../../../support/loopback-frames.js'
import { makeServiceNetwork, type ServiceNetwork, makeServingNetwork } from '../../../support/service-network.js'
import {
  endpoint,
  expectLoopbackGuarded,
  expectRouteLocalnetAudited,
  expectServedAtLoopback,
  nodePortServices,
  onPort,
  readRouteLocalnet,
  writeRouteLocalnet
} from '../../../support/loopback-ports.js'

async function planeIn(network: ServiceNetwork, options: Partial<IptablesPlaneOptions> = {}): Promise<Plane> {
  return await openedPlane({ mode: 'iptables', netns: network.node.path, auditMs: 0, ...options })
}

it.each<[string, IptablesPlaneOptions['nodeAddresses']]>([
  ['all', 'all'],
  ['those that are named', ['10.1.0.0/24']]
])('serves ports of this node at its loopback addresses beside %s, to itself', async (_, nodeAddresses) => {
  await expectServedAtLoopback(await makeServingNetwork(2), (at, options) => planeIn(at, { nodeAddresses, ...options }))
})

it('lets nobody from elsewhere to loopback addresses, nor take one as its own', () => expectLoopbackGuarded(planeIn))

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
  await first.sync(nodePortServices)
  await first.close()
  expect(await readRouteLocalnet(network)).toBe('1')
  const second = await planeIn(network, { loopbackNodePorts: true })
  expect(await second.sync(nodePortServices)).toMatchObject({ requests: 0 })
  await second.close()
  await (await planeIn(network)).close({ cleanup: true })
  expect(await readRouteLocalnet(network)).toBe('0')

  await writeRouteLocalnet(network, 1)
  const third = await planeIn(network, { loopbackNodePorts: true })
  await third.sync(nodePortServices)
  await third.close({ cleanup: true })
  expect(await readRouteLocalnet(network)).toBe('1')
})

it('puts it back when a plane without the option takes over', async () => {
  const network = await makeServiceNetwork(0)
  const first = await planeIn(network, { loopbackNodePorts: true })
  await first.sync(nodePortServices)
  await first.close()
  await (await planeIn(network)).sync(nodePortServices)
  expect(await readRouteLocalnet(network)).toBe('0')
  expect(await network.node.nft('list', 'ruleset')).not.toContain('KUBE-LOCALNET')
})

it('audits the setting, too', () => expectRouteLocalnetAudited(planeIn))
