import { expect, it } from 'vitest'
import { type Plane, type Service } from '../../../../src/index.js'
import { openedPlane } from '../../../support/opened-plane.js'
import { addressOf, ask, makeServiceNetwork, reachable, serve, type ServiceNetwork } from '../../../support/service-network.js'

const VIP = { ip: '10.96.0.1', ip6: 'fd00:96::1' } as const
const FAMILIES = ['ip', 'ip6'] as const

async function planeIn(network: ServiceNetwork, forwardedBit?: number): Promise<Plane> {
  return await openedPlane({ mode: 'nftables', netns: network.node.path, auditMs: 0, forwardedBit })
}

const services = new Map(
  FAMILIES.map((family): [string, Service] => {
    const endpoints = [{ address: addressOf[family](1), port: 8080 }]
    const frontends = [
      { kind: 'cluster', address: VIP[family], port: 80 },
      { kind: 'node', port: 30080, family }
    ] as const
    return [family, { name: family, protocol: 'tcp', frontends, endpoints }]
  })
)

/** A firewall that forwards what is marked, and nothing else. */
const FIREWALL =
  'table inet firewall { chain forward { type filter hook forward priority filter; policy drop; meta mark & 0x20 != 0 accept; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; }; }'

it('lets a firewall that drops everything else forward what belongs to services, and nothing more', async () => {
  const network = await makeServiceNetwork(1)
  await serve(network.servers[0]!, 's1', 8080)
  await reachable(network, 8080)
  const answers = async (): Promise<unknown> => {
    const { client } = network
    const asked = FAMILIES.flatMap((family) => [
      ask(client, 'tcp', VIP[family], 80, 1),
      ask(client, 'tcp', family === 'ip' ? '10.1.0.1' : 'fd00:1:0::1', 30080, 1),
      ask(client, 'tcp', addressOf[family](1), 8080, 1)
    ])
    return (await Promise.all(asked)).map(([answer]) => answer!.split(' ')[0])
  }
  await network.node.nftScript(FIREWALL)
  const without = await planeIn(network)
  await without.sync(services)
  // Accepted by the chains of the plane, whose policy is `accept`, and dropped by the firewall.
  expect(await answers()).toEqual(Array.from({ length: 6 }, () => 'TimeoutError'))
  await without.close()
  await (await planeIn(network, 5)).sync(services)
  expect(await answers()).toEqual(['s1', 's1', 'TimeoutError', 's1', 's1', 'TimeoutError'])
})

it('is listed readably, taken over without a write, and changed where the bit is another one', async () => {
  const network = await makeServiceNetwork(0)
  const first = await planeIn(network, 5)
  await first.sync(services)
  const listing = await network.node.nft('list', 'ruleset')
  expect(listing).toContain('ct status dnat jump if-forwarded')
  expect(listing).toMatch(/meta mark set meta mark (\||or) 0x00000020/)
  await first.close()
  const second = await planeIn(network, 5)
  expect(await second.sync(services)).toMatchObject({ requests: 0 })
  await second.close()
  const other = await planeIn(network, 6)
  expect(String(await other.plan(services))).toContain('changed rules in chain ip netplane forwarded')
  await other.sync(services)
  expect(await network.node.nft('list', 'chain', 'ip', 'netplane', 'forwarded')).toContain('0x00000040')
})
