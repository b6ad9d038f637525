import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Slices } from '../../../../src/core/slices.js'
import { INTERVAL_END, rowAt, toColumns, type ElementRow } from '../../../../src/nftables/columns.js'
import { HeldRanges, type Presence } from '../../../../src/nftables/intervals/held-ranges.js'
import { joinedRows, rowsOf } from '../../../../src/nftables/intervals/operations.js'
import { pickRows } from '../../../../src/nftables/intervals/pick.js'
import { givenRanges, listedRanges, type Ranges } from '../../../../src/nftables/intervals/ranges.js'
import { knownSet } from '../../../../src/nftables/intervals/unstated.js'
import { compareWords, readWords, writeLast, writePredecessor, writeWords, wordsOf } from '../../../../src/nftables/intervals/words.js'
import { setForm } from '../../../../src/nftables/sets.js'

const slices = new Slices()

function bytesOf(value: bigint, length: number): Uint8Array {
  return Uint8Array.from(Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex'))
}

/** The rows of ranges of two bytes. */
function rowsFor(ranges: readonly (readonly [first: number, last: number])[]): ElementRow[] {
  return ranges.flatMap(([first, last]) => {
    const start = { key: bytesOf(BigInt(first), 2), flags: 0, timeoutMs: 0, expirationMs: 0 }
    return last === 0xffff ? [start] : [start, { ...start, key: bytesOf(BigInt(last + 1), 2), flags: INTERVAL_END }]
  })
}

const given = async (ranges: readonly (readonly [number, number])[]): Promise<Ranges> =>
  await givenRanges(toColumns(rowsFor(ranges)), 2, true, slices, () => undefined)

const pairsOf = ({ first, last, count }: Ranges): [number, number][] =>
  Array.from({ length: count }, (_, index) => [first[index]!, last[index]!])

describe('keys as words', () => {
  it.each([1, 2, 3, 4, 6, 8, 16, 31])('of %i bytes compare, count down and come back as the bytes do', (length) => {
    const value = fc.bigInt({ min: 0n, max: (1n << BigInt(8 * length)) - 1n })
    fc.assert(
      fc.property(value, value, (left, right) => {
        const words = wordsOf(length)
        const keys = new Uint32Array(3 * words)
        writeWords(bytesOf(left, length), 0, length, keys, 0)
        writeWords(bytesOf(right, length), 0, length, keys, words)
        expect(Math.sign(compareWords(keys, 0, keys, words, words))).toBe(left < right ? -1 : left > right ? 1 : 0)
        expect(readWords(keys, 0, length)).toEqual(bytesOf(left, length))
        if (left === 0n) return
        writePredecessor(keys, 0, keys, 2 * words, words)
        expect(readWords(keys, 2 * words, length)).toEqual(bytesOf(left - 1n, length))
        writeLast(length, keys, 0)
        expect(readWords(keys, 0, length)).toEqual(new Uint8Array(length).fill(0xff))
      })
    )
  })
})

/** Ranges that do not overlap, in any order. */
const disjoint = fc
  .uniqueArray(fc.integer({ min: 0, max: 0xffff }), { maxLength: 40 })
  .map((borders) => {
    const sorted = borders.sort((left, right) => left - right)
    return Array.from({ length: sorted.length >> 1 }, (_, index) => [sorted[2 * index]!, sorted[2 * index + 1]!] as const)
  })
  .chain((ranges) => fc.shuffledSubarray(ranges, { minLength: ranges.length }))

describe('ranges of rows', () => {
  it('are found in any order of the ranges, and of the rows', async () => {
    await fc.assert(
      fc.asyncProperty(disjoint, fc.array(fc.nat(), { minLength: 80, maxLength: 80 }), async (ranges, weights) => {
        const rows = rowsFor(ranges)
        const sorted = [...ranges].sort((left, right) => left[0] - right[0]).map((range) => [...range])
        const scattered = toColumns(
          rows
            .map((row, index) => ({ row, weight: weights[index]! }))
            .sort((a, b) => a.weight - b.weight)
            .map(({ row }) => row)
        )
        expect(pairsOf(await given(ranges))).toEqual(sorted)
        expect(pairsOf(await listedRanges([scattered], 2, slices))).toEqual(sorted)
        const ordered = await givenRanges(scattered, 2, false, slices, () => undefined)
        expect(pairsOf(ordered)).toEqual(sorted)
        const sent = await pickRows(scattered, (await rowsOf(scattered, ordered, slices)) ?? Uint32Array.from(rows.keys()), slices)
        expect(Array.from({ length: sent.rows }, (_, row) => rowAt(sent, row).key)).toEqual(
          rowsFor(sorted as [number, number][]).map(({ key }) => key)
        )
      })
    )
  })

  it('of rules have no end where the next one starts', async () => {
    const columns = toColumns(
      rowsFor([
        [1, 5],
        [6, 9],
        [20, 0xffff]
      ])
    )
    const ranges = await givenRanges(columns, 2, true, slices, () => undefined)
    expect(Array.from((await joinedRows(columns, ranges, true, slices))!)).toEqual([0, 2, 3, 4])
    expect(Array.from((await joinedRows(columns, ranges, false, slices))!)).toEqual([0, 3, 4])
  })

  it('say which rows make none', async () => {
    const stray: string[] = []
    const columns = toColumns(
      rowsFor([
        [1, 5],
        [9, 9],
        [20, 30]
      ]).filter((_, row) => row !== 1 && row !== 4)
    )
    await givenRanges(columns, 2, false, slices, ({ row, kind }) => stray.push(`${kind} ${row}`))
    expect(stray).toEqual(['start 0', 'end 3'])
  })
})

const few = fc
  .tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 4 }))
  .map(([first, width]) => [first, first + width] as const)
const steps = fc.array(fc.record({ verb: fc.constantFrom('add', 'remove'), ranges: fc.array(few, { minLength: 1, maxLength: 4 }) }), {
  maxLength: 30
})

describe('what a set holds', () => {
  it.each([true, false])('is what a list of ranges says (known before: %s)', async (isKnown) => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const held = new HeldRanges(
          2,
          isKnown
            ? await given([
                [10, 12],
                [30, 0xffff]
              ])
            : undefined
        )
        let model: (readonly [number, number])[] = isKnown
          ? [
              [10, 12],
              [30, 0xffff]
            ]
          : []
        for (const [operation, { verb, ranges }] of all.entries()) {
          const wanted = await given(ranges)
          const pairs = pairsOf(wanted)
          const expected = pairs.map(([first, last]) => {
            if (model.some(([from, to]) => from === first && to === last)) return 'exact'
            if (model.some(([from, to]) => from <= last && first <= to)) return 'overlaps'
            return isKnown ? 'absent' : 'unknown'
          })
          const found: string[] = []
          await held.look(wanted, slices, (_, presence: Presence) => found.push(typeof presence === 'object' ? 'overlaps' : presence))
          expect(found).toEqual(expected)
          const isClean =
            verb === 'remove' ||
            (!found.includes('overlaps') && pairs.every(([first], index) => index === 0 || pairs[index - 1]![1] < first))
          if (!isClean) continue
          if (verb === 'add') {
            await held.add(wanted, operation, slices)
            model.push(...pairs.filter((_, index) => expected[index] !== 'exact'))
          } else {
            await held.remove(wanted, pairs.keys(), slices)
            model = model.filter(([from, to]) => !pairs.some(([first, last]) => first === from && last === to))
          }
        }
      }),
      { numRuns: 300 }
    )
  })
})

describe('thousands of ranges', () => {
  it('are worked on in turns', async () => {
    let turns = 0
    class Counted extends Slices {
      override get isOver(): boolean {
        return true
      }
      override async turn(): Promise<void> {
        turns++
        await Promise.resolve()
      }
    }
    const counted = new Counted()
    const inTurns = async <T>(work: () => Promise<T>): Promise<T> => {
      turns = 0
      const done = await work()
      expect(turns).toBeGreaterThan(8)
      return done
    }
    const descending = rowsFor(Array.from({ length: 10_000 }, (_, index) => [6 * (10_000 - index), 6 * (10_000 - index) + 1] as const))
    const columns = toColumns(descending)
    const ranges = await inTurns(async () => await givenRanges(columns, 2, true, counted, () => undefined))
    const rows = await inTurns(async () => await rowsOf(columns, ranges, counted))
    await inTurns(async () => await joinedRows(columns, ranges, false, counted))
    await inTurns(async () => await pickRows(columns, rows!, counted))
    const held = new HeldRanges(2, ranges)
    await inTurns(async () => await held.add(ranges, 0, counted))
    await inTurns(async () => await held.remove(ranges, Array(ranges.count).keys(), counted))
  })
})

it('a set whose flags are a number has ranges where the number says so', () => {
  expect(setForm({ key: 'ipv4_addr', flags: [4] })).toMatchObject({ isInterval: true, isAnonymous: false })
  expect(setForm({ key: 'ipv4_addr', flags: [1] })).toMatchObject({ isInterval: false, isAnonymous: true })
})

it('what is known of a set takes its flags as words and as numbers, and nothing else', () => {
  expect(knownSet({ flags: [4] })).toEqual({ isInterval: true, isConcatenated: false })
  expect(knownSet({ flags: [0x84] })).toEqual({ isInterval: true, isConcatenated: true })
  expect(knownSet({ flags: [1, 'concat', 4] })).toEqual({ isInterval: true, isConcatenated: true })
  expect(knownSet({ flags: ['interval', 0x10] })).toEqual({ isInterval: true, isConcatenated: false })
  for (const flags of [undefined, 4, 'interval', []]) expect(knownSet({ flags })).toEqual({ isInterval: false, isConcatenated: false })
})
