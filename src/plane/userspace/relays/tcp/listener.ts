/**
 * The listening side of a relay of TCP.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { Account, type RelayContext } from '../account.js'
import type { RelayListener } from '../listener.js'
import { Connection } from './connection.js'
import { KEEP_ALIVE_MS } from './dial.js'
import { reset } from './sockets.js'

/** Clients that may wait to be accepted, as far as the kernel allows (`net.core.somaxconn`). */
const BACKLOG = 4_096

/** Accepts connections. */
export class TcpListener implements RelayListener {
  readonly #relay: RelayContext
  readonly #server: Server
  readonly #connections = new Set<Connection>()
  /** Clients of which it is not known yet whether they are relays. */
  readonly #asking = new Set<Socket>()
  #port = 0
  /** How many came. */
  #accepted = 0
  #whenIdle: (() => void) | undefined

  constructor(relay: RelayContext) {
    this.#relay = relay
    this.#server = createServer(
      { allowHalfOpen: true, pauseOnConnect: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS },
      (client) => this.#accept(client)
    )
  }

  get isBusy(): boolean {
    return this.#server.listening || this.#connections.size > 0 || this.#asking.size > 0
  }

  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port, ipv6Only: host.includes(':'), backlog: BACKLOG }, () => {
        this.#server.removeListener('error', reject)
        this.#server.on('error', (error) => this.#relay.tell({ type: 'error', relay: this.#relay.id, error }))
        // An open plane does not keep the process alive.
        this.#server.unref()
        resolve((this.#port = (this.#server.address() as AddressInfo).port))
      })
    })
  }

  /** The kernel would reset those that wait to be accepted, which it has told that they are connected. */
  stop(stopped: () => void): void {
    const close = (): void => {
      if (!this.#server.listening) return
      this.#server.close()
      stopped()
    }
    // This turn may be past the place where it accepts.
    setImmediate(() => this.#afterQuietTurn(close, BACKLOG))
  }

  /** Waits for a turn of the loop in which nobody comes: each accepts one who waits, or more. */
  #afterQuietTurn(then: () => void, turns: number): void {
    const accepted = this.#accepted
    setImmediate(() => {
      if (turns > 1 && this.#accepted > accepted) this.#afterQuietTurn(then, turns - 1)
      else then()
    })
  }

  end(): Promise<void> {
    if (this.#server.listening) this.#server.close()
    for (const client of this.#asking) dismiss(client)
    this.#asking.clear()
    for (const connection of [...this.#connections]) connection.drain()
    if (!this.isBusy) return Promise.resolve()
    return new Promise((resolve) => (this.#whenIdle = resolve))
  }

  #accept(client: Socket): void {
    client.unref()
    this.#accepted++
    const { remoteAddress: address, remotePort: port = 0 } = client
    if (address === undefined) return dismiss(client)
    const refusal = this.#relay.own.refusalOf('tcp', { address, port }, this.#port)
    if (refusal === undefined) this.#carry(client)
    else void this.#carryUnless(refusal, client)
  }

  async #carryUnless(refusal: Promise<string | undefined>, client: Socket): Promise<void> {
    const ignore = (): void => undefined
    client.on('error', ignore)
    this.#asking.add(client)
    const reason = await refusal
    // It was dismissed, as all were.
    if (!this.#asking.delete(client)) return
    if (reason === undefined) this.#carry(client)
    else this.#refuse(client, reason)
    client.off('error', ignore)
    this.#emptied()
  }

  #carry(client: Socket): void {
    const { limits, carrier } = this.#relay
    const reason = limits.take(this.#connections.size, carrier.descriptors)
    if (reason !== undefined) return this.#refuse(client, reason)
    const connection = new Connection(this.#relay, client, () => {
      this.#connections.delete(connection)
      limits.release(carrier.descriptors)
      this.#emptied()
    })
    this.#connections.add(connection)
    connection.start()
  }

  #emptied(): void {
    if (!this.isBusy) this.#whenIdle?.()
    this.#relay.emptied()
  }

  #refuse(client: Socket, reason: string): void {
    const { remoteAddress = '', remotePort = 0 } = client
    dismiss(client)
    this.#relay.refusals.add(reason)
    new Account(this.#relay, remoteAddress, remotePort).ended('refused')
  }
}

/** Ends a connection that nobody carries. The kernel knows no address any more of a client that reset its connection before it was accepted (ENOTCONN of getpeername). */
function dismiss(client: Socket): void {
  client.on('error', () => undefined) // The client went first.
  reset(client)
}
