import { expect, it, vi } from 'vitest'
import type { Service, VirtualService } from '../../../../src/index.js'
import { DrainChoice } from '../../../../src/plane/ipvs/drain-choice.js'
import { VirtualServices } from '../../../../src/plane/ipvs/compile.js'
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
  const found: { isUp: boolean; addresses: string[]; faults: string[]; held: object[] } = {
    isUp: true,
    addresses: ['10.96.0.1', '10.96.0.2'],
    faults: [],
    held
  }
  const quick = new QuickLook(
    {
      ipvs: { listServices: () => Promise.resolve(found.held as VirtualService[]) },
      addresses: { read: () => Promise.resolve({ isUp: found.isUp, addresses: new Set(found.addresses) }) },
      virtual: new VirtualServices({ of: () => 'wrr' }, new Marks(), new DrainChoice(undefined)),
      settings: { faults: () => Promise.resolve(found.faults) }
    },
    () => now.ms
  )
  return { quick, now, found }
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

it('compares everything at first, and then for a two-hundredth of the time', async () => {
  const { quick, now } = scene()
  expect(quick.isFullDue).toBe(true)
  const comparison = vi.fn(() => Promise.resolve((now.ms += 50)))
  expect(await quick.compare(comparison)).toBe(1050)
  expect(quick.isFullDue).toBe(false)
  now.ms += 9999
  expect(quick.isFullDue).toBe(false)
  now.ms += 1
  expect(quick.isFullDue).toBe(true)
})
