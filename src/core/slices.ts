/**
 * Long work on the main thread in short slices.
 */
import { setImmediate } from 'node:timers'

/** Milliseconds after which work lets the event loop turn: well below the 10 ms that nobody should notice. */
const SLICE_MS = 4

/** A power of two less one. */
const ITEMS_BETWEEN_LOOKS = 63

/** Of those that are only counted, which take less. */
const ITEMS_OF_COUNT = 1024

/** Those who wait for the event loop to turn, in their order. */
const waiting: (() => void)[] = []

/** When one of them went on last. */
let turnedAt = -Infinity

/** So many wait for each of them that goes on in one turn. */
const WAITING_FOR_ONE = 8

/**
 * Lets one of them go on. All at once would make one long slice of their slices. Of many some go on together: where more come than one a turn, the others would wait for ever longer.
 */
function goOn(): void {
  turnedAt = performance.now()
  for (const resolve of waiting.splice(0, Math.ceil(waiting.length / WAITING_FOR_ONE))) resolve()
  if (waiting.length > 0) setImmediate(goOn)
}

/** Resolves once the event loop has turned, and few others who waited go on in the same turn, mostly none. */
function turned(): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.push(resolve) === 1) setImmediate(goOn)
  })
}

/** Says when a slice has lasted long enough. */
export class Slices {
  readonly #milliseconds: number
  #until: number

  /** @param milliseconds After which a slice is over: less where what the work leaves makes the garbage collector add its own part. */
  constructor(milliseconds = SLICE_MS) {
    this.#milliseconds = milliseconds
    const now = performance.now()
    // What begins so soon after a turn most likely goes on in the slice of somebody else.
    const isShared = now - turnedAt < 2 * milliseconds
    this.#until = (isShared ? turnedAt : now) + milliseconds
  }

  /** Whether to `await turn()` now. Cheap enough to ask for every few items. */
  get isOver(): boolean {
    return performance.now() >= this.#until
  }

  /** Visits items one after the other, and lets the event loop turn in between where it is time. What the items come from must stay as it is meanwhile. */
  async each<T>(items: Iterable<T>, visit: (item: T, index: number) => void): Promise<void> {
    // An iterator gives an object for each item as long as the code that asks it is not compiled, and a first sync is not.
    if (Array.isArray(items)) return await this.#eachOf(items as readonly T[], visit)
    let index = 0
    for (const item of items) {
      if ((index & ITEMS_BETWEEN_LOOKS) === ITEMS_BETWEEN_LOOKS && this.isOver) await this.turn()
      visit(item, index++)
    }
  }

  async #eachOf<T>(items: readonly T[], visit: (item: T, index: number) => void): Promise<void> {
    for (let index = 0; index < items.length; index++) {
      if ((index & ITEMS_BETWEEN_LOOKS) === ITEMS_BETWEEN_LOOKS && this.isOver) await this.turn()
      visit(items[index] as T, index)
    }
  }

  /** As {@link Slices.each}, for the numbers from 0 to below `count`: for millions of items, as no iterator is asked for each. */
  async times(count: number, visit: (index: number) => void): Promise<void> {
    for (let from = 0; from < count; from += ITEMS_OF_COUNT) {
      if (this.isOver) await this.turn()
      const to = Math.min(from + ITEMS_OF_COUNT, count)
      for (let index = from; index < to; index++) visit(index)
    }
  }

  /** Lets the event loop turn. */
  async turn(): Promise<void> {
    await turned()
    this.#until = performance.now() + this.#milliseconds
  }
}
