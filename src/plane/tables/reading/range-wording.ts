/**
 * Source ranges of frontends in words.
 */
import { prefixesOf } from '../../core/ranges.js'
import { frontendLabel } from '../../core/frontend.js'
import { differingFew } from '../../core/changes/plan.js'
import { frontendOfElement, frontendWords } from '../elements/frontend-key.js'
import type { SetTables } from '../elements/changes.js'
import { ADDRESS_LENGTH } from '../layout/sets.js'

/** Source ranges by {@link frontendLabel}, each as its list and its prefixes: `allowed 192.0.2.0/24`. */
export type SourceRanges = ReadonlyMap<string, ReadonlySet<string>>

/** Reads the source ranges out of elements. */
export function sourceRangesIn(tables: SetTables): SourceRanges {
  const ranges = new Map<string, Set<string>>()
  for (const { set, table } of tables.entries()) {
    if (!set.description.isRange) continue
    const [length, half] = [ADDRESS_LENGTH[set.family], set.keyWidth / 2]
    for (let row = 0; row < table.rows; row++) {
      const key = table.buffer.keyAt(row)
      const label = frontendLabel(set.family, frontendWords(set.scope, frontendOfElement(set, key)))
      const found = ranges.get(label) ?? new Set<string>()
      ranges.set(label, found)
      const range = { from: key.subarray(0, length), to: key.subarray(half, half + length) }
      for (const prefix of prefixesOf([range])) found.add(`${set.kind} ${prefix}`)
    }
  }
  return ranges
}

const NONE: ReadonlySet<string> = new Set()

/** Phrases for frontends that stay, and have other source ranges. */
export function otherRanges(frontends: Iterable<string>, before: SourceRanges, after: SourceRanges): string[] {
  return [...frontends].flatMap((label) => differingFew(`source range of ${label}:`, before.get(label) ?? NONE, after.get(label) ?? NONE))
}
