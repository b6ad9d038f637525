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
