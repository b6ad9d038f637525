/**
 * Steps of draining while anything drains, without keeping the process alive.
 */
import type { Ipvs } from '../../ipvs/index.js'

const INTERVAL_MS = 1000

/** Removes real servers that are desired no longer once they have no connections, or at their deadline. */
export class Draining {
  readonly #ipvs: Ipvs
  readonly #onError: (error: unknown) => void
  #timer: NodeJS.Timeout | undefined
  #step: Promise<void> | undefined
  #isStopped = false

  /** @param onError Told when a step failed; the next one tries again. */
  constructor(ipvs: Ipvs, onError: (error: unknown) => void) {
    this.#ipvs = ipvs
    this.#onError = onError
  }

  /** Real servers that drain now. */
  get count(): number {
    return this.#ipvs.listDraining().length
  }

  /** To be called when something may have begun to drain. */
  start(): void {
    if (this.#isStopped || this.#timer !== undefined || this.#step !== undefined || this.count === 0) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#step = this.#drain()
    }, INTERVAL_MS)
    this.#timer.unref()
  }

  /** Ends it, once a step under way has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    await this.#step
  }

  async #drain(): Promise<void> {
    try {
      const { errors } = await this.#ipvs.drain()
      for (const error of errors) this.#onError(error)
    } catch (error) {
      this.#onError(error)
    }
    this.#step = undefined
    this.start()
  }
}
