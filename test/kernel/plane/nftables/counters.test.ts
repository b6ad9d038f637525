import { expect, it, onTestFinished } from 'vitest'
import { Nftables, UnsupportedError, type NftablesPlaneOptions, type Plane } from '../../../../src/index.js'
import { openedPlane } from '../../../support/opened-plane.js'
import { makeNamespace } from '../../../support/namespace.js'
import { addressOf, ask, tally, makeServingNetwork } from '../../../support/service-network.js'
import { rejection } from '../../../support/rejection.js'
import { connectionsOf, countedService, families, only, VIP } from '../../../support/counted-service.js'

async function openIn(netns: string, options: NftablesPlaneOptions = {}): Promise<Plane> {
  return await openedPlane({ mode: 'nftables', netns, staleFlows: false, auditMs: 0, counters: true, ...options })
}

it('counts new connections of services and endpoints as clients see them, through changes and restarts', async () => {
  const network = await makeServingNetwork(3)
  const { path } = network.node
  const first = await openIn(path)
  await first.sync(only(countedService([1, 2])))
  expect(await connectionsOf(first)).toEqual({
    connections: 0n,
    endpoints: Object.fromEntries([1, 2].flatMap((server) => families.map((family) => [addressOf[family](server), 0n])))
  })
  const seen: Record<string, bigint> = {}
  let total = 0n
  const count = (family: (typeof families)[number], answers: readonly string[]): void => {
    for (const [server, times] of Object.entries(tally(answers))) {
      const address = addressOf[family](Number(server.slice(1)))
      seen[address] = (seen[address] ?? 0n) + BigInt(times)
      total += BigInt(times)
    }
  }
  for (const family of families) {
    count(family, await ask(network.client, 'tcp', VIP[family], 80, 21))
    count(family, await ask(network.node, 'tcp', VIP[family], 80, 11))
  }
  count('ip', await ask(network.client, 'tcp', '10.1.0.1', 30_080, 13))
  // Nothing of ours: neither is counted.
  await ask(network.client, 'tcp', addressOf.ip(1), 8080, 5)
  expect(await connectionsOf(first)).toEqual({ connections: total, endpoints: seen })

  // Another number of slots, affinity and another endpoint: those that stay keep their numbers.
  await first.update({ set: [countedService([1, 2, 3], { affinity: { timeoutSeconds: 600 } })] })
  count('ip', await ask(network.client, 'tcp', VIP.ip, 80, 9))
  const withThird = { ...Object.fromEntries(families.map((family) => [addressOf[family](3), 0n])), ...seen }
  expect(await connectionsOf(first)).toEqual({ connections: total, endpoints: withThird })
  await first.close()

  const second = await openIn(path)
  const services = only(countedService([1, 2, 3], { affinity: { timeoutSeconds: 600 } }))
  expect(await second.plan(services)).toMatchObject({ drift: [], entries: [], isEmpty: true })
  expect((await second.sync(services)).objects).toEqual({ written: 0, deleted: 0 })
  expect(await connectionsOf(second)).toEqual({ connections: total, endpoints: withThird })

  // The numbers of an endpoint that goes are in the sum of the service; one that comes back begins with 0.
  await second.update({ set: [countedService([2, 3])] })
  expect((await connectionsOf(second)).connections).toBe(total)
  await second.update({ set: [countedService([1, 2, 3])] })
  expect((await connectionsOf(second)).endpoints[addressOf.ip(1)]).toBe(0n)
  // And so does whoever gets the address and port of another service.
  await second.update({ set: [countedService([1], { name: 'other' })], delete: ['web'] })
  expect((await connectionsOf(second, 'other')).connections).toBe(0n)
  expect([...(await second.counters())].map(({ service: name }) => name)).toEqual(['other'])
}, 60_000)

it('forgets what was counted for endpoints that went while no plane ran', async () => {
  const network = await makeServingNetwork(2)
  const { path } = network.node
  const first = await openIn(path)
  await first.sync(only(countedService([1, 2])))
  await ask(network.client, 'tcp', VIP.ip, 80, 20)
  const before = await connectionsOf(first)
  await first.close()

  const second = await openIn(path)
  await second.sync(only(countedService([2])))
  expect(await network.node.nft('list', 'set', 'ip', 'netplane', 'endpoint-connections')).not.toContain(`${addressOf.ip(1)} `)
  await second.update({ set: [countedService([1, 2])] })
  expect(await connectionsOf(second)).toEqual({
    connections: before.connections,
    endpoints: { ...before.endpoints, [addressOf.ip(1)]: 0n, [addressOf.ip6(1)]: 0n }
  })
})

it('counts a flow of UDP once, however many datagrams it has before there is an answer', async () => {
  const network = await makeServingNetwork(1)
  const plane = await openIn(network.node.path)
  // Nobody answers on this port.
  await plane.sync(only(countedService([1], { protocol: 'udp', endpoints: [{ address: addressOf.ip(1), port: 9 }] })))
  const flood = `import socket,time
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('',5555))
for _ in range(20):
    try: s.sendto(b'x',('${VIP.ip}',80))
    except OSError: pass`
  await network.client.run('python3', ['-c', flood])
  expect((await connectionsOf(plane)).connections).toBe(1n)
})

it('numbers are carried over when the tables are made anew, and nft lists them', async () => {
  const network = await makeServingNetwork(1)
  const { path } = network.node
  const plane = await openIn(path)
  const services = only(countedService([1]))
  await plane.sync(services)
  await ask(network.client, 'tcp', VIP.ip, 80, 7)
  await network.node.nft('flush', 'chain', 'ip', 'netplane', 'count')
  await plane.sync(services)
  expect(plane.status().drifts).toBe(1)
  await ask(network.client, 'tcp', VIP.ip, 80, 2)
  expect(await connectionsOf(plane)).toMatchObject({ connections: 9n, endpoints: { [addressOf.ip(1)]: 9n } })
  const listed = await network.node.nft('list', 'table', 'ip', 'netplane')
  expect(listed).toContain(`10.96.0.1 . tcp . 80 . ${addressOf.ip(1)} . 8080 counter packets 9`)
  expect(listed).toContain('add @endpoint-connections')
  expect(listed).not.toMatch(/@nh|@th|unknown/)
})

it('without the option nothing is different, and nothing is read', async () => {
  const namespace = await makeNamespace()
  const { path } = namespace
  const plane = await openIn(path, { counters: false })
  await plane.sync(only(countedService([1])))
  expect(await namespace.nft('list', 'ruleset')).not.toContain('connections')
  expect(await rejection(plane.counters())).toBeInstanceOf(UnsupportedError)
  const client = await Nftables.open({ netns: path })
  onTestFinished(() => client.close())
  // Turned on and off again, tables are made anew.
  await (await openIn(path)).sync(only(countedService([1])))
  expect((await client.listSets({ family: 'ip', table: 'netplane' })).map(({ name }) => name)).toContain('endpoint-connections')
  const off = await openIn(path, { counters: false })
  await off.sync(only(countedService([1])))
  expect(await namespace.nft('list', 'ruleset')).not.toContain('connections')
  expect((await off.plan(only(countedService([1])))).isEmpty).toBe(true)
})
