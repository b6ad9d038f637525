/**
 * The listening side of a relay of UDP.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { Account, type RelayContext } from '../account.js'
import type { RelayListener } from '../listener.js'
import { LEADS_BACK } from '../own-sockets.js'
import { Session } from './session.js'

/** The one to an endpoint; clients have none of their own. */
const DESCRIPTORS = 1

/** Receives the datagrams of all clients, and answers them. */
export class UdpListener implements RelayListener {
  readonly #relay: RelayContext
  readonly #socket: Socket
  readonly #sessions = new Map<string, Session>()
  #isStopped = false
  #isClosed: Promise<void> | undefined

  constructor(relay: RelayContext) {
    this.#relay = relay
    const isIPv6 = relay.spec.listenAddress.includes(':')
    this.#socket = createSocket({ type: isIPv6 ? 'udp6' : 'udp4', ipv6Only: isIPv6 })
  }

  get open(): number {
    return this.#sessions.size
  }

  listen(address: string, port: number): Promise<number> {
    const socket = this.#socket
    return new Promise((resolve, reject) => {
      socket.once('error', reject)
      socket.bind({ address, port, exclusive: true }, () => {
        socket.removeListener('error', reject)
        socket.on('error', (error) => this.#relay.tell({ type: 'error', relay: this.#relay.id, error }))
        socket.on('message', (datagram, client) => this.#received(datagram, client))
        // An open plane does not keep the process alive.
        socket.unref()
        resolve(socket.address().port)
      })
    })
  }

  /** The socket stays while there are sessions, for they answer by it. */
  stop(): void {
    this.#isStopped = true
    for (const session of [...this.#sessions.values()]) session.endIfAlone()
    if (this.#sessions.size === 0) void this.#close()
  }

  end(): Promise<void> {
    this.#isStopped = true
    for (const session of [...this.#sessions.values()]) session.end('drained')
    return this.#close()
  }

  #close(): Promise<void> {
    return (this.#isClosed ??= new Promise((resolve) => this.#socket.close(resolve)))
  }

  #received(datagram: Uint8Array, client: RemoteInfo): void {
    const key = `${client.address} ${client.port}`
    const session = this.#sessions.get(key) ?? this.#open(key, client)
    session?.send(datagram)
  }

  #open(key: string, client: RemoteInfo): Session | undefined {
    // Nobody can be answered at port 0, which a datagram that was made by hand may come from.
    if (this.#isStopped || client.port === 0) return undefined
    const { limits, refusals, own } = this.#relay
    const reason = own.has(client.address, client.port) ? LEADS_BACK : limits.take(this.#sessions.size, DESCRIPTORS)
    if (reason !== undefined) {
      refusals.add(reason)
      new Account(this.#relay, client.address, client.port).ended('refused')
      return undefined
    }
    const { address, port } = client
    const session = new Session(
      this.#relay,
      { address, port },
      (datagram) => this.#answer(datagram, address, port),
      () => this.#ended(key)
    )
    this.#sessions.set(key, session)
    return session
  }

  #answer(datagram: Buffer, address: string, port: number): void {
    // A datagram that cannot be sent is lost, as one that is lost on its way: UDP has nobody to be told.
    this.#socket.send(datagram, port, address, () => undefined)
  }

  #ended(key: string): void {
    this.#sessions.delete(key)
    this.#relay.limits.release(DESCRIPTORS)
    if (this.#isStopped && this.#sessions.size === 0) void this.#close()
    this.#relay.emptied()
  }
}
