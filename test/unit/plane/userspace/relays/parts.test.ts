import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { AffinityTable } from '../../../../../src/plane/userspace/relays/affinity.js'
import { Balance, hashFraction } from '../../../../../src/plane/userspace/relays/balance.js'
import { descriptorsLeft, Limits } from '../../../../../src/plane/userspace/relays/limits.js'
import { proxyHeader } from '../../../../../src/plane/userspace/relays/proxy-header.js'
import { REFUSALS_EVERY_MS, Refusals } from '../../../../../src/plane/userspace/relays/refusals.js'
import { Target } from '../../../../../src/plane/userspace/relays/target.js'
import type { RelayEvent, RelaySpec } from '../../../../../src/plane/userspace/relays/types.js'

const target = (port: number): Target => new Target({ address: '10.0.0.1', port, weight: 1 })

describe('affinity', () => {
  const [a, b] = [target(1), target(2)]

  test('lasts for its time after the last new connection', () => {
    let nowMs = 0
    const table = new AffinityTable(10, () => nowMs)
    table.learn('client', a, 10)
    nowMs = 9_999
    expect(table.find('client')).toBe(a)
    table.learn('client', a, 10)
    nowMs = 19_998
    expect(table.find('client')).toBe(a)
    nowMs = 19_999
    expect(table.find('client')).toBeUndefined()
    table.learn('other', b, 10)
    expect(table.size).toBe(1)
  })

  test('has room for so many clients, and forgets who came longest ago', () => {
    const table = new AffinityTable(2, () => 0)
    table.learn('1', a, 10)
    table.learn('2', a, 10)
    table.learn('1', a, 10)
    table.learn('3', a, 10)
    expect(['1', '2', '3'].map((client) => table.find(client) === a)).toEqual([true, false, true])
  })

  test('is forgotten of the endpoint that did not answer, not of another one', () => {
    const table = new AffinityTable(2, () => 0)
    table.learn('1', a, 10)
    table.forget('1', b)
    expect(table.find('1')).toBe(a)
    table.forget('1', a)
    expect(table.find('1')).toBeUndefined()
  })
})

describe('balance', () => {
  const spec = (ports: readonly number[], more: Partial<RelaySpec> = {}): RelaySpec => ({
    id: 'web',
    protocol: 'tcp',
    listenAddress: '0.0.0.0',
    listenPort: 0,
    endpoints: ports.map((port) => ({ address: '10.0.0.1', port, weight: 1 })),
    scheduler: 'random',
    ...more
  })

  test('by hash spreads neighbouring clients over all endpoints', () => {
    const balance = new Balance(spec([1, 2, 3, 4], { scheduler: 'hash' }))
    const counts = new Map<number, number>()
    for (let host = 0; host < 4_000; host++) {
      const { port } = balance.choose(`10.1.${host >> 8}.${host & 255}`)!
      counts.set(port, (counts.get(port) ?? 0) + 1)
    }
    for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(200)
    expect(counts.size).toBe(4)
    expect(hashFraction('10.1.0.1')).toBe(hashFraction('10.1.0.1'))
  })

  test('does not let a client keep an endpoint that went and came back', () => {
    const balance = new Balance(spec([1], { affinity: { timeoutSeconds: 60 } }))
    expect(balance.choose('client')!.port).toBe(1)
    balance.update(spec([2], { affinity: { timeoutSeconds: 60 } }))
    balance.update(
      spec([1, 2], {
        affinity: { timeoutSeconds: 60 },
        endpoints: [1, 2].map((port) => ({ address: '10.0.0.1', port, weight: port === 1 ? 0 : 1 }))
      })
    )
    expect(balance.choose('client')!.port).toBe(2)
  })
})

describe('refusals', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  test('are told at once, then together, and at once again after a while without any', () => {
    const events: RelayEvent[] = []
    const counts = (): number[] => events.map((event) => (event.type === 'refused' ? event.count : 0))
    const refusals = new Refusals('web', (event) => events.push(event))
    for (let count = 0; count < 4; count++) refusals.add('full')
    expect(counts()).toEqual([1])
    vi.advanceTimersByTime(REFUSALS_EVERY_MS)
    expect(counts()).toEqual([1, 3])
    vi.advanceTimersByTime(REFUSALS_EVERY_MS)
    refusals.add('full')
    expect(counts()).toEqual([1, 3, 1])
    expect(refusals.count).toBe(5)
  })
})

test('room that is given back can be taken again', () => {
  const limits = new Limits({ maxConnections: 2, maxConnectionsPerRelay: 2, descriptors: () => 4 })
  expect([limits.take(0, 2), limits.take(1, 2)]).toEqual([undefined, undefined])
  expect(limits.take(0, 2)).toMatch(/all relays/)
  limits.release(2)
  expect(limits.take(1, 2)).toBeUndefined()
})

test('descriptors are those that the process may have, without those that it has and some more', () => {
  expect(
    descriptorsLeft('Limit  Soft Limit  Hard Limit\nMax open files            1024                 4096                 files\n', 30)
  ).toBe(1024 - 30 - 64)
  expect(descriptorsLeft('Max open files            unlimited            unlimited            files\n', 30)).toBe(Infinity)
  expect(descriptorsLeft('Max open files            50  50  files\n', 30)).toBe(0)
  expect(descriptorsLeft()).toBeGreaterThan(0)
})

test('the header of the PROXY protocol for IPv6, and for families that differ', () => {
  const header = proxyHeader({ address: 'fe80::1%eth0', port: 258 }, { address: '10.0.0.1', port: 443 })
  expect(Buffer.from(header).toString('hex')).toBe(
    ['0d0a0d0a000d0a515549540a21210024', 'fe800000000000000000000000000001', '00000000000000000000ffff0a000001', '010201bb'].join('')
  )
})
