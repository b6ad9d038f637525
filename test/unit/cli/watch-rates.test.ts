import { expect, test } from 'vitest'
import type { ShownEndpoint, ShownFrontend } from '../../../src/cli/show/model.js'
import { endpointCount, Rates } from '../../../src/cli/watch/rates.js'

const endpoint = (address: string, connections?: bigint): ShownEndpoint => ({ address, port: 8080, clients: 'all', connections })

function frontend(address: string | undefined, port: number, ...endpoints: ShownEndpoint[]): ShownFrontend {
  return { mode: 'nftables', family: 'ip', protocol: 'tcp', address, port, isOurs: true, endpoints, refusals: [] }
}

const flow = (address: string, port: number, to: string, count: number) => ({
  ...{ protocol: 'tcp', address, port, count },
  endpoint: to,
  endpointPort: 8080
})

test('counters say how many connections a second there were, and where they went', () => {
  const rates = new Rates()
  const first = rates.take([frontend('10.96.0.1', 80, endpoint('10.1.0.1', 5n), endpoint('10.1.0.2', 7n))], undefined, 1000)
  expect(first[0]).not.toHaveProperty('connectionsPerSecond')
  const [second] = rates.take([frontend('10.96.0.1', 80, endpoint('10.1.0.1', 11n), endpoint('10.1.0.2', 9n))], undefined, 3000)
  expect(second).toMatchObject({
    connectionsPerSecond: 4,
    endpoints: [
      { connectionsPerSecond: 3, spread: 0.75 },
      { connectionsPerSecond: 1, spread: 0.25 }
    ]
  })
})

test('a counter that began anew, and one that is new, count from 0', () => {
  const rates = new Rates()
  rates.take([frontend('10.96.0.1', 80, endpoint('10.1.0.1', 50n))], undefined, 0)
  const [now] = rates.take([frontend('10.96.0.1', 80, endpoint('10.1.0.1', 2n), endpoint('10.1.0.2', 1n))], undefined, 1000)
  expect(now!.endpoints.map(({ connectionsPerSecond }) => connectionsPerSecond)).toEqual([2, 1])
})

test('an endpoint that stands there for two kinds of clients is counted once', () => {
  const twice = (count: bigint) => [
    { ...endpoint('10.1.0.1', count), clients: 'inside' as const },
    { ...endpoint('10.1.0.1', count), clients: 'outside' as const }
  ]
  const rates = new Rates()
  rates.take([frontend('10.96.0.1', 80, ...twice(0n))], undefined, 0)
  const [now] = rates.take([frontend('10.96.0.1', 80, ...twice(4n))], undefined, 1000)
  expect(now).toMatchObject({ connectionsPerSecond: 4, endpoints: [{ connectionsPerSecond: 4, spread: 1 }, { clients: 'outside' }] })
  expect(now!.endpoints[1]).not.toHaveProperty('connectionsPerSecond')
  expect(endpointCount(now!)).toBe(1)
})

test('where the kernel counts nothing, connections that were seen to begin do', () => {
  const all = [frontend('10.96.0.1', 80, endpoint('10.1.0.1')), frontend(undefined, 30080, endpoint('10.1.0.1'), endpoint('10.1.0.2'))]
  const rates = new Rates()
  rates.take(all, [flow('10.96.0.1', 80, '10.1.0.1', 100)], 0)
  const flows = [
    flow('10.96.0.1', 80, '10.1.0.1', 1),
    // Ports of this node, by two of its addresses.
    flow('192.0.2.1', 30080, '10.1.0.1', 1),
    flow('192.0.2.2', 30080, '10.1.0.2', 2),
    // A translation of another program.
    flow('203.0.113.5', 443, '10.1.0.1', 9)
  ]
  const now = rates.take(all, flows, 1000)
  expect(now.map(({ port, connectionsPerSecond }) => [port, connectionsPerSecond])).toEqual([
    [30080, 3],
    [80, 1]
  ])
  expect(now[0]!.endpoints.map(({ spread }) => spread)).toEqual([1 / 3, 2 / 3])
  // The busiest stays first when all are quiet, and nothing is spread then.
  const quiet = rates.take(all, [], 2000)
  expect(quiet.map(({ port, connectionsPerSecond }) => [port, connectionsPerSecond])).toEqual([
    [30080, 0],
    [80, 0]
  ])
  expect(quiet[0]!.endpoints[0]).toMatchObject({ connectionsPerSecond: 0, spread: undefined })
})

test('where nothing is known, nothing is said', () => {
  const rates = new Rates()
  const all = [frontend('10.96.0.1', 80, endpoint('10.1.0.1'))]
  rates.take(all, undefined, 0)
  expect(rates.take(all, undefined, 1000)[0]).not.toHaveProperty('connectionsPerSecond')
})

test('what IPVS has added up in one of several looks is spread over six seconds', () => {
  const rates = new Rates()
  const look = (count: bigint, now: number): number | undefined =>
    rates.take([{ ...frontend('10.96.0.1', 80, endpoint('10.1.0.1', count)), mode: 'ipvs' }], undefined, now)[0]!.connectionsPerSecond
  // Ten connections a second, of which the counters tell every two seconds.
  const told = [0n, 0n, 20n, 20n, 40n, 40n, 60n, 60n, 80n, 80n, 100n].map((count, index) => look(count, 500 + index * 1000))
  expect(told.slice(0, 7)).toEqual([undefined, 0, 10, 20 / 3, 10, 8, 10])
  expect(told.slice(7)).toEqual([10, 10, 10, 10])
})
