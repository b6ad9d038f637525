import { expect, it } from 'vitest'
import { type Plane, type PlaneOptions } from '../../../../src/index.js'
import { openedPlane } from '../../../support/opened-plane.js'
import { makeServiceNetwork, type ServiceNetwork, makeServingNetwork } from '../../../support/service-network.js'
import {
  expectLoopbackGuarded,
  expectRouteLocalnetAudited,
  expectServedAtLoopback,
  nodePortServices,
  readRouteLocalnet,
  writeRouteLocalnet
} from '../../../support/loopback-ports.js'

async function planeIn(
  network: ServiceNetwork,
  options: Partial<Extract<PlaneOptions, { readonly mode: 'nftables' }>> = {}
): Promise<Plane> {
  return await openedPlane({ mode: 'nftables', netns: network.node.path, auditMs: 0, ...options })
}

it('serves ports of this node at its loopback addresses, to itself', async () => {
  await expectServedAtLoopback(await makeServingNetwork(2), planeIn)
})

it('lets nobody from elsewhere to loopback addresses, nor take one as its own', () => expectLoopbackGuarded(planeIn))

it('puts the setting back as it was, whoever cleans up', async () => {
  const network = await makeServiceNetwork(0)
  const first = await planeIn(network, { loopbackNodePorts: true })
  await first.sync(nodePortServices)
  const listing = await network.node.nft('list', 'ruleset')
  expect(listing).toMatch(/set route-localnet-found \{\s+type mark\s+elements = \{ 0x00000000 \}/)
  expect(listing).toContain('ip daddr 127.0.0.0/8 iifname != "lo" drop')
  expect(listing.slice(listing.indexOf('table ip6'))).not.toMatch(/loopback|localnet/)
  await first.close()
  expect(await readRouteLocalnet(network)).toBe('1')

  const second = await planeIn(network, { loopbackNodePorts: true })
  expect(await second.sync(nodePortServices)).toMatchObject({ requests: 0 })
  // Tables that are made anew still know how it was.
  await network.node.nft('delete', 'table', 'ip6', 'netplane')
  await second.sync(nodePortServices)
  expect(await network.node.nft('list', 'set', 'ip', 'netplane', 'route-localnet-found')).toContain('0x00000000')
  await second.close()
  await (await planeIn(network)).close({ cleanup: true })
  expect(await readRouteLocalnet(network)).toBe('0')

  await writeRouteLocalnet(network, 1)
  const third = await planeIn(network, { loopbackNodePorts: true })
  await third.sync(nodePortServices)
  expect(await network.node.nft('list', 'set', 'ip', 'netplane', 'route-localnet-found')).toContain('0x00000001')
  await third.close({ cleanup: true })
  expect(await readRouteLocalnet(network)).toBe('1')
})

it('puts it back when a plane without the option takes over, and when the tables are gone', async () => {
  const network = await makeServiceNetwork(0)
  const first = await planeIn(network, { loopbackNodePorts: true })
  await first.sync(nodePortServices)
  await first.close()
  const without = await planeIn(network)
  await without.sync(nodePortServices)
  expect(await readRouteLocalnet(network)).toBe('0')
  expect(await network.node.nft('list', 'ruleset')).not.toContain('loopback')
  await without.close()

  const again = await planeIn(network, { loopbackNodePorts: true })
  await again.sync(nodePortServices)
  await network.node.nft('flush', 'ruleset')
  await again.close({ cleanup: true })
  expect(await readRouteLocalnet(network)).toBe('0')
})

it('audits the setting, too', () => expectRouteLocalnetAudited(planeIn))
