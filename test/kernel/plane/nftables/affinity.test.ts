import { Buffer } from 'node:buffer'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Nftables, type Affinity, type Plane, type PlaneEvent, type Service } from '../../../../src/index.js'
import { openedPlane } from '../../../support/opened-plane.js'
import { patience } from '../../../support/lab.js'
import { makeNamespace } from '../../../support/namespace.js'
import { readLog } from '../../../support/read-log.js'
import { addressOf, ask, tally, type ServiceNetwork, makeServingNetwork } from '../../../support/service-network.js'

const VIP = { ip: '10.96.0.1', ip6: 'fd00:96::1' }
type Family = keyof typeof VIP

async function openIn(netns: string, options: object = {}): Promise<Plane> {
  return await openedPlane({ mode: 'nftables', netns, staleFlows: false, auditMs: 0, ...options })
}

async function clientIn(netns: string): Promise<Nftables> {
  const client = await Nftables.open({ netns })
  onTestFinished(() => client.close())
  return client
}

function sticky(
  family: Family,
  servers: readonly number[],
  affinity: Affinity = { timeoutSeconds: 600 },
  more: Partial<Service> = {}
): Service {
  return {
    name: 'sticky',
    protocol: 'tcp',
    frontends: [{ kind: 'cluster', address: VIP[family], port: 80 }],
    endpoints: servers.map((server) => ({ address: addressOf[family](server), port: 8080 })),
    affinity,
    ...more
  }
}

const only = (service: Service): Map<string, Service> => new Map([[service.name, service]])

/** Who is remembered. */
async function remembered(nft: Nftables, family: Family) {
  return [...(await nft.listElements({ family, table: 'netplane', name: 'affinity' }))]
}

async function oneServer(network: ServiceNetwork, family: Family, connections = 12): Promise<string> {
  const servers = Object.keys(tally(await ask(network.client, 'tcp', VIP[family], 80, connections)))
  expect(servers).toHaveLength(1)
  return servers[0]!
}

const numberOf = (server: string): number => Number(server.slice(1))

describe.each(['ip', 'ip6'] as const)('clients that are remembered, over %s', (family) => {
  it('keep their endpoint through a restart, and each new connection begins their time again', async () => {
    const network = await makeServingNetwork(3)
    const service = sticky(family, [1, 2, 3])
    const nft = await clientIn(network.node.path)
    const first = await openIn(network.node.path)
    await first.sync(only(service))
    const server = await oneServer(network, family)
    await first.close()
    await new Promise((resolve) => setTimeout(resolve, 300))
    const [before] = await remembered(nft, family)
    expect(before!.timeoutMs).toBe(600_000)

    const second = await openIn(network.node.path)
    expect((await second.plan(only(service))).isEmpty).toBe(true)
    await second.sync(only(service))
    expect(await remembered(nft, family)).toHaveLength(1)
    expect(await oneServer(network, family)).toBe(server)
    const [after] = await remembered(nft, family)
    expect(after!.expirationMs!).toBeGreaterThan(before!.expirationMs!)
  })

  it('are led elsewhere when their endpoint goes, drains, or is out of reach of the policy', async () => {
    const network = await makeServingNetwork(3)
    const nft = await clientIn(network.node.path)
    const plane = await openIn(network.node.path)
    const all = [1, 2, 3]
    await plane.sync(only(sticky(family, all)))
    const first = await oneServer(network, family)
    await plane.update({
      set: [
        sticky(
          family,
          all.filter((server) => server !== numberOf(first))
        )
      ]
    })
    expect(await remembered(nft, family)).toHaveLength(0)
    const second = await oneServer(network, family)
    expect(second).not.toBe(first)

    const drained = sticky(family, all)
    const endpoints = (change: (server: number) => object): Service['endpoints'] =>
      all.map((server, index) => ({ ...drained.endpoints[index]!, ...change(server) }))
    await plane.update({
      set: [{ ...drained, endpoints: endpoints((server) => (server === numberOf(second) ? { state: 'draining' } : {})) }]
    })
    expect(await remembered(nft, family)).toHaveLength(0)
    const third = await oneServer(network, family)
    expect(third).not.toBe(second)

    const frontends = [{ kind: 'cluster', address: VIP[family], port: 80, trafficPolicy: 'local' }] as const
    await plane.update({
      set: [{ ...drained, frontends, endpoints: endpoints((server) => (server === numberOf(third) ? {} : { local: true })) }]
    })
    expect(await remembered(nft, family)).toHaveLength(0)
    expect(await oneServer(network, family)).not.toBe(third)
  })
})

describe('policy `local`, for clients from outside alone', () => {
  const address = '203.0.113.1'
  const external = (more: (server: number) => object): Service => {
    const service = sticky('ip', [1, 2, 3])
    return {
      ...service,
      frontends: [{ kind: 'external', address, port: 80, trafficPolicy: 'local' }],
      endpoints: service.endpoints.map((endpoint, index) => ({ ...endpoint, local: true, ...more(index + 1) }))
    }
  }
  /** Who answers everything, of few enough connections. */
  const answering = async (from: ServiceNetwork['client']): Promise<number> => {
    const servers = Object.keys(tally(await ask(from, 'tcp', address, 80, 12)))
    expect(servers).toHaveLength(1)
    return numberOf(servers[0]!)
  }

  it.each([
    ['while the plane runs', false],
    ['while no plane runs', true]
  ])('leads clients elsewhere whose endpoint others may still be led to, when it is out of reach %s', async (_, restarts) => {
    const network = await makeServingNetwork(3)
    let plane = await openIn(network.node.path)
    const change = async (service: Service): Promise<void> => {
      if (restarts) {
        await plane.close()
        plane = await openIn(network.node.path)
      }
      await plane.sync(only(service))
    }
    await plane.sync(only(external(() => ({}))))
    const first = await answering(network.client)
    await change(external((server) => ({ local: server !== first })))
    const second = await answering(network.client)
    expect(second).not.toBe(first)
    await change(external((server) => ({ local: server !== first, ...(server === second && { side: 'cluster' }) })))
    expect(await answering(network.client)).toBe(6 - first - second)
  })

  it('lets clients of this node keep endpoints that are not on it, when another one goes', async () => {
    const network = await makeServingNetwork(3)
    const plane = await openIn(network.node.path)
    // Clients of this node are led to 2 or 3, those from outside to 1.
    const service = external((server) => (server === 1 ? { side: 'local' } : { local: false }))
    await plane.sync(only(service))
    const server = await answering(network.node)
    expect(await answering(network.client)).toBe(1)
    await plane.sync(only({ ...service, endpoints: service.endpoints.filter((_, index) => index === 0 || index + 1 === server) }))
    await plane.sync(only(service))
    expect(await answering(network.node)).toBe(server)
    expect(await answering(network.client)).toBe(1)
  })
})

describe('time-outs', () => {
  it('end, count from the last new connection, and change with the service', async () => {
    const network = await makeServingNetwork(2)
    const nft = await clientIn(network.node.path)
    const plane = await openIn(network.node.path)
    const seconds = 2 * patience
    await plane.sync(only(sticky('ip', [1, 2], { timeoutSeconds: seconds })))
    await oneServer(network, 'ip', 2)
    expect(await remembered(nft, 'ip')).toHaveLength(1)
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000 + 100))
    expect(await remembered(nft, 'ip')).toHaveLength(0)

    const server = await oneServer(network, 'ip', 2)
    await plane.update({ set: [sticky('ip', [1, 2], { timeoutSeconds: 3600 })] })
    const [longer] = await remembered(nft, 'ip')
    expect(longer!.timeoutMs).toBe(3_600_000)
    expect(longer!.expirationMs!).toBeGreaterThan(3_500_000)
    expect(await oneServer(network, 'ip', 6)).toBe(server)
    await plane.update({ set: [sticky('ip', [1, 2], { timeoutSeconds: 300 })] })
    const [shorter] = await remembered(nft, 'ip')
    expect(shorter!.expirationMs!).toBeLessThanOrEqual(300_000)
    await new Promise((resolve) => setTimeout(resolve, 1100))
    await plane.update({ set: [sticky('ip', [1, 2], { timeoutSeconds: 1 })] })
    expect(await remembered(nft, 'ip')).toHaveLength(0)
  })
})

/** Clients as the kernel keeps them, written at once. */
async function remember(nft: Nftables, count: number, more: { readonly expirationMs?: number } = {}): Promise<void> {
  const tx = nft.transaction()
  const address = (index: number): string => `100.${64 + (index >> 16)}.${(index >> 8) & 0xff}.${index & 0xff}`
  const elements = Array.from({ length: count }, (_, index) => ({
    key: [address(index), 'tcp', 80] as const,
    data: [addressOf.ip(1 + (index % 2)), 8080] as const,
    timeoutMs: 600_000,
    ...more
  })).map(({ key: [client, protocol, port], ...rest }) => ({ key: [client, VIP.ip, protocol, port], ...rest }))
  const declared = (await nft.listSets({ family: 'ip', table: 'netplane', name: 'affinity' }))[0]!
  tx.add.elements(declared, elements, { exclusive: true })
  await tx.commit()
}

async function next(events: AsyncIterable<PlaneEvent>, type: PlaneEvent['type']): Promise<PlaneEvent> {
  for await (const event of events) if (event.type === type) return event
  throw new Error(`no event ${type}`)
}

it('a full map is told, and more clients are balanced', async () => {
  const network = await makeServingNetwork(2)
  const nft = await clientIn(network.node.path)
  const plane = await openIn(network.node.path, { affinityClients: 1024, auditMs: 50 })
  await plane.sync(only(sticky('ip', [1, 2])))
  const server = await oneServer(network, 'ip')
  const told: PlaneEvent[] = []
  const events = plane.watch()
  void (async () => {
    for await (const event of events) told.push(event)
  })()
  const full = next(plane.watch(), 'affinityFull')
  await remember(nft, 1023)
  expect(await full).toEqual({ type: 'affinityFull', family: 'ip', frontends: 'addressed', clients: 1024 })
  // Who is remembered keeps his endpoint; who is not has one for each connection.
  expect(await oneServer(network, 'ip')).toBe(server)
  const counts = tally(await ask(network.node, 'tcp', VIP.ip, 80, 40))
  expect(Object.keys(counts).sort()).toEqual(['s1', 's2'])
  await new Promise((resolve) => setTimeout(resolve, 1500))
  expect(told.filter(({ type }) => type === 'affinityFull')).toHaveLength(1)
  expect(told.filter(({ type }) => type === 'error' || type === 'drift')).toEqual([])
}, 30_000)

describe('100,000 clients', () => {
  const count = 100_000
  const service = sticky('ip', [1, 2, 3])

  /** A namespace in which an earlier process left them. */
  async function leftBehind(): Promise<{ readonly path: string; readonly nft: Awaited<ReturnType<typeof clientIn>> }> {
    const { path } = await makeNamespace()
    const nft = await clientIn(path)
    const writer = await openIn(path)
    await writer.sync(only(service))
    await remember(nft, count)
    await writer.close()
    return { path, nft }
  }

  it('are read neither by an adoption nor by audits nor by changes of other services, and once when their endpoint goes', async () => {
    const { path, nft } = await leftBehind()
    const { kernel, sets } = readLog()
    const plane = await openIn(path, { kernel: { nftables: kernel }, auditMs: 10 })
    expect((await plane.plan(only(service))).isEmpty).toBe(true)
    const report = await plane.sync(only(service))
    expect(report.objects).toEqual({ written: 0, deleted: 0 })
    expect(sets).toContain('cluster-ips')
    expect(sets).not.toContain('affinity')
    // The first audit looks once whether an earlier process left somebody behind.
    await expect.poll(() => sets.filter((name) => name.endsWith('affinity')).length, { timeout: 10_000 }).toBe(4)
    expect(plane.status().drifts).toBe(0)
    sets.length = 0
    await nft.listTables()
    const tx = nft.transaction()
    tx.add.table({ family: 'ip', name: 'another' })
    await tx.commit()
    await plane.update({
      set: [
        sticky('ip', [1], undefined, {
          name: 'other',
          affinity: undefined,
          frontends: [{ kind: 'cluster', address: '10.96.0.2', port: 80 }]
        })
      ]
    })
    await expect.poll(() => sets.includes('cluster-ips'), { timeout: 10_000 }).toBe(true)
    await plane.plan(only(service))
    expect(sets).not.toContain('affinity')

    await plane.update({ set: [sticky('ip', [2, 3])] })
    expect(sets).toContain('affinity')
    expect(await remembered(nft, 'ip')).toHaveLength(count / 2)
  }, 60_000)

  it('are kept when the tables are made anew, and when there is room for more', async () => {
    const { path, nft } = await leftBehind()
    const larger = await openIn(path, { affinityClients: 393_216 })
    await larger.sync(only(service))
    expect((await nft.listSets({ family: 'ip', table: 'netplane', name: 'affinity' }))[0]!.size).toBe(393_216)
    const clients = await nft.listElements({ family: 'ip', table: 'netplane', name: 'affinity' })
    expect(clients.rows).toBe(count)
    const [chunk] = clients.chunks
    expect(chunk!.timeoutMs!.every((timeoutMs) => timeoutMs === 600_000)).toBe(true)
    expect(chunk!.expirationMs!.every((left) => left > 0 && left < 600_000)).toBe(true)
    expect(Buffer.from(chunk!.key.subarray(4, 8)).join('.')).toBe(VIP.ip)
  }, 60_000)

  it('are removed though time is over for some of them meanwhile', async () => {
    const { path } = await makeNamespace()
    const nft = await clientIn(path)
    const plane = await openIn(path)
    await plane.sync(only(service))
    await remember(nft, 20_000)
    // These go by themselves while the others are removed.
    const tx = nft.transaction()
    const declared = (await nft.listSets({ family: 'ip', table: 'netplane', name: 'affinity' }))[0]!
    const passing = Array.from({ length: 2000 }, (_, index) => ({
      key: [`100.96.${index >> 8}.${index & 0xff}`, VIP.ip, 'tcp', 80],
      data: [addressOf.ip(1), 8080],
      timeoutMs: 600_000,
      expirationMs: 20 + (index % 400)
    }))
    tx.add.elements(declared, passing, { exclusive: true })
    await tx.commit()
    await plane.update({ set: [sticky('ip', [2, 3])] })
    expect(await remembered(nft, 'ip')).toHaveLength(10_000)
  }, 60_000)
})
