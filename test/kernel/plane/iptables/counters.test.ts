import { expect, it } from 'vitest'
import { type Plane } from '../../../../src/index.js'
import { openedPlane } from '../../../support/opened-plane.js'
import { rejection } from '../../../support/rejection.js'
import { addressOf, ask, tally, makeServingNetwork } from '../../../support/service-network.js'
import { makeNamespace } from '../../../support/namespace.js'
import { connectionsOf, countedService, families, only, VIP } from '../../../support/counted-service.js'

async function openIn(netns: string): Promise<Plane> {
  return await openedPlane({ mode: 'iptables', netns, staleFlows: false, auditMs: 0 })
}

it('counts new connections of endpoints through all frontends, through changes and a restart', async () => {
  const network = await makeServingNetwork(2)
  const first = await openIn(network.node.path)
  await first.sync(only(countedService([1, 2])))
  const seen: Record<string, bigint> = Object.fromEntries(
    [1, 2].flatMap((server) => families.map((family) => [addressOf[family](server), 0n]))
  )
  expect(await connectionsOf(first)).toEqual({ connections: 0n, endpoints: seen })
  const askAll = async (): Promise<void> => {
    for (const family of families) {
      const answers = [
        ...(await ask(network.client, 'tcp', VIP[family], 80, 10)),
        ...(await ask(network.client, 'tcp', family === 'ip' ? '10.1.0.1' : 'fd00:1::1', 30_080, 5))
      ]
      for (const [server, times] of Object.entries(tally(answers))) seen[addressOf[family](Number(server.slice(1)))]! += BigInt(times)
    }
  }
  await askAll()
  expect(await connectionsOf(first)).toEqual({ connections: 30n, endpoints: seen })
  await first.close()

  const second = await openIn(network.node.path)
  const weighted = countedService([1, 2])
  const endpoints = weighted.endpoints.map((endpoint, index) => ({ ...endpoint, weight: 1 + index }))
  await second.sync(only({ ...weighted, endpoints }))
  await askAll()
  expect(await connectionsOf(second)).toEqual({ connections: 60n, endpoints: seen })
  expect([...(await second.counters())].map(({ service: name }) => name)).toEqual(['web'])

  await second.update({ set: [countedService([1])] })
  const left = Object.fromEntries(families.map((family) => [addressOf[family](1), seen[addressOf[family](1)]!]))
  const connections = Object.values(left).reduce((sum, each) => sum + each, 0n)
  expect(await connectionsOf(second)).toEqual({ connections, endpoints: left })
})

it('says that there is nothing before the first sync', async () => {
  const namespace = await makeNamespace()
  const plane = await openIn(namespace.path)
  expect(await rejection(plane.counters())).toMatchObject({ name: 'NetlinkError', code: 'ENOENT' })
})
