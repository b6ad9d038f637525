import { expect, it, onTestFinished, vi } from 'vitest'
import { openPlane, type Plane, type PlaneOptions, type Service } from '../../../../../src/index.js'
import { deviceMark, isServiceLink } from '../../../../../src/plane/core/node/service-links.js'
import { FakeIpvsKernel, FakeNftablesKernel, FakeRouteKernel } from '../../../../../src/testing.js'

const service = (name: string, address: string, port: number): Service => ({
  name,
  protocol: 'tcp',
  frontends: [
    { kind: 'cluster', address, port: 80 },
    { kind: 'node', port }
  ],
  endpoints: [{ address: '10.1.0.1', port: 8080 }]
})

async function opened(options: object): Promise<Plane> {
  const plane = await openPlane({ auditMs: 0, staleFlows: false, ...options } as PlaneOptions)
  onTestFinished(() => plane.close())
  return plane
}

const sync = async (plane: Plane, ...services: Service[]) =>
  expect(await plane.sync(new Map(services.map((one) => [one.name, one])))).toMatchObject({ quarantined: [] })

it('planes beside each other do not take addresses of services for those of the node', async () => {
  const kernel = { ipvs: new FakeIpvsKernel(), nftables: new FakeNftablesKernel(), route: new FakeRouteKernel() }
  await using route = await kernel.route.open()
  await route.addDummy('uplink', { up: true })
  await route.addAddresses('uplink', ['192.0.2.1/24', '192.0.2.2/32'])
  const planes = [
    await opened({ mode: 'ipvs', name: 'one', kernel }),
    await opened({ mode: 'ipvs', name: 'two', kernel }),
    await opened({ mode: 'nftables', name: 'three', kernel: { nftables: kernel.nftables, route: kernel.route } })
  ]
  for (const [index, plane] of planes.entries()) await sync(plane, service(`web-${index}`, `10.96.${index}.1`, 30_080 + index))
  for (const plane of planes) expect(plane.status().nodeAddresses).toEqual(['192.0.2.1', '192.0.2.2'])
  await planes[1]!.update({ set: [service('more', '10.96.1.2', 30_090), service('six', 'fd00:96::1', 30_091)] })
  await route.addAddresses('uplink', ['192.0.2.3/32'])
  for (const plane of planes) {
    await vi.waitFor(() => expect(plane.status().nodeAddresses).toContain('192.0.2.3'))
    expect(plane.status().nodeAddresses).toHaveLength(3)
  }
})

it('a device that was renamed holds addresses of services still', async () => {
  const kernel = { nftables: new FakeNftablesKernel(), route: new FakeRouteKernel() }
  await using route = await kernel.route.open()
  await route.addDummy('renamed', { up: true, hardwareAddress: deviceMark('netplane') })
  await route.addAddresses('renamed', ['10.96.0.1'])
  const plane = await opened({ mode: 'nftables', kernel })
  await sync(plane, service('web', '10.96.0.2', 30_080))
  expect(plane.status().nodeAddresses).toEqual([])
})

it.each([
  ['dummy', deviceMark('netplane'), true],
  ['dummy', '6e:70:6d:00:00:00', false],
  ['dummy', undefined, false],
  ['veth', deviceMark('netplane'), false],
  [undefined, deviceMark('netplane'), false]
])('a link of kind %s with hardware address %s: %s', (kind, hardwareAddress, is) => {
  expect(isServiceLink({ kind, hardwareAddress } as Parameters<typeof isServiceLink>[0])).toBe(is)
})
