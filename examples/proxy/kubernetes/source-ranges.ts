import { formatAddress, parsePrefix, prefixRange } from 'netplane'
import { familyOf } from './addresses.js'

/** A prefix with its first and last address in hexadecimal, which sorts as they do. */
interface Range {
  readonly text: string
  readonly from: string
  readonly to: string
}

/** Undefined where the text is no prefix. Bits beyond the length are taken by Kubernetes. */
function rangeOf(text: string): Range | undefined {
  const prefix = parsePrefix(text)
  if (prefix === undefined) return undefined
  const { first, last } = prefixRange(prefix)
  return {
    text: `${formatAddress(first)}/${prefix.length}`,
    from: Buffer.from(first).toString('hex'),
    to: Buffer.from(last).toString('hex')
  }
}

function compare(left: Range, right: Range): number {
  if (left.from !== right.from) return left.from < right.from ? -1 : 1
  return left.to === right.to ? 0 : left.to < right.to ? 1 : -1
}

/**
 * The prefixes of one family, in order and without those that lie within others: two prefixes overlap in no other way. What is no prefix stays, in both families, for the plane to refuse by name: a
 * range that is misspelt must not let everybody in.
 */
export function sourceRangesOf(prefixes: readonly string[] | null | undefined, family: 'ip' | 'ip6'): readonly string[] {
  // Kubernetes takes spaces around a prefix.
  const texts = (prefixes ?? []).map((text) => text.trim())
  const malformed = texts.filter((text) => rangeOf(text) === undefined)
  const kept: Range[] = []
  for (const range of texts.flatMap((text) => rangeOf(text) ?? []).sort(compare))
    if (familyOf(range.text) === family && (kept.length === 0 || range.from > kept.at(-1)!.to)) kept.push(range)
  return [...kept.map(({ text }) => text), ...malformed]
}

/** Whether an address is in one of the prefixes that {@link sourceRangesOf} gives. */
export function isAmong(address: string, prefixes: readonly string[]): boolean {
  const own = rangeOf(address)
  const isWithin = (range: Range | undefined): boolean =>
    range !== undefined && own !== undefined && range.from <= own.from && own.to <= range.to
  return prefixes.some((text) => familyOf(text) === familyOf(address) && isWithin(rangeOf(text)))
}
