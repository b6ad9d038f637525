/**
 * Whether a process keeps what it has done with.
 */
import { garbageCollector, openDescriptors } from '../support/this-process.js'

const collect = garbageCollector()

/** What a process holds after its garbage was collected. Bytes, and open descriptors. */
export interface Held {
  readonly heap: number
  readonly resident: number
  readonly descriptors: number
}

/** Looks at this process. */
export function held(): Held {
  collect()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heap: heapUsed + external, resident: rss, descriptors: openDescriptors() }
}

/** How much more was held in the last third of the time than in the second one, the least of each: what a moment needed is given back. The first third is for warming up. */
export function growth(samples: readonly Held[]): Held {
  const third = Math.floor(samples.length / 3)
  const least = (part: readonly Held[], pick: (sample: Held) => number): number => Math.min(...part.map(pick))
  const between = (pick: (sample: Held) => number): number =>
    least(samples.slice(2 * third), pick) - least(samples.slice(third, 2 * third), pick)
  return {
    heap: between(({ heap }) => heap),
    resident: between(({ resident }) => resident),
    descriptors: between((each) => each.descriptors)
  }
}
