/**
 * Interval sets of a fake nf_tables: what the kernel compares when ranges are added and removed, and what it does not.
 */
import { Buffer } from 'node:buffer'
import { EEXIST } from '../../core/errno.js'
import { CATCHALL, type ElementRow, isEnd } from '../../nftables/columns.js'
import { paddedLength } from '../../nftables/datatypes.js'
import { compareRows } from '../../nftables/elements.js'
import { hasFlag } from './operation.js'
import { Refusal, type FakeElement, type FakeSet } from './state.js'

/** The rows of a plain interval set in order, while elements are added to it. */
export class FakeTree {
  readonly #rows: ElementRow[]
  readonly #isAnonymous: boolean

  constructor(set: FakeSet, elements: Iterable<FakeElement>) {
    this.#rows = Array.from(elements, ({ row }) => row)
      .filter(({ flags }) => (flags & CATCHALL) === 0)
      .sort(compareRows)
    this.#isAnonymous = hasFlag(set.value, 'anonymous')
  }

  /**
   * Takes a row that is not there yet, unless it lies where no such row may be (nft_rbtree_insert). That a start or an end is there already is no fault: so ranges can shrink.
   *
   * @throws {Refusal} `EEXIST`
   */
  insert(row: ElementRow, index: number): void {
    const place = this.#placeOf(row)
    const before = this.#rows[place - 1]
    const behind = this.#rows[place]
    const startsInRange = !isEnd(row) && before !== undefined && !isEnd(before) && !this.#isAnonymous
    const endsNothing = isEnd(row) && before !== undefined && isEnd(before)
    const endsInRange = isEnd(row) && behind !== undefined && isEnd(behind)
    if (startsInRange || endsNothing || endsInRange) throw new Refusal(EEXIST, '', index)
    this.#rows.splice(place, 0, row)
  }

  #placeOf(row: ElementRow): number {
    let [low, high] = [0, this.#rows.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareRows(this.#rows[middle]!, row) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Lengths of the fields of a concatenation with ranges, or undefined. */
function fieldsOf(set: FakeSet): readonly number[] | undefined {
  const { fields } = (set.value['description'] ?? {}) as { fields?: readonly { readonly length: number }[] }
  return hasFlag(set.value, 'interval') ? fields?.map(({ length }) => length) : undefined
}

/** Whether a set keeps rows of starts and ends. */
export function isTree(set: FakeSet): boolean {
  return hasFlag(set.value, 'interval') && fieldsOf(set) === undefined
}

function holds(fields: readonly number[], { key, keyEnd = key }: ElementRow, point: Uint8Array): boolean {
  let offset = 0
  return fields.every((length) => {
    const part = (bytes: Uint8Array): Uint8Array => bytes.subarray(offset, offset + length)
    const isInside = Buffer.compare(part(key), part(point)) <= 0 && Buffer.compare(part(point), part(keyEnd)) <= 0
    offset += paddedLength(length)
    return isInside
  })
}

/** Refuses a concatenated range whose first or last key another range holds (nft_pipapo_insert). @throws {Refusal} `EEXIST` */
export function checkConcatenation(set: FakeSet, elements: Iterable<FakeElement>, row: ElementRow, index: number): void {
  const fields = fieldsOf(set)
  if (fields === undefined || (row.flags & CATCHALL) !== 0) return
  for (const { row: other } of elements) {
    if ((other.flags & CATCHALL) === 0 && (holds(fields, other, row.key) || holds(fields, other, row.keyEnd ?? row.key)))
      throw new Refusal(EEXIST, '', index)
  }
}

/** The element that is removed: of concatenations with ranges, whichever holds the first key (nft_pipapo_deactivate). */
export function findRemoved(set: FakeSet, elements: ReadonlyMap<string, FakeElement>, key: string, row: ElementRow): string | undefined {
  const fields = fieldsOf(set)
  if (elements.has(key)) return key
  if (fields === undefined || (row.flags & CATCHALL) !== 0) return undefined
  for (const [name, { row: other }] of elements) if ((other.flags & CATCHALL) === 0 && holds(fields, other, row.key)) return name
  return undefined
}

/** What a look-up in a plain interval set finds: for a start the range that holds it, for an end the next one (__nft_rbtree_get). */
function findInTree(elements: readonly FakeElement[], wanted: ElementRow): FakeElement | undefined {
  const order = ({ row }: FakeElement): number => Buffer.compare(row.key, wanted.key)
  const isWanted = ({ row }: FakeElement): boolean => isEnd(row) === isEnd(wanted)
  const sorted = elements.toSorted((left, right) => compareRows(left.row, right.row))
  const same = sorted.filter((element) => order(element) === 0)
  const exact = same.find(isWanted)
  if (exact !== undefined || (!isEnd(wanted) && same.length > 0)) return exact
  const next = isEnd(wanted) ? sorted.find((element) => order(element) > 0) : sorted.findLast((element) => order(element) < 0)
  return next !== undefined && isWanted(next) ? next : undefined
}

/** What a look-up finds: an element with this key, or the range that holds it. */
export function findHolding(set: FakeSet, elements: readonly FakeElement[], wanted: ElementRow): readonly FakeElement[] {
  if ((wanted.flags & CATCHALL) !== 0) return elements.filter(({ row }) => row.flags === wanted.flags)
  const ordinary = elements.filter(({ row }) => (row.flags & CATCHALL) === 0)
  const fields = fieldsOf(set)
  // nft_pipapo_get looks at no end.
  if (fields !== undefined) return ordinary.filter(({ row }) => holds(fields, row, wanted.key)).slice(0, 1)
  if (!isTree(set)) return ordinary.filter(({ row }) => Buffer.compare(row.key, wanted.key) === 0)
  const found = findInTree(ordinary, wanted)
  return found === undefined ? [] : [found]
}
