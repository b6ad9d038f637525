/**
 * The listening side of a relay of TCP.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { Account, type RelayContext } from '../account.js'
import type { RelayListener } from '../listener.js'
import { LEADS_BACK } from '../own-sockets.js'
import { Connection } from './connection.js'
import { KEEP_ALIVE_MS } from './dial.js'
import { reset } from './sockets.js'

/** The client's, and the one to an endpoint. */
const DESCRIPTORS = 2

/** Clients that may wait to be accepted, as far as the kernel allows (`net.core.somaxconn`). */
const BACKLOG = 4_096

/** Accepts connections. */
export class TcpListener implements RelayListener {
  readonly #relay: RelayContext
  readonly #server: Server
  readonly #connections = new Set<Connection>()
  #whenIdle: (() => void) | undefined

  constructor(relay: RelayContext) {
    this.#relay = relay
    this.#server = createServer(
      { allowHalfOpen: true, pauseOnConnect: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS },
      (client) => this.#accept(client)
    )
  }

  get open(): number {
    return this.#connections.size
  }

  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port, ipv6Only: host.includes(':'), backlog: BACKLOG }, () => {
        this.#server.removeListener('error', reject)
        this.#server.on('error', (error) => this.#relay.tell({ type: 'error', relay: this.#relay.id, error }))
        // An open plane does not keep the process alive.
        this.#server.unref()
        resolve((this.#server.address() as AddressInfo).port)
      })
    })
  }

  stop(): void {
    this.#server.close()
  }

  end(): Promise<void> {
    if (this.#server.listening) this.#server.close()
    for (const connection of [...this.#connections]) connection.drain()
    if (this.#connections.size === 0) return Promise.resolve()
    return new Promise((resolve) => (this.#whenIdle = resolve))
  }

  #accept(client: Socket): void {
    client.unref()
    const { remoteAddress, remotePort = 0 } = client
    if (remoteAddress === undefined) return dismiss(client)
    const { limits, own } = this.#relay
    if (own.has(remoteAddress, remotePort)) return this.#refuse(client, LEADS_BACK)
    const reason = limits.take(this.#connections.size, DESCRIPTORS)
    if (reason !== undefined) return this.#refuse(client, reason)
    const connection = new Connection(this.#relay, client, () => {
      this.#connections.delete(connection)
      limits.release(DESCRIPTORS)
      if (this.#connections.size === 0) this.#whenIdle?.()
      this.#relay.emptied()
    })
    this.#connections.add(connection)
    connection.start()
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
