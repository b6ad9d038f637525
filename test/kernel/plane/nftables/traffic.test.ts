import { describe, expect, it } from 'vitest'
import { type Plane, type PlaneOptions, type Service } from '../../../../src/index.js'
import { openedPlane } from '../../../support/opened-plane.js'
import {
  addressOf,
  ask,
  makeServiceNetwork,
  reachable,
  serve,
  serveSctp,
  tally,
  type ServiceNetwork
} from '../../../support/service-network.js'

const FAMILIES = ['ip', 'ip6'] as const
const VIP = { ip: '10.96.0.1', ip6: 'fd00:96::1' }

async function planeIn(
  network: ServiceNetwork,
  options: Partial<Extract<PlaneOptions, { readonly mode: 'nftables' }>> = {}
): Promise<Plane> {
  return await openedPlane({ mode: 'nftables', netns: network.node.path, ...options })
}

/** Network with servers that answer on port 8080, over TCP and UDP, and SCTP where it is wanted. */
async function networkWith(servers: number, { sctp = false } = {}): Promise<ServiceNetwork> {
  const network = await makeServiceNetwork(servers)
  const programs = sctp ? [serve, serveSctp] : [serve]
  await Promise.all(programs.flatMap((start) => network.servers.map((host, index) => start(host, `s${index + 1}`, 8080))))
  await reachable(network, 8080)
  return network
}

function service(overrides: Partial<Service>): Service {
  return {
    name: 'default/web:http',
    protocol: 'tcp',
    frontends: [{ kind: 'cluster', address: VIP.ip, port: 80 }],
    endpoints: [],
    ...overrides
  }
}

async function syncOne(plane: Plane, only: Service): Promise<void> {
  const report = await plane.sync(new Map([[only.name, only]]))
  expect(report.quarantined).toEqual([])
}

describe.each(FAMILIES)('services over %s', (family) => {
  const endpoint = (server: number, more = {}) => ({ address: addressOf[family](server), port: 8080, ...more })
  const frontends = [{ kind: 'cluster' as const, address: VIP[family], port: 80 }]

  it.each(['tcp', 'udp', 'sctp'] as const)(
    'spreads %s connections over all endpoints, from a client and from the node itself',
    async (protocol) => {
      const network = await networkWith(3, { sctp: protocol === 'sctp' })
      const plane = await planeIn(network)
      await syncOne(plane, service({ protocol, frontends, endpoints: [1, 2, 3].map((server) => endpoint(server)) }))
      const counts = tally(await ask(network.client, protocol, VIP[family], 80, 300))
      expect(Object.keys(counts).sort()).toEqual(['s1', 's2', 's3'])
      // Random in thirds: 300 tries are below 60 for one with a chance of 1e-6.
      for (const count of Object.values(counts)) expect(count).toBeGreaterThan(60)
      expect(Object.keys(tally(await ask(network.node, protocol, VIP[family], 80, 60))).sort()).toEqual(['s1', 's2', 's3'])
    }
  )

  it('gives endpoints their weights, and none to those with weight 0 or that drain', async () => {
    const network = await networkWith(4)
    const plane = await planeIn(network)
    await syncOne(
      plane,
      service({
        frontends,
        endpoints: [
          endpoint(1, { weight: 30 }),
          endpoint(2, { weight: 10 }),
          endpoint(3, { weight: 0 }),
          endpoint(4, { state: 'draining', weight: 10 })
        ]
      })
    )
    const counts = tally(await ask(network.client, 'tcp', VIP[family], 80, 400))
    expect(Object.keys(counts).sort()).toEqual(['s1', 's2'])
    expect(counts['s1']).toBeGreaterThan(250)
    expect(counts['s1']).toBeLessThan(350)
  })

  it('sends a client to one endpoint when endpoints are chosen by hash', async () => {
    const network = await networkWith(3)
    const plane = await planeIn(network)
    await syncOne(plane, service({ frontends, scheduler: 'hash', endpoints: [1, 2, 3].map((server) => endpoint(server)) }))
    expect(Object.keys(tally(await ask(network.client, 'tcp', VIP[family], 80, 40)))).toHaveLength(1)
  })

  it('rejects new connections to a service without endpoints, and serves again when one comes', async () => {
    const network = await networkWith(1)
    const plane = await planeIn(network)
    await syncOne(plane, service({ frontends, endpoints: [] }))
    expect(tally(await ask(network.client, 'tcp', VIP[family], 80, 3))).toEqual({ ConnectionRefusedError: 3 })
    expect(tally(await ask(network.node, 'tcp', VIP[family], 80, 3))).toEqual({ ConnectionRefusedError: 3 })
    await plane.update({ set: [service({ frontends, endpoints: [endpoint(1)] })] })
    expect(tally(await ask(network.client, 'tcp', VIP[family], 80, 3))).toEqual({ s1: 3 })
  })

  it('tells SCTP from TCP on one port, rejects it without endpoints, and masquerades it', async () => {
    const network = await networkWith(2, { sctp: true })
    const plane = await planeIn(network, { localSources: ['10.1.2.0/24'] })
    const tcp = service({ frontends, endpoints: [endpoint(1)] })
    const sctp = (...endpoints: Service['endpoints'][number][]): Service => ({ ...tcp, name: 'sctp', protocol: 'sctp', endpoints })
    await plane.sync(new Map([tcp, sctp()].map((one) => [one.name, one])))
    expect(tally(await ask(network.client, 'sctp', VIP[family], 80, 3))).toEqual({ ConnectionRefusedError: 3 })
    await plane.update({ set: [sctp(endpoint(2))] })
    const gateway = family === 'ip' ? '10.1.2.1' : 'fd00:1:2::1'
    expect(await ask(network.client, 'sctp', VIP[family], 80, 1)).toEqual([`s2 ${gateway}`])
    expect(tally(await ask(network.client, 'tcp', VIP[family], 80, 3))).toEqual({ s1: 3 })
  })

  it('masquerades sources that are not local, and only those', async () => {
    const network = await networkWith(2)
    const plane = await planeIn(network, { localSources: [family === 'ip' ? '10.1.2.0/24' : 'fd00:1:2::/64'] })
    await syncOne(plane, service({ frontends, endpoints: [endpoint(1)] }))
    const gateway = family === 'ip' ? '10.1.1.1' : 'fd00:1:1::1'
    expect(await ask(network.client, 'tcp', VIP[family], 80, 1)).toEqual([`s1 ${gateway}`])
    expect(await ask(network.servers[1]!, 'tcp', VIP[family], 80, 1)).toEqual([`s1 ${addressOf[family](2)}`])
  })

  it('lets a local endpoint reach itself through its service (hairpin)', async () => {
    const network = await networkWith(1)
    const plane = await planeIn(network)
    await syncOne(plane, service({ frontends, endpoints: [endpoint(1)] }))
    const [without] = await ask(network.servers[0]!, 'tcp', VIP[family], 80, 1)
    expect(without).toBe('TimeoutError')
    await plane.update({ set: [service({ frontends, endpoints: [endpoint(1, { local: true })] })] })
    const gateway = family === 'ip' ? '10.1.1.1' : 'fd00:1:1::1'
    expect(await ask(network.servers[0]!, 'tcp', VIP[family], 80, 1)).toEqual([`s1 ${gateway}`])
  })

  it('serves external frontends as cluster ones, and ports apart', async () => {
    const network = await networkWith(2)
    const plane = await planeIn(network)
    const external = { kind: 'external' as const, address: family === 'ip' ? '203.0.113.7' : '2001:db8::7', port: 8443 }
    const other = service({ name: 'other', frontends: [{ ...frontends[0]!, port: 81 }], endpoints: [endpoint(2)] })
    await plane.sync(
      new Map([
        ['default/web:http', service({ frontends: [...frontends, external], endpoints: [endpoint(1)] })],
        ['other', other]
      ])
    )
    expect(tally(await ask(network.client, 'tcp', external.address, 8443, 3))).toEqual({ s1: 3 })
    expect(tally(await ask(network.client, 'tcp', VIP[family], 80, 3))).toEqual({ s1: 3 })
    expect(tally(await ask(network.client, 'tcp', VIP[family], 81, 3))).toEqual({ s2: 3 })
  })
})

describe('changes under load', () => {
  it('loses no connection while endpoints come and go', async () => {
    const network = await networkWith(3)
    const plane = await planeIn(network)
    const withServers = (...servers: number[]): Service =>
      service({ endpoints: servers.map((server) => ({ address: addressOf.ip(server), port: 8080 })) })
    await syncOne(plane, withServers(1, 2))
    const load = ask(network.client, 'tcp', VIP.ip, 80, 3000)
    const state = { isLoaded: true }
    void load.finally(() => (state.isLoaded = false))
    let changes = 0
    for (const servers of [[1, 2, 3], [2, 3], [3], [1, 3], [1, 2, 3], [1, 2]]) {
      if (!state.isLoaded) break
      await plane.update({ set: [withServers(...servers)] })
      changes++
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const counts = tally(await load)
    expect(changes).toBe(6)
    expect(Object.keys(counts).filter((name) => !/^s[123]$/.test(name))).toEqual([])
  })
})

it('is listed by nft, and what nft lists can be loaded again', async () => {
  const network = await makeServiceNetwork(1)
  const plane = await planeIn(network, {
    mode: 'nftables',
    localSources: ['10.1.0.0/16', 'fd00:1::/32'],
    serviceRanges: ['10.96.0.0/12', 'fd00:96::/112'],
    masqueradeBit: 14,
    forwardedBit: 5,
    dropInvalid: true,
    counters: true
  })
  const endpoints = [
    { address: '10.1.1.2', port: 8080, local: true },
    { address: 'fd00:1:1::2', port: 8080, local: true }
  ]
  const dual = service({
    frontends: [
      { kind: 'cluster', address: VIP.ip, port: 80 },
      { kind: 'cluster', address: VIP.ip6, port: 80 }
    ],
    endpoints
  })
  const hashed = service({
    name: 'hashed',
    protocol: 'sctp',
    scheduler: 'hash',
    frontends: [{ kind: 'external', address: '203.0.113.7', port: 5000 }],
    endpoints
  })
  const sticky = service({
    name: 'sticky',
    protocol: 'udp',
    affinity: { timeoutSeconds: 10 },
    frontends: [
      // nft 1.0.6 lists the rule that remembers clients of IPv6, and aborts when it is to load it.
      { kind: 'node', port: 30_053, trafficPolicy: 'local', family: 'ip' },
      { kind: 'loadBalancer', address: '203.0.113.8', port: 53, sourceRanges: { allow: ['192.0.2.0/24'], deny: ['192.0.2.9'] } }
    ],
    endpoints
  })
  await plane.sync(new Map([dual, hashed, sticky].map((one) => [one.name, one])))
  const listed = await network.node.nft('list', 'ruleset')
  expect(listed).toContain('10.96.0.1 . tcp . 80 comment "default/web:http"')
  expect(listed).toContain('typeof ip daddr . meta l4proto . th dport . numgen random mod 2 : ip daddr . th dport')
  expect(listed).toContain('dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 1 map @endpoints-random-1')
  expect(listed).toContain('ct original ip6 daddr . meta l4proto . ct original proto-dst @masqueraded')
  expect(listed).not.toMatch(/@nh|@th|unknown/)
  const again = await makeServiceNetwork(0)
  await again.node.nftScript(listed)
  expect(await again.node.nft('list', 'ruleset')).toBe(listed)
})
