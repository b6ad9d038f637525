/**
 * Prefixes as ranges of addresses.
 */
import { Buffer } from 'node:buffer'
import { formatAddress, parseAddress, prefixRange, requirePrefix, type AddressFamily } from '../../core/address.js'
import { ValidationError } from '../../core/errors.js'

/** Addresses from the first to the last one, both included, in network order. */
export interface AddressRange {
  readonly from: Uint8Array
  readonly to: Uint8Array
}

/** Ranges that are disjoint and in order. */
export type RangesByFamily = Readonly<Record<AddressFamily, readonly AddressRange[]>>

/** Whether `next` begins inside `range` or right behind it. */
function touches(range: AddressRange, next: AddressRange): boolean {
  if (Buffer.compare(next.from, range.to) <= 0) return true
  const behind = Uint8Array.from(range.to)
  for (let index = behind.length - 1; index >= 0; index--) {
    behind[index] = (behind[index]! + 1) & 0xff
    if (behind[index] !== 0) return Buffer.compare(behind, next.from) === 0
  }
  return false
}

/** In order, and one where they overlap or touch: the kernel refuses ranges that overlap within one set. */
function merge(ranges: readonly AddressRange[]): AddressRange[] {
  const merged: AddressRange[] = []
  for (const range of ranges.toSorted((left, right) => Buffer.compare(left.from, right.from))) {
    const last = merged.at(-1)
    if (last === undefined || !touches(last, range)) merged.push(range)
    else if (Buffer.compare(range.to, last.to) > 0) merged[merged.length - 1] = { from: last.from, to: range.to }
  }
  return merged
}

/** How many bits are free in the largest prefix that begins at an address and does not go beyond another one. */
function largestBlock(from: bigint, to: bigint, bits: number): number {
  let free = 0
  while (free < bits && (from & (1n << BigInt(free))) === 0n && from + (2n << BigInt(free)) - 1n <= to) free++
  return free
}

/** The fewest prefixes that make up ranges, in their order. */
export function prefixesOf(ranges: readonly AddressRange[]): string[] {
  return ranges.flatMap(({ from, to }) => {
    const bits = from.length * 8
    const number = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
    const text = (address: bigint): string => formatAddress(Buffer.from(address.toString(16).padStart(bits / 4, '0'), 'hex'))
    const prefixes: string[] = []
    const last = number(to)
    for (let at = number(from); at <= last;) {
      const free = largestBlock(at, last, bits)
      prefixes.push(`${text(at)}/${bits - free}`)
      at += 1n << BigInt(free)
    }
    return prefixes
  })
}

/** Whether an address, which must be one, is in ranges. */
export function isIn(address: string, ranges: RangesByFamily): boolean {
  if (ranges.ip.length + ranges.ip6.length === 0) return false
  const bytes = parseAddress(address)!
  return ranges[bytes.length === 4 ? 'ip' : 'ip6'].some(
    ({ from, to }) => Buffer.compare(bytes, from) >= 0 && Buffer.compare(bytes, to) <= 0
  )
}

/** Reads a prefix as a range. @throws {ValidationError} */
export function requireRange(path: string, text: unknown): AddressRange {
  const { first, last } = prefixRange(requirePrefix(path, text))
  return { from: first, to: last }
}

/**
 * Checks an option that is a list of prefixes, and returns them merged, by family.
 *
 * @param path Names the option in errors.
 * @throws {ValidationError} `path[i]` is no prefix.
 */
export function requireRanges(path: string, prefixes: unknown): RangesByFamily {
  if (!Array.isArray(prefixes)) throw new ValidationError(path, prefixes, 'a list of prefixes')
  const ranges: Record<AddressFamily, AddressRange[]> = { ip: [], ip6: [] }
  for (const [index, prefix] of prefixes.entries()) {
    const range = requireRange(`${path}[${index}]`, prefix)
    ranges[range.from.length === 4 ? 'ip' : 'ip6'].push(range)
  }
  return { ip: merge(ranges.ip), ip6: merge(ranges.ip6) }
}
