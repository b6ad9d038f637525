/**
 * The processes of the rows of relays: a server, a relay before it, and a client, each in one process on the loopback device of a namespace. They say a line each when something is done, and end
 * with their input.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { RelayRole, RelayServer } from './frame/relay.js'
import { loadNetplane } from './frame/netplane.js'

const role = JSON.parse(process.argv[2] ?? '') as RelayRole

const say = (value: unknown): void => console.log(JSON.stringify(value))

/** Sends back what comes. @returns The port. */
async function serve(host: string): Promise<number> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  server.listen({ port: 0, host, backlog: 4_096 })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** Relays from a port of this node at its loopback address. */
async function relay(root: string, port: number, endpoint: RelayServer): Promise<() => void> {
  const { openPlane } = await loadNetplane(root)
  const plane = await openPlane({ mode: 'userspace', auditMs: 0 })
  const service = {
    name: 'echo',
    protocol: 'tcp',
    frontends: [{ kind: 'node', port }],
    endpoints: [endpoint]
  } as const
  const { quarantined } = await plane.sync(new Map([[service.name, service]]))
  if (quarantined[0] !== undefined) throw quarantined[0].error
  return () => say({ residentBytes: process.memoryUsage().rss, details: plane.status().details })
}

async function dial({ address: host, port }: RelayServer): Promise<Socket> {
  const socket = connect({ port, host, noDelay: true })
  await once(socket, 'connect')
  return socket
}

const CHUNK = Buffer.alloc(65_536, 'x')

/** @returns The milliseconds until all that was sent has come back over one connection. */
async function echo(to: RelayServer, bytes: number): Promise<number> {
  const socket = await dial(to)
  const began = performance.now()
  let left = bytes
  const send = (): void => {
    while (left > 0) {
      left -= CHUNK.length
      if (!socket.write(CHUNK)) return
    }
    socket.end()
  }
  socket.on('drain', send)
  send()
  let received = 0
  for await (const chunk of socket) received += (chunk as Buffer).length
  if (received < bytes) throw new Error(`${received} of ${bytes} bytes came back`)
  return performance.now() - began
}

/** One connection with one byte each way. */
async function exchange(to: RelayServer): Promise<Socket> {
  const socket = await dial(to)
  socket.write('x')
  await once(socket, 'data')
  return socket
}

const CONCURRENT = 32

/** Runs so many, some at a time. */
async function repeat(count: number, once: () => Promise<void>): Promise<void> {
  let left = count
  const run = async (): Promise<void> => {
    while (left-- > 0) await once()
  }
  await Promise.all(Array.from({ length: CONCURRENT }, run))
}

/** @returns The microseconds of a connection, while some are made at a time. */
async function connections(to: RelayServer, count: number): Promise<number> {
  const began = performance.now()
  await repeat(count, async () => {
    const socket = await exchange(to)
    socket.end()
    await once(socket, 'close')
  })
  return ((performance.now() - began) * 1_000) / count
}

/** Makes connections, and keeps them. */
async function hold(to: RelayServer, count: number): Promise<number> {
  const kept: Socket[] = []
  await repeat(count, async () => void kept.push(await exchange(to)))
  return kept.length
}

const loads = { echo, connections, hold } as const

let answer = (): void => undefined
if (role.type === 'server') say(await serve(role.address))
else if (role.type === 'relay') {
  answer = await relay(role.root, role.port, role.endpoint)
  answer()
} else {
  const { load, server, amount } = role
  say(await loads[load](server, amount))
}
// A line asks a relay what it is like now.
createInterface({ input: process.stdin })
  .on('line', () => answer())
  .on('close', () => process.exit())
