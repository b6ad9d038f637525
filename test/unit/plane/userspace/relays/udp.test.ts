import { randomBytes } from 'node:crypto'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { RelaySpec } from '../../../../../src/plane/userspace/relays/types.js'
import { datagrams, exchange, relays, spec, until } from '../../../../support/relay-sockets.js'

const udp = (ports: readonly number[], more: Partial<RelaySpec> = {}): RelaySpec => spec(ports, { id: 'dns', protocol: 'udp', ...more })

type Datagrams = Awaited<ReturnType<typeof datagrams>>

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('sessions', () => {
  test.each(['127.0.0.1', '::1'])('belong to a client each at %s', async (address) => {
    const server = await datagrams((datagram) => `${datagram.toString()}!`, address)
    const { all } = relays()
    const port = await all.listen(udp([], { listenAddress: address, endpoints: [{ address, port: server.port, weight: 1 }] }))
    const clients = [await datagrams(undefined, address), await datagrams(undefined, address)]
    const answers = await Promise.all(clients.map((client, index) => exchange(client, port, `${index}`, address)))
    expect(answers.map(String)).toEqual(['0!', '1!'])
    expect(all.status()[0]).toMatchObject({
      connections: 2,
      openConnections: 2,
      packetsFromClients: 2,
      packetsToClients: 2,
      bytesFromClients: 2,
      bytesToClients: 4
    })
    await exchange(clients[0]!, port, 'again', address)
    expect(all.status()[0]).toMatchObject({ connections: 2, packetsFromClients: 3 })
  })

  test('carry the largest datagrams both ways', async () => {
    const server = await datagrams((datagram) => datagram)
    const { all } = relays()
    const port = await all.listen(udp([server.port]))
    const sent = randomBytes(65_507)
    expect((await exchange(await datagrams(), port, sent)).equals(sent)).toBe(true)
  })

  test('begin with as many datagrams as the client sends at once', async () => {
    const server = await datagrams()
    const { all } = relays()
    const port = await all.listen(udp([server.port]))
    const client = await datagrams()
    for (let count = 0; count < 20; count++) client.socket.send(`${count}`, port, '127.0.0.1')
    await until(() => expect(server.received.map(String)).toEqual(Array.from({ length: 20 }, (_, index) => `${index}`)))
    expect(all.status()[0]!.connections).toBe(1)
  })

  test('end when nobody has spoken, sooner where only the client did', async () => {
    const [server, silent] = [await datagrams((datagram) => datagram), await datagrams()]
    const { all, events } = relays({ udpUnansweredSeconds: 1, udpIdleSeconds: 2, logsConnections: true })
    const unanswered = await datagrams()
    unanswered.socket.send('?', await all.listen(udp([silent.port], { id: 'silent' })), '127.0.0.1')
    await exchange(await datagrams(), await all.listen(udp([server.port])), '?')
    await until(() => expect(events).toHaveLength(2))
    expect(events).toMatchObject([
      { relay: 'silent', ending: 'idle', bytesFromClient: 1, bytesToClient: 0 },
      { relay: 'dns', ending: 'idle', bytesFromClient: 1, bytesToClient: 1 }
    ])
    const [first, second] = events.map((event) => (event.type === 'connection' ? event.seconds : 0))
    expect(first).toBeGreaterThanOrEqual(1)
    expect(first).toBeLessThan(1.9)
    expect(second).toBeGreaterThanOrEqual(2)
    expect(all.status().map(({ openConnections }) => openConnections)).toEqual([0, 0])
  })

  test('end when nobody has spoken since the answer, though an answer would have been waited for longer', async () => {
    const server = await datagrams((datagram) => datagram)
    const { all, events } = relays({ udpUnansweredSeconds: 60, udpIdleSeconds: 1, logsConnections: true })
    await exchange(await datagrams(), await all.listen(udp([server.port])), '?')
    await until(() => expect(events).toMatchObject([{ type: 'connection', ending: 'idle', bytesToClient: 1 }]))
  })

  test('go on while somebody speaks', async () => {
    const server = await datagrams((datagram) => datagram)
    const { all } = relays({ udpUnansweredSeconds: 1, udpIdleSeconds: 1 })
    const port = await all.listen(udp([server.port]))
    const client = await datagrams()
    for (let count = 0; count < 5; count++) {
      await exchange(client, port, '?')
      await pause(400)
    }
    expect(all.status()[0]!.connections).toBe(1)
  })
})

describe('endpoints', () => {
  test('that are not there are left at the next datagram', async () => {
    const [gone, server] = [await datagrams(), await datagrams((datagram) => datagram)]
    await gone.close()
    const { all, events } = relays({ logsConnections: true })
    // Affinity remembers the one that is chosen first, until it does not answer.
    const endpoints = [gone.port, server.port].map((port, index) => ({ address: '127.0.0.1', port, weight: index === 0 ? 65_535 : 1 }))
    const port = await all.listen(udp([], { endpoints, affinity: { timeoutSeconds: 60 } }))
    const client = await datagrams()
    client.socket.send('lost', port, '127.0.0.1')
    await until(() => expect(events).toMatchObject([{ type: 'connection', ending: 'reset by endpoint' }]))
    expect((await exchange(client, port, 'comes')).toString()).toBe('comes')
    expect(all.status()[0]).toMatchObject({ failedDials: 1, connections: 2, openConnections: 1 })
  })

  test('are tried again where all were away', async () => {
    const server = await datagrams()
    const { port: ofServer } = server
    await server.close()
    const { all } = relays()
    const port = await all.listen(udp([ofServer]))
    const client = await datagrams()
    client.socket.send('lost', port, '127.0.0.1')
    await until(() => expect(all.status()[0]!.failedDials).toBe(1))
    client.socket.send('lost', port, '127.0.0.1')
    await until(() => expect(all.status()[0]!.failedDials).toBe(2))
  })

  test('that were taken away lose their sessions at once, or after drainSeconds', async () => {
    const [old, young] = [await datagrams(() => 'old'), await datagrams(() => 'young')]
    const { all } = relays()
    const port = await all.listen(udp([old.port]))
    const client = await datagrams()
    expect(String(await exchange(client, port, '?'))).toBe('old')
    all.update(udp([young.port], { listenPort: port }))
    expect(String(await exchange(client, port, '?'))).toBe('young')
    all.update(udp([old.port], { listenPort: port, drainSeconds: 1 }))
    expect(String(await exchange(client, port, '?'))).toBe('young')
    await until(() => expect(all.status()[0]!.openConnections).toBe(0))
    expect(String(await exchange(client, port, '?'))).toBe('old')
  })

  test('none of them: it is told, and the client has no session', async () => {
    const { all, events } = relays({ logsConnections: true })
    const port = await all.listen(udp([]))
    const client = await datagrams()
    client.socket.send('?', port, '127.0.0.1')
    await until(() => expect(events).toHaveLength(2))
    expect(events).toMatchObject([
      { type: 'refused', relay: 'dns', count: 1, reason: 'there is no endpoint that takes connections' },
      { type: 'connection', ending: 'no endpoint answered' }
    ])
  })
})

test('refuses sessions beyond the limit in words', async () => {
  const server = await datagrams((datagram) => datagram)
  const { all, events } = relays({ maxConnections: 1 })
  const port = await all.listen(udp([server.port]))
  const [first, second] = [await datagrams(), await datagrams()]
  await exchange(first, port, '?')
  second.socket.send('?', port, '127.0.0.1')
  await until(() => expect(all.status()[0]!.refused).toBe(1))
  expect(events).toEqual([
    { type: 'refused', relay: 'dns', count: 1, reason: 'all relays together have 1 connections, which is the most that is allowed' }
  ])
  await exchange(first, port, '?')
  expect(second.received).toEqual([])
})

test('a session in which nobody has spoken for a while makes room for a new client, the most silent one first', async () => {
  const server = await datagrams((datagram) => datagram)
  const { all, events } = relays({ maxConnections: 3 })
  const port = await all.listen(udp([server.port]))
  const now = performance.now.bind(performance)
  const clock = { aheadMs: 0 }
  vi.spyOn(performance, 'now').mockImplementation(() => now() + clock.aheadMs)
  onTestFinished(() => void vi.restoreAllMocks())
  const clients = await Promise.all(Array.from({ length: 5 }, () => datagrams()))
  const [talking, silent, younger, fourth, fifth] = clients as [Datagrams, Datagrams, Datagrams, Datagrams, Datagrams]
  for (const client of [talking, silent]) await exchange(client, port, '?')
  clock.aheadMs = 3_000
  await exchange(younger, port, '?')
  clock.aheadMs = 5_500
  await exchange(talking, port, '?')
  // One has been silent for longer than five seconds, one for less.
  await exchange(fourth, port, '?')
  fifth.socket.send('?', port, '127.0.0.1')
  await until(() => expect(all.status()[0]!.refused).toBe(1))
  expect(events).toHaveLength(1)
  expect(all.status()[0]).toMatchObject({ openConnections: 3, connections: 4 })
  // The first and the third have kept theirs, the second gets a new one once somebody else is silent.
  for (const client of [talking, younger]) await exchange(client, port, '?')
  expect(all.status()[0]!.connections).toBe(4)
  clock.aheadMs = 11_000
  await exchange(silent, port, '?')
  expect(all.status()[0]).toMatchObject({ openConnections: 3, connections: 5 })
})

test('a withdrawn relay leaves its port', async () => {
  const server = await datagrams((datagram) => datagram)
  const { all } = relays()
  const port = await all.listen(udp([server.port]))
  await exchange(await datagrams(), port, '?')
  all.withdraw('dns')
  expect(all.status()).toEqual([])
  expect(await all.listen(udp([server.port], { listenPort: port }))).toBe(port)
  await exchange(await datagrams(), port, '?')
})
