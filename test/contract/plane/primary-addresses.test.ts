import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { openPlane, Route, type AddressFamily, type Nftables, type Plane, type PlaneOptions, type Service } from '../../../src/index.js'
import { kernelsHere, patience } from '../../support/lab.js'
import { closing } from '../../support/plane-rigs.js'
import { routeRigs, type RouteRig } from '../../support/routes.js'

const port: Service = {
  name: 'port',
  protocol: 'tcp',
  frontends: [{ kind: 'node', port: 30_080 }],
  endpoints: [
    { address: '10.0.0.1', port: 8080 },
    { address: 'fd00:10::1', port: 8080 }
  ]
}
const external = (address: string): Service => ({ ...port, name: 'external', frontends: [{ kind: 'external', address, port: 80 }] })
const named = (...services: Service[]): Map<string, Service> => new Map(services.map((service) => [service.name, service]))

interface Scene extends RouteRig {
  readonly plane: Plane
  /** Where ports of the node are served now, IPv4 and IPv6. */
  readonly served: () => Promise<string>
  /** Waits until they are served there. */
  readonly become: (ip: string, ip6?: string) => Promise<void>
}

async function addressesIn(nft: Nftables, family: AddressFamily): Promise<string> {
  const listed = await nft.listElements({ family, table: 'netplane', name: 'node-addresses' })
  return [...listed].map(({ key }) => key as string).join(' ')
}

/** `d0` has 192.0.2.5 and fd00::5, `d1`, whose index may be the lower one, 198.51.100.5 and .6, fd01::5 and ::6. */
async function scene(make: () => Promise<RouteRig>, options: Partial<Extract<PlaneOptions, { mode: 'nftables' }>> = {}): Promise<Scene> {
  const rig = await make()
  const { route } = rig
  const nodad = { flags: ['nodad'] } as const
  await route.addAddresses('d0', ['192.0.2.5/24', 'fd00::5/64'], nodad)
  for (const addresses of [
    ['198.51.100.5/24', 'fd01::6/64'],
    ['198.51.100.6/24', 'fd01::5/64']
  ])
    await route.addAddresses('d1', addresses, nodad)
  const isUsable = async (address: string): Promise<void> => expect(await route.lookup(address)).toMatchObject({ type: 'local' })
  for (const address of ['fd00::5', 'fd01::5', 'fd01::6']) await vi.waitFor(() => isUsable(address))
  const plane = await closing(openPlane({ mode: 'nftables', nodeAddresses: 'primary', staleFlows: false, ...rig.place, ...options }))
  const nft = await closing(rig.nftables())
  const served = async (): Promise<string> => `${await addressesIn(nft, 'ip')} ${await addressesIn(nft, 'ip6')}`
  const become = (ip: string, ip6 = 'fd00::5'): Promise<void> =>
    vi.waitFor(async () => expect(await served()).toBe(`${ip} ${ip6}`), { timeout: 2000 * patience, interval: 5 })
  return { ...rig, plane, served, become }
}

const over = (destination: '0.0.0.0/0' | '::/0', link: 'd0' | 'd1', metric: number) => {
  const gateways = { '0.0.0.0/0': { d0: '192.0.2.1', d1: '198.51.100.1' }, '::/0': { d0: 'fd00::1', d1: 'fd01::1' } }
  return { destination, link, metric, gateway: gateways[destination][link] }
}

describe.each(kernelsHere(routeRigs))('primary addresses of the node on $kernel', ({ make }) => {
  it('are those of the default route, of each family, and of the lowest metric', async () => {
    const { plane, addRoute, served, become, route } = await scene(make)
    await addRoute(over('0.0.0.0/0', 'd1', 20))
    await addRoute(over('0.0.0.0/0', 'd0', 30))
    await addRoute(over('::/0', 'd0', 20))
    await plane.sync(named(port))
    const [first] = (await route.listAddresses({ link: 'd1' })).filter(({ family }) => family === 'ip')
    expect(await served()).toBe(`${first!.address} fd00::5`)
    await addRoute(over('::/0', 'd1', 10))
    const six = (await route.listAddresses({ link: 'd1' })).find(({ family, scope }) => family === 'ip6' && scope === 'global')
    await become('198.51.100.5', six!.address)
    await addRoute(over('0.0.0.0/0', 'd0', 5))
    await become('192.0.2.5', six!.address)
  })

  it('are those of the link with the lowest index while there is no default route, or one of another kind', async () => {
    const { plane, addRoute, removeRoute, served, become, route } = await scene(make)
    const lowest = (await route.getLink('d0'))!.index < (await route.getLink('d1'))!.index ? 'd0' : 'd1'
    const all = (await route.listAddresses({ link: lowest })).filter(({ scope }) => scope === 'global')
    const [ip, ip6] = (['ip', 'ip6'] as const).map((wanted) => all.find(({ family }) => family === wanted)!.address)
    await plane.sync(named(port))
    expect(await served()).toBe(`${ip!} ${ip6!}`)
    const other = lowest === 'd0' ? 'd1' : 'd0'
    await addRoute(over('0.0.0.0/0', other, 20))
    await become(other === 'd0' ? '192.0.2.5' : '198.51.100.5', ip6)
    await addRoute({ destination: '0.0.0.0/0', type: 'unreachable', metric: 5 })
    await become(ip!, ip6)
    await removeRoute({ destination: '0.0.0.0/0', metric: 5 })
    await become(other === 'd0' ? '192.0.2.5' : '198.51.100.5', ip6)
    await removeRoute({ destination: '0.0.0.0/0' })
    await become(ip!, ip6)
    // Half of all addresses is no default route.
    await addRoute({ destination: '0.0.0.0/1', link: other, gateway: over('0.0.0.0/0', other, 0).gateway })
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(await served()).toBe(`${ip!} ${ip6!}`)
  })

  it('are those of the default route behind the two halves of all addresses, as a tunnel makes them', async () => {
    const { plane, addRoute, removeRoute, become } = await scene(make)
    await addRoute(over('0.0.0.0/0', 'd0', 20))
    await addRoute(over('::/0', 'd0', 20))
    await plane.sync(named(port))
    const halves = [
      ['0.0.0.0/1', '198.51.100.1'],
      ['128.0.0.0/1', '198.51.100.1'],
      ['::/1', 'fd01::1'],
      ['8000::/1', 'fd01::1']
    ] as const
    for (const [destination, gateway] of halves) await addRoute({ destination, link: 'd1', gateway })
    await addRoute({ ...over('0.0.0.0/0', 'd0', 10), source: '198.51.100.6' })
    await become('198.51.100.6')
    await removeRoute({ destination: '0.0.0.0/0', metric: 10 })
    await become('192.0.2.5')
  })

  it('follow the preferred source of the default route', async () => {
    const { plane, addRoute, become } = await scene(make)
    await addRoute(over('::/0', 'd0', 20))
    await addRoute({ ...over('0.0.0.0/0', 'd0', 20), source: '198.51.100.6' })
    await plane.sync(named(port))
    await become('198.51.100.6')
    await addRoute({ ...over('0.0.0.0/0', 'd0', 20), source: '192.0.2.5' })
    await become('192.0.2.5')
  })

  it('follow links that go down, and addresses that go', async () => {
    const { plane, addRoute, become, route } = await scene(make)
    await addRoute(over('::/0', 'd0', 20))
    await addRoute(over('0.0.0.0/0', 'd1', 10))
    await addRoute(over('0.0.0.0/0', 'd0', 20))
    await plane.sync(named(port))
    await become('198.51.100.5')
    // Of d1 the kernel removes the primary address with its secondaries.
    await route.addAddresses('d1', ['203.0.113.5/24'])
    await route.removeAddresses('d1', ['198.51.100.5/24'])
    await vi.waitFor(async () =>
      expect((await route.listAddresses({ link: 'd1' })).some(({ address }) => address === '198.51.100.6')).toBe(false)
    )
    await addRoute({ destination: '0.0.0.0/0', link: 'd1', gateway: '203.0.113.1', metric: 10 })
    await become('203.0.113.5')
    await route.updateLink('d1', { up: false })
    await become('192.0.2.5')
  })

  it('are the source that the kernel takes where the link has no address', async () => {
    const { plane, addRoute, become, route } = await scene(make)
    const nodad = { flags: ['nodad'] } as const
    await route.removeAddresses('d1', ['fd01::5/64', 'fd01::6/64'])
    // The one of the link with the lowest index is not the one that the kernel takes (RFC 6724, section 5, rule 6).
    await route.addAddresses('lo', ['fd77::1/128'], nodad)
    await route.addAddresses('d0', ['2001:db8::5/64'], nodad)
    await vi.waitFor(async () => expect(await route.lookup('2001:db8::5')).toMatchObject({ type: 'local' }))
    await addRoute({ destination: '::/0', link: 'd1', metric: 10 })
    await addRoute(over('0.0.0.0/0', 'd0', 20))
    await plane.sync(named(port))
    await become('192.0.2.5', '2001:db8::5')
  })

  it('decide what is explained, and which services are in quarantine', async () => {
    const { plane, addRoute, become } = await scene(make)
    await addRoute(over('::/0', 'd0', 20))
    await addRoute(over('0.0.0.0/0', 'd0', 20))
    await plane.sync(named(port, external('198.51.100.5')))
    await become('192.0.2.5')
    const outcome = async (address: string, wanted: number): Promise<string> =>
      (await plane.explain({ protocol: 'tcp', address, port: wanted, from: '203.0.113.9' })).outcome.type
    expect([await outcome('192.0.2.5', 30_080), await outcome('198.51.100.5', 30_080)]).toEqual(['served', 'untouched'])
    expect(await outcome('198.51.100.5', 80)).toBe('served')
    expect(plane.status().quarantined).toEqual([])
    await addRoute(over('0.0.0.0/0', 'd1', 10))
    await become('198.51.100.5')
    expect([await outcome('192.0.2.5', 30_080), await outcome('198.51.100.5', 30_080)]).toEqual(['untouched', 'served'])
    await vi.waitFor(() => expect(plane.status().quarantined).toMatchObject([{ service: 'external' }]))
    await addRoute(over('0.0.0.0/0', 'd0', 5))
    await become('192.0.2.5')
    await vi.waitFor(async () => expect((await plane.sync(named(port, external('198.51.100.5')))).quarantined).toEqual([]))
  })

  it('change within a tenth of a second', async () => {
    const { plane, addRoute, become } = await scene(make)
    await addRoute(over('::/0', 'd0', 20))
    await addRoute(over('0.0.0.0/0', 'd0', 20))
    await plane.sync(named(port))
    await become('192.0.2.5')
    const times: number[] = []
    for (let metric = 19; metric > 11; metric -= 1) {
      await addRoute(over('0.0.0.0/0', metric % 2 === 1 ? 'd1' : 'd0', metric))
      const begin = performance.now()
      await become(metric % 2 === 1 ? '198.51.100.5' : '192.0.2.5')
      times.push(performance.now() - begin)
    }
    expect(times.sort((left, right) => left - right)[times.length >> 1]).toBeLessThan(100 * patience)
  })

  it('are not looked for by a plane that serves all', async () => {
    const { plane, addRoute, served } = await scene(make, { nodeAddresses: 'all' })
    const [lookups, watches] = [vi.spyOn(Route.prototype, 'lookup'), vi.spyOn(Route.prototype, 'watch')]
    onTestFinished(() => {
      lookups.mockRestore()
      watches.mockRestore()
    })
    await plane.sync(named(port))
    await addRoute(over('0.0.0.0/0', 'd1', 10))
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(lookups).not.toHaveBeenCalled()
    expect(watches.mock.calls).toEqual([[{ links: false, defaultRoutes: false, ref: false }]])
    expect((await served()).split(' ')).toEqual(expect.arrayContaining(['192.0.2.5', '198.51.100.5', '198.51.100.6', 'fd00::5']))
  })
})
