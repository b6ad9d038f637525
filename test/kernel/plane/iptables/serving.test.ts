import { onTestFinished, expect, it } from 'vitest'
import { openPlane, type Plane } from '../../../../src/index.js'
import { answers, everywhere, servicesOn } from '../../../support/plane-ways.js'
import { makeServiceNetwork, reachable, serve, type ServiceNetwork } from '../../../support/service-network.js'

async function open(network: ServiceNetwork): Promise<Plane> {
  const plane = await openPlane({ mode: 'iptables', netns: network.node.path, auditMs: 0, staleFlows: false })
  onTestFinished(() => plane.close())
  return plane
}

it('rules of iptables serve, change, refuse, are adopted and go', async () => {
  const network = await makeServiceNetwork(2)
  await Promise.all(network.servers.map((host, index) => serve(host, `s${index + 1}`, 8080)))
  await reachable(network, 8080)
  const first = await open(network)
  await first.sync(servicesOn(1, 2))
  expect(await answers(network, 30)).toEqual(everywhere('s1', 's2'))
  await first.update({ set: [...servicesOn(2).values()] })
  expect(await answers(network, 5)).toEqual(everywhere('s2'))
  await first.update({ set: [...servicesOn().values()] })
  expect(await answers(network, 1)).toEqual(everywhere('ConnectionRefusedError'))
  await first.update({ set: [...servicesOn(1).values()] })
  await first.close()

  const second = await open(network)
  expect((await second.plan(servicesOn(1))).isEmpty).toBe(true)
  expect(await second.sync(servicesOn(1))).toMatchObject({ requests: 0, objects: { written: 0, deleted: 0 } })
  expect(await answers(network, 5)).toEqual(everywhere('s1'))
  await second.close({ cleanup: true })
  expect(await network.node.nft('list', 'ruleset')).toBe('')
})
