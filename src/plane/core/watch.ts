/**
 * Looks now and then whether the kernel still holds what was committed.
 */

/** The longest pause after failures, or after repairs that another process undoes. */
const MAX_PAUSE_MS = 60_000
/** Repairs in quick succession after which looks become rarer. */
const MAX_QUICK_REPAIRS = 4
/** A repair is in quick succession to another one that is not longer ago than so many intervals, or than so many repairs take. */
const QUICK_INTERVALS = 10

/** Where a sentinel tells of changes: the longest pause between looks, for everything else, which nobody tells of. */
const UNTOLD_MS = 1000

/** Tells that the kernel has changed since the last look, at a cost far below that of a look. */
export interface Sentinel {
  /** Milliseconds until a look has something to do that is known by now. Absent: nothing is. */
  readonly dueInMs?: number | undefined
  /** Asks every so often, until it has told once. */
  arm(intervalMs: number): void
  disarm(): void
  /** Idempotent. */
  close(): void
}

/** Makes what calls `changed`, once after each {@link Sentinel.arm}. */
export type OpenSentinel = (changed: () => void) => Sentinel

/** Calls `look` every so often, never twice at once, and never keeps the process alive. Looks that fail, and repairs that do not last, make it look less often. */
export class Watch {
  readonly #intervalMs: number
  readonly #look: () => Promise<void>
  readonly #sentinel: Sentinel | undefined
  #timer: NodeJS.Timeout | undefined
  #isStopped = false
  #failures = 0
  #repairs = 0
  #repairedAt = -Infinity
  #repairMs = 0

  /**
   * @param intervalMs Milliseconds between looks; 0: never.
   * @param look Rejects where a look failed.
   * @param open Where the kernel can be asked whether it has changed: then that is asked at the interval, and a look follows where it has, and now and then.
   */
  constructor(intervalMs: number, look: () => Promise<void>, open?: OpenSentinel) {
    this.#intervalMs = intervalMs
    this.#look = look
    if (intervalMs > 0 && intervalMs < UNTOLD_MS) this.#sentinel = open?.(() => this.#lookNow())
  }

  /** Milliseconds until the next look, from the end of the last one. */
  get pauseMs(): number {
    const doublings = Math.max(this.#failures, this.#repairs - MAX_QUICK_REPAIRS, 0)
    return Math.max(this.#intervalMs, Math.min(this.#intervalMs * 2 ** Math.min(doublings, 30), MAX_PAUSE_MS))
  }

  /** Begins to look. Idempotent. */
  start(): void {
    if (this.#timer !== undefined || this.#isStopped || this.#intervalMs === 0) return
    const { pauseMs } = this
    this.#timer = setTimeout(() => this.#lookNow(), Math.max(pauseMs, this.#untoldMs))
    this.#timer.unref()
    this.#sentinel?.arm(pauseMs)
  }

  /** Looks no more. */
  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
    this.#sentinel?.close()
  }

  /** Something had to be repaired, which took so long. Returns how many repairs followed each other, where that has just become too many, else undefined. */
  repaired(durationMs: number): number | undefined {
    this.#repairMs = durationMs
    const isQuick = !this.#isQuiet()
    this.#repairedAt = performance.now()
    this.#repairs = isQuick ? this.#repairs + 1 : 1
    return this.#repairs === MAX_QUICK_REPAIRS + 1 ? this.#repairs : undefined
  }

  /** Whether the last repair is so long ago that the next one has nothing to do with it. */
  #isQuiet(): boolean {
    return performance.now() - this.#repairedAt > QUICK_INTERVALS * Math.max(this.pauseMs, this.#repairMs)
  }

  get #untoldMs(): number {
    return this.#sentinel === undefined ? 0 : Math.min(this.#sentinel.dueInMs ?? UNTOLD_MS, UNTOLD_MS)
  }

  #lookNow(): void {
    clearTimeout(this.#timer)
    this.#sentinel?.disarm()
    if (!this.#isStopped) void this.#turn()
  }

  async #turn(): Promise<void> {
    try {
      await this.#look()
      this.#failures = 0
    } catch {
      // Whoever looks has reported it.
      this.#failures++
    }
    if (this.#isQuiet()) this.#repairs = 0
    this.#timer = undefined
    this.start()
  }
}
