import { expect, it, vi } from 'vitest'
import type { Service, VirtualService, VirtualServiceKey } from '../../../../src/index.js'
import { DrainChoice } from '../../../../src/plane/ipvs/drain-choice.js'
import { VirtualServices, virtualServiceName } from '../../../../src/plane/ipvs/compile.js'
import { Marks } from '../../../../src/plane/ipvs/marks.js'
import { QuickLook } from '../../../../src/plane/ipvs/quick-look.js'

const service: Service = {
  name: 'web',
  protocol: 'tcp',
  frontends: [
    { kind: 'cluster', address: '10.96.0.1', port: 80 },
    { kind: 'node', port: 30_080, family: 'ip6' }
  ],
  endpoints: []
}
const services = new Map([[service.name, service]])

function scene() {
  const now = { ms: 1000 }
  const held = [
    { protocol: 'tcp', address: '10.96.0.1', port: 80, scheduler: 'wrr' },
    { fwmark: 0x6e00_7580, family: 'ip6', scheduler: 'wrr' },
    { fwmark: 7, family: 'ip', scheduler: 'lc' }
  ]
  const found: { listMs: number; isUp: boolean; addresses: string[]; faults: string[]; held: object[] } = {
    listMs: 0,
    isUp: true,
    addresses: ['10.96.0.1', '10.96.0.2'],
    faults: [],
    held
  }
  const asked: string[] = []
  const getService = (key: VirtualServiceKey): Promise<VirtualService | undefined> => {
    asked.push(virtualServiceName(key))
    return Promise.resolve((found.held as VirtualService[]).find((one) => virtualServiceName(one) === virtualServiceName(key)))
  }
  const listServices = (): Promise<VirtualService[]> => {
    now.ms += found.listMs
    return Promise.resolve(found.held as VirtualService[])
  }
  const quick = new QuickLook(
    {
      ipvs: { getService, listServices },
      addresses: {
        readLink: () => Promise.resolve({ isUp: found.isUp }),
        read: () => Promise.resolve({ isUp: found.isUp, addresses: new Set(found.addresses) })
      },
      virtual: new VirtualServices({ of: () => 'wrr' }, new Marks(), new DrainChoice(undefined)),
      settings: { faults: () => Promise.resolve(found.faults) }
    },
    () => now.ms
  )
  return { quick, now, found, asked }
}

it('is content with what it needs, whatever others have', async () => {
  const { quick } = scene()
  expect(await quick.isRight(services, ['10.96.0.1'])).toBe(true)
})

it.each<[string, (found: ReturnType<typeof scene>['found']) => void]>([
  ['a virtual service is gone', (found) => found.held.shift()],
  ['one by mark is gone', (found) => found.held.splice(1, 1)],
  ['one has another scheduler', (found) => (found.held[0] = { ...found.held[0], scheduler: 'rr' })],
  ['all are gone', (found) => (found.held = [])],
  ['the device is down', (found) => (found.isUp = false)],
  ['an address is gone', (found) => found.addresses.shift()],
  ['a setting is wrong', (found) => found.faults.push('net.ipv4.vs.conntrack is 0')]
])('notices that %s', async (_, change) => {
  const { quick, found } = scene()
  change(found)
  expect(await quick.isRight(services, ['10.96.0.1'])).toBe(false)
})

it('compares everything at first, and then for four thousandths of the time', async () => {
  const { quick, now } = scene()
  expect(quick.isFullDue).toBe(true)
  const comparison = vi.fn(() => Promise.resolve((now.ms += 50)))
  expect(await quick.compare(comparison)).toBe(1050)
  expect(quick.isFullDue).toBe(false)
  now.ms += 12_499
  expect(quick.isFullDue).toBe(false)
  now.ms += 1
  expect(quick.isFullDue).toBe(true)
})

/** Services with one address each, all of which are held. */
function many(
  count: number,
  found: ReturnType<typeof scene>['found']
): { readonly all: Map<string, Service>; readonly addresses: string[] } {
  const addresses = Array.from({ length: count }, (_, index) => `10.96.1.${index}`)
  found.addresses = addresses
  found.held = addresses.map((address) => ({ protocol: 'tcp', address, port: 80, scheduler: 'wrr' }))
  const one = (address: string): Service => ({ ...service, name: address, frontends: [{ kind: 'cluster', address, port: 80 }] })
  return { all: new Map(addresses.map((address) => [address, one(address)])), addresses }
}

it('lists services for two thousandths of the time, and asks for other ones of them in between', async () => {
  const { quick, now, found, asked } = scene()
  found.listMs = 30
  const { all, addresses } = many(40, found)
  expect(await quick.isRight(all, addresses)).toBe(true)
  expect(asked).toEqual([])
  for (let turn = 0; turn < 5; turn++) {
    now.ms += 2900
    expect(await quick.isRight(all, addresses)).toBe(true)
  }
  // Eight each time, others than before.
  expect(asked).toHaveLength(40)
  expect(new Set(asked).size).toBe(40)
  // One that is gone is missed by one of the next five looks.
  found.held.splice(17, 1)
  const seen: boolean[] = []
  for (let turn = 0; turn < 5; turn++) seen.push(await quick.isRight(all, addresses))
  expect(seen.filter((isRight) => !isRight)).toHaveLength(1)
  now.ms += 500
  expect(await quick.isRight(all, addresses)).toBe(false)
})

it.each<[string, (found: ReturnType<typeof scene>['found']) => void]>([
  ['all are gone', (found) => (found.held = [])],
  ['all have another scheduler', (found) => (found.held = found.held.map((one) => ({ ...one, scheduler: 'rr' })))],
  ['the device is down', (found) => (found.isUp = false)],
  ['a setting is wrong', (found) => found.faults.push('net.ipv4.vs.conntrack is 0')]
])('notices between two lists that %s', async (_, change) => {
  const { quick, found } = scene()
  found.listMs = 30
  const { all, addresses } = many(40, found)
  expect(await quick.isRight(all, addresses)).toBe(true)
  change(found)
  expect(await quick.isRight(all, addresses)).toBe(false)
})

it('lists again until what was wrong is right', async () => {
  const { quick, found } = scene()
  found.listMs = 30
  const { all, addresses } = many(40, found)
  found.addresses = addresses.slice(1)
  expect(await quick.isRight(all, addresses)).toBe(false)
  expect(await quick.isRight(all, addresses)).toBe(false)
})
