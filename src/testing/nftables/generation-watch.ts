/**
 * Asks for the generation now and then, as the addon does.
 */
import type { NativeGenerationWatch, NativeOutcome, NativeRecord } from '../../native/index.js'

/** Tells once after each `arm` that the generation is another one, or cannot be had. */
export class FakeGenerationWatch implements NativeGenerationWatch {
  readonly #read: () => NativeOutcome<NativeRecord>
  readonly #callback: () => void
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(read: () => NativeOutcome<NativeRecord>, callback: () => void) {
    this.#read = read
    this.#callback = callback
  }

  arm(generation: number, intervalMs: number): void {
    if (this.#isClosed) return
    clearInterval(this.#timer)
    this.#timer = setInterval(() => {
      const outcome = this.#read()
      if (outcome.failure === undefined && outcome.value['id'] === generation) return
      this.disarm()
      this.#callback()
    }, intervalMs)
    this.#timer.unref()
  }

  disarm(): void {
    clearInterval(this.#timer)
  }

  close(): void {
    this.#isClosed = true
    this.disarm()
  }
}
