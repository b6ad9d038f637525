import { readFileSync, writeFileSync } from 'node:fs'
import { expect, it, onTestFinished } from 'vitest'
import { makeRelayNetwork, openRelayPlane, RELAYED, relayed, told } from '../../../support/relay-plane.js'
import { addressOf, ask, tally } from '../../../support/service-network.js'

/** Sends a datagram from port 0, which no socket of UDP does. */
const FROM_PORT_0 = `
import socket, struct, sys
source, destination = sys.argv[1], sys.argv[2]
payload = b'x'
datagram = struct.pack('!HHHH', 0, 53, 8 + len(payload), 0) + payload
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP); s.bind((source, 0))
for _ in range(3): s.sendto(datagram, (destination, 0))
`

it('a datagram that nobody can be answered to harms nobody', async () => {
  const network = await makeRelayNetwork(1)
  const plane = await openRelayPlane(network)
  await plane.sync(relayed([1], 53, { protocol: 'udp' }))
  await network.client.run('python3', ['-c', FROM_PORT_0, addressOf.ip(0), RELAYED])
  expect(tally(await ask(network.client, 'udp', RELAYED, 53, 3))).toEqual({ s1: 3 })
  expect((await plane.counters()).get('relayed')).toMatchObject({ connections: 3n })
})

it.each(['tcp', 'udp'] as const)(
  'an endpoint that is the frontend itself costs %s one connection, not all there may be',
  async (protocol) => {
    const network = await makeRelayNetwork(1)
    const plane = await openRelayPlane(network)
    const events = told(plane)
    const endpoints = [{ address: RELAYED, port: 80 }]
    await plane.sync(relayed([], 80, { protocol, endpoints }))
    await ask(network.client, protocol, RELAYED, 80, 1)
    await expect
      .poll(() => events)
      .toContainEqual({
        type: 'connectionsRefused',
        service: 'relayed',
        count: 1,
        reason: 'the client is a relay of this process: an endpoint leads back to a service'
      })
    expect((await plane.counters()).get('relayed')!.connections).toBeLessThanOrEqual(1n)
    await plane.sync(relayed([1], 80, { protocol }))
    expect(tally(await ask(network.client, protocol, RELAYED, 80, 3))).toEqual({ s1: 3 })
  }
)

it('an endpoint of this node at which nobody listens is not taken for one that answers', async () => {
  const network = await makeRelayNetwork(1)
  const range = '/proc/sys/net/ipv4/ip_local_port_range'
  const usual = readFileSync(range, 'utf8')
  const plane = await openRelayPlane(network, { relays: { logsConnections: true } })
  const events = told(plane)
  await plane.sync(relayed([], 80, { endpoints: [{ address: '10.1.0.1', port: 40_000 }] }))
  onTestFinished(() => writeFileSync(range, usual))
  // The relay's own sockets can have no other ports than that of the endpoint, and one more.
  writeFileSync(range, '40000 40001')
  expect(tally(await ask(network.client, 'tcp', RELAYED, 80, 20))).toEqual({ ConnectionResetError: 20 })
  await expect.poll(() => events.filter(({ type }) => type === 'connection')).toHaveLength(20)
  expect((await plane.counters()).get('relayed')).toMatchObject({ connections: 0n })
})

/** Asks from ports that are given, at an address of the node towards the client. */
const FROM_PORTS = `
import socket, sys
for port in sys.argv[2:]:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3); s.bind(('10.1.0.1', int(port)))
    s.sendto(b'?', (sys.argv[1], 80))
    try: s.recv(100); print('answered')
    except TimeoutError: print('silence')
`

it('a client of this node that has the port of a relay is not taken for that relay', async () => {
  const network = await makeRelayNetwork(1)
  const range = '/proc/sys/net/ipv4/ip_local_port_range'
  const usual = readFileSync(range, 'utf8')
  const plane = await openRelayPlane(network)
  await plane.sync(relayed([1], 80, { protocol: 'udp' }))
  onTestFinished(() => writeFileSync(range, usual))
  // The relay's sockets to the endpoint have these ports.
  writeFileSync(range, '40000 40001')
  expect(tally(await ask(network.client, 'udp', RELAYED, 80, 2))).toEqual({ s1: 2 })
  writeFileSync(range, usual)
  expect(await network.node.run('python3', ['-c', FROM_PORTS, RELAYED, '40000', '40001'])).toBe('answered\nanswered\n')
})

/** Keeps a connection, of which the server has said something, until it is ended. */
const KEPT = `
import socket, sys, threading
all = []
for _ in range(2):
    s = socket.create_connection((sys.argv[1], 80)); all.append(s)
print('connected', flush=True); threading.Event().wait()
`

it('a connection of this node from the address and port of a relay is not taken for that relay', async () => {
  const network = await makeRelayNetwork(2)
  const range = '/proc/sys/net/ipv4/ip_local_port_range'
  const usual = readFileSync(range, 'utf8')
  const plane = await openRelayPlane(network)
  await plane.sync(relayed([1], 80))
  onTestFinished(() => writeFileSync(range, usual))
  writeFileSync(range, '40000 40001')
  await network.client.background('python3', ['-c', KEPT, RELAYED]).waitFor('connected')
  await expect.poll(() => plane.status().details).toMatchObject({ openConnections: 2 })
  await plane.sync(relayed([2], 80))
  // The node's own connections come from the address and the ports that relays have towards the first server.
  expect(tally(await ask(network.node, 'tcp', RELAYED, 80, 2))).toEqual({ s2: 2 })
})
