import { expect, it, onTestFinished } from 'vitest'
import { Nftables, openPlane, type NftablesPlaneOptions, type Plane, type Service } from '../../../../../src/index.js'
import { FakeNftablesKernel } from '../../../../../src/testing.js'

const kernelOf = () => ({ nftables: new FakeNftablesKernel() })

async function open(kernel: ReturnType<typeof kernelOf>, options: NftablesPlaneOptions = {}): Promise<Plane> {
  const plane = await openPlane({ mode: 'nftables', kernel, auditMs: 0, counters: true, ...options })
  onTestFinished(() => plane.close())
  return plane
}

const service = (name: string, vip: number, endpoints: readonly number[]): Service => ({
  name,
  protocol: 'tcp',
  frontends: [
    { kind: 'cluster', address: `10.96.0.${vip}`, port: 80 },
    { kind: 'cluster', address: `fd00:96::${vip}`, port: 80 }
  ],
  endpoints: endpoints.flatMap((endpoint) => [`10.0.0.${endpoint}`, `fd00::${endpoint}`]).map((address) => ({ address, port: 8080 }))
})

const named = (...services: Service[]): Map<string, Service> => new Map(services.map((one) => [one.name, one]))

/** What packets would have counted. */
async function count(
  kernel: ReturnType<typeof kernelOf>,
  rows: readonly (readonly [family: 'ip' | 'ip6', vip: string, endpoint: string, packets: bigint])[]
) {
  await using nft = await Nftables.open({ kernel: kernel.nftables })
  const tx = nft.transaction()
  for (const [family, vip, endpoint, packets] of rows) {
    const counter = { packets, bytes: packets * 60n }
    const sets = await nft.listSets({ family, table: 'netplane' })
    const set = (name: string) => sets.find((one) => one.name === name)!
    tx.add.elements(set('frontend-connections'), [{ key: [vip, 'tcp', 80], counter }], { exclusive: true })
    tx.add.elements(set('endpoint-connections'), [{ key: [vip, 'tcp', 80, endpoint, 8080], counter }], { exclusive: true })
  }
  await tx.commit()
}

it('adds up both families, and keeps numbers when services change and when tables are made anew', async () => {
  const kernel = kernelOf()
  const plane = await open(kernel)
  await plane.sync(named(service('a', 1, [1, 2]), service('b', 2, [1])))
  await count(kernel, [
    ['ip', '10.96.0.1', '10.0.0.1', 3n],
    ['ip6', 'fd00:96::1', 'fd00::2', 4n],
    // Of nobody that there is.
    ['ip', '10.96.0.9', '10.0.0.1', 50n]
  ])
  const expected = (numbers: Record<string, bigint>) => numbers
  const read = async (by: Plane): Promise<Record<string, bigint>> => {
    const counters = await by.counters()
    expect(counters.isComplete).toBe(true)
    const rows = [...counters].flatMap(({ service: name, connections, endpoints }) => [
      [name, connections] as const,
      ...endpoints.map(({ endpoint, connections: own }) => [`${name} ${endpoint.address}`, own] as const)
    ])
    return Object.fromEntries(rows.filter(([, number]) => number > 0n))
  }
  const all = expected({ a: 7n, 'a 10.0.0.1': 3n, 'a fd00::2': 4n })
  expect(await read(plane)).toEqual(all)
  await plane.update({ set: [service('a', 1, [1, 2, 3, 4, 5, 6])] })
  expect(await read(plane)).toEqual(all)

  // Another number of places for clients: the tables are made anew.
  const services = named(service('a', 1, [1, 2]), service('b', 2, [1]))
  const again = await open(kernel, { affinityClients: 2048 })
  await again.sync(services)
  expect(await read(again)).toEqual(all)
  await again.update({ set: [service('a', 1, [2])] })
  expect(await read(again)).toEqual({ a: 7n, 'a fd00::2': 4n })
  await again.update({ set: [service('a', 1, [1])] })
  expect(await read(again)).toEqual({ a: 7n })
  await again.update({ delete: ['a'], set: [service('b', 1, [1])] })
  expect(await read(again)).toEqual({})
})
