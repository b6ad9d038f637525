import { onTestFinished, expect, it } from 'vitest'
import { openPlane, type Plane, type Service } from '../../src/index.js'
import { addressOf, ask, makeServiceNetwork, reachable, serve, tally, type ServiceNetwork } from '../support/service-network.js'

const VIP = { ip: '10.96.0.1', ip6: 'fd00:96::1' }
const protocols = ['tcp', 'udp'] as const
const families = ['ip', 'ip6'] as const

/** One service a protocol, over both families, with these servers behind. */
function servicesOn(...servers: number[]): Map<string, Service> {
  return new Map(
    protocols.map((protocol) => [
      protocol,
      {
        name: protocol,
        protocol,
        frontends: families.map((family) => ({ kind: 'cluster', address: VIP[family], port: 80 })),
        endpoints: servers.flatMap((server) => families.map((family) => ({ address: addressOf[family](server), port: 8080 })))
      } satisfies Service
    ])
  )
}

/** Each protocol and each family once: programs take long to start in the lab. */
const ways = [
  ['tcp', 'ip'],
  ['udp', 'ip6']
] as const

/** Who answers, by each of the ways. */
async function answers({ client }: ServiceNetwork, count: number): Promise<string[][]> {
  const all: string[][] = []
  for (const [protocol, family] of ways) all.push(Object.keys(tally(await ask(client, protocol, VIP[family], 80, count))).sort())
  return all
}

const everywhere = (...names: string[]): string[][] => ways.map(() => names)

async function open(network: ServiceNetwork): Promise<Plane> {
  const plane = await openPlane({ mode: 'nftables', netns: network.node.path })
  onTestFinished(() => plane.close())
  return plane
}

/** One test with one network, for the same reason. The plane's own suite has the details. */
it('a plane serves, changes, refuses, is adopted and goes, on this kernel', async () => {
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
  await second.sync(servicesOn(1))
  expect(await answers(network, 5)).toEqual(everywhere('s1'))
  const listed = await network.node.nft('list', 'ruleset')
  expect(listed).not.toMatch(/@nh|@th|unknown/)
  await second.sync(new Map())
  expect((await second.plan(new Map())).isEmpty).toBe(true)
})
