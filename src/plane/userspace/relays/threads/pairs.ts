/**
 * The pairs that a thread carries for another one.
 */
import { closeSync } from 'node:fs'
import { Socket } from 'node:net'
import { joinPair, type CarriedPair } from '../tcp/pair.js'
import type { RelayEnding } from '../types.js'
import type { Counted, FromThread, ToThread } from './messages.js'

/** How often bytes are told while a pair is open, in milliseconds. */
const TELL_MS = 100

/** What a thread knows of a pair. */
interface Pair {
  readonly id: number
  carried: CarriedPair | undefined
  ending: RelayEnding | undefined
  fromClient: number
  toClient: number
}

/** Carries pairs, and tells what becomes of them. */
export class ThreadPairs {
  readonly #duplicate: (descriptor: number) => number
  readonly #tell: (message: FromThread) => void
  readonly #pairs = new Map<number, Pair>()
  /** Those with bytes that were not told. */
  readonly #untold = new Set<Pair>()
  #isTelling = false

  /** @param duplicate Of the addon. */
  constructor(duplicate: (descriptor: number) => number, tell: (message: FromThread) => void) {
    this.#duplicate = duplicate
    this.#tell = tell
  }

  take(message: ToThread): void {
    if (message.type === 'end') this.#pairs.get(message.id)?.carried?.end(message.ending)
    else this.#carry(message)
  }

  #carry({ id, client, endpoint, header }: ToThread & { readonly type: 'carry' }): void {
    const sockets = this.#open(client, endpoint)
    if (sockets === undefined) return this.#tell({ type: 'declined', id })
    const pair: Pair = { id, carried: undefined, ending: undefined, fromClient: 0, toClient: 0 }
    this.#pairs.set(id, pair)
    pair.carried = joinPair(...sockets, header, {
      counted: (fromClient, toClient) => this.#count(pair, fromClient, toClient),
      ended: (ending) => void (pair.ending ??= ending),
      closed: () => this.#closed(pair)
    })
  }

  #open(...descriptors: readonly [number, number]): [Socket, Socket] | undefined {
    const [client, endpoint] = descriptors.map((descriptor) => this.#duplicate(descriptor)) as [number, number]
    if (client >= 0 && endpoint >= 0) return [openSocket(client), openSocket(endpoint)]
    for (const descriptor of [client, endpoint]) if (descriptor >= 0) closeSync(descriptor)
    return undefined
  }

  #count(pair: Pair, fromClient: number, toClient: number): void {
    pair.fromClient += fromClient
    pair.toClient += toClient
    this.#untold.add(pair)
    if (this.#isTelling) return
    this.#isTelling = true
    setTimeout(() => this.#tellCounts(), TELL_MS)
  }

  #tellCounts(): void {
    this.#isTelling = false
    if (this.#untold.size === 0) return
    this.#tell({ type: 'counted', pairs: [...this.#untold].map(taken) })
    this.#untold.clear()
  }

  #closed(pair: Pair): void {
    this.#pairs.delete(pair.id)
    this.#untold.delete(pair)
    this.#tell({ type: 'closed', ending: pair.ending ?? 'closed', ...taken(pair) })
  }
}

/** A socket that is not read yet. */
function openSocket(fd: number): Socket {
  return new Socket({ fd, allowHalfOpen: true, readable: true, writable: true }).pause()
}

/** The bytes of a pair that were not told yet: they are told. */
function taken(pair: Pair): Counted {
  const { id, fromClient, toClient } = pair
  pair.fromClient = 0
  pair.toClient = 0
  return { id, fromClient, toClient }
}
