import { expect, it } from 'vitest'
import { type Plane } from '../../../../src/index.js'
import { openedPlane } from '../../../support/opened-plane.js'
import { answers, everywhere, expectServing, servicesOn } from '../../../support/plane-ways.js'
import { type ServiceNetwork, makeServingNetwork } from '../../../support/service-network.js'

async function open(network: ServiceNetwork): Promise<Plane> {
  return await openedPlane({ mode: 'iptables', netns: network.node.path, auditMs: 0, staleFlows: false })
}

it('rules of iptables serve, change, refuse, are adopted and go', async () => {
  const network = await makeServingNetwork(2)
  const second = await expectServing(network, () => open(network))
  expect(await second.sync(servicesOn(1))).toMatchObject({ requests: 0, objects: { written: 0, deleted: 0 } })
  expect(await answers(network, 5)).toEqual(everywhere('s1'))
  await second.close({ cleanup: true })
  expect(await network.node.nft('list', 'ruleset')).toBe('')
})
