/**
 * One thread that carries connections, seen from the thread of the plane.
 */
import type { Socket } from 'node:net'
import { reset } from '../tcp/sockets.js'
import { joinPair, type CarriedPair, type PairListener } from '../tcp/pair.js'
import type { RelayEnding } from '../types.js'
import type { Counted, FromThread, ToThread } from './messages.js'

/** A worker of Node, or what stands for one. */
export interface ThreadPort {
  postMessage(message: ToThread): void
  on(event: 'message', listener: (message: FromThread) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  /** It runs no more, and has no descriptors any more. */
  on(event: 'exit', listener: () => void): unknown
  terminate(): Promise<unknown>
  /** Does not keep the process alive from now on. */
  unref(): void
}

/** Two sockets that are to be joined. */
export interface PairToCarry {
  readonly client: Socket
  readonly endpoint: Socket
  /** What the endpoint is sent before all that comes. */
  readonly header: Uint8Array | undefined
  readonly listener: PairListener
}

/** A pair that the thread was given. */
interface LentPair extends PairToCarry {
  /** How it is to end: the thread may decline it before it is told. */
  ending: RelayEnding | undefined
}

/** Closes sockets of this thread, and tells when both are closed. The kernel closes a connection with the last descriptor. */
function release({ client, endpoint, listener }: PairToCarry, close: (socket: Socket) => void): void {
  let open = 2
  for (const socket of [client, endpoint]) {
    socket.once('close', () => {
      if (--open === 0) listener.closed()
    })
    close(socket)
  }
}

/** The descriptor of a socket, of which Node says nothing in public; undefined: it has none. */
export function descriptorOf(socket: Socket): number | undefined {
  const { fd } = (socket as { readonly _handle?: { readonly fd?: number } })._handle ?? {}
  return fd !== undefined && fd >= 0 ? fd : undefined
}

/** A thread and the pairs that it carries. The thread of the plane keeps their sockets open, and never reads them, so that it can reset them where the other thread ends. */
export class CarrierThread {
  readonly #port: ThreadPort
  readonly #lent = new Map<number, LentPair>()
  /** Pairs that the thread could not take: this one carries them. */
  readonly #kept = new Map<number, CarriedPair>()
  #last = 0
  #isReady = false
  #error: Error | undefined

  /** @param ended It runs no more: how many connections were lost with it, and why, where that is known. */
  constructor(port: ThreadPort, ended: (lost: number, error: Error | undefined) => void) {
    this.#port = port
    port.on('message', (message) => this.#take(message))
    port.on('error', (error) => (this.#error = error))
    port.on('exit', () => ended(this.#lose(), this.#error))
    // After all of these: whoever listens to messages of a worker keeps the process alive for them.
    port.unref()
  }

  /** Whether it takes connections, or took them until it ended. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** How many pairs it has. */
  get size(): number {
    return this.#lent.size
  }

  /** @param descriptors Of the client's socket, and of the endpoint's. */
  carry(pair: PairToCarry, [client, endpoint]: readonly [number, number]): CarriedPair {
    const id = ++this.#last
    const lent: LentPair = { ...pair, ending: undefined }
    this.#lent.set(id, lent)
    // Nobody polls it here, but for what is wrong with its end.
    pair.endpoint.on('error', () => undefined)
    this.#port.postMessage({ type: 'carry', id, client, endpoint, header: pair.header })
    return {
      end: (ending) => {
        const kept = this.#kept.get(id)
        if (kept !== undefined) return kept.end(ending)
        lent.ending = ending
        this.#port.postMessage({ type: 'end', id, ending })
      }
    }
  }

  async stop(): Promise<void> {
    await this.#port.terminate()
  }

  #take(message: FromThread): void {
    if (message.type === 'ready') this.#isReady = true
    else if (message.type === 'counted') for (const counted of message.pairs) this.#count(counted)
    else if (message.type === 'declined') this.#keep(message.id)
    else this.#closed(message)
  }

  #count({ id, fromClient, toClient }: Counted): void {
    this.#lent.get(id)?.listener.counted(fromClient, toClient)
  }

  #keep(id: number): void {
    const pair = this.#lent.get(id)
    if (pair === undefined) return
    this.#lent.delete(id)
    const { client, endpoint, header, listener, ending } = pair
    const closed = (): void => {
      this.#kept.delete(id)
      listener.closed()
    }
    const kept = joinPair(client, endpoint, header, { ...listener, closed })
    this.#kept.set(id, kept)
    if (ending !== undefined) kept.end(ending)
  }

  #closed(message: FromThread & { readonly type: 'closed' }): void {
    const pair = this.#lent.get(message.id)
    if (pair === undefined) return
    this.#count(message)
    this.#lent.delete(message.id)
    pair.listener.ended(message.ending)
    // Where the other thread has reset them, the kernel does so now.
    release(pair, (socket) => socket.destroy())
  }

  #lose(): number {
    const lost = [...this.#lent.values()]
    this.#lent.clear()
    for (const pair of lost) {
      pair.listener.ended('lost')
      release(pair, reset)
    }
    return lost.length
  }
}
