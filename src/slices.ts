/**
 * Long work on the main thread in short slices.
 */
import { setImmediate } from 'node:timers/promises'

/** Milliseconds after which work lets the event loop turn: well below the 10 ms that nobody should notice. */
const SLICE_MS = 4

/** Says when a slice has lasted long enough. */
export class Slices {
  readonly #milliseconds: number
  #until: number

  /** @param milliseconds After which a slice is over: less where what the work leaves makes the garbage collector add its own part. */
  constructor(milliseconds = SLICE_MS) {
    this.#milliseconds = milliseconds
    this.#until = performance.now() + milliseconds
  }

  /** Whether to `await turn()` now. Cheap enough to ask for every few items. */
  get isOver(): boolean {
    return performance.now() >= this.#until
  }

  /** Lets the event loop turn. */
  async turn(): Promise<void> {
    await setImmediate()
    this.#until = performance.now() + this.#milliseconds
  }
}
