import process from 'node:process'
import { expect, it, onTestFinished } from 'vitest'
import { type CarrierOptions, openPlane, type Plane, type Service } from '../../../../src/index.js'
import { newestAnswers, speakTo } from '../../../support/one-port-client.js'
import { openedPlane } from '../../../support/opened-plane.js'
import { VIP } from '../../../support/plane-ways.js'
import { makeRelayNetwork, told } from '../../../support/relay-plane.js'
import type { Background } from '../../../support/run.js'
import { addressOf, ask, serve, tally, type ServiceNetwork, whoAnswered } from '../../../support/service-network.js'
import { CUSTOMER, expectNoneFailed, moreServed } from '../../../support/switching.js'

const families = ['ip', 'ip6'] as const
const assigned: CarrierOptions = { mode: 'userspace', name: 'relayed', carries: 'assigned' }
const openAt = (network: ServiceNetwork, more: object = {}): Promise<Plane> =>
  openedPlane({
    mode: 'nftables',
    netns: network.node.path,
    serviceRanges: ['10.96.0.0/12', 'fd00:96::/64'],
    localSources: ['10.1.1.0/24'],
    carriers: [assigned],
    ...more
  })

const endpointsOn = (servers: readonly number[], local = false): Service['endpoints'] =>
  servers.flatMap((server) => families.map((family) => ({ address: addressOf[family](server), port: 8080, local })))

/** A service at the same addresses as others. */
const at = (name: string, port: number, more: Partial<Service> = {}): Service => ({
  name,
  protocol: 'tcp',
  frontends: families.map((family) => ({ kind: 'cluster', address: VIP[family], port })),
  endpoints: endpointsOn([1, 2]),
  ...more
})

const all = (...services: Service[]): Map<string, Service> => new Map(services.map((service) => [service.name, service]))

/** How asking ends, from the client and from the node. */
async function outcomes({ client, node }: ServiceNetwork, protocol: 'tcp' | 'udp', port: number, count = 10): Promise<string[]> {
  const found: string[] = []
  for (const from of [client, node])
    for (const family of families) found.push(whoAnswered(await ask(from, protocol, VIP[family], port, count)))
  return found
}

const everywhere = (outcome: string): string[] => Array<string>(4).fill(outcome)
const carried = { carrier: 'relayed' } as const

it('serves, refuses and drops what it carries itself and what a carrier does as if there were one plane', async () => {
  const network = await makeRelayNetwork(2)
  const plane = await openAt(network, { counters: true })
  const events = told(plane)
  const local = families.map((family) => ({ kind: 'cluster' as const, address: VIP[family], trafficPolicy: 'local' as const }))
  const report = await plane.sync(
    all(
      at('own', 80),
      at('relayed', 81, carried),
      at('udp', 81, { protocol: 'udp', ...carried }),
      at('own, of nobody', 82, { endpoints: [] }),
      at('relayed, of nobody', 83, { endpoints: [], ...carried }),
      at('own, not here', 84, { frontends: local.map((frontend) => ({ ...frontend, port: 84 })) }),
      at('relayed, not here', 85, { frontends: local.map((frontend) => ({ ...frontend, port: 85 })), ...carried }),
      // One frontend of a service that the plane carries otherwise.
      at('parted', 86, {
        frontends: [
          { kind: 'cluster', address: VIP.ip, port: 86 },
          { kind: 'external', address: '198.51.100.1', port: 86, ...carried },
          { kind: 'node', port: 30086, ...carried }
        ]
      }),
      // Of an address that no service of the plane itself has.
      at('alone', 80, { frontends: [{ kind: 'cluster', address: '10.96.0.9', port: 80 }], endpoints: [], ...carried })
    )
  )
  expect(report).toMatchObject({ quarantined: [], services: { added: 9 }, carriers: [{ carrier: 'relayed', report: { quarantined: [] } }] })
  for (const [protocol, port, outcome] of [
    ['tcp', 80, 's1,s2'],
    ['tcp', 81, 's1,s2'],
    ['udp', 81, 's1,s2'],
    ['tcp', 82, 'ConnectionRefusedError'],
    ['tcp', 83, 'ConnectionRefusedError'],
    ['tcp', 84, 'TimeoutError'],
    ['tcp', 85, 'TimeoutError'],
    ['tcp', 87, 'ConnectionRefusedError']
  ] as const)
    expect([port, await outcomes(network, protocol, port, outcome === 's1,s2' ? 20 : 1)]).toEqual([port, everywhere(outcome)])
  // Each connection is counted once, whoever carries it.
  const counted = [...(await plane.counters())].map(({ service, connections }) => [service, connections])
  expect(counted.filter(([service]) => ['own', 'relayed', 'udp'].includes(service as string))).toEqual([
    ['own', 80n],
    ['relayed', 80n],
    ['udp', 80n]
  ])
  const once = async (address: string, port: number): Promise<string> => whoAnswered(await ask(network.client, 'tcp', address, port, 10))
  expect(await once(VIP.ip, 86)).toBe('s1,s2')
  expect(await once('198.51.100.1', 86)).toBe('s1,s2')
  expect(await once('10.1.0.1', 30086)).toBe('s1,s2')
  expect(tally(await ask(network.client, 'tcp', '10.96.0.9', 80, 1))).toEqual({ ConnectionRefusedError: 1 })
  expect(tally(await ask(network.client, 'tcp', '10.96.0.9', 81, 1))).toEqual({ ConnectionRefusedError: 1 })
  expect(tally(await ask(network.client, 'tcp', '10.96.0.10', 81, 1))).toEqual({ TimeoutError: 1 })
  for (const [port, carrier] of [
    [80, undefined],
    [81, 'relayed'],
    [83, 'relayed']
  ] as const)
    expect((await plane.explain({ protocol: 'tcp', address: VIP.ip, port, from: '10.1.0.2' })).carrier).toBe(carrier)
  expect(events.filter(({ type }) => type !== 'progress')).toEqual([])
  expect(await network.node.nft('list', 'ruleset')).not.toMatch(/@nh|@th|unknown/)
  await plane.close({ cleanup: true })
  expect(await network.node.nft('list', 'ruleset')).toBe('')
}, 240_000)

it('a service goes to a carrier and comes back, and new connections are served throughout', async () => {
  const network = await makeRelayNetwork(2)
  const plane = await openAt(network)
  const events = told(plane)
  const services = (more: Partial<Service>): Map<string, Service> => all(at('web', 80, more), at('dns', 80, { protocol: 'udp', ...more }))
  await plane.sync(services({}))
  const ways = [
    [network.client, 'tcp', VIP.ip],
    [network.client, 'udp', VIP.ip],
    [network.client, 'udp', VIP.ip6],
    [network.node, 'tcp', VIP.ip6],
    [network.node, 'udp', VIP.ip]
  ] as const
  const customers: Background[] = ways.map(([from, protocol, address]) =>
    from.background('python3', ['-c', CUSTOMER, protocol, address, '80'])
  )
  await moreServed(customers, 30_000)
  for (const more of [carried, {}, carried, {}]) {
    const report = await plane.sync(services(more))
    expect(report).toMatchObject({ quarantined: [], services: { changed: 2 } })
    expect(plane.status().carriers).toMatchObject([{ carrier: 'relayed', services: 'carrier' in more ? 2 : 0 }])
    await moreServed(customers, 30_000)
    expect((await plane.plan(services(more))).isEmpty).toBe(true)
  }
  await expectNoneFailed(customers, 20_000)
  expect(events.filter(({ type }) => type !== 'progress')).toEqual([])
}, 240_000)

it('a client that goes on sending from one port follows its service to a carrier and back', async () => {
  const network = await makeRelayNetwork(1)
  await serve(network.servers[0]!, 's1', 53)
  const plane = await openAt(network, { masquerade: 'never' })
  const dns = (more: Partial<Service>): Map<string, Service> =>
    all(at('dns', 53, { protocol: 'udp', endpoints: [{ address: addressOf.ip(1), port: 53 }], ...more }))
  await plane.sync(dns({}))
  const speaker = speakTo(network, VIP.ip)
  const newest = async (answer: string): Promise<void> => {
    await expect.poll(() => newestAnswers(speaker, 3), { timeout: 8000 }).toEqual(Array(3).fill(answer))
  }
  // The endpoint sees the client, or this node, where a relay asks.
  await newest('s1 10.1.0.2')
  await plane.sync(dns(carried))
  await newest('s1 10.1.1.1')
  await plane.sync(dns({}))
  await newest('s1 10.1.0.2')
})

/** Opens a plane with a carrier that serves, says so, and waits. @param `process.argv`: the namespace, the services. */
const OWNER = `
import { openPlane } from './dist/index.js'
const [netns, services] = process.argv.slice(1)
const plane = await openPlane({ mode: 'nftables', netns, carriers: [{ mode: 'userspace', name: 'relayed', carries: 'assigned' }] })
await plane.sync(new Map(JSON.parse(services)))
console.log('ready')
setInterval(() => undefined, 1000)
`

it('is taken over by the next process after it was killed, whoever carries what then', async () => {
  const { backgroundNode } = await import('../../../support/node.js')
  const network = await makeRelayNetwork(1)
  const services = (more: Partial<Service>): Map<string, Service> =>
    all(at('web', 80, { endpoints: endpointsOn([1]), ...more }), at('own', 81, { endpoints: endpointsOn([1]) }))
  const owner = backgroundNode(OWNER, [network.node.path, JSON.stringify([...services(carried)])])
  await owner.waitFor('ready')
  expect([await outcomes(network, 'tcp', 80, 2), await outcomes(network, 'tcp', 81, 2)]).toEqual([everywhere('s1'), everywhere('s1')])
  process.kill(owner.pid, 'SIGKILL')
  await expect.poll(async () => await outcomes(network, 'tcp', 80, 1), { timeout: 5000 }).toEqual(everywhere('ConnectionRefusedError'))
  expect(await outcomes(network, 'tcp', 81, 2)).toEqual(everywhere('s1'))
  const plane = await openAt(network, { serviceRanges: undefined, localSources: undefined })
  const plan = await plane.plan(services(carried))
  expect(plan.entries.filter(({ carrier }) => carrier === undefined)).toEqual([])
  const report = await plane.sync(services(carried))
  expect(report).toMatchObject({ services: { added: 0, changed: 0, removed: 0 }, quarantined: [] })
  expect(await outcomes(network, 'tcp', 80, 2)).toEqual(everywhere('s1'))
  await plane.sync(services({}))
  expect(await outcomes(network, 'tcp', 80, 2)).toEqual(everywhere('s1'))
  await plane.close()
  const without = await openPlane({ mode: 'nftables', netns: network.node.path })
  onTestFinished(() => without.close())
  await without.sync(services({}))
  expect(await outcomes(network, 'tcp', 80, 2)).toEqual(everywhere('s1'))
  expect(await network.node.nft('list', 'tables')).toBe('table ip netplane\ntable ip6 netplane\n')
})
