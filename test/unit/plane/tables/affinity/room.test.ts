import { expect, it, onTestFinished } from 'vitest'
import { Nftables, openPlane, type PlaneEvent, type Service } from '../../../../../src/index.js'
import { AffinityRoom } from '../../../../../src/plane/tables/affinity/room.js'
import { FakeNftablesKernel } from '../../../../../src/testing.js'

const service: Service = {
  name: 'sticky',
  protocol: 'tcp',
  frontends: [{ kind: 'cluster', address: '10.96.0.1', port: 80 }],
  endpoints: [{ address: '10.0.0.1', port: 8080 }],
  affinity: { timeoutSeconds: 60 }
}

/** A map with room for 1,024 clients; `fill` writes so many. */
async function setUp() {
  const kernel = { nftables: new FakeNftablesKernel() }
  const plane = await openPlane({ mode: 'nftables', kernel, auditMs: 0, affinityClients: 1024 })
  const nft = await Nftables.open({ kernel: kernel.nftables })
  onTestFinished(async () => {
    await plane.close()
    await nft.close()
  })
  await plane.sync(new Map([[service.name, service]]))
  const fill = async (from: number, to: number): Promise<void> => {
    const tx = nft.transaction()
    const elements = Array.from({ length: to - from }, (_, index) => ({
      key: [`100.64.${(from + index) >> 8}.${(from + index) & 0xff}`, '10.96.0.1', 'tcp', 80],
      data: ['10.0.0.1', 8080],
      timeoutMs: 60_000
    }))
    const declared = (await nft.listSets({ family: 'ip', table: 'netplane', name: 'affinity' }))[0]!
    tx.add.elements(declared, elements, { exclusive: true })
    await tx.commit()
  }
  return { nft, fill }
}

/** A client of a kernel that does not count the elements of sets (before Linux 6.18). */
function uncounted(nft: Nftables): Pick<Nftables, 'listSets' | 'transaction'> {
  return {
    listSets: async (options) => (await nft.listSets(options)).map((set) => ({ ...set, count: undefined })),
    transaction: () => nft.transaction()
  }
}

const EVENT = { type: 'affinityFull', family: 'ip', frontends: 'addressed', clients: 1024 }

it.each([
  ['counts elements', (nft: Nftables) => nft],
  ['does not count elements', uncounted]
])('a full map is told once until it has had room for a minute, by a kernel that %s', async (_, clientOf) => {
  const { nft, fill } = await setUp()
  const told: PlaneEvent[] = []
  const room = new AffinityRoom(clientOf(nft), { name: 'netplane', affinityClients: 1024 }, (event) => told.push(event))
  const look = async (now: number): Promise<void> => await room.look((family) => family === 'ip', now)
  await fill(0, 1023)
  await look(1000)
  expect(told).toEqual([])
  await fill(1023, 1024)
  // Not yet a second later.
  await look(1500)
  expect(told).toEqual([])
  await look(2000)
  expect(told).toEqual([EVENT])
  for (let now = 3000; now < 100_000; now += 1000) await look(now)
  expect(told).toEqual([EVENT])

  const tx = nft.transaction()
  tx.flush.set({ family: 'ip', table: 'netplane', name: 'affinity' })
  await tx.commit()
  await look(101_000)
  await fill(0, 1024)
  await look(102_000)
  expect(told).toEqual([EVENT])
  // There is room for a minute.
  await look(170_000)
  expect(told).toEqual([EVENT, EVENT])
})

it('maps that nobody uses, or that are not there, are passed over', async () => {
  const { nft } = await setUp()
  const told: PlaneEvent[] = []
  const room = new AffinityRoom(nft, { name: 'nothing', affinityClients: 1024 }, (event) => told.push(event))
  await room.look(() => false, 1000)
  await room.look(() => true, 2000)
  expect(told).toEqual([])
})
