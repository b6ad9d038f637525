/**
 * A connection of TCP through a relay.
 */
import type { Socket } from 'node:net'
import { Account, type RelayContext } from '../account.js'
import { proxyHeader } from '../proxy-header.js'
import type { Flow, Target } from '../target.js'
import type { RelayEnding } from '../types.js'
import { Dialing, type Dialed } from './dial.js'
import type { CarriedPair } from './pair.js'
import { reset } from './sockets.js'

/** A client's connection, and the one to an endpoint that carries it on. */
export class Connection implements Flow {
  readonly #relay: RelayContext
  readonly #client: Socket
  readonly #account: Account
  readonly #dialing: Dialing
  readonly #closed: () => void
  #pair: CarriedPair | undefined

  /** @param closed Called when all sockets are closed. */
  constructor(relay: RelayContext, client: Socket, closed: () => void) {
    this.#relay = relay
    this.#client = client
    this.#closed = closed
    const { remoteAddress = '', remotePort = 0 } = client
    this.#account = new Account(relay, remoteAddress, remotePort)
    this.#dialing = new Dialing(relay, remoteAddress, (dialed) => this.#dialed(dialed))
    client.on('error', () => this.#clientFailed())
    client.on('close', () => this.#clientClosed())
  }

  start(): void {
    this.#dialing.start()
  }

  drain(): void {
    this.#fail('drained')
  }

  #dialed(dialed: Dialed): void {
    if ('reason' in dialed) {
      this.#relay.refusals.add(dialed.reason)
      return this.#fail('no endpoint answered')
    }
    this.#join(dialed.target, dialed.socket)
  }

  #join(target: Target, endpoint: Socket): void {
    const account = this.#account
    const { spec, carrier } = this.#relay
    const { proxyProtocol } = spec
    const { remoteAddress = '', remotePort = 0 } = this.#client
    account.connected(target, this)
    const header = proxyProtocol && proxyHeader({ address: remoteAddress, port: remotePort }, proxyProtocol)
    this.#pair = carrier.carry(this.#client, endpoint, header, {
      counted: (fromClient, toClient) => account.counted(fromClient, toClient),
      ended: (ending) => account.ended(ending),
      closed: this.#closed
    })
  }

  #fail(ending: RelayEnding): void {
    if (this.#pair !== undefined) return this.#pair.end(ending)
    this.#account.ended(ending)
    this.#dialing.stop()
    reset(this.#client)
  }

  #clientFailed(): void {
    if (this.#pair === undefined) this.#fail('reset by client')
  }

  #clientClosed(): void {
    if (this.#pair !== undefined) return
    this.#account.ended('closed')
    this.#closed()
  }
}
