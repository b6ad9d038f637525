/**
 * Connections that are refused, told once in a while.
 */
import type { RelayEvent } from './types.js'

/** Milliseconds between two events about the same reason. */
const PAUSE_MS = 1000

/** Counts what a relay refuses, and tells of it: of the first at once, of those after it together. */
export class Refusals {
  readonly #relay: string
  readonly #tell: (event: RelayEvent) => void
  readonly #untold = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  count = 0

  constructor(relay: string, tell: (event: RelayEvent) => void) {
    this.#relay = relay
    this.#tell = tell
  }

  /** One more. @param reason In words. */
  add(reason: string): void {
    this.count++
    this.#untold.set(reason, (this.#untold.get(reason) ?? 0) + 1)
    if (this.#timer === undefined) this.#flush()
  }

  /** Tells what is not told yet, and nothing after that. */
  close(): void {
    for (const [reason, count] of this.#untold) this.#tell({ type: 'refused', relay: this.#relay, count, reason })
    this.#untold.clear()
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #flush(): void {
    this.#timer = undefined
    if (this.#untold.size === 0) return
    this.close()
    this.#timer = setTimeout(() => this.#flush(), PAUSE_MS)
    this.#timer.unref()
  }
}
