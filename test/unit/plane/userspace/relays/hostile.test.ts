import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { lstatSync, readdirSync } from 'node:fs'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { RelaySpec } from '../../../../../src/plane/userspace/relays/types.js'
import { ask, datagrams, dial, exchange, fateAt, relays, serve, serveName, spec, until } from '../../../../support/relay-sockets.js'

const udp = (ports: readonly number[], more: Partial<RelaySpec> = {}): RelaySpec => spec(ports, { id: 'dns', protocol: 'udp', ...more })

const NOTHING_OPEN = { openConnections: 0 }

/** Connects and resets while this process is busy with the program that does so: such clients are gone before they are accepted. */
const GONE = `
import socket, struct, sys
for _ in range(3):
    s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close()
`

/** Waits until a number that grows stays as it is. */
async function settled(read: () => number): Promise<void> {
  for (let before = -1; before <= 0 || before !== read(); await new Promise((resolve) => setTimeout(resolve, 200))) before = read()
}

describe('clients that', () => {
  test('are gone before they are accepted are nobody', async () => {
    const { port, sockets } = await serveName('alive')
    const { all, events } = relays({ logsConnections: true })
    const listening = await all.listen(spec([port], { proxyProtocol: { address: '10.96.0.10', port: 443 } }))
    execFileSync('python3', ['-c', GONE, String(listening)])
    expect(await ask(listening)).toBe('alive')
    expect(sockets).toHaveLength(1)
    await until(() => expect(events).toHaveLength(1))
    expect(all.status()[0]).toMatchObject({ connections: 1, refused: 0 })
  })

  test('reset while the endpoint reads nothing leave nothing open', async () => {
    const { port } = await serve((socket) => socket.pause())
    const { all, events } = relays({ logsConnections: true })
    const client = await dial(await all.listen(spec([port])))
    client.on('error', () => undefined)
    client.write(Buffer.alloc(64 << 20))
    await settled(() => all.status()[0]!.bytesFromClients)
    client.resetAndDestroy()
    await until(() => expect(all.status()[0]).toMatchObject(NOTHING_OPEN))
    expect(events).toMatchObject([{ type: 'connection', ending: 'reset by client' }])
  })

  test('reset after the end of their half leave nothing open, however long the endpoint is silent', async () => {
    const { port, sockets } = await serve((socket) => socket.resume())
    const { all, events } = relays({ logsConnections: true })
    const client = await dial(await all.listen(spec([port])))
    client.on('error', () => undefined)
    client.end('a question')
    await until(() => expect(sockets[0]?.readableEnded).toBe(true))
    client.resetAndDestroy()
    await until(() => expect(all.status()[0]).toMatchObject(NOTHING_OPEN))
    expect(events).toMatchObject([{ type: 'connection', ending: 'reset by client' }])
  })

  test('read nothing are told no later that the endpoint has reset', async () => {
    const { port, sockets } = await serve((socket) => socket.write(Buffer.alloc(64 << 20)))
    const { all, events } = relays({ logsConnections: true })
    const client = await dial(await all.listen(spec([port])))
    client.pause()
    client.on('error', () => undefined)
    await settled(() => all.status()[0]!.bytesToClients)
    sockets[0]!.resetAndDestroy()
    await until(() => expect(all.status()[0]).toMatchObject(NOTHING_OPEN))
    expect(events).toMatchObject([{ type: 'connection', ending: 'reset by endpoint' }])
  })
})

describe('endpoints that', () => {
  test('are the relay itself make no connection after the first one', async () => {
    const { all, events } = relays()
    const port = await all.listen(spec([]))
    all.update(spec([port], { listenPort: port }))
    expect(await fateAt(port)).toBe('ECONNRESET')
    const { connections, openConnections } = all.status()[0]!
    expect(openConnections).toBe(0)
    // The reset may come before the connection is known to be there.
    expect(connections).toBeLessThanOrEqual(1)
    expect(events).toContainEqual({
      type: 'refused',
      relay: 'web',
      count: 1,
      reason: 'the client is a relay of this process: an endpoint leads back to a service'
    })
  })

  test('are the relay itself make no session after the first one', async () => {
    const { all } = relays()
    const port = await all.listen(udp([]))
    all.update(udp([port], { listenPort: port }))
    ;(await datagrams()).socket.send('?', port, '127.0.0.1')
    await until(() => expect(all.status()[0]!.refused).toBe(1))
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(all.status()[0]).toMatchObject({ connections: 1, packetsFromClients: 1, refused: 1 })
  })

  test('no datagram may be sent to are left for the next one', async () => {
    const server = await datagrams((datagram) => datagram)
    const { all, events } = relays({ logsConnections: true })
    const endpoints = [
      { address: '255.255.255.255', port: server.port, weight: 65_535 },
      { address: '127.0.0.1', port: server.port, weight: 1 }
    ]
    const port = await all.listen(udp([], { endpoints }))
    const client = await datagrams()
    client.socket.send('lost', port, '127.0.0.1')
    await until(() => expect(events).toMatchObject([{ ending: 'reset by endpoint', endpoint: `255.255.255.255:${server.port}` }]))
    expect(String(await exchange(client, port, 'comes'))).toBe('comes')
    expect(all.status()[0]).toMatchObject({ failedDials: 1, openConnections: 1 })
  })
})

describe('datagrams', () => {
  test('without content are passed on', async () => {
    const server = await datagrams((datagram) => datagram)
    const { all } = relays()
    const port = await all.listen(udp([server.port]))
    expect(await exchange(await datagrams(), port, '')).toHaveLength(0)
    expect(all.status()[0]).toMatchObject({ packetsFromClients: 1, packetsToClients: 1, bytesToClients: 0 })
  })

  test('of IPv6 may be as large as IPv6 lets them be', async () => {
    const server = await datagrams((datagram) => datagram, '::1')
    const { all } = relays()
    const port = await all.listen(udp([], { listenAddress: '::1', endpoints: [{ address: '::1', port: server.port, weight: 1 }] }))
    expect(await exchange(await datagrams(undefined, '::1'), port, Buffer.alloc(65_527, 7), '::1')).toHaveLength(65_527)
  })
})

/** Lets a program end that reads what it is told, so that its descriptors are closed before the next test counts them. */
async function ended(program: ChildProcess): Promise<void> {
  program.stdin!.end()
  if (program.exitCode === null) await once(program, 'exit')
}

/** Changes how many descriptors this process may open from now on. The shell that does so has to be there before. */
function descriptorLimiter(): (left: number | 'all') => Promise<void> {
  const shell = spawn('sh', { stdio: ['pipe', 'pipe', 'inherit'] })
  const limit = async (soft: number | string): Promise<void> => {
    shell.stdin.write(`prlimit --pid ${process.pid} --nofile=${soft}: && echo done\n`)
    await new Promise((resolve) => shell.stdout.once('data', resolve))
  }
  onTestFinished(() => ended(shell))
  const usual = execFileSync('prlimit', ['--pid', String(process.pid), '--nofile', '-o', 'SOFT', '--noheadings'], { encoding: 'utf8' })
  onTestFinished(() => limit(usual.trim()))
  return async (left) => {
    if (left === 'all') return await limit(usual.trim())
    // The descriptor by which they are listed is none of them.
    const taken = new Set(
      readdirSync('/proc/self/fd')
        .filter((descriptor) => lstatSync(`/proc/self/fd/${descriptor}`, { throwIfNoEntry: false }) !== undefined)
        .map(Number)
    )
    let soft = 0
    for (let free = 0; free < left || taken.has(soft); soft++) if (!taken.has(soft)) free++
    await limit(soft)
  }
}

/** Asks a port twice, each time when told, and prints what it gets. */
const ASKER = `
import socket, sys
for _ in range(2):
    sys.stdin.readline()
    s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); s.settimeout(5)
    try: print(s.recv(100).decode() or 'closed', flush=True)
    except OSError as e: print(type(e).__name__, flush=True)
`

describe('where the rest of the process has used up descriptors', () => {
  test('clients are reset, and told why, while there are some left to accept them', async () => {
    const limit = descriptorLimiter()
    const { port } = await serveName('alive')
    const [server, client] = [await datagrams((datagram) => datagram), await datagrams()]
    const { all, events } = relays()
    const [ofTcp, ofUdp] = [await all.listen(spec([port])), await all.listen(udp([server.port]))]
    await limit(32)
    expect(await fateAt(ofTcp)).toBe('ECONNRESET')
    client.socket.send('?', ofUdp, '127.0.0.1')
    await until(() => expect(events).toHaveLength(2))
    const reason = expect.stringContaining('ulimit -n') as string
    expect(events).toEqual(['web', 'dns'].map((relay) => ({ type: 'refused', relay, count: 1, reason })))
    await limit('all')
    // What is left is counted again after a second.
    await expect.poll(() => ask(ofTcp).catch(() => 'reset'), { timeout: 5_000 }).toBe('alive')
  })

  test('a connection whose other half cannot be opened is reset, and its endpoint not blamed', async () => {
    const limit = descriptorLimiter()
    const { port } = await serveName('alive')
    const { all, events } = relays({}, { descriptors: () => Infinity })
    const asker = spawn('python3', ['-c', ASKER, String(await all.listen(spec([port])))], { stdio: ['pipe', 'pipe', 'inherit'] })
    onTestFinished(() => ended(asker))
    const lines = createInterface({ input: asker.stdout })[Symbol.asyncIterator]()
    const answer = async (): Promise<unknown> => {
      asker.stdin.write('now\n')
      return (await lines.next()).value
    }
    await limit(1)
    expect(await answer()).toBe('ConnectionResetError')
    await limit('all')
    expect(events).toMatchObject([
      { type: 'refused', count: 1, reason: expect.stringMatching(/^EMFILE: this machine or process/) as string }
    ])
    expect(all.status()[0]).toMatchObject({ failedDials: 0, refused: 1 })
    expect(await answer()).toBe('alive')
  })

  test('a session that cannot be opened is refused, and its endpoint not blamed', async () => {
    const limit = descriptorLimiter()
    const [server, client] = [await datagrams((datagram) => datagram), await datagrams()]
    const { all, events } = relays({ logsConnections: true }, { descriptors: () => Infinity })
    const port = await all.listen(udp([server.port]))
    await limit(0)
    client.socket.send('?', port, '127.0.0.1')
    await until(() => expect(events).toHaveLength(2))
    await limit('all')
    expect(events).toMatchObject([
      { type: 'connection', ending: 'refused' },
      { type: 'refused', count: 1, reason: expect.stringMatching(/^EMFILE: this machine or process/) as string }
    ])
    expect(all.status()[0]).toMatchObject({ failedDials: 0, openConnections: 0 })
    expect(String(await exchange(client, port, 'comes'))).toBe('comes')
  })
})
