/** Pauses between attempts, in milliseconds. */
export interface BackoffOptions {
  readonly firstMs: number
  readonly maxMs: number
  /** Time without a failure after which the pauses begin again. */
  readonly resetMs: number
}

/** Those of client-go's reflector: 0.8 s, doubled up to 30 s, forgotten after two minutes without a failure. */
export const REFLECTOR_BACKOFF: BackoffOptions = { firstMs: 800, maxMs: 30_000, resetMs: 120_000 }

/** Growing pauses with jitter, so that the nodes of a cluster do not come back to an API server at one moment. */
export class Backoff {
  readonly #options: BackoffOptions
  readonly #now: () => number
  readonly #random: () => number
  #nextMs: number
  #lastAt: number | undefined

  constructor(options: BackoffOptions, now: () => number = () => performance.now(), random: () => number = Math.random) {
    this.#options = options
    this.#now = now
    this.#random = random
    this.#nextMs = options.firstMs
  }

  /** Milliseconds to wait after a failure that has just happened: between the pause that is due and twice of it. */
  next(): number {
    const { firstMs, maxMs, resetMs } = this.#options
    const now = this.#now()
    if (this.#lastAt !== undefined && now - this.#lastAt > resetMs + this.#nextMs * 2) this.#nextMs = firstMs
    this.#lastAt = now
    const pauseMs = this.#nextMs
    this.#nextMs = Math.min(pauseMs * 2, maxMs)
    return pauseMs * (1 + this.#random())
  }
}
