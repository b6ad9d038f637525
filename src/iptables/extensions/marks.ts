/**
 * Marks of packets and connections, compared under a mask.
 */
import { requireFields, requireInteger } from '../../core/checks.js'
import { readInteger, type Word } from './words.js'

/** A mark, or the bits of one: `value` is compared with what `mask` leaves of the mark. */
export type MarkMatch = number | { readonly value: number; readonly mask: number }

/** Greatest mark; also the mask that leaves all bits. */
const MAX_MARK = 0xffff_ffff

/** Value and mask. @throws {ValidationError} */
export function requireMark(path: string, given: unknown): { readonly value: number; readonly mask: number } {
  if (typeof given === 'number') return { value: requireInteger(path, given, 0, MAX_MARK), mask: MAX_MARK }
  const { value, mask } = requireFields(path, given, 'an integer, or an object with value and mask')
  return { value: requireInteger(`${path}.value`, value, 0, MAX_MARK), mask: requireInteger(`${path}.mask`, mask, 0, MAX_MARK) }
}

/** The mark alone where the mask leaves all bits. */
export function markOf(value: number, mask: number): MarkMatch {
  return mask === MAX_MARK ? value : { value, mask }
}

/** A mark as one word: `0x1`, `0x1/0xff`. */
export const MARK_WORD: Word<MarkMatch> = {
  allowed: 'a mark from 0 to 0xffffffff, alone or with /MASK',
  read: (word) => {
    const slash = word.indexOf('/')
    const value = readInteger(slash < 0 ? word : word.slice(0, slash), 0, MAX_MARK)
    const mask = slash < 0 ? MAX_MARK : readInteger(word.slice(slash + 1), 0, MAX_MARK)
    return value === undefined || mask === undefined ? undefined : markOf(value, mask)
  },
  print: (given) => {
    const { value, mask } = requireMark('mark', given)
    return mask === MAX_MARK ? hex(value) : `${hex(value)}/${hex(mask)}`
  }
}

function hex(value: number): string {
  return `0x${value.toString(16)}`
}
