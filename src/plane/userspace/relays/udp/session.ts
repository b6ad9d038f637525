/**
 * What goes on with one client of a relay of UDP.
 */
import { Account, type RelayContext } from '../account.js'
import type { Target } from '../target.js'
import type { SocketAddress } from '../types.js'
import { Link, type LinkOwner } from './link.js'

/** All datagrams of a client's address and port go to one endpoint, until that is gone or nobody has spoken for a while. */
export class Session {
  readonly #relay: RelayContext
  readonly #client: SocketAddress
  readonly #closed: () => void
  readonly #owner: LinkOwner
  /** Endpoints that were not there, since one answered last. */
  readonly #refusing = new Set<Target>()
  #link: Link | undefined
  #hasAnswer = false
  #spokeMs = performance.now()
  #timer: NodeJS.Timeout
  #isOpen = true

  /**
   * @param answer Sends a datagram to the client.
   * @param closed Called once, when the session has ended.
   */
  constructor(relay: RelayContext, client: SocketAddress, answer: (datagram: Buffer) => void, closed: () => void) {
    this.#relay = relay
    this.#client = client
    this.#closed = closed
    this.#owner = {
      answered: (datagram) => {
        this.#spokeMs = performance.now()
        this.#setAnswered(true)
        this.#refusing.clear()
        answer(datagram)
      },
      refused: () => this.#refused(),
      lacking: (reason) => {
        relay.refusals.add(reason)
        this.end('idle')
      },
      drained: () => this.end('drained')
    }
    this.#timer = this.#lookAfter(this.#idleMs)
  }

  /** Passes on what the client sends. The first datagram for an endpoint chooses it. */
  send(datagram: Uint8Array): void {
    this.#spokeMs = performance.now()
    this.#link ??= this.#open()
    if (this.#link !== undefined) return this.#link.send(datagram)
    this.#relay.refusals.add('there is no endpoint that takes connections')
    new Account(this.#relay, this.#client.address, this.#client.port).ended('no endpoint answered')
    this.end('idle')
  }

  /** The relay takes no new clients: without an endpoint the session is over. */
  endIfAlone(): void {
    if (this.#link === undefined) this.end('idle')
  }

  end(ending: 'idle' | 'drained'): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    clearTimeout(this.#timer)
    this.#link?.close(ending)
    this.#closed()
  }

  /** How long nobody has spoken. */
  get silentMs(): number {
    return performance.now() - this.#spokeMs
  }

  get #idleMs(): number {
    const { udpIdleSeconds, udpUnansweredSeconds } = this.#relay.settings
    return (this.#hasAnswer ? udpIdleSeconds : udpUnansweredSeconds) * 1_000
  }

  /** Where all endpoints were away, they are tried anew. */
  #open(): Link | undefined {
    const { balance } = this.#relay
    const target = balance.choose(this.#client.address, this.#refusing) ?? this.#chooseAnew()
    return target === undefined ? undefined : new Link(this.#relay, this.#client, target, this.#owner)
  }

  #chooseAnew(): Target | undefined {
    this.#refusing.clear()
    return this.#relay.balance.choose(this.#client.address)
  }

  #refused(): void {
    if (this.#link !== undefined) this.#refusing.add(this.#link.target)
    this.#link = undefined
    this.#setAnswered(false)
  }

  /** What may be waited for may be less than before. */
  #setAnswered(hasAnswer: boolean): void {
    if (this.#hasAnswer === hasAnswer || !this.#isOpen) return
    this.#hasAnswer = hasAnswer
    clearTimeout(this.#timer)
    this.#timer = this.#lookAfter(this.#idleMs)
  }

  #lookAfter(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#look(), ms).unref()
  }

  /** Datagrams only say when they came: a timer for each of them would cost more than a look now and then. */
  #look(): void {
    const leftMs = this.#idleMs - this.silentMs
    if (leftMs <= 0) this.end('idle')
    else this.#timer = this.#lookAfter(leftMs)
  }
}
