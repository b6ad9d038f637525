/**
 * What a set of concatenated ranges holds while a transaction is worked off. The kernel refuses those that overlap where it must (nft_pipapo_insert), but what it is told to remove it
 * finds by the start alone: whichever range holds that key goes (nft_pipapo_deactivate).
 */
import { Buffer } from 'node:buffer'
import type { Slices } from '../../core/slices.js'
import { CATCHALL, type ElementColumns } from '../columns.js'

/** Keys of rows as text, which maps compare fast. */
function keyReader(columns: ElementColumns, keyLength: number): (row: number) => string {
  const bytesOf = ({ buffer, byteOffset, length }: Uint8Array): Buffer => Buffer.from(buffer, byteOffset, length)
  const first = bytesOf(columns.key)
  const last = bytesOf(columns.keyEnd ?? columns.key)
  return (row) => {
    const [from, to] = [row * keyLength, (row + 1) * keyLength]
    return first.toString('latin1', from, to) + last.toString('latin1', from, to)
  }
}

function isCatchall(columns: ElementColumns, row: number): boolean {
  return ((columns.flags?.[row] ?? 0) & CATCHALL) !== 0
}

/** The ranges of one set. */
export class HeldConcatenations {
  readonly #held = new Set<string>()
  readonly #removed = new Set<string>()
  readonly #keyLength: number
  readonly #isPartial: boolean

  /** @param isPartial Whether there may be ranges that were not added here. */
  constructor(keyLength: number, isPartial: boolean) {
    this.#keyLength = keyLength
    this.#isPartial = isPartial
  }

  /** Holds the ranges of these rows from now on. */
  async add(columns: ElementColumns, slices: Slices): Promise<void> {
    await this.#each(columns, slices, (key) => {
      this.#held.add(key)
      this.#removed.delete(key)
    })
  }

  /** Holds the ranges of these rows no more; `onAbsent` is told of the rows whose range is not held. */
  async remove(columns: ElementColumns, slices: Slices, onAbsent: (row: number) => void): Promise<void> {
    await this.#each(columns, slices, (key, row) => {
      if (!this.#held.delete(key) && (!this.#isPartial || this.#removed.has(key))) onAbsent(row)
      this.#removed.add(key)
    })
  }

  async #each(columns: ElementColumns, slices: Slices, visit: (key: string, row: number) => void): Promise<void> {
    const keyOf = keyReader(columns, this.#keyLength)
    await slices.times(columns.rows, (row) => {
      if (!isCatchall(columns, row)) visit(keyOf(row), row)
    })
  }
}
