/**
 * Servers, clients and relays on loopback addresses, all of which are closed after each test.
 */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { afterEach, vi } from 'vitest'
import { openRelays, type RelaySurroundings } from '../../src/plane/userspace/relays/relays.js'
import { startTestThread } from './carrier-threads.js'
import type { RelayEvent, RelayOptions, Relays, RelaySpec } from '../../src/plane/userspace/relays/types.js'

const closers: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** Something that is to be closed after the test. */
export function later(close: () => unknown): void {
  closers.push(close)
}

export interface TestServer {
  readonly port: number
  readonly server: Server
  readonly sockets: Socket[]
}

/** A server that does with each connection what it is told; by default it sends back what comes. */
export async function serve(
  onConnection: (socket: Socket) => void = (socket) => socket.pipe(socket),
  host = '127.0.0.1'
): Promise<TestServer> {
  const sockets: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    onConnection(socket)
  })
  server.listen(0, host)
  await once(server, 'listening')
  later(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  return { port: (server.address() as AddressInfo).port, server, sockets }
}

/** A server that says its name and ends. */
export const serveName = (name: string): Promise<TestServer> => serve((socket) => socket.end(name))

/** A port at which nobody listens. */
export async function deadPort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A client that is connected. */
export async function dial(port: number, host = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host, allowHalfOpen: true })
  later(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** All that comes until the other side ends; the socket stays open. */
export function readAll(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.once('end', () => resolve(Buffer.concat(chunks).toString()))
    socket.once('error', reject)
  })
}

/** What a client reads through a relay. */
export async function ask(port: number, host?: string): Promise<string> {
  const socket = await dial(port, host)
  socket.end()
  return readAll(socket)
}

/** The code of the error by which a socket ends, or that it ended well. */
export function fate(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.once('close', () => resolve('closed'))
    socket.on('end', () => socket.end())
    socket.resume()
  })
}

/** How a client fares that sends nothing: it may be reset even before it knows that it is connected. */
export function fateAt(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  later(() => socket.destroy())
  return fate(socket)
}

/** Connects from another thread while the loop of this one stands still. @returns What each client reads then. */
export function connectWhileBlocked(port: number, count: number): Promise<string[]> {
  const connected = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(CLIENTS, { eval: true, workerData: { port, count, connected } })
  later(() => worker.terminate())
  Atomics.wait(connected, 0, 0, 10_000)
  return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
}

const CLIENTS = `
const { parentPort, workerData: { port, count, connected } } = require('node:worker_threads')
const { connect } = require('node:net')
const { once } = require('node:events')
const clients = Array.from({ length: count }, () => connect({ port, host: '127.0.0.1' }))
const answers = clients.map((client) => new Promise((resolve) => {
  let answer = ''
  client.on('data', (chunk) => (answer += chunk)).on('end', () => resolve(answer)).on('error', (error) => resolve(error.code))
}))
Promise.all(clients.map((client) => once(client, 'connect'))).then(() => {
  Atomics.store(connected, 0, 1)
  Atomics.notify(connected, 0)
})
Promise.all(answers).then((all) => parentPort.postMessage(all))
`

/** Relays, and what they have told. */
export function relays(
  options: RelayOptions = {},
  surroundings: RelaySurroundings = {}
): { readonly all: Relays; readonly events: RelayEvent[] } {
  const events: RelayEvent[] = []
  const all = openRelays(options, (event) => events.push(event), { startThread: startTestThread, ...surroundings })
  later(() => all.close())
  return { all, events }
}

/** A relay of TCP at any port. */
export function spec(ports: readonly number[], more: Partial<RelaySpec> = {}): RelaySpec {
  const endpoints = ports.map((port) => ({ address: '127.0.0.1', port, weight: 1 }))
  return { id: 'web', protocol: 'tcp', listenAddress: '127.0.0.1', listenPort: 0, endpoints, scheduler: 'random', ...more }
}

export interface DatagramPeer {
  readonly port: number
  readonly socket: DatagramSocket
  readonly received: Buffer[]
  close(): Promise<void>
}

/** A socket of UDP; a server answers as it is told. */
export async function datagrams(answer?: (datagram: Buffer) => Buffer | string | undefined, host = '127.0.0.1'): Promise<DatagramPeer> {
  const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 1 << 20 })
  const received: Buffer[] = []
  socket.on('message', (datagram, from) => {
    received.push(datagram)
    const reply = answer?.(datagram)
    if (reply !== undefined) socket.send(reply, from.port, from.address)
  })
  socket.bind(0, host)
  await once(socket, 'listening')
  let isOpen = true
  const close = (): Promise<void> => {
    if (!isOpen) return Promise.resolve()
    isOpen = false
    return new Promise((resolve) => socket.close(resolve))
  }
  later(close)
  return { port: socket.address().port, socket, received, close }
}

/** Sends a datagram and waits for the answer. */
export async function exchange(peer: DatagramPeer, port: number, datagram: Buffer | string, host = '127.0.0.1'): Promise<Buffer> {
  const answer = once(peer.socket, 'message') as Promise<[Buffer]>
  peer.socket.send(datagram, port, host)
  return (await answer)[0]
}

/** Waits until something holds. */
export const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 5_000, interval: 5 })
