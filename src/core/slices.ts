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

/** When the event loop turned last for some of them. */
let turnedAt = -Infinity

/** Of those who wait, how many did so when it turned. */
let due = 0

/** Somebody is going on, or will. */
let isGoingOn = false

/** The event loop has turned: who waits goes on, one after the other, as long as half of the slice is left. All of them would make one long slice of their slices. */
function goOn(): void {
  turnedAt = performance.now()
  due = waiting.length
  goOnWithNext()
}

function goOnWithNext(): void {
  due--
  waiting.shift()!()
  // Behind everything that he does before he waits for something.
  queueMicrotask(() => process.nextTick(goOnWithOthers))
}

function goOnWithOthers(): void {
  if (due > 0 && performance.now() - turnedAt < SLICE_MS / 2) goOnWithNext()
  else if (waiting.length > 0) setImmediate(goOn)
  else isGoingOn = false
}

/** Resolves once the event loop has turned, and others who waited longer have gone on. */
function turned(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve)
    if (!isGoingOn) setImmediate(goOn)
    isGoingOn = true
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
    this.#until = turnedAt + this.#milliseconds
  }
}
