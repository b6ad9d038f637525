/**
 * How far a call has come, told while it goes on.
 */

/** Milliseconds from the begin of a call to the first word about it, and from one to the next. */
const INTERVAL_MS = 500

/** How far a call of a plane is. */
export interface PlaneProgress {
  /** Services that the call has brought into the kernel, changed there, or taken away. */
  readonly services: number
  /** All that it is about. */
  readonly of: number
  /** Since the call's begin, on average. */
  readonly perSecond: number
}

/** Counts the services that a call has brought into the kernel, and tells now and then. */
export class Advance {
  readonly #of: () => number
  readonly #tell: (progress: PlaneProgress) => void
  readonly #beganAt = performance.now()
  #toldAt = this.#beganAt
  #services = 0

  /** @param of How many there are in all, as far as is known. */
  constructor(of: () => number, tell: (progress: PlaneProgress) => void) {
    this.#of = of
    this.#tell = tell
  }

  /** How far the call is, in words: `200 of 1000`. */
  get reached(): string {
    const of = this.#of()
    return `${Math.min(Math.floor(this.#services), of)} of ${of}`
  }

  /** The call begins again with all of them. */
  restart(): void {
    this.#services = 0
  }

  /** A part of all, 0 to 1, is in the kernel beside what was before. */
  addPart(part: number): void {
    this.add(part * this.#of())
  }

  /** So many more are in the kernel. */
  add(services: number): void {
    this.#services += services
    const now = performance.now()
    const of = this.#of()
    if (now - this.#toldAt < INTERVAL_MS || this.#services >= of) return
    this.#toldAt = now
    this.#tell({ services: Math.floor(this.#services), of, perSecond: Math.round((this.#services * 1000) / (now - this.#beganAt)) })
  }
}
