/**
 * An async iterator over events that are produced elsewhere: bounded, cancellable, and honest about pace.
 */

/** What an {@link EventStream} does to its source. */
export interface EventSource {
  /** The queue is full: produce nothing until `resume`. */
  readonly pause: () => void
  readonly resume: () => void
  /** The consumer has gone. Called once. */
  readonly close: () => void
}

/** Events that may queue before the source is paused. */
export const DEFAULT_QUEUE_LIMIT = 4096

/**
 * Hands pushed events to one consumer, in order. When `limit` events wait, the source is paused; it resumes when half of them are consumed.
 * Ends when the consumer leaves the loop, when the signal aborts (the iteration then throws the signal's reason), on `end()` or `fail()`.
 */
export class EventStream<T> implements AsyncIterableIterator<T>, AsyncDisposable {
  readonly #source: EventSource
  readonly #limit: number
  readonly #signal: AbortSignal | undefined
  readonly #aborted = (): void => this.fail(this.#signal!.reason)
  #queue: T[] = []
  #head = 0
  #waiting: { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void }[] = []
  #paused = false
  #ended = false
  #failure: { readonly error: unknown } | undefined

  /** @internal */
  constructor(source: EventSource, options: { readonly limit?: number | undefined; readonly signal?: AbortSignal | undefined } = {}) {
    this.#source = source
    this.#limit = options.limit ?? DEFAULT_QUEUE_LIMIT
    this.#signal = options.signal
    if (this.#signal?.aborted === true) this.#aborted()
    else this.#signal?.addEventListener('abort', this.#aborted, { once: true })
  }

  /** Events that wait for the consumer. */
  get size(): number {
    return this.#queue.length - this.#head
  }

  /**
   * Adds an event. One pushed after the end is dropped: no one will read it.
   *
   * @internal
   */
  push(event: T): void {
    if (this.#ended) return
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) {
      waiting.resolve({ value: event, done: false })
      return
    }
    this.#queue.push(event)
    if (!this.#paused && this.size >= this.#limit) {
      this.#paused = true
      this.#source.pause()
    }
  }

  /**
   * No further events: the consumer gets those that wait, then the end.
   *
   * @internal
   */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#signal?.removeEventListener('abort', this.#aborted)
    this.#source.close()
    for (const { resolve } of this.#waiting) resolve({ value: undefined, done: true })
    this.#waiting = []
  }

  /**
   * Ends with an error, which the consumer meets after the events that wait.
   *
   * @internal
   */
  fail(error: unknown): void {
    if (this.#ended) return
    const [first, ...others] = this.#waiting
    this.#waiting = others
    if (first === undefined) this.#failure = { error }
    this.end()
    first?.reject(error)
  }

  next(): Promise<IteratorResult<T>> {
    if (this.size > 0) return Promise.resolve({ value: this.#take(), done: false })
    const failure = this.#failure
    if (failure !== undefined) {
      this.#failure = undefined
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a signal's reason may be anything
      return Promise.reject(failure.error)
    }
    if (this.#ended) return Promise.resolve({ value: undefined, done: true })
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  return(): Promise<IteratorResult<T>> {
    this.#queue = []
    this.#head = 0
    this.#failure = undefined
    this.end()
    return Promise.resolve({ value: undefined, done: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #take(): T {
    const event = this.#queue[this.#head++]!
    // Shifting an array costs its length: the consumed part is cut off now and then.
    if (this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
    if (this.#paused && this.size <= this.#limit / 2) {
      this.#paused = false
      this.#source.resume()
    }
    return event
  }
}
