/**
 * A connection of TCP through a relay.
 */
import type { Socket } from 'node:net'
import { Account, type RelayContext } from '../account.js'
import { proxyHeader } from '../proxy-header.js'
import type { Flow, Target } from '../target.js'
import type { RelayEnding } from '../types.js'
import { Dialing, type Dialed } from './dial.js'
import { reset } from './sockets.js'
import { StalledSide } from './stalled.js'

/**
 * Passes on what one side sends, and its end, to the other side.
 *
 * The side is read no further while the kernel does not take what was read before. What `write` returns does not say that: it is false for each chunk of more than 16 KiB, even where the
 * kernel has taken it, and reading would be stopped and started again for each of them.
 */
function passOn(from: Socket, to: Socket, count: (bytes: number, packets: number) => void): void {
  const stalled = new StalledSide(from)
  from.on('data', (chunk: Buffer) => {
    count(chunk.length, 0)
    if (to.write(chunk) || to.writableLength === 0) return
    from.pause()
    stalled.begin()
  })
  to.on('drain', () => {
    stalled.end()
    from.resume()
  })
  from.on('end', () => to.end())
}

/** A client's connection, and the one to an endpoint that carries it on. */
export class Connection implements Flow {
  readonly #relay: RelayContext
  readonly #client: Socket
  readonly #account: Account
  readonly #dialing: Dialing
  readonly #closed: () => void
  #endpoint: Socket | undefined
  #openSockets = 1

  /** @param closed Called when all sockets are closed. */
  constructor(relay: RelayContext, client: Socket, closed: () => void) {
    this.#relay = relay
    this.#client = client
    this.#closed = closed
    const { remoteAddress = '', remotePort = 0 } = client
    this.#account = new Account(relay, remoteAddress, remotePort)
    this.#dialing = new Dialing(relay, remoteAddress, (dialed) => this.#dialed(dialed))
    client.on('error', () => this.#fail('reset by client'))
    client.on('close', () => this.#socketClosed())
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
    const { proxyProtocol } = this.#relay.spec
    const { remoteAddress = '', remotePort = 0 } = this.#client
    this.#endpoint = endpoint
    this.#openSockets++
    account.connected(target, this)
    endpoint.on('error', () => this.#fail('reset by endpoint'))
    endpoint.on('close', () => this.#socketClosed())
    if (proxyProtocol !== undefined) endpoint.write(proxyHeader({ address: remoteAddress, port: remotePort }, proxyProtocol))
    passOn(this.#client, endpoint, (bytes, packets) => account.fromClient(bytes, packets))
    passOn(endpoint, this.#client, (bytes, packets) => account.toClient(bytes, packets))
    this.#client.resume()
  }

  /** Ends both sides by a reset. */
  #fail(ending: RelayEnding): void {
    this.#account.ended(ending)
    this.#dialing.stop()
    reset(this.#client)
    if (this.#endpoint !== undefined) reset(this.#endpoint)
  }

  #socketClosed(): void {
    if (--this.#openSockets > 0) return
    this.#account.ended('closed')
    this.#closed()
  }
}
