/**
 * The socket by which a session of UDP speaks with one endpoint.
 */
import { createSocket, type Socket } from 'node:dgram'
import { Account, countFailedDial, type RelayContext } from '../account.js'
import { ownRefusal } from '../own-errors.js'
import type { Flow, Target } from '../target.js'
import type { RelayEnding, SocketAddress } from '../types.js'

/** Datagrams of a client that wait until they can be passed on, which takes a few turns of the loop; more are lost, as in a full queue of the kernel. */
export const MAX_WAITING = 64

/** What a link tells its session. */
export interface LinkOwner {
  /** The endpoint sent a datagram. */
  readonly answered: (datagram: Buffer) => void
  /** The endpoint is not there: an ICMP error came back. */
  readonly refused: () => void
  /** No socket could be opened to the endpoint, which is not to blame for that. */
  readonly lacking: (reason: string) => void
  /** The endpoint went, and its time is over. */
  readonly drained: () => void
}

/** A connected socket: the kernel takes only what comes from the endpoint, and gives the ICMP errors of what was sent there. */
export class Link implements Flow {
  readonly target: Target
  readonly #relay: RelayContext
  readonly #client: string
  readonly #owner: LinkOwner
  readonly #account: Account
  readonly #socket: Socket
  /** Until the socket is connected. */
  #waiting: Uint8Array[] | undefined = []

  constructor(relay: RelayContext, client: SocketAddress, target: Target, owner: LinkOwner) {
    this.target = target
    this.#relay = relay
    this.#client = client.address
    this.#owner = owner
    this.#account = new Account(relay, client.address, client.port)
    this.#account.connected(target, this)
    this.#socket = createSocket(target.address.includes(':') ? 'udp6' : 'udp4')
    this.#socket.on('message', (datagram) => this.#answered(datagram))
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#failed(error))
    // Node gives an error of connect(2) to this listener, whose type does not say so, and of bind(2), which comes before, to that of 'error'.
    this.#socket.connect(target.port, target.address, (error?: NodeJS.ErrnoException) =>
      error === undefined ? this.#connected() : this.#failed(error)
    )
  }

  send(datagram: Uint8Array): void {
    if (this.#waiting === undefined) this.#write(datagram)
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(datagram)
  }

  drain(): void {
    this.close('drained')
    this.#owner.drained()
  }

  close(ending: RelayEnding): void {
    if (!this.#account.isOpen) return
    this.#account.ended(ending)
    this.#socket.close()
  }

  #connected(): void {
    if (this.#account.isOpen) this.#begin()
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    for (const datagram of waiting) if (this.#account.isOpen) this.#write(datagram)
  }

  #begin(): void {
    const socket = this.#socket.unref()
    const { address, port } = this.target
    socket.once('close', this.#relay.own.add({ protocol: 'udp', own: socket.address(), endpoint: { address, port } }))
  }

  #write(datagram: Uint8Array): void {
    this.#account.fromClient(datagram.length, 1)
    this.#socket.send(datagram, (error) => {
      if (error !== null) this.#failed(error)
    })
  }

  #answered(datagram: Buffer): void {
    this.#account.toClient(datagram.length, 1)
    this.#owner.answered(datagram)
  }

  /** What the kernel says of one datagram (EMSGSIZE, ENOBUFS) is of that one alone, which is lost as others are lost on their way. */
  #failed(error: NodeJS.ErrnoException): void {
    if (!this.#account.isOpen || LOST.has(error.code)) return
    const reason = ownRefusal(error)
    if (reason !== undefined) {
      this.close('refused')
      return this.#owner.lacking(reason)
    }
    countFailedDial(this.#relay, this.#client, this.target)
    this.close('reset by endpoint')
    this.#owner.refused()
  }
}

const LOST: ReadonlySet<string | undefined> = new Set(['EMSGSIZE', 'ENOBUFS', 'EAGAIN', 'EPERM'])
