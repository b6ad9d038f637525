import { Worker } from 'node:worker_threads'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { openRelays } from '../../../../../src/plane/userspace/relays/relays.js'
import type { DescriptorLimit } from '../../../../../src/plane/userspace/relays/limits.js'
import type { RelayOptions, RelaySpec } from '../../../../../src/plane/userspace/relays/types.js'
import {
  ask,
  connectWhileBlocked,
  dial,
  fate,
  fateAt,
  later,
  readAll,
  relays,
  serve,
  serveName,
  spec,
  until
} from '../../../../support/relay-sockets.js'

/** A port at which the kernel answers nobody: it listens, its queue is full, and nobody takes from that. */
async function silentPort(): Promise<number> {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      parentPort.postMessage(server.address().port)
      Atomics.wait(new Int32Array(workerData), 0, 0)
    })`
  const flag = new SharedArrayBuffer(4)
  const worker = new Worker(code, { eval: true, workerData: flag })
  later(() => {
    Atomics.store(new Int32Array(flag), 0, 1)
    Atomics.notify(new Int32Array(flag), 0)
    return worker.terminate()
  })
  const [port] = (await once(worker, 'message')) as [number]
  for (let count = 0; count < 4; count++) {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined)
    later(() => socket.destroy())
  }
  await new Promise((resolve) => setTimeout(resolve, 100))
  return port
}

describe('an endpoint that does not answer', () => {
  test('is left after 250 ms for the next one', async () => {
    const [silent, { port }] = [await silentPort(), await serveName('alive')]
    const { all } = relays()
    const endpoints = [silent, port].map((each, index) => ({ address: '127.0.0.1', port: each, weight: index === 0 ? 65_535 : 1 }))
    const listening = await all.listen(spec([], { endpoints }))
    const began = performance.now()
    expect(await ask(listening)).toBe('alive')
    const took = performance.now() - began
    expect(took).toBeGreaterThan(240)
    expect(took).toBeLessThan(1_500)
  })

  test('and is the only one is tried for 250 ms, 500 ms, 1 s and 2 s', async () => {
    const { all } = relays()
    const listening = await all.listen(spec([await silentPort()]))
    const began = performance.now()
    expect(await fateAt(listening)).toBe('ECONNRESET')
    const took = performance.now() - began
    expect(took).toBeGreaterThan(3_700)
    expect(took).toBeLessThan(6_000)
    expect(all.status()[0]).toMatchObject({ failedDials: 4, refused: 1 })
  })
})

describe('update', () => {
  test('new connections follow at once, and open ones go on until they end', async () => {
    const [old, young] = [await serve(), await serveName('young')]
    const { all } = relays()
    const port = await all.listen(spec([old.port]))
    const client = await dial(port)
    client.write('before ')
    await until(() => expect(all.status()[0]!.bytesToClients).toBe(7))
    all.update(spec([young.port], { listenPort: port }))
    expect(await ask(port)).toBe('young')
    expect([...all.status()[0]!.endpoints.keys()]).toEqual([`127.0.0.1:${old.port}`, `127.0.0.1:${young.port}`])
    client.end('after')
    expect(await readAll(client)).toBe('before after')
    await until(() => expect([...all.status()[0]!.endpoints.keys()]).toEqual([`127.0.0.1:${young.port}`]))
  })

  test.each([0, 1])('resets both sides of what is open to an endpoint that went, after %d seconds', async (drainSeconds) => {
    const [old, young] = [await serve(), await serveName('young')]
    const { all, events } = relays({ logsConnections: true })
    const port = await all.listen(spec([old.port]))
    const client = await dial(port)
    await until(() => expect(all.status()[0]!.openConnections).toBe(1))
    await until(() => expect(old.sockets).toHaveLength(1))
    const fates = Promise.all([fate(client), fate(old.sockets[0]!)])
    const began = performance.now()
    all.update(spec([young.port], { listenPort: port, drainSeconds }))
    expect(await fates).toEqual(['ECONNRESET', 'ECONNRESET'])
    expect(performance.now() - began).toBeGreaterThan(drainSeconds * 990)
    expect(events).toMatchObject([{ type: 'connection', ending: 'drained' }])
  })

  test('an endpoint that comes back in time keeps what is open', async () => {
    const { port: old } = await serve()
    const { all } = relays()
    const port = await all.listen(spec([old]))
    const client = await dial(port)
    await until(() => expect(all.status()[0]!.openConnections).toBe(1))
    all.update(spec([], { listenPort: port, drainSeconds: 1 }))
    all.update(spec([old], { listenPort: port, drainSeconds: 1 }))
    await new Promise((resolve) => setTimeout(resolve, 1_200))
    client.end('still')
    expect(await readAll(client)).toBe('still')
  })

  test('weight 0 leaves open what is open', async () => {
    const { port: old } = await serve()
    const { all } = relays()
    const port = await all.listen(spec([old]))
    const client = await dial(port)
    await until(() => expect(all.status()[0]!.openConnections).toBe(1))
    all.update(spec([], { listenPort: port, drainSeconds: 0, endpoints: [{ address: '127.0.0.1', port: old, weight: 0 }] }))
    expect(await fateAt(port)).toBe('ECONNRESET')
    client.end('still')
    expect(await readAll(client)).toBe('still')
  })
})

describe('ends', () => {
  test('withdraw takes no new clients, and what is open goes on', async () => {
    const { port: old } = await serve()
    const { all } = relays()
    const port = await all.listen(spec([old]))
    const client = await dial(port)
    await until(() => expect(all.status()[0]!.openConnections).toBe(1))
    all.withdraw('web')
    // Nobody waits to be accepted, which the loop sees in its next turn.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(await fateAt(port)).toBe('ECONNREFUSED')
    expect(all.status()).toMatchObject([{ id: 'web', openConnections: 1 }])
    client.end('still')
    expect(await readAll(client)).toBe('still')
    await until(() => expect(all.status()).toEqual([]))
  })

  test('withdraw serves those that the kernel has told that they are connected', async () => {
    const server = await serveName('late')
    const { all } = relays()
    const port = await all.listen(spec([server.port]))
    const clients = connectWhileBlocked(port, 20)
    all.withdraw('web')
    expect(await clients).toEqual(Array<string>(20).fill('late'))
    await until(() => expect(all.status()).toEqual([]))
  })

  test('close resets all, waits for it, and refuses to listen afterwards', async () => {
    const { port: old } = await serve()
    const { all } = relays()
    const port = await all.listen(spec([old]))
    const client = await dial(port)
    await until(() => expect(all.status()[0]!.openConnections).toBe(1))
    const outcome = fate(client)
    const starting = all.listen(spec([old], { id: 'late' })).catch((error: unknown) => error)
    await all.close()
    expect(await outcome).toBe('ECONNRESET')
    expect(await starting).toMatchObject({ code: 'ERR_NETPLANE_CLOSED' })
    expect(all.status()).toEqual([])
    expect(await fateAt(port)).toBe('ECONNREFUSED')
    await expect(all.listen(spec([old]))).rejects.toMatchObject({ code: 'ERR_NETPLANE_CLOSED' })
  })

  test('close ends connections whose client does not read', async () => {
    const { port: old } = await serve((socket) => socket.write(Buffer.alloc(32 << 20)))
    const { all } = relays()
    const client = await dial(await all.listen(spec([old])))
    client.on('error', () => undefined)
    client.pause()
    client.end()
    await until(() => expect(all.status()[0]!.bytesToClients).toBeGreaterThan(1 << 20))
    await all.close()
    expect(all.status()).toEqual([])
  })
})

describe('limits', () => {
  const full: readonly (readonly [string, RelayOptions, DescriptorLimit | undefined, string])[] = [
    ['all relays', { maxConnections: 1 }, undefined, 'all relays together have 1 connections, which is the most that is allowed'],
    ['one relay', { maxConnectionsPerRelay: 1 }, undefined, 'the relay has 1 connections, which is the most that is allowed'],
    ['descriptors', {}, () => 3, 'the process has no more file descriptors (ulimit -n) than the 2 that relays use and those of others']
  ]
  test.each(full)('of %s: a client beyond them is reset, counted and told', async (_, options, descriptors, reason) => {
    const { port } = await serve()
    const { all, events } = relays({ ...options, logsConnections: true }, descriptors && { descriptors })
    const listening = await all.listen(spec([port]))
    const first = await dial(listening)
    await until(() => expect(all.status()[0]!.openConnections).toBe(1))
    for (let count = 0; count < 3; count++) expect(await fateAt(listening)).toBe('ECONNRESET')
    expect(all.status()[0]!.refused).toBe(3)
    const refusals = (): unknown[] => events.filter(({ type }) => type === 'refused')
    expect(refusals()).toEqual([{ type: 'refused', relay: 'web', count: 1, reason }])
    expect(events.filter((event) => event.type === 'connection' && event.ending === 'refused')).toHaveLength(3)
    // There is room again.
    first.end()
    await readAll(first)
    await until(() => expect(all.status()[0]!.openConnections).toBe(0))
    expect(await ask(listening)).toBe('')
    await all.close()
    expect(refusals().slice(1)).toEqual([{ type: 'refused', relay: 'web', count: 2, reason }])
  })
})

describe('what is refused', () => {
  test('a port in use, by the name of the relay', async () => {
    const { port } = await serve()
    const { all } = relays()
    await expect(all.listen(spec([], { listenPort: port }))).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: `EADDRINUSE: listen: relay web, tcp at 127.0.0.1:${port}; another socket listens at this port`
    })
    const taken = await all.listen(spec([], { id: 'first', protocol: 'udp' }))
    await expect(all.listen(spec([], { protocol: 'udp', listenPort: taken }))).rejects.toMatchObject({ code: 'EADDRINUSE' })
    // The id is free again.
    await all.listen(spec([]))
  })

  test('an address that this node does not have', async () => {
    await expect(relays().all.listen(spec([], { listenAddress: '192.0.2.1' }))).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' })
  })

  const bad: readonly (readonly [Partial<RelaySpec>, string])[] = [
    [{ id: '' }, 'spec.id'],
    [{ protocol: 'icmp' as never }, 'spec.protocol'],
    [{ listenAddress: 'localhost' }, 'spec.listenAddress'],
    [{ listenPort: 65_536 }, 'spec.listenPort'],
    [{ endpoints: [{ address: '::1', port: 1, weight: 1 }] }, 'spec.endpoints[0].address'],
    [{ endpoints: [{ address: '127.0.0.1', port: 0, weight: 1 }] }, 'spec.endpoints[0].port'],
    [{ endpoints: [{ address: '127.0.0.1', port: 1, weight: -1 }] }, 'spec.endpoints[0].weight'],
    [{ endpoints: 3 as never }, 'spec.endpoints'],
    [{ scheduler: 'rr' as never }, 'spec.scheduler'],
    [{ affinity: { timeoutSeconds: 0 } }, 'spec.affinity.timeoutSeconds'],
    [{ drainSeconds: -1 }, 'spec.drainSeconds'],
    [{ proxyProtocol: { address: 'x', port: 1 } }, 'spec.proxyProtocol.address'],
    [{ proxyProtocol: { address: '10.0.0.1', port: 0 } }, 'spec.proxyProtocol.port'],
    [{ protocol: 'udp', proxyProtocol: { address: '10.0.0.1', port: 1 } }, 'spec.proxyProtocol'],
    [{ drain: 1 } as never, 'spec.drain']
  ]
  test.each(bad)('%j', async (more, path) => {
    const { all } = relays()
    await expect(all.listen(spec([], more))).rejects.toMatchObject({ code: 'ERR_NETPLANE_VALIDATION', path })
    expect(all.status()).toEqual([])
  })

  test('SCTP, by name', async () => {
    await expect(relays().all.listen(spec([], { protocol: 'sctp' as never }))).rejects.toMatchObject({
      code: 'ERR_NETPLANE_UNSUPPORTED',
      missing: 'SCTP'
    })
  })

  test('a second relay of the same id, and changes of what does not listen or listens elsewhere', async () => {
    const { all } = relays()
    const port = await all.listen(spec([]))
    await expect(all.listen(spec([]))).rejects.toMatchObject({ path: 'spec.id' })
    const refused = (more: Partial<RelaySpec>, path: string): void =>
      expect(() => all.update(spec([], more))).toThrow(expect.objectContaining({ path }) as Error)
    refused({ id: 'other' }, 'spec.id')
    refused({ protocol: 'udp' }, 'spec.protocol')
    refused({ listenAddress: '127.0.0.2' }, 'spec.listenAddress')
    refused({ listenPort: port === 1 ? 2 : 1 }, 'spec.listenPort')
  })

  test.each([
    [{ maxConnections: 0 }, 'relays.maxConnections'],
    [{ maxConnectionsPerRelay: 1.5 }, 'relays.maxConnectionsPerRelay'],
    [{ udpUnansweredSeconds: 0 }, 'relays.udpUnansweredSeconds'],
    [{ udpIdleSeconds: 2_147_484 }, 'relays.udpIdleSeconds'],
    [{ logsConnections: 1 as never }, 'relays.logsConnections'],
    [{ workers: 2 } as never, 'relays.workers']
  ] satisfies [RelayOptions, string][])('options %j', (options, path) => {
    expect(() => openRelays(options, () => undefined)).toThrow(expect.objectContaining({ path }) as Error)
  })
})
