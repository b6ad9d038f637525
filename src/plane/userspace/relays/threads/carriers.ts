/**
 * Who carries connections: the thread of the plane, or one of others.
 */
import type { Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { createRequire } from 'node:module'
import { NetplaneError } from '../../../../core/errors.js'
import { joinPair, type CarriedPair, type PairListener } from '../tcp/pair.js'
import { CarrierThread, descriptorOf, type ThreadPort } from './thread.js'

/** Milliseconds until the next thread begins where one ended, and at most, where one after the other ends before it takes connections. */
export const RESTART_MS = 1_000
const MAX_RESTART_MS = 60_000

/** Carries pairs of sockets. */
export interface Carrier {
  /** File descriptors that a pair needs. */
  readonly descriptors: number
  carry(client: Socket, endpoint: Socket, header: Uint8Array | undefined, listener: PairListener): CarriedPair
  /** Pairs are closed before. */
  close(): Promise<void>
}

/** The thread that everything else runs in, too. */
export const ownThread: Carrier = { descriptors: 2, carry: joinPair, close: () => Promise.resolve() }

/** A worker of Node. */
export function startWorker(): ThreadPort {
  // Seen from `src` and from `dist`: package.json says where it is.
  const program = createRequire(import.meta.url).resolve('#relay-worker')
  return new Worker(program, { name: 'netplane relays', execArgv: [] })
}

/** Threads of which each connection has one. What there is none for is carried by the thread of the plane. */
export class Threads implements Carrier {
  readonly descriptors = 4
  readonly #start: () => ThreadPort
  readonly #tell: (error: NetplaneError) => void
  readonly #threads: (CarrierThread | undefined)[] = []
  readonly #timers = new Set<NodeJS.Timeout>()
  #isClosed = false

  /** @param tell Told of threads that ended, and what was lost with them. */
  constructor(count: number, tell: (error: NetplaneError) => void, start: () => ThreadPort) {
    this.#start = start
    this.#tell = tell
    for (let index = 0; index < count; index++) this.#begin(index)
  }

  carry(client: Socket, endpoint: Socket, header: Uint8Array | undefined, listener: PairListener): CarriedPair {
    const [thread] = this.#threads.filter((one) => one?.isReady === true).sort((left, right) => left!.size - right!.size)
    const [clientFd, endpointFd] = [client, endpoint].map(descriptorOf)
    if (thread === undefined || clientFd === undefined || endpointFd === undefined) return joinPair(client, endpoint, header, listener)
    return thread.carry({ client, endpoint, header, listener }, [clientFd, endpointFd])
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const timer of this.#timers) clearTimeout(timer)
    await Promise.all(this.#threads.flatMap((thread) => thread?.stop() ?? []))
  }

  /** @param delayMs After which the next one begins, if this one never takes connections. */
  #begin(index: number, delayMs = RESTART_MS): void {
    try {
      const thread: CarrierThread = new CarrierThread(this.#start(), (lost, error) =>
        this.#ended(index, thread.isReady ? RESTART_MS : delayMs, { lost, error })
      )
      this.#threads[index] = thread
    } catch (error) {
      this.#ended(index, delayMs, { lost: 0, error: error as Error })
    }
  }

  #ended(index: number, delayMs: number, { lost, error }: { readonly lost: number; readonly error: Error | undefined }): void {
    this.#threads[index] = undefined
    if (this.#isClosed) return
    const begin = (): void => {
      this.#timers.delete(timer)
      this.#begin(index, Math.min(delayMs * 2, MAX_RESTART_MS))
    }
    const timer = setTimeout(begin, delayMs).unref()
    this.#timers.add(timer)
    const why = error?.message ?? 'it was terminated'
    const message = `thread ${index + 1} of the relays has ended (${why}): ${lost} connections were reset with it; another one begins in ${delayMs / 1_000} s`
    this.#tell(new NetplaneError('ERR_NETPLANE_INTERNAL', message, { cause: error }))
  }
}
