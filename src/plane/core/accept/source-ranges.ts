/**
 * Which clients a frontend takes.
 */
import { Buffer } from 'node:buffer'
import type { AddressFamily } from '../../../core/address.js'
import { MAX_SOURCE_RANGES, type SourceRanges } from '../../model.js'
import { checkFields, refuse } from './checks.js'
import { requireRange, type AddressRange } from '../ranges.js'

const FIELDS = ['allow', 'deny']
const FAMILY_NAMES = { ip: 'an IPv4', ip6: 'an IPv6' } as const

/** Refuses lists that are malformed: prefixes of another family, or two that overlap. @throws {ValidationError} With a path that begins with `.sourceRanges`. */
export function checkSourceRanges(value: SourceRanges, family: AddressFamily): void {
  checkFields(value, FIELDS, '.sourceRanges')
  if (value.allow !== undefined) checkList('.sourceRanges.allow', value.allow, family, 1)
  if (value.deny !== undefined) checkList('.sourceRanges.deny', value.deny, family, 0)
}

function checkList(path: string, prefixes: readonly string[], family: AddressFamily, min: number): void {
  if (!Array.isArray(prefixes) || prefixes.length < min || prefixes.length > MAX_SOURCE_RANGES)
    refuse(path, prefixes, `a list of ${min} to ${MAX_SOURCE_RANGES} prefixes`)
  // Of a list with holes, too.
  const ranges = Array.from(prefixes, (text, index) => {
    const range = requireRange(`${path}[${index}]`, text)
    if ((range.from.length === 4) !== (family === 'ip'))
      refuse(`${path}[${index}]`, text, `${FAMILY_NAMES[family]} prefix, as the frontend's address`)
    return { ...range, index }
  })
  const sorted = ranges.sort((left, right) => Buffer.compare(left.from, right.from))
  for (let at = 1; at < sorted.length; at++) {
    const [before, next] = [sorted[at - 1]!, sorted[at]!]
    if (Buffer.compare(next.from, before.to) > 0) continue
    const [first, second] = [before.index, next.index].sort((left, right) => left - right) as [number, number]
    refuse(`${path}[${second}]`, prefixes[second], `a prefix that does not overlap another one: ${prefixes[first]} does`)
  }
}

/** The prefixes of an accepted list, as ranges. */
export function rangesOf(prefixes: readonly string[] | undefined): readonly AddressRange[] {
  return (prefixes ?? []).map((prefix) => requireRange('', prefix))
}
