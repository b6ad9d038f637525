/**
 * Relays of UDP.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import type { Buffer } from 'node:buffer'
import { formatSocketAddress } from '../../../core/address.js'
import { endpointName } from './choice.js'
import { Counts } from './counts.js'
import { Relay, type Relayed } from './relay.js'
import type { RelayEndpoint, RelayEnding } from './types.js'

/** Milliseconds between two looks for sessions that are idle. */
const SWEEP_MS = 1000

/** Datagrams that wait until a socket is connected. */
const MAX_WAITING = 64

/** What a session tells. */
interface SessionParts {
  readonly address: string
  readonly port: number
  readonly endpoint: RelayEndpoint
  readonly answer: (data: Buffer) => void
  readonly onRefused: () => void
  readonly onEnd: (ending: RelayEnding) => void
}

/** The datagrams of one address and port of a client. */
class Session implements Relayed {
  readonly live = new Counts()
  readonly name: string
  readonly startedAt = performance.now()
  readonly endpoint: RelayEndpoint
  lastAt = performance.now()
  hasAnswer = false
  readonly #parts: SessionParts
  readonly #socket: Socket
  #waiting: Buffer[] | undefined = []
  #isEnded = false

  constructor(parts: SessionParts, type: 'udp4' | 'udp6') {
    this.#parts = parts
    this.endpoint = parts.endpoint
    this.name = formatSocketAddress(parts.address, parts.port)
    this.#socket = createSocket(type)
    this.#socket.on('error', () => parts.onRefused())
    this.#socket.on('message', (data) => this.#take(data))
    this.#socket.connect(parts.endpoint.port, parts.endpoint.address, () => {
      if (this.#isEnded) return
      this.#socket.unref()
      const waiting = this.#waiting ?? []
      this.#waiting = undefined
      for (const data of waiting) this.#socket.send(data)
    })
  }

  send(data: Buffer): void {
    this.lastAt = performance.now()
    this.live.packetsFromClients++
    this.live.bytesFromClients += data.length
    if (this.#waiting === undefined) this.#socket.send(data)
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(data)
  }

  end(ending: RelayEnding): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#socket.close()
    this.#parts.onEnd(ending)
  }

  #take(data: Buffer): void {
    this.lastAt = performance.now()
    this.hasAnswer = true
    this.live.packetsToClients++
    this.live.bytesToClients += data.length
    this.#parts.answer(data)
  }
}

/** Takes datagrams, and passes them on: those of one client to one endpoint, for as long as they come. */
export class UdpRelay extends Relay {
  readonly #sessions = new Map<string, Session>()
  /** Endpoints that refused a client's datagrams: the next one goes elsewhere. */
  readonly #refusedBy = new Map<string, Set<string>>()
  #socket: Socket | undefined
  #sweeper: NodeJS.Timeout | undefined

  protected bind(): Promise<number> {
    const socket = createSocket({ type: this.#type, ipv6Only: this.#type === 'udp6' })
    this.#socket = socket
    const { listenAddress: address, listenPort: port } = this.spec
    return new Promise((resolve, reject) => {
      socket.once('error', reject)
      socket.on('message', (data, from) => this.#take(data, from))
      socket.bind({ address, port }, () => {
        socket.off('error', reject)
        socket.on('error', (error) => this.shared.tell({ type: 'error', relay: this.id, error }))
        socket.unref()
        this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS)
        this.#sweeper.unref()
        resolve(socket.address().port)
      })
    })
  }

  /** Answers go out by the socket that listens: sessions that drain keep it, and take nothing new. */
  protected unbind(): void {
    clearInterval(this.#sweeper)
    for (const session of [...this.#sessions.values()]) session.end('drained')
    this.#socket?.close()
    this.#socket = undefined
  }

  get #type(): 'udp4' | 'udp6' {
    return this.spec.listenAddress.includes(':') ? 'udp6' : 'udp4'
  }

  #take(data: Buffer, { address, port }: RemoteInfo): void {
    const key = formatSocketAddress(address, port)
    const session = this.#sessions.get(key) ?? this.#begin(key, address, port)
    session?.send(data)
  }

  #begin(key: string, address: string, port: number): Session | undefined {
    if (!this.takes()) return undefined
    const endpoint = this.#choose(key, address)
    const parts: SessionParts = {
      address,
      port,
      endpoint,
      answer: (data) => this.#socket?.send(data, port, address),
      onRefused: () => this.#refused(key, session),
      onEnd: (ending) => {
        this.#sessions.delete(key)
        this.ended(session, session.name, (performance.now() - session.startedAt) / 1000, ending)
      }
    }
    const session: Session = new Session(parts, this.#type)
    this.#sessions.set(key, session)
    this.opened(session)
    this.answered(session)
    this.chooser.remember(address, endpoint)
    return session
  }

  #choose(key: string, address: string): RelayEndpoint {
    const order = this.chooser.order(address)
    const refusedBy = this.#refusedBy.get(key)
    const other = order.find((endpoint) => refusedBy?.has(endpointName(endpoint)) !== true)
    if (other === undefined) this.#refusedBy.delete(key)
    return other ?? order[0]!
  }

  #refused(key: string, session: Session): void {
    this.countsOf(session.endpoint).failedDials++
    const refusedBy = this.#refusedBy.get(key) ?? new Set()
    this.#refusedBy.set(key, refusedBy.add(endpointName(session.endpoint)))
    session.end('refused')
  }

  #sweep(): void {
    const { udpIdleSeconds, udpUnansweredSeconds } = this.shared.options
    const now = performance.now()
    for (const session of [...this.#sessions.values()]) {
      const seconds = session.hasAnswer ? udpIdleSeconds : udpUnansweredSeconds
      if (now - session.lastAt >= seconds * 1000) session.end('idle')
    }
    for (const key of this.#refusedBy.keys()) if (!this.#sessions.has(key)) this.#refusedBy.delete(key)
  }
}
