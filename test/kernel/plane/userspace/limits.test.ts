import { expect, it } from 'vitest'
import { TALKER } from '../../../support/kept-connections.js'
import { makeRelayNetwork, openRelayPlane, RELAYED, relayed, told } from '../../../support/relay-plane.js'
import { addressOf, ask, tally } from '../../../support/service-network.js'

/** Opens so many connections at once, prints how many are answered, and keeps them until its input ends. */
const MANY = `
import socket, sys, time
kept, reset = [], 0
for _ in range(int(sys.argv[2])):
    s = socket.socket(); s.settimeout(10)
    try: s.connect((sys.argv[1], 81)); s.sendall(b'x'); s.recv(64); kept.append(s)
    except ConnectionResetError: reset += 1
print(len(kept), reset, flush=True)
time.sleep(60)
`

it('resets who comes beyond the limit of a service, says so, and serves again once there is room', async () => {
  const network = await makeRelayNetwork(1)
  await network.servers[0]!.background('python3', ['-c', TALKER, 't1']).waitFor('ready')
  const plane = await openRelayPlane(network, { relays: { maxConnections: 10, maxConnectionsPerRelay: 5 } })
  const events = told(plane)
  const services = new Map([...relayed([1], 81), ...relayed([1], 80, { name: 'other' })])
  await plane.sync(services)
  const many = network.client.background('python3', ['-c', MANY, RELAYED, '8'])
  await many.waitFor('5 3\n')
  expect(plane.status().details).toMatchObject({ openConnections: 5, refusedConnections: 3 })
  expect(events).toContainEqual({
    type: 'connectionsRefused',
    service: 'relayed',
    count: 1,
    reason: 'the relay has 5 connections, which is the most that is allowed'
  })
  // Others are not concerned.
  expect(tally(await ask(network.client, 'tcp', RELAYED, 80, 3))).toEqual({ s1: 3 })
  await many.stop()
  await expect.poll(() => plane.status().details).toMatchObject({ openConnections: 0 })
  const again = network.client.background('python3', ['-c', MANY, RELAYED, '5'])
  await again.waitFor('5 0\n')
  const counters = await plane.counters()
  expect(counters.get('relayed')).toMatchObject({ connections: 10n, traffic: { incomingBytes: 10n, outgoingBytes: 30n } })
  expect(counters.get('other')).toMatchObject({ connections: 3n })
})

/** Datagrams of eight ports, and how many are answered. */
const PORTS = `
import socket, sys
answered = 0
for _ in range(int(sys.argv[2])):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.5); s.connect((sys.argv[1], 53)); s.send(b'x')
    try: s.recv(64); answered += 1
    except TimeoutError: pass
print(answered)
`

it('answers no more clients of UDP than the limit lets be, until some have been idle', async () => {
  const network = await makeRelayNetwork(1)
  const plane = await openRelayPlane(network, { relays: { maxConnections: 3, udpIdleSeconds: 2, logsConnections: true } })
  const events = told(plane)
  await plane.sync(relayed([1], 53, { protocol: 'udp' }))
  const answered = async (): Promise<number> => Number(await network.client.run('python3', ['-c', PORTS, RELAYED, '4']))
  expect(await answered()).toBe(3)
  expect(plane.status().details).toMatchObject({ openConnections: 3, refusedConnections: 1 })
  await expect.poll(() => plane.status().details, { timeout: 5_000 }).toMatchObject({ openConnections: 0 })
  expect(await answered()).toBe(3)
  const endings = events.map((event) => (event.type === 'connection' ? event.ending : event.type)).sort()
  expect(tally(endings)).toMatchObject({ idle: 3, refused: 2 })
  expect(events.find((event) => event.type === 'connection' && event.ending === 'idle')).toMatchObject({
    service: 'relayed',
    client: expect.stringContaining('10.1.0.2:') as string,
    endpoint: `${addressOf.ip(1)}:8080`,
    bytesFromClient: 1
  })
})
