/**
 * Writes elements into our tables.
 */
import { GuardedWriter } from '../../core/guarded-writer.js'
import type { ElementSet } from '../layout/sets.js'

/** Bytes of one element in a message, about: headers of the list, key, data and comment. */
export function rowBytes({ keyWidth, dataWidth, description: { named } }: ElementSet): number {
  return 24 + keyWidth + (dataWidth === 0 ? 0 : 8 + dataWidth) + (named ? 48 : 0)
}

/** Writes into our tables. */
export class Writer extends GuardedWriter {
  /** Whether one message can hold so many elements of a set: else the set could not be replaced by a larger one. */
  canReplace(set: ElementSet, rows: number): boolean {
    return rows * rowBytes(set) < this.maxBytes
  }
}
