/**
 * Refused connections, counted and told in words, but not one by one.
 */
import type { RelayEvent } from './types.js'

/** Shortest time between two events of the same relay and reason. */
export const REFUSALS_EVERY_MS = 5_000

/** Counts what a relay refuses. The first refusal for a reason is told at once, those that follow together. */
export class Refusals {
  readonly #relay: string
  readonly #tell: (event: RelayEvent) => void
  readonly #untold = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  /** All that were refused. */
  count = 0

  constructor(relay: string, tell: (event: RelayEvent) => void) {
    this.#relay = relay
    this.#tell = tell
  }

  add(reason: string): void {
    this.count++
    const untold = this.#untold.get(reason)
    this.#untold.set(reason, (untold ?? 0) + 1)
    // A reason that is known was told lately.
    if (untold === undefined) this.#tellOf(reason)
    this.#timer ??= setTimeout(() => this.#tellAll(), REFUSALS_EVERY_MS).unref()
  }

  /** Tells what was not told yet. */
  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const reason of [...this.#untold.keys()]) this.#tellOf(reason)
    this.#untold.clear()
  }

  /** Reasons of which there was nothing new are forgotten, so that the next refusal is told at once again. */
  #tellAll(): void {
    this.#timer = undefined
    for (const [reason, count] of [...this.#untold]) {
      if (count === 0) this.#untold.delete(reason)
      else this.#tellOf(reason)
    }
    if (this.#untold.size > 0) this.#timer = setTimeout(() => this.#tellAll(), REFUSALS_EVERY_MS).unref()
  }

  #tellOf(reason: string): void {
    const count = this.#untold.get(reason) ?? 0
    this.#untold.set(reason, 0)
    if (count > 0) this.#tell({ type: 'refused', relay: this.#relay, count, reason })
  }
}
