/**
 * Whether sets hold ranges as operations say. An element without the end of its range goes on, in a set of ranges, to the largest key there is, and a range without an end, in a
 * set of single keys, is its first key: the kernel takes both.
 */
import { ValidationError } from '../../core/errors.js'
import { CATCHALL, type ElementColumns } from '../columns.js'
import { placeOf } from '../describe.js'
import { NFT_SET_CONCAT, NFT_SET_INTERVAL } from '../set-constants.js'
import { hasFlag, type SetFlag } from '../sets.js'
import { isRemoval, type NameReference, type QueuedOperation } from '../transaction-types.js'

/** An operation on elements that nothing says are ranges. */
export interface UnstatedOperation {
  readonly index: number
  readonly queued: QueuedOperation
}

/** What is known of a set's declaration. */
export interface KnownSet {
  readonly isInterval: boolean
  /** Whether fields of its keys are compared one by one: the kernel finds an overlap there by itself. */
  readonly isConcatenated: boolean
}

/** What a declaration of a set says, listed or queued. */
export function knownSet({ flags }: { readonly flags?: unknown }): KnownSet {
  const list = Array.isArray(flags) ? (flags as readonly SetFlag[]) : undefined
  return { isInterval: hasFlag(list, 'interval', NFT_SET_INTERVAL), isConcatenated: hasFlag(list, 'concat', NFT_SET_CONCAT) }
}

/** What is written to sets that hold what it says: those of a rule's own, and columns that the native side refuses, are passed over. */
export function isUnstated({ elements }: QueuedOperation, { rows, flags }: ElementColumns): boolean {
  if (elements === undefined || elements.isChecked || !(rows > 0) || elements.form?.isAnonymous === true) return false
  if (flags === undefined) return true
  for (let row = 0; row < rows; row++) if (((flags[row] ?? 0) & CATCHALL) === 0) return true
  return false
}

/** The set of an operation as the kernel knows it. */
export function referenceOf({ family, value }: QueuedOperation): NameReference {
  return { family: family as NameReference['family'], table: value['table'] as string, name: value['set'] as string }
}

/**
 * Refuses elements without ranges for a set that has some. A single key in a concatenation is a range of itself, but what is removed is found by its start alone.
 *
 * @throws {ValidationError}
 */
export function checkUnstated({ index, queued }: UnstatedOperation, set: KnownSet | undefined): void {
  if (set?.isInterval !== true) return
  if (set.isConcatenated && !isRemoval(queued)) return
  const { table, name } = referenceOf(queued)
  throw new ValidationError(
    `${placeOf(queued, index)}.flags`,
    undefined,
    `a declaration of the set with its key and flags: ['interval'], as set ${queued.family} ${table} ${name} holds ranges`
  )
}

/** Refuses ranges for a set that has none. @throws {ValidationError} */
export function checkStated({ index, queued }: UnstatedOperation, set: KnownSet | undefined): void {
  if (set === undefined || set.isInterval) return
  const { table, name } = referenceOf(queued)
  throw new ValidationError(
    `${placeOf(queued, index)}.flags`,
    ['interval'],
    `a declaration of the set without the flag interval, as set ${queued.family} ${table} ${name} holds no ranges`
  )
}
