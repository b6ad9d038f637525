import { expect, it } from 'vitest'
import type { Plane, PlaneOptions, Service } from '../../../../src/index.js'
import { openedPlane } from '../../../support/opened-plane.js'
import { answers, everywhere, servicesOn, VIP } from '../../../support/plane-ways.js'
import { addressOf, ask, makeServingNetwork, tally, type ServiceNetwork } from '../../../support/service-network.js'

type Options = Omit<Extract<PlaneOptions, { readonly mode: 'userspace' }>, 'mode' | 'netns'>

const open = (network: ServiceNetwork, options: Options = {}): Promise<Plane> =>
  openedPlane({ mode: 'userspace', netns: network.node.path, auditMs: 0, ...options })

const own = { isOwn: true } as const

it('serves, changes, refuses, is adopted and goes', async () => {
  const network = await makeServingNetwork(2, own)
  const first = await open(network)
  const report = await first.sync(servicesOn(1, 2))
  expect(report.details).toMatchObject({ mode: 'userspace', relays: 4 })
  expect(await answers(network, 30)).toEqual(everywhere('s1', 's2'))
  // What endpoints a service has is the business of its relays.
  expect(await first.update({ set: [...servicesOn(2).values()] })).toMatchObject({ requests: 0, objects: { written: 0, deleted: 0 } })
  expect(await answers(network, 5)).toEqual(everywhere('s2'))
  await first.update({ set: [...servicesOn().values()] })
  expect(await answers(network, 1)).toEqual(everywhere('ConnectionRefusedError'))
  expect(first.status().details).toMatchObject({ relays: 0 })
  await first.update({ set: [...servicesOn(1).values()] })
  await first.close()
  // Relays end with the plane that has them.
  expect(tally(await ask(network.client, 'tcp', VIP.ip, 80, 1))).toEqual({ ConnectionRefusedError: 1 })

  const second = await open(network)
  const plan = await second.plan(servicesOn(1))
  expect(plan.entries).toHaveLength(2)
  await second.sync(servicesOn(1))
  expect(await answers(network, 5)).toEqual(everywhere('s1'))
  expect((await second.plan(servicesOn(1))).isEmpty).toBe(true)
  expect(await network.node.nft('list', 'ruleset')).not.toMatch(/@nh|@th|unknown/)
  await second.sync(new Map())
  expect((await second.plan(new Map())).isEmpty).toBe(true)
  await second.close({ cleanup: true })
  expect(await network.node.nft('list', 'ruleset')).toBe('')
})

it('serves this node itself, over both protocols and families', async () => {
  const network = await makeServingNetwork(1, own)
  await (await open(network)).sync(servicesOn(1))
  for (const protocol of ['tcp', 'udp'] as const)
    for (const family of ['ip', 'ip6'] as const)
      expect([protocol, family, tally(await ask(network.node, protocol, VIP[family], 80, 3))]).toEqual([protocol, family, { s1: 3 }])
})

const onPort = (protocol: 'tcp' | 'udp', port: number): Service => ({
  name: `node-${protocol}`,
  protocol,
  frontends: [{ kind: 'node', port }],
  endpoints: [1, 2].flatMap((server) => [addressOf.ip(server), addressOf.ip6(server)].map((address) => ({ address, port: 8080 })))
})

const ports = new Map([onPort('tcp', 30080), onPort('udp', 30053)].map((service) => [service.name, service]))

it('serves ports of this node at its loopback addresses of both families', async () => {
  const network = await makeServingNetwork(2, own)
  const plane = await open(network)
  await plane.sync(ports)
  for (const address of ['127.0.0.1', '::1', '10.1.0.1', 'fd00:1:0::1'])
    for (const [protocol, port] of [
      ['tcp', 30080],
      ['udp', 30053]
    ] as const) {
      const answered = tally(await ask(network.node, protocol, address, port, 20))
      expect([protocol, address, Object.keys(answered).sort()]).toEqual([protocol, address, ['s1', 's2']])
    }
  expect((await network.node.run('cat', ['/proc/sys/net/ipv4/conf/all/route_localnet'])).trim()).toBe('0')
  // A client from elsewhere is served at addresses of links.
  expect(tally(await ask(network.client, 'tcp', '10.1.0.1', 30080, 10))).not.toHaveProperty('ConnectionRefusedError')
  await plane.close({ cleanup: true })

  const without = await open(network, { loopbackNodePorts: false })
  await without.sync(ports)
  for (const address of ['127.0.0.1', '::1'])
    expect(tally(await ask(network.node, 'tcp', address, 30080, 1))).toEqual({ ConnectionRefusedError: 1 })
})

/** The ports at which relays listen, by the rules' own set. */
async function relayPorts({ node }: ServiceNetwork, family: 'ip' | 'ip6'): Promise<number[]> {
  const listed = await node.nft('list', 'set', family, 'netplane-userspace', 'relay-ports')
  return [...listed.matchAll(/(?:tcp|udp) \. (\d+)/g)].map(([, port]) => Number(port))
}

it('refuses whoever comes to the port of a relay by himself', async () => {
  const network = await makeServingNetwork(1, own)
  await (await open(network)).sync(servicesOn(1))
  for (const [family, addresses] of [
    ['ip', ['10.1.0.1', '127.0.0.1']],
    ['ip6', ['fd00:1:0::1', '::1']]
  ] as const) {
    const listening = await relayPorts(network, family)
    expect(listening).toHaveLength(2)
    for (const port of listening)
      for (const protocol of ['tcp', 'udp'] as const) {
        expect(tally(await ask(network.client, protocol, addresses[0], port, 1))).toEqual({ ConnectionRefusedError: 1 })
        expect(tally(await ask(network.node, protocol, addresses[1], port, 1))).toEqual({ ConnectionRefusedError: 1 })
      }
  }
})
