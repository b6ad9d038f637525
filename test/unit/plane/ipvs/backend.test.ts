import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { ENOMEM } from '../../../../src/core/errno.js'
import { openPlane, type Plane, type PlaneEvent, type PlaneOptions, type Service } from '../../../../src/index.js'
import { virtualServiceName } from '../../../../src/plane/ipvs/compile.js'
import { FakeIpvsKernel, FakeNftablesKernel, FakeRouteKernel } from '../../../../src/testing.js'

type IpvsOptions = Extract<PlaneOptions, { readonly mode: 'ipvs' }>

const VIP = '10.96.0.10'

function service(overrides: Partial<Service> = {}): Service {
  return {
    name: 'web',
    protocol: 'tcp',
    frontends: [{ kind: 'cluster', address: VIP, port: 80 }],
    endpoints: [
      { address: '10.1.0.1', port: 8080, weight: 3 },
      { address: '10.1.0.2', port: 8080, state: 'draining' }
    ],
    ...overrides
  }
}

const named = (...services: Service[]): Map<string, Service> => new Map(services.map((entry) => [entry.name, entry]))

interface Scene {
  readonly plane: Plane
  readonly kernels: { readonly ipvs: FakeIpvsKernel; readonly nftables: FakeNftablesKernel; readonly route: FakeRouteKernel }
  /** Another plane on the same kernels, as a process that starts again. */
  readonly again: (options?: Partial<IpvsOptions>) => Promise<Plane>
}

async function scene(options: Partial<IpvsOptions> = {}): Promise<Scene> {
  const kernel = { ipvs: new FakeIpvsKernel(), nftables: new FakeNftablesKernel(), route: new FakeRouteKernel() }
  const again = async (more: Partial<IpvsOptions> = {}): Promise<Plane> => {
    const plane = await openPlane({ mode: 'ipvs', kernel, auditMs: 0, ...options, ...more })
    onTestFinished(() => plane.close())
    return plane
  }
  return { plane: await again(), kernels: kernel, again }
}

/** Virtual services with their real servers, a line each; addresses on the device; elements of the companion table. */
async function state({
  ipvs,
  nftables,
  route
}: Scene['kernels']): Promise<{ services: string[]; addresses: string[]; elements: string[] }> {
  await using ipvsClient = await ipvs.open()
  await using routeClient = await route.open()
  await using nft = await nftables.open()
  const services = (await ipvsClient.list()).map((listed) => {
    const servers = listed.realServers.map(({ address, port, weight }) => `${address}:${port}=${weight}`).sort()
    return `${virtualServiceName(listed)} ${listed.scheduler} ${servers.join(' ')}`
  })
  const links = await routeClient.listLinks()
  const device = links.find(({ name }) => name === 'netplane')
  const addresses = device === undefined ? [] : (await routeClient.listAddresses({ link: 'netplane' })).map(({ address }) => address)
  const ruleset = await nft.list({ elements: true })
  const lasting = ruleset.elements
  const elements = lasting.flatMap((group) =>
    [...group].map(({ key }) => `${group.set.family} ${group.set.name} ${[key].flat().map(String).join(' ')}`)
  )
  return { services: services.sort(), addresses: addresses.sort(), elements: elements.sort() }
}

describe('the ipvs plane', () => {
  it('makes virtual services, addresses and rules', async () => {
    const { plane, kernels } = await scene()
    const six = service({
      name: 'six',
      protocol: 'udp',
      scheduler: 'hash',
      frontends: [{ kind: 'external', address: 'fd00::0A', port: 53 }],
      endpoints: [{ address: 'fd00:1::1', port: 53, local: true }]
    })
    const report = await plane.sync(named(service(), six))
    expect(report).toMatchObject({ services: { added: 2, changed: 0, removed: 0 }, quarantined: [] })
    expect(await state(kernels)).toEqual({
      services: [`tcp ${VIP}:80 wrr 10.1.0.1:8080=3 10.1.0.2:8080=0`, 'udp [fd00::a]:53 mh fd00:1::1:53=1'],
      addresses: [VIP, 'fd00::a'],
      elements: [
        `ip cluster-ips ${VIP}`,
        `ip served ${VIP} tcp 80`,
        'ip6 external-ips fd00::a',
        'ip6 hairpin fd00:1::1 fd00:1::1 udp 53',
        'ip6 masqueraded fd00::a udp 53',
        'ip6 served fd00::a udp 53'
      ]
    })
  })

  it('compares IPVS with services once by the first sync, and once more where it found something', async () => {
    const { plane, kernels, again } = await scene()
    let listings = 0
    kernels.ipvs.listFault = () => {
      listings++
      return undefined
    }
    await plane.sync(named(service()))
    expect(listings).toBe(1)
    const next = await again()
    listings = 0
    await next.sync(named(service()))
    expect(listings).toBeGreaterThan(1)
  })

  it('asks for IPVS before a first sync writes anything', async () => {
    const { plane, kernels } = await scene()
    kernels.ipvs.fail('read', { code: 'EPERM' })
    await expect(plane.sync(named(service()))).rejects.toMatchObject({ code: 'EPERM' })
    expect(await state(kernels)).toEqual({ services: [], addresses: [], elements: [] })
  })

  it('has virtual services by mark for ports of the node, and for clients from outside where the policy is local', async () => {
    const { plane, kernels } = await scene()
    await using route = await kernels.route.open()
    await route.addDummy('eth0', { up: true })
    await route.addAddresses('eth0', ['192.0.2.1/24'])
    const frontends: Service['frontends'] = [
      { kind: 'cluster', address: VIP, port: 80, trafficPolicy: 'local' },
      { kind: 'external', address: '203.0.113.1', port: 80, trafficPolicy: 'local' },
      { kind: 'node', port: 30_080, family: 'ip', trafficPolicy: 'local' },
      { kind: 'node', port: 30_081, family: 'ip' }
    ]
    const endpoints = [
      { address: '10.1.0.1', port: 8080, local: true },
      { address: '10.1.0.2', port: 8080 }
    ]
    await plane.sync(named(service({ frontends, endpoints, affinity: { timeoutSeconds: 60 } })))
    const { services, addresses, elements } = await state(kernels)
    const [own, both] = ['10.1.0.1:8080=1 10.1.0.2:8080=0', '10.1.0.1:8080=1 10.1.0.2:8080=1']
    const marks = elements.filter((element) => element.includes('fwmarks'))
    expect(marks.map((element) => element.replace(/ from .*/, ''))).toEqual([
      'ip fwmarks-outside 203.0.113.1 tcp 80',
      'ip node-fwmarks tcp 30080',
      'ip node-fwmarks tcp 30081',
      'ip node-fwmarks-outside tcp 30080'
    ])
    expect(services.slice(0, 4).map((line) => line.split(' wrr ')[1])).toEqual(expect.arrayContaining([both, both, own, own]))
    expect(services).toEqual(
      expect.arrayContaining([
        `fwmark 1845523840 wrr ${both}`,
        `fwmark 1845785984 wrr ${own}`,
        `fwmark 1845523841 wrr ${both}`,
        `tcp ${VIP}:80 wrr ${own}`,
        `tcp 203.0.113.1:80 wrr ${both}`
      ])
    )
    expect(services).toHaveLength(6)
    // What is on the device is no address of the node, now or after more services.
    expect(addresses).toEqual([VIP, '203.0.113.1'])
    await plane.update({ set: [service({ name: 'more', frontends: [{ kind: 'cluster', address: '10.96.0.11', port: 80 }] })] })
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect((await state(kernels)).elements.filter((element) => element.includes('node-addresses'))).toEqual(['ip node-addresses 192.0.2.1'])
    await using ipvs = await kernels.ipvs.open()
    const remembered = (await ipvs.list()).filter(({ persistence }) => persistence !== null).map(virtualServiceName)
    expect(remembered.sort()).toEqual([`tcp ${VIP}:80`, 'tcp 203.0.113.1:80'])
  })

  it('knows virtual services by mark as its own, after a restart and when nobody is served', async () => {
    const { plane, kernels, again } = await scene()
    await using ipvs = await kernels.ipvs.open()
    await ipvs.addService({ fwmark: 7 })
    const split = (port: number): Service =>
      service({ frontends: [{ kind: 'loadBalancer', address: '203.0.113.1', port, trafficPolicy: 'local' }], endpoints: [] })
    await plane.sync(named(split(80)))
    expect((await state(kernels)).services).toHaveLength(3)
    await plane.close()
    const second = await again()
    await second.sync(named(split(81)))
    expect((await state(kernels)).services).toHaveLength(3)
    await second.close({ cleanup: true })
    expect((await state(kernels)).services).toEqual(['fwmark 7 wlc '])
  })

  it('knows virtual services of an earlier process until they are gone, though its tables are made anew', async () => {
    const { plane, kernels, again } = await scene()
    await plane.sync(
      named(
        service({
          frontends: [
            { kind: 'cluster', address: VIP, port: 80 },
            { kind: 'node', port: 30_080 }
          ]
        })
      )
    )
    await plane.close()
    await using nft = await kernels.nftables.open()
    const tx = nft.transaction()
    tx.add.chain({ family: 'ip', table: 'netplane-ipvs', name: 'theirs' })
    await tx.commit()
    await using route = await kernels.route.open()
    await route.removeLink('netplane')
    kernels.ipvs.fault = ({ verb }) => (verb === 'remove' ? ENOMEM : undefined)
    const second = await again()
    await expect(second.sync(new Map())).rejects.toMatchObject({ code: 'ENOMEM' })
    await second.close()
    kernels.ipvs.fault = () => undefined
    const third = await again()
    await third.sync(new Map())
    expect(await state(kernels)).toEqual({ services: [], addresses: [], elements: [] })
  })

  it('plans nothing once synced, and names what would change', async () => {
    const { plane } = await scene()
    const services = named(service())
    expect(String(await plane.plan(services))).toContain('+ web')
    await plane.sync(services)
    expect((await plane.plan(services)).isEmpty).toBe(true)
    const plan = await plane.plan(named(service({ endpoints: [{ address: '10.1.0.1', port: 8080, weight: 1 }] })))
    expect(String(plan)).toMatch(/~ web .*10\.1\.0\.1:8080 weight: 3 -> 1/)
  })

  it('adopts what an earlier process left, and writes nothing', async () => {
    const { plane, kernels, again } = await scene()
    const services = named(service())
    await plane.sync(services)
    await plane.close()
    const before = await state(kernels)
    const second = await again()
    expect((await second.plan(services)).isEmpty).toBe(true)
    expect(await second.sync(services)).toMatchObject({ objects: { written: 0, deleted: 0 }, requests: 0 })
    expect(await state(kernels)).toEqual(before)
  })

  it('updates one service, and removes it with its address once nobody needs that', async () => {
    const { plane, kernels } = await scene({ draining: { tcp: 'at-once' } })
    const other = service({
      name: 'other',
      frontends: [{ kind: 'cluster', address: VIP, port: 81 }],
      endpoints: [{ address: '10.1.0.3', port: 1 }]
    })
    await plane.sync(named(service(), other))
    await plane.update({ set: [service({ endpoints: [{ address: '10.1.0.9', port: 8080 }] })] })
    expect((await state(kernels)).services).toEqual([`tcp ${VIP}:80 wrr 10.1.0.9:8080=1`, `tcp ${VIP}:81 wrr 10.1.0.3:1=1`])
    await plane.update({ delete: ['web'] })
    expect(await state(kernels)).toEqual({
      services: [`tcp ${VIP}:81 wrr 10.1.0.3:1=1`],
      addresses: [VIP],
      elements: [`ip cluster-ips ${VIP}`, `ip served ${VIP} tcp 81`]
    })
    await plane.sync(new Map())
    expect(await state(kernels)).toEqual({ services: [], addresses: [], elements: [] })
  })

  it('rejects where nobody answers, but lets a removed endpoint drain', async () => {
    const { plane, kernels } = await scene()
    await plane.sync(named(service({ endpoints: [{ address: '10.1.0.1', port: 8080 }] })))
    await plane.sync(named(service({ endpoints: [] })))
    const { elements, services } = await state(kernels)
    // Not a frontend any more, so that new connections are refused; the address and the service stay.
    expect(elements).toEqual([`ip cluster-ips ${VIP}`, `ip refused ${VIP} tcp 80`])
    expect(services).toHaveLength(1)
  })

  it('removes a drained endpoint when its connections have ended, and keeps no process alive meanwhile', async () => {
    const { plane, kernels } = await scene()
    const [staying, leaving] = [
      { address: '10.1.0.1', port: 8080 },
      { address: '10.1.0.9', port: 8080 }
    ]
    await plane.sync(named(service({ endpoints: [staying, leaving] })))
    const virtual = { protocol: 'tcp', address: VIP, port: 80 } as const
    kernels.ipvs.setConnections(virtual, leaving, { active: 1 })
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const before = timers()
    const report = await plane.update({ set: [service({ endpoints: [staying] })] })
    expect(report.details).toMatchObject({ mode: 'ipvs', draining: 1 })
    expect(plane.status().details).toMatchObject({ mode: 'ipvs', draining: 1 })
    expect(timers()).toBeLessThanOrEqual(before)
    kernels.ipvs.setConnections(virtual, leaving, {})
    await vi.waitFor(() => expect(plane.status().details).toMatchObject({ mode: 'ipvs', draining: 0 }), 8000)
    expect((await state(kernels)).services).toEqual([`tcp ${VIP}:80 wrr 10.1.0.1:8080=1`])
  })

  it('puts a service that IPVS refuses in quarantine, and applies the others', async () => {
    const { plane, kernels } = await scene({ schedulers: { hash: 'none_such' } })
    const bad = service({ name: 'bad', scheduler: 'hash', frontends: [{ kind: 'cluster', address: '10.96.0.11', port: 80 }] })
    const report = await plane.sync(named(service(), bad))
    expect(report.quarantined.map(({ service: name }) => name)).toEqual(['bad'])
    expect((await state(kernels)).services).toHaveLength(1)
    await plane.update({ delete: ['bad'] })
    expect(plane.status().quarantined).toEqual([])
    expect((await state(kernels)).addresses).toEqual([VIP])
  })

  it('with atomic, leaves all three subsystems as they were', async () => {
    const { plane, kernels } = await scene({ schedulers: { hash: 'none_such' } })
    await plane.sync(named(service()))
    const before = await state(kernels)
    const bad = service({ name: 'bad', scheduler: 'hash', frontends: [{ kind: 'cluster', address: '10.96.0.11', port: 80 }] })
    const good = service({ name: 'good', frontends: [{ kind: 'cluster', address: '10.96.0.12', port: 80 }] })
    await expect(plane.update({ set: [good, bad] }, { onError: 'atomic' })).rejects.toThrow(/none_such/)
    expect(await state(kernels)).toEqual(before)
    await plane.update({ set: [good] }, { onError: 'atomic' })
    expect((await state(kernels)).services).toHaveLength(2)
  })

  it('looks at the kernel before it plans or syncs, though it never audits', async () => {
    const { plane, kernels } = await scene()
    const services = named(service())
    await plane.sync(services)
    const before = await state(kernels)
    await using nft = await kernels.nftables.open()
    const flush = nft.transaction()
    for (const { family, name } of await nft.listTables()) flush.delete.table({ family, name })
    await flush.commit()
    // A plan reads, and what it read changes nothing about what is owed.
    for (let time = 0; time < 2; time++) expect(String(await plane.plan(services))).toContain('! tables netplane-ipvs are missing')
    expect((await state(kernels)).elements).toEqual([])

    const { objects } = await plane.plan(services)
    expect(objects.written).toBeGreaterThan(0)
    expect(await plane.sync(services)).toMatchObject({ objects, services: { changed: 0 } })
    expect(await state(kernels)).toEqual(before)
    expect(plane.status().drifts).toBe(1)
    expect((await plane.plan(services)).isEmpty).toBe(true)
    expect(await plane.sync(services)).toMatchObject({ requests: 0 })

    const theirs = nft.transaction()
    theirs.add.table({ family: 'inet', name: 'theirs' })
    await theirs.commit()
    expect((await plane.plan(services)).isEmpty).toBe(true)
    expect(await plane.sync(services)).toMatchObject({ requests: 0 })
    expect(plane.status().drifts).toBe(1)
  })

  it('leaves foreign virtual services alone', async () => {
    const { plane, kernels } = await scene()
    await using ipvs = await kernels.ipvs.open()
    await ipvs.addService({ protocol: 'tcp', address: '192.0.2.1', port: 80 })
    await plane.sync(named(service()))
    await plane.close({ cleanup: true })
    expect(await state(kernels)).toEqual({ services: ['tcp 192.0.2.1:80 wlc '], addresses: [], elements: [] })
  })

  it('leaves virtual services alone that others make where its own services have been', async () => {
    const { plane, kernels } = await scene()
    const at = (name: string, host: number): Service =>
      service({ name, frontends: [{ kind: 'cluster', address: `10.96.1.${host}`, port: 80 }] })
    const stays = at('stays', 1)
    await plane.sync(named(stays, at('goes', 2)))
    await plane.update({ delete: ['goes'] })
    await plane.update({ set: [at('moves', 3)] })
    await plane.update({ set: [at('moves', 4)] })
    await using ipvs = await kernels.ipvs.open()
    for (const host of [2, 3, 4]) await ipvs.addService({ protocol: 'udp', address: `10.96.1.${host}`, port: 53, scheduler: 'rr' })
    const theirs = async () => (await ipvs.listServices()).flatMap(({ protocol, address }) => (protocol === 'udp' ? [address] : []))
    expect((await plane.plan(named(stays, at('moves', 4)))).drift).toHaveLength(1)
    await plane.sync(named(stays))
    expect((await theirs()).sort()).toEqual(['10.96.1.2', '10.96.1.3'])
    await plane.close({ cleanup: true })
    expect((await theirs()).sort()).toEqual(['10.96.1.2', '10.96.1.3'])
  })

  it('finds and repairs what others change', async () => {
    const { plane, kernels } = await scene({ auditMs: 100 })
    await plane.sync(named(service()))
    const before = await state(kernels)
    const events = plane.watch()
    await using ipvs = await kernels.ipvs.open()
    await ipvs.flush({ allServices: true })
    const types: string[] = []
    while (!types.includes('repaired')) {
      const result: IteratorResult<PlaneEvent, undefined> = await events.next()
      if (result.done === true) throw new Error('the plane was closed')
      types.push(result.value.type)
    }
    expect(types).toEqual(['drift', 'repaired'])
    expect(await state(kernels)).toEqual(before)
    expect(plane.status().drifts).toBe(1)
  })

  it.each<[object, string]>([
    [{ name: 'much-too-long-a-name' }, 'name'],
    [{ schedulers: { random: 'no such' } }, 'schedulers.random'],
    [{ schedulers: { other: 'rr' } }, 'schedulers.other'],
    [{ scheduler: 'none' }, 'scheduler'],
    [{ schedulerFallback: 'fastest' }, 'schedulerFallback'],
    [{ auditMs: 1 }, 'auditMs'],
    [{ mode: 'ipv' }, 'mode']
  ])('refuses %j', async (options, path) => {
    await expect(scene(options as Partial<IpvsOptions>)).rejects.toMatchObject({ code: 'ERR_NETPLANE_VALIDATION', path })
  })

  it('leaves what is in excludeCIDRs to others, whoever made it', async () => {
    const { plane, kernels, again } = await scene()
    await plane.sync(named(service(), service({ name: 'dns', frontends: [{ kind: 'cluster', address: '10.96.7.1', port: 53 }] })))
    await plane.close()
    const before = await state(kernels)
    const left = before.services.filter((line) => line.includes('10.96.7.1'))
    expect(left).toHaveLength(1)

    const second = await again({ excludeCIDRs: ['10.96.7.0/24', 'fd00:7::/64'] })
    const six = service({ name: 'six', frontends: [{ kind: 'cluster', address: 'fd00:7::1', port: 80 }] })
    const { quarantined } = await second.sync(named(service(), six))
    expect(quarantined).toMatchObject([
      { service: 'six', error: { code: 'ERR_NETPLANE_UNSUPPORTED', missing: 'addresses in excludeCIDRs' } }
    ])
    const after = await state(kernels)
    expect([after.services, after.addresses]).toEqual([before.services, before.addresses])
    expect((await second.plan(named(service()))).isEmpty).toBe(true)

    await using ipvs = await kernels.ipvs.open()
    await ipvs.updateService({ protocol: 'tcp', address: '10.96.7.1', port: 53, scheduler: 'rr' })
    await second.sync(named(service()))
    await second.close({ cleanup: true })
    expect(await state(kernels)).toEqual({ services: [left[0]!.replace(' wrr ', ' rr ')], addresses: ['10.96.7.1'], elements: [] })
  })

  it('refuses prefixes that are none', async () => {
    await expect(scene({ excludeCIDRs: ['10.0.0.0/33'] })).rejects.toMatchObject({
      code: 'ERR_NETPLANE_VALIDATION',
      path: 'excludeCIDRs[0]'
    })
    await expect(scene({ timeouts: { tcpSeconds: 0 } })).rejects.toMatchObject({ path: 'timeouts.tcpSeconds' })
    await expect(scene({ timeouts: {} })).rejects.toMatchObject({ path: 'timeouts' })
    await expect(scene({ strictArp: 1 as unknown as boolean })).rejects.toMatchObject({ path: 'strictArp' })
  })
})
