/**
 * A listing of any length in bounded memory: a dump on a socket of its own, read as the loop goes on.
 */
import { nativeOpenOptions, resolveDeadline, DEFAULT_DEADLINE_MS, type OpenOptions } from '../core/options.js'
import type { NativeAddon, NativeConntrackSocket, NativeFlowQuery } from '../native/index.js'
import { FlowReader } from './columns.js'
import { unwrap } from './refusals.js'
import type { Flow, FlowIterateOptions } from './types.js'

const OPERATION = 'conntrack.iterate'

interface IterationRequest {
  readonly query: Omit<NativeFlowQuery, 'deadlineMs'>
  readonly rows: number
  readonly options: FlowIterateOptions
  /** Holds the iteration until it has ended, so that closing the client ends it. */
  readonly streams: Set<{ end(): void }>
}

/** An async iterator over flows. Calls of `next` that are made at once are answered one after the other. */
export class FlowIteration implements AsyncIterableIterator<Flow>, AsyncDisposable {
  readonly #kernel: Pick<NativeAddon, 'openConntrack'>
  readonly #client: OpenOptions
  readonly #request: IterationRequest
  readonly #deadlineMs: number
  #socket: NativeConntrackSocket | undefined
  #reader: FlowReader | undefined
  #row = 0
  #isLast = false
  #hasEnded = false
  #tail: Promise<unknown> = Promise.resolve()

  constructor(kernel: Pick<NativeAddon, 'openConntrack'>, client: OpenOptions, request: IterationRequest) {
    this.#kernel = kernel
    this.#client = client
    this.#request = request
    this.#deadlineMs = resolveDeadline(request.options.deadlineMs, client.deadlineMs ?? DEFAULT_DEADLINE_MS)
    request.streams.add(this)
  }

  next(): Promise<IteratorResult<Flow>> {
    const turn = this.#tail.then(() => this.#next())
    this.#tail = turn.catch(() => undefined)
    return turn
  }

  async return(): Promise<IteratorResult<Flow>> {
    this.end()
    await this.#tail
    return { value: undefined, done: true }
  }

  /** Ends the iteration: the next step finds nothing. */
  end(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#reader = undefined
    this.#request.streams.delete(this)
    void this.#socket?.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async #next(): Promise<IteratorResult<Flow>> {
    try {
      while (!this.#hasEnded && (this.#reader === undefined || this.#row >= this.#reader.rows)) {
        if (this.#isLast) this.end()
        else await this.#read()
      }
    } catch (error) {
      this.end()
      throw error
    }
    if (this.#hasEnded || this.#reader === undefined) return { value: undefined, done: true }
    return { value: this.#reader.flow(this.#row++), done: false }
  }

  async #read(): Promise<void> {
    const { query, rows, options } = this.#request
    options.signal?.throwIfAborted()
    this.#socket ??= await this.#open()
    if (this.#wasEnded()) return
    const outcome = await this.#socket.readStream({ ...query, rows, deadlineMs: this.#deadlineMs })
    if (this.#wasEnded()) return
    options.signal?.throwIfAborted()
    const { piece, done } = unwrap(outcome, { operation: OPERATION })
    this.#reader = new FlowReader(piece)
    this.#row = 0
    this.#isLast = done
  }

  /** Asked again after every wait: the loop may have been left, or the client closed. */
  #wasEnded(): boolean {
    return this.#hasEnded
  }

  async #open(): Promise<NativeConntrackSocket> {
    const outcome = await this.#kernel.openConntrack(nativeOpenOptions({ netns: this.#client.netns, deadlineMs: this.#deadlineMs }))
    const socket = unwrap(outcome, { operation: OPERATION })
    if (this.#wasEnded()) void socket.close()
    return socket
  }
}
