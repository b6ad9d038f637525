/**
 * Relays of TCP.
 */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'
import { formatSocketAddress } from '../../../core/address.js'
import { Counts } from './counts.js'
import { proxyHeader } from './proxy-header.js'
import { Relay, type Relayed } from './relay.js'
import type { RelayEndpoint, RelayEnding } from './types.js'

/** How long endpoints have to answer, one try after the other; as kube-proxy's relays did. */
const DIAL_MS = [250, 500, 1000, 2000] as const

/** Milliseconds without traffic after which the kernel asks whether the other side is still there. */
const KEEP_ALIVE_MS = 60_000

/** Resets a connection, in whatever state it is. */
function reset(socket: Socket): void {
  if (socket.destroyed) return
  socket.resetAndDestroy()
}

/** Connects, and gives up after a time. @returns Undefined: there was no answer. */
function dial({ address, port }: RelayEndpoint, timeoutMs: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({
      host: address,
      port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS
    })
    const settle = (result: Socket | undefined): void => {
      clearTimeout(timer)
      socket.off('connect', onConnect)
      if (result === undefined) socket.destroy()
      resolve(result)
    }
    const onConnect = (): void => settle(socket)
    const timer = setTimeout(() => settle(undefined), timeoutMs)
    socket.on('connect', onConnect)
    // Later errors are those of the connection, which its owner hears of, too.
    socket.on('error', () => settle(undefined))
  })
}

/** A client, and the endpoint that it is relayed to. */
class Connection implements Relayed {
  readonly client: Socket
  readonly name: string
  readonly startedAt = performance.now()
  endpoint: RelayEndpoint | undefined
  #upstream: Socket | undefined
  #ending: RelayEnding | undefined
  readonly #onEnd: (ending: RelayEnding) => void

  constructor(client: Socket, onEnd: (ending: RelayEnding) => void) {
    this.client = client
    this.name = formatSocketAddress(client.remoteAddress!, client.remotePort!)
    this.#onEnd = onEnd
    client.on('error', () => this.end('reset by client'))
    client.on('close', () => this.#closed())
  }

  get isEnded(): boolean {
    return this.#ending !== undefined || this.client.destroyed
  }

  get live(): Counts {
    const counts = new Counts()
    counts.bytesFromClients = this.client.bytesRead
    counts.bytesToClients = this.#upstream?.bytesRead ?? 0
    return counts
  }

  /** Bytes go both ways from now on. A side that ends ends the other way; one that is reset resets the other. */
  join(endpoint: RelayEndpoint, upstream: Socket): void {
    this.endpoint = endpoint
    this.#upstream = upstream
    upstream.on('error', () => this.end('reset by endpoint'))
    upstream.on('close', () => this.#closed())
    this.client.pipe(upstream)
    upstream.pipe(this.client)
  }

  end(ending: RelayEnding): void {
    this.#ending ??= ending
    reset(this.client)
    if (this.#upstream !== undefined) reset(this.#upstream)
    this.#closed()
  }

  #closed(): void {
    if (!this.client.destroyed || this.#upstream?.destroyed === false) return
    this.#onEnd(this.#ending ?? 'closed')
  }
}

/** Takes connections, and passes them on. */
export class TcpRelay extends Relay {
  #server: Server | undefined

  protected bind(): Promise<number> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true, keepAlive: true }, (client) =>
      this.#take(client)
    )
    this.#server = server
    const { listenAddress: host, listenPort: port } = this.spec
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port, ipv6Only: true }, () => {
        server.off('error', reject)
        server.on('error', (error) => this.shared.tell({ type: 'error', relay: this.id, error }))
        server.unref()
        resolve((server.address() as AddressInfo).port)
      })
    })
  }

  protected unbind(): void {
    this.#server?.close()
    this.#server = undefined
  }

  #take(client: Socket): void {
    // Whoever is gone already has no address.
    if (client.remoteAddress === undefined) return void client.destroy()
    if (!this.takes()) {
      client.on('error', () => undefined)
      return reset(client)
    }
    const connection: Connection = new Connection(client, (ending) => {
      this.ended(connection, connection.name, (performance.now() - connection.startedAt) / 1000, ending)
    })
    this.opened(connection)
    this.#connect(connection, client.remoteAddress).catch((error: unknown) => {
      this.shared.tell({ type: 'error', relay: this.id, error: error as Error })
      connection.end('no endpoint answered')
    })
  }

  async #connect(connection: Connection, address: string): Promise<void> {
    const order = this.chooser.order(address)
    for (const [attempt, timeoutMs] of DIAL_MS.entries()) {
      const endpoint = order[attempt % order.length]
      if (endpoint === undefined) break
      const upstream = await dial(endpoint, timeoutMs)
      if (connection.isEnded) return void upstream?.destroy()
      if (upstream === undefined) {
        this.countsOf(endpoint).failedDials++
        continue
      }
      this.chooser.remember(address, endpoint)
      this.#join(connection, endpoint, upstream)
      return
    }
    this.refusals.add('no endpoint answered')
    connection.end('no endpoint answered')
  }

  #join(connection: Connection, endpoint: RelayEndpoint, upstream: Socket): void {
    const { proxyProtocol } = this.spec
    const { remoteAddress, remotePort } = connection.client
    if (proxyProtocol !== undefined) upstream.write(proxyHeader({ address: remoteAddress!, port: remotePort! }, proxyProtocol))
    connection.join(endpoint, upstream)
    this.answered(connection)
  }
}
