import { expect, it } from 'vitest'
import { UnsupportedError, type PlaneEvent, type Service } from '../../../../../src/index.js'
import { PortWatch } from '../../../../../src/plane/core/node/port-watch.js'
import type { Listener } from '../../../../../src/sockets/listeners.js'

const service = (name: string, protocol: Service['protocol'], port: number): Service => ({
  name,
  protocol,
  frontends: [
    { kind: 'cluster', address: '10.96.0.1', port: 8080 },
    { kind: 'node', port }
  ],
  endpoints: []
})

const named = (...services: Service[]): Map<string, Service> => new Map(services.map((one) => [one.name, one]))
const addresses = { ip: ['192.0.2.1'], ip6: ['2001:db8::1'] }

function scene() {
  const sockets: { tcp: Listener[]; udp: Listener[] } = { tcp: [], udp: [] }
  const told: PlaneEvent[] = []
  const state = { opened: 0, failing: false }
  const source = {
    list: (protocol: 'tcp' | 'udp') =>
      state.failing ? Promise.reject(new UnsupportedError('sock_diag', 'none')) : Promise.resolve(sockets[protocol]),
    close: () => Promise.resolve()
  }
  const open = () => {
    state.opened++
    return Promise.resolve(source)
  }
  return { sockets, told, state, watch: new PortWatch(open, (event) => told.push(event)) }
}

it('tells of a process at a port of a service once, while it lasts', async () => {
  const { sockets, told, watch, state } = scene()
  const web = service('web', 'tcp', 30_080)
  await watch.look(named(), addresses, [], 1000)
  expect(state.opened).toBe(0)
  sockets.tcp.push(
    { address: '0.0.0.0', port: 30_080 },
    // Of other ports, and at addresses at which the service is not reached.
    { address: '0.0.0.0', port: 8080 },
    { address: '127.0.0.1', port: 30_080 },
    { address: '2001:db8::1', port: 30_080 }
  )
  sockets.udp.push({ address: '::', port: 30_080 })
  const taken = (address: string) => ({ protocol: 'tcp', port: 30_080, address, service: 'web' })
  // A port that comes is looked for at once.
  await watch.look(named(web), addresses, [{ name: 'web', before: undefined, after: web }], 1001)
  expect(told).toEqual([
    { type: 'portTaken', ...taken('0.0.0.0') },
    { type: 'portTaken', ...taken('2001:db8::1') }
  ])
  expect(watch.taken).toEqual([taken('0.0.0.0'), taken('2001:db8::1')])

  sockets.tcp.pop()
  await watch.look(named(web), addresses, [], 5000)
  expect(watch.taken).toHaveLength(2)
  await watch.look(named(web), addresses, [], 12_000)
  expect(watch.taken).toEqual([taken('0.0.0.0')])
  expect(told).toHaveLength(2)
  await watch.look(named(), addresses, [], 30_000)
  expect(watch.taken).toEqual([])
  await watch.look(named(web), addresses, [], 50_000)
  expect(told).toHaveLength(3)
  expect(state.opened).toBe(1)
})

it('tells once that it cannot look', async () => {
  const { told, watch, state } = scene()
  state.failing = true
  const services = named(service('dns', 'udp', 30_053))
  for (const now of [10_000, 20_000, 30_000]) await watch.look(services, addresses, [], now)
  expect(told.map(({ type }) => type)).toEqual(['error'])
})
