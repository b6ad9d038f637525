import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { startWorker } from '../../../src/plane/userspace/relays/threads/carriers.js'
import type { ThreadPort } from '../../../src/plane/userspace/relays/threads/thread.js'
import type { RelayOptions } from '../../../src/plane/userspace/relays/types.js'
import { startTestThread, withReadyThreads } from '../../support/carrier-threads.js'
import * as sockets from '../../support/relay-sockets.js'

const { ask, deadPort, dial, fate, fateAt, readAll, serve, serveName, spec, until } = sockets

const carriers: readonly (readonly [string, number, () => ThreadPort])[] = [
  ['the thread of the plane', 0, startTestThread],
  ['threads without workers', 2, startTestThread],
  ['workers of Node', 2, startWorker]
]

describe.each(carriers)('carried by %s', (_, threads, startThread) => {
  const relays = (options: RelayOptions = {}): ReturnType<typeof sockets.relays> =>
    withReadyThreads(startThread, (start) => sockets.relays({ threads, ...options }, { startThread: start }))

  describe('streams', () => {
    test.each(['127.0.0.1', '::1'])('carry bytes both ways at %s, and the end of each side by itself', async (address) => {
      const { port } = await serve((socket) => void readAll(socket).then((text) => socket.end(`got ${text}`)), address)
      const { all } = relays()
      const listening = await all.listen(spec([], { listenAddress: address, endpoints: [{ address, port, weight: 1 }] }))
      const client = await dial(listening, address)
      client.end('question')
      expect(await readAll(client)).toBe('got question')
    })

    test('pass on the end of the endpoint while the client goes on', async () => {
      const { port, sockets } = await serve((socket) => socket.end('bye'))
      const { all } = relays()
      const client = await dial(await all.listen(spec([port])))
      expect(await readAll(client)).toBe('bye')
      client.end('still here')
      expect(await readAll(sockets[0]!)).toBe('still here')
    })

    test('lose nothing, though the reader is slow', async () => {
      const { port } = await serve()
      const { all } = relays()
      const client = await dial(await all.listen(spec([port])))
      const sent = randomBytes(24 << 20)
      client.end(sent)
      const received: Buffer[] = []
      let bytes = 0
      for await (const chunk of client) {
        received.push(chunk as Buffer)
        if ((bytes += (chunk as Buffer).length) < 4 << 20) await new Promise((resolve) => setTimeout(resolve, 1))
      }
      expect(Buffer.concat(received).equals(sent)).toBe(true)
    })

    test('are read no further while the other side does not read', async () => {
      const { port, sockets } = await serve((socket) => socket.pause())
      const { all } = relays()
      const client = await dial(await all.listen(spec([port])))
      const chunk = Buffer.alloc(1 << 20)
      for (let count = 0; count < 64; count++) client.write(chunk)
      const passed = (): number => all.status()[0]!.bytesFromClients
      await until(() => expect(passed()).toBeGreaterThan(0))
      let before = -1
      while (before !== passed()) {
        before = passed()
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      expect(before).toBeLessThan(32 << 20)
      sockets[0]!.resume()
      await until(() => expect(passed()).toBe(64 << 20))
    })

    test('pass on resets of the endpoint and of the client', async () => {
      const { port, sockets } = await serve((socket) => socket.resume())
      const { all, events } = relays({ logsConnections: true })
      const listening = await all.listen(spec([port]))
      const first = await dial(listening)
      await until(() => expect(sockets).toHaveLength(1))
      const fateOfFirst = fate(first)
      sockets[0]!.resetAndDestroy()
      expect(await fateOfFirst).toBe('ECONNRESET')

      const second = await dial(listening)
      await until(() => expect(sockets).toHaveLength(2))
      const fateOfServer = fate(sockets[1]!)
      second.resetAndDestroy()
      expect(await fateOfServer).toBe('ECONNRESET')
      await until(() =>
        expect(events.map((event) => event.type === 'connection' && event.ending)).toEqual(['reset by endpoint', 'reset by client'])
      )
    })

    test('pass on a reset after the client has ended its side', async () => {
      const { port, sockets } = await serve((socket) => socket.resume())
      const { all } = relays()
      const client = await dial(await all.listen(spec([port])))
      client.end()
      const outcome = fate(client)
      await until(() => expect(sockets).toHaveLength(1))
      await until(() => expect(sockets[0]!.readableEnded).toBe(true))
      sockets[0]!.resetAndDestroy()
      expect(await outcome).toBe('ECONNRESET')
      await until(() => expect(all.status()[0]!.openConnections).toBe(0))
    })
  })

  describe('endpoints', () => {
    test('that refuse cost the client no error, and are counted', async () => {
      const [dead, { port }] = [await deadPort(), await serveName('alive')]
      const { all } = relays()
      const listening = await all.listen(spec([dead, port]))
      for (let count = 0; count < 20; count++) expect(await ask(listening)).toBe('alive')
      const status = all.status()[0]!
      expect(status.failedDials).toBeGreaterThan(0)
      expect(status.endpoints.get(`127.0.0.1:${dead}`)).toMatchObject({ connections: 0, failedDials: status.failedDials })
      expect(status.endpoints.get(`127.0.0.1:${port}`)).toMatchObject({ connections: 20, failedDials: 0 })
    })

    test('of which none answers: the client is reset, and it is told', async () => {
      const { all, events } = relays({ logsConnections: true })
      expect(await fateAt(await all.listen(spec([await deadPort(), await deadPort()])))).toBe('ECONNRESET')
      expect(events).toMatchObject([
        { type: 'refused', relay: 'web', count: 1, reason: 'no endpoint answered' },
        { type: 'connection', ending: 'no endpoint answered', endpoint: undefined }
      ])
      expect(all.status()[0]).toMatchObject({ refused: 1, failedDials: 2, connections: 0 })
    })

    test('without any, the client is reset', async () => {
      const { all, events } = relays()
      expect(await fateAt(await all.listen(spec([])))).toBe('ECONNRESET')
      expect(events).toMatchObject([{ type: 'refused', reason: 'there is no endpoint that takes connections' }])
    })

    test('are chosen by weight, and not at all with weight 0', async () => {
      const names = await Promise.all(['one', 'three', 'none'].map(serveName))
      const weights = [1, 3, 0]
      const { all } = relays()
      const endpoints = names.map(({ port }, index) => ({ address: '127.0.0.1', port, weight: weights[index]! }))
      const listening = await all.listen(spec([], { endpoints }))
      const counts: Record<string, number> = { one: 0, three: 0, none: 0 }
      for (let count = 0; count < 400; count++) counts[await ask(listening)]!++
      expect(counts.none).toBe(0)
      // Seven standard deviations around 100.
      expect(counts.one).toBeGreaterThan(40)
      expect(counts.one).toBeLessThan(160)
    })

    test.each([
      ['by hash', { scheduler: 'hash' as const }],
      ['with affinity', { affinity: { timeoutSeconds: 60 } }]
    ])('stay the same for a client %s', async (_, more) => {
      const names = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(serveName))
      const { all } = relays()
      const listening = await all.listen(
        spec(
          names.map(({ port }) => port),
          more
        )
      )
      const answers = new Set<string>()
      for (let count = 0; count < 30; count++) answers.add(await ask(listening))
      expect(answers.size).toBe(1)
    })

    test('that a client kept are forgotten where they do not answer', async () => {
      const names = await Promise.all(['a', 'b'].map(serveName))
      const { all } = relays()
      const ports = names.map(({ port }) => port)
      const listening = await all.listen(spec(ports, { affinity: { timeoutSeconds: 60 } }))
      const first = await ask(listening)
      await new Promise((resolve) => names[first === 'a' ? 0 : 1]!.server.close(resolve))
      const second = await ask(listening)
      expect(second).not.toBe(first)
      const failed = all.status()[0]!.failedDials
      expect(failed).toBe(1)
      for (let count = 0; count < 10; count++) expect(await ask(listening)).toBe(second)
      expect(all.status()[0]!.failedDials).toBe(failed)
    })
  })

  describe('the PROXY protocol', () => {
    test('says before anything else who the client is and what it asked for', async () => {
      const { port, sockets } = await serve((socket) => socket.pause())
      const { all } = relays()
      const client = await dial(await all.listen(spec([port], { proxyProtocol: { address: '10.96.0.10', port: 443 } })))
      const { localPort } = client
      client.end('hello')
      await until(() => expect(sockets).toHaveLength(1))
      const chunks: Buffer[] = []
      for await (const chunk of sockets[0]!) chunks.push(chunk as Buffer)
      const received = Buffer.concat(chunks)
      expect(received.subarray(0, 16).toString('hex')).toBe('0d0a0d0a000d0a515549540a2111000c')
      expect([...received.subarray(16, 24)]).toEqual([127, 0, 0, 1, 10, 96, 0, 10])
      expect(received.readUInt16BE(24)).toBe(localPort)
      expect(received.readUInt16BE(26)).toBe(443)
      expect(received.subarray(28).toString()).toBe('hello')
      await until(() => expect(all.status()[0]!.bytesFromClients).toBe(5))
    })
  })

  test('counts and logs each connection', async () => {
    const { port } = await serve((socket) => void readAll(socket).then((text) => socket.end(`${text}!`)))
    const { all, events } = relays({ logsConnections: true })
    const client = await dial(await all.listen(spec([port])))
    const { localPort } = client
    client.end('hello')
    expect(await readAll(client)).toBe('hello!')
    await until(() => expect(events).toHaveLength(1))
    const key = `127.0.0.1:${port}`
    expect(events[0]).toMatchObject({
      type: 'connection',
      relay: 'web',
      client: `127.0.0.1:${localPort}`,
      endpoint: key,
      bytesFromClient: 5,
      bytesToClient: 6,
      ending: 'closed'
    })
    const counts = {
      connections: 1,
      openConnections: 0,
      bytesFromClients: 5,
      bytesToClients: 6,
      packetsFromClients: 0,
      packetsToClients: 0,
      failedDials: 0
    }
    expect(all.status()).toEqual([{ id: 'web', port: all.status()[0]!.port, refused: 0, ...counts, endpoints: new Map([[key, counts]]) }])
  })
})
