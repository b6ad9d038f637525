/**
 * How often a full comparison with the kernel is made while others change it.
 */

/** Comparisons, which may take a share of the time only. */
export class AuditPace {
  /** One has to follow, although nothing may tell so any more. */
  isOwed = false
  readonly #share: number
  #nextAt = 0

  /** @param share Of the time: with 0.05 a comparison that lasted 1 s allows the next after 20 s. */
  constructor(share: number) {
    this.#share = share
  }

  /** Whether one may begin. */
  get isDue(): boolean {
    return performance.now() >= this.#nextAt
  }

  /** Milliseconds until one that is owed may begin; undefined: none is owed. */
  get dueInMs(): number | undefined {
    return this.isOwed ? Math.max(0, this.#nextAt - performance.now()) : undefined
  }

  /** One has ended. @param startedAt On the clock of `performance.now()`. */
  ended(startedAt: number): void {
    const now = performance.now()
    this.isOwed = false
    this.#nextAt = now + (now - startedAt) / this.#share
  }
}
