/**
 * The listening side of a relay of UDP.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { Account, type RelayContext } from '../account.js'
import type { RelayListener } from '../listener.js'
import { MAX_WAITING } from './link.js'
import { Session } from './session.js'

/** The one to an endpoint; clients have none of their own. */
const DESCRIPTORS = 1

/** Where there is no room for a new client, a session makes some in which nobody has spoken for as long. */
const GIVES_WAY_MS = 5_000

/** Sessions that are looked at for that. */
const MAX_LOOKS = 64

/** Receives the datagrams of all clients, and answers them. */
export class UdpListener implements RelayListener {
  readonly #relay: RelayContext
  readonly #socket: Socket
  readonly #sessions = new Map<string, Session>()
  /** Datagrams of clients of which it is not known yet whether they are relays. */
  readonly #asking = new Map<string, Uint8Array[]>()
  #port = 0
  #isStopped = false
  #isClosed: Promise<void> | undefined

  constructor(relay: RelayContext) {
    this.#relay = relay
    const isIPv6 = relay.spec.listenAddress.includes(':')
    this.#socket = createSocket({ type: isIPv6 ? 'udp6' : 'udp4', ipv6Only: isIPv6 })
  }

  get isBusy(): boolean {
    return !this.#isStopped || this.#sessions.size > 0
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
        resolve((this.#port = socket.address().port))
      })
    })
  }

  /** The socket stays while there are sessions, for they answer by it. */
  stop(stopped: () => void): void {
    this.#isStopped = true
    for (const session of [...this.#sessions.values()]) session.endIfAlone()
    if (this.#sessions.size === 0) void this.#close()
    stopped()
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
    const waiting = this.#asking.get(key)
    if (waiting === undefined) (this.#sessions.get(key) ?? this.#begin(key, client, datagram))?.send(datagram)
    else if (waiting.length < MAX_WAITING) waiting.push(datagram)
  }

  /** Opens a session, if that can be done at once. */
  #begin(key: string, client: RemoteInfo, datagram: Uint8Array): Session | undefined {
    // Nobody can be answered at port 0, which a datagram that was made by hand may come from.
    if (this.#isStopped || client.port === 0) return undefined
    const refusal = this.#relay.own.refusalOf('udp', client, this.#port)
    if (refusal === undefined) return this.#open(key, client)
    const waiting = [datagram]
    this.#asking.set(key, waiting)
    void refusal.then((reason) => {
      this.#asking.delete(key)
      if (this.#isStopped) return
      const session = reason === undefined ? this.#open(key, client) : this.#refuse(client, reason)
      for (const one of waiting) session?.send(one)
    })
    return undefined
  }

  #open(key: string, client: RemoteInfo): Session | undefined {
    const reason = this.#takeRoom()
    if (reason !== undefined) return this.#refuse(client, reason)
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

  /** Takes room for a session. Undefined: there was some, or another session made it. */
  #takeRoom(): string | undefined {
    const take = (): string | undefined => this.#relay.limits.take(this.#sessions.size, DESCRIPTORS)
    const reason = take()
    const silent = reason === undefined ? undefined : this.#findSilent()
    if (silent === undefined) return reason
    silent.end('idle')
    return take()
  }

  /** The most silent one of those that were not looked at for the longest time. Whoever speaks is looked at again after all others. */
  #findSilent(): Session | undefined {
    let found: Session | undefined
    let looks = 0
    for (const [key, session] of this.#sessions) {
      if (looks++ === MAX_LOOKS) break
      if (session.silentMs < GIVES_WAY_MS) {
        this.#sessions.delete(key)
        this.#sessions.set(key, session)
      } else if (found === undefined || session.silentMs > found.silentMs) found = session
    }
    return found
  }

  #refuse({ address, port }: RemoteInfo, reason: string): undefined {
    this.#relay.refusals.add(reason)
    new Account(this.#relay, address, port).ended('refused')
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
