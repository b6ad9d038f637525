/**
 * What a first sync serves before it looks at anything else.
 */
import type { Service } from '../model.js'

/** Services with a priority above 0, which come first: a transaction ends with them, so that they do not wait until it is filled up with others. */
export class UrgentServices {
  #isUrgent = false

  /** Whether the last urgent service came before this one. */
  endBefore({ priority = 0 }: Service): boolean {
    const wasUrgent = this.#isUrgent
    this.#isUrgent = priority > 0
    return wasUrgent && !this.#isUrgent
  }
}
