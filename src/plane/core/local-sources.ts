/**
 * Local sources: prefixes as disjoint ranges, because the kernel refuses ranges that overlap within one set.
 */
import { Buffer } from 'node:buffer'
import { prefixRange, requirePrefix } from '../../core/address.js'
import type { AddressFamily } from '../../core/address.js'
import { ValidationError } from '../../core/errors.js'

interface Range {
  readonly first: Uint8Array
  last: Uint8Array
}

/** Whether `next` begins inside `range` or right behind it. */
function touches(range: Range, next: Range): boolean {
  if (Buffer.compare(next.first, range.last) <= 0) return true
  const behind = Uint8Array.from(range.last)
  for (let index = behind.length - 1; index >= 0; index--) {
    behind[index] = (behind[index]! + 1) & 0xff
    if (behind[index] !== 0) return Buffer.compare(behind, next.first) === 0
  }
  return false
}

function merge(ranges: Range[]): Range[] {
  const merged: Range[] = []
  for (const range of ranges.sort((left, right) => Buffer.compare(left.first, right.first))) {
    const last = merged.at(-1)
    if (last === undefined || !touches(last, range)) merged.push({ ...range })
    else if (Buffer.compare(range.last, last.last) > 0) last.last = range.last
  }
  return merged
}

/** Addresses from the first to the last one, both included, in network order. */
export interface AddressRange {
  readonly from: Uint8Array
  readonly to: Uint8Array
}

/** Option `localSources` as ranges that are disjoint and in order. */
export type LocalSources = Readonly<Record<AddressFamily, readonly AddressRange[]>>

/**
 * Checks option `localSources` and returns it as ranges.
 *
 * @throws {ValidationError} `localSources[i]` is no prefix.
 */
export function checkLocalSources(sources: readonly string[] | undefined): LocalSources | undefined {
  if (sources === undefined) return undefined
  if (!Array.isArray(sources)) throw new ValidationError('localSources', sources, 'a list of prefixes')
  const ranges: Record<AddressFamily, Range[]> = { ip: [], ip6: [] }
  for (const [index, source] of sources.entries()) {
    const prefix = requirePrefix(`localSources[${index}]`, source)
    ranges[prefix.address.length === 4 ? 'ip' : 'ip6'].push(prefixRange(prefix))
  }
  const merged = (family: AddressFamily): AddressRange[] => merge(ranges[family]).map(({ first, last }) => ({ from: first, to: last }))
  return { ip: merged('ip'), ip6: merged('ip6') }
}
