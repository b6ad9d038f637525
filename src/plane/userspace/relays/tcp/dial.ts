/**
 * Finds an endpoint that answers.
 */
import { connect, type Socket } from 'node:net'
import { countFailedDial, type RelayContext } from '../account.js'
import { ownRefusal } from '../own-errors.js'
import type { Target } from '../target.js'

/** How long endpoints may take to answer, one after the other, in milliseconds. Those that refuse at once cost none of these turns. */
export const DIAL_TIMEOUTS_MS = [250, 500, 1_000, 2_000] as const

/** Most endpoints that one connection tries. */
const MAX_DIALS = 16

/** Seconds of silence after which the kernel asks whether the other side is still there, so that connections of clients and servers that vanished end. */
export const KEEP_ALIVE_MS = 60_000

/** An endpoint that has answered, or why there is none. */
export type Dialed = { readonly target: Target; readonly socket: Socket } | { readonly reason: string }

/** Tries endpoints until one answers. */
export class Dialing {
  readonly #relay: RelayContext
  readonly #client: string
  readonly #done: (dialed: Dialed) => void
  /** Endpoints that were tried in this round, and those that need not be tried again. */
  #tried = new Set<Target>()
  readonly #refusing = new Set<Target>()
  #dials = 0
  #timeouts = 0
  #socket: Socket | undefined
  #isOver = false

  /** @param client Address of the client, without port. */
  constructor(relay: RelayContext, client: string, done: (dialed: Dialed) => void) {
    this.#relay = relay
    this.#client = client
    this.#done = done
  }

  start(): void {
    const timeoutMs = DIAL_TIMEOUTS_MS[this.#timeouts]
    const target = timeoutMs === undefined || this.#dials === MAX_DIALS ? undefined : this.#choose()
    if (target === undefined || timeoutMs === undefined)
      this.#end({ reason: this.#dials === 0 ? 'there is no endpoint that takes connections' : 'no endpoint answered' })
    else this.#dial(target, timeoutMs)
  }

  /** Nobody waits any more. */
  stop(): void {
    this.#isOver = true
    this.#socket?.destroy()
  }

  /** Endpoints that were late may be tried again, and have longer then. */
  #choose(): Target | undefined {
    const target = this.#relay.balance.choose(this.#client, this.#tried)
    if (target !== undefined || this.#tried.size === this.#refusing.size) return target
    this.#tried = new Set(this.#refusing)
    return this.#relay.balance.choose(this.#client, this.#tried)
  }

  #dial(target: Target, timeoutMs: number): void {
    this.#dials++
    this.#tried.add(target)
    const { address: host, port } = target
    const socket = connect({
      host,
      port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS
    }).unref()
    // Who carries the connection begins to read.
    socket.pause()
    this.#socket = socket
    // Node calls connect(2) in the turn before this one, and nobody can accept the connection earlier.
    process.nextTick(() => this.#own(socket, target))
    // Only what comes first counts; the listeners stay, so that a late error is nobody's surprise.
    let isDecided = false
    const decide = (then: () => void) => () => {
      if (isDecided) return
      isDecided = true
      clearTimeout(timer)
      then()
    }
    const late = decide(() => {
      this.#timeouts++
      socket.destroy()
      this.#next(target)
    })
    const timer = setTimeout(late, timeoutMs).unref()
    socket.once(
      'connect',
      decide(() => this.#connected(target, socket))
    )
    socket.once('error', (error: NodeJS.ErrnoException) => decide(() => this.#refused(target, error))())
    socket.once('close', () => clearTimeout(timer))
  }

  #own(socket: Socket, { address, port }: Target): void {
    const { localAddress, localPort } = socket
    if (localAddress === undefined || localPort === undefined) return
    const own = { address: localAddress, port: localPort }
    socket.once('close', this.#relay.own.add({ protocol: 'tcp', own, endpoint: { address, port } }))
  }

  #refused(target: Target, error: NodeJS.ErrnoException): void {
    const reason = ownRefusal(error)
    if (reason !== undefined) return this.#end({ reason })
    this.#refusing.add(target)
    this.#next(target)
  }

  #connected(target: Target, socket: Socket): void {
    if (this.#isOver) socket.destroy()
    else if (isItself(socket)) {
      socket.destroy()
      this.#refusing.add(target)
      this.#next(target)
    } else if (this.#relay.balance.has(target)) this.#end({ target, socket })
    else {
      // It went while it was being dialled.
      socket.destroy()
      this.start()
    }
  }

  #next(target: Target): void {
    if (this.#isOver) return
    countFailedDial(this.#relay, this.#client, target)
    this.start()
  }

  #end(dialed: Dialed): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#socket = undefined
    this.#done(dialed)
  }
}

/** Where nobody listens at a port of this machine that the kernel may choose for a client, a socket can get that port and connect to itself (simultaneous open, RFC 9293, 3.5). */
function isItself({ localAddress, localPort, remoteAddress, remotePort }: Socket): boolean {
  return localPort === remotePort && localAddress === remoteAddress
}
