/**
 * Looks now and then whether somebody else changed our tables.
 */

/** A full audit may take this share of the time: one that lasted 1 s allows the next after 20 s. */
const AUDIT_SHARE = 0.05

/** Calls `look` every so often, never twice at once, and never keeps the process alive. */
export class Watch {
  readonly #pollMs: number
  readonly #look: () => Promise<void>
  #timer: NodeJS.Timeout | undefined
  #isStopped = false
  #nextAuditAt = 0
  /** Somebody committed, and what our elements hold was not compared since. */
  owesAudit = false

  /** @param pollMs Milliseconds between looks; 0: never. */
  constructor(pollMs: number, look: () => Promise<void>) {
    this.#pollMs = pollMs
    this.#look = look
  }

  /** Begins to look. Idempotent. */
  start(): void {
    if (this.#timer !== undefined || this.#isStopped || this.#pollMs === 0) return
    this.#timer = setTimeout(() => void this.#turn(), this.#pollMs)
    this.#timer.unref()
  }

  /** Looks no more. */
  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  async #turn(): Promise<void> {
    await this.#look()
    this.#timer = undefined
    this.start()
  }

  /** Whether every element may be compared now, though nothing points to a change. */
  get mayAudit(): boolean {
    return performance.now() >= this.#nextAuditAt
  }

  /** Whether every element is to be compared now. */
  get isAuditDue(): boolean {
    return this.owesAudit && this.mayAudit
  }

  /** An audit took so long. */
  audited(durationMs: number): void {
    this.owesAudit = false
    this.#nextAuditAt = performance.now() + durationMs / AUDIT_SHARE
  }
}
