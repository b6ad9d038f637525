import { expect, it } from 'vitest'
import { type Plane } from '../../../../src/index.js'
import { openedPlane } from '../../../support/opened-plane.js'
import { answers, everywhere, expectServing, servicesOn } from '../../../support/plane-ways.js'
import { type ServiceNetwork, makeServingNetwork } from '../../../support/service-network.js'

async function open(network: ServiceNetwork): Promise<Plane> {
  return await openedPlane({ mode: 'nftables', netns: network.node.path })
}

/** One test with one network, for the same reason. The plane's own suite has the details. */
it('a plane serves, changes, refuses, is adopted and goes, on this kernel', async () => {
  const network = await makeServingNetwork(2)
  const second = await expectServing(network, () => open(network))
  await second.sync(servicesOn(1))
  expect(await answers(network, 5)).toEqual(everywhere('s1'))
  const listed = await network.node.nft('list', 'ruleset')
  expect(listed).not.toMatch(/@nh|@th|unknown/)
  await second.sync(new Map())
  expect((await second.plan(new Map())).isEmpty).toBe(true)
})
