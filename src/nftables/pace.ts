/**
 * How much the kernel takes in how long, so that one transaction does not keep others waiting for longer than wanted.
 */

/** Bytes of a transaction while it is not known how long one takes. */
const FIRST_BYTES = 1024 * 1024
/** However slow the kernel is: of smaller ones the fixed cost shows. */
const MIN_BYTES = 64 * 1024
/** What smaller transactions take says little of larger ones. */
const TELLING_BYTES = 256 * 1024

/** How large a transaction may be. */
export interface TransactionBound {
  /** Bytes of one transaction at most, but for what must be in one. */
  readonly maxBytes: number
  /** A transaction has ended, which others may have had to be waited for before. @param sentAt By the clock of `performance.now`. */
  ended(bytes: number, sentAt: number): void
}

/** A bound that is always the same. */
export function boundOf(maxBytes: number): TransactionBound {
  return { maxBytes, ended: () => undefined }
}

/** Follows the transactions of one writer. */
export class Pace implements TransactionBound {
  readonly #maxMs: number
  #bytesPerMs: number | undefined
  #endedAt = 0

  /** @param maxMs Milliseconds that one is to take at most. */
  constructor(maxMs: number) {
    this.#maxMs = maxMs
  }

  get maxBytes(): number {
    return Math.max(MIN_BYTES, this.#bytesPerMs === undefined ? FIRST_BYTES : this.#bytesPerMs * this.#maxMs)
  }

  ended(bytes: number, sentAt: number): void {
    const now = performance.now()
    const ms = Math.max(now - Math.max(sentAt, this.#endedAt), 0.1)
    this.#endedAt = now
    if (bytes < Math.min(TELLING_BYTES, this.maxBytes / 2)) return
    const measured = bytes / ms
    const known = this.#bytesPerMs ?? measured
    // Slower at once, faster by and by.
    this.#bytesPerMs = measured < known ? measured : (measured + known) / 2
  }
}
