import { describe, expect, it } from 'vitest'
import { Changes, type Contents } from '../../../../../src/plane/tables/elements/changes.js'
import { overfull } from '../../../../../src/plane/tables/writing/growth.js'
import { placed } from '../../../../../src/plane/tables/layout/balancing.js'
import { declaredSize } from '../../../../../src/plane/tables/layout/declarations.js'
import { classSize, mapNames, setsOf, slotClassOf } from '../../../../../src/plane/tables/layout/sets.js'

describe('the declared size of a set', () => {
  it.each([
    [0, undefined],
    [1023, undefined],
    [1024, 1536],
    [1025, 3072],
    [100_000, 196_608],
    [1_000_000, 1_572_864]
  ])('%i elements: %s', (elements, size) => {
    expect(declaredSize(elements)).toBe(size)
  })

  it('is the largest for its buckets, and has room for half as many again', () => {
    const buckets = (size: number): number => 2 ** Math.ceil(Math.log2(Math.floor((size * 4) / 3)))
    for (let elements = 1024; elements < 3_000_000; elements = Math.ceil(elements * 1.07)) {
      const size = declaredSize(elements)!
      expect(size).toBeGreaterThanOrEqual(elements * 1.5)
      expect(size).toBeLessThanOrEqual(elements * 3)
      expect(buckets(size + 2)).toBe(2 * buckets(size))
    }
  })
})

it('gives the map of a class two names, to be taken in turn', () => {
  const slotClass = slotClassOf('node', 'outside', 'hash', true, 5)
  expect(mapNames(slotClass)).toEqual(['endpoints-node-outside-hash-8-sticky', 'endpoints-node-outside-hash-8-sticky-b'])
  expect(placed(slotClass).map).toBe('endpoints-node-outside-hash-8-sticky')
})

it('takes few classes for all numbers of slots, each large enough and none twice as large as it must be', () => {
  const sizes = Array.from({ length: 16_384 }, (_, index) => classSize(index + 1))
  expect(new Set(sizes).size).toBe(16)
  for (const [index, size] of sizes.entries()) {
    expect(size).toBeGreaterThanOrEqual(index + 1)
    expect(size).toBeLessThan(2 * (index + 1))
  }
})

describe('sets that additions overfill', () => {
  const { members } = setsOf('ip', slotClassOf('address', 'direct', 'random', false, 2))
  const contents: Pick<Contents, 'rows'> = { rows: () => 1000 }
  const change = (add: number, remove: number): Changes => {
    const changes = new Changes()
    const { add: added, remove: removed } = changes.of(1, members)
    for (let row = 0; row < add; row++) added.push(new Uint8Array(12), undefined)
    for (let row = 0; row < remove; row++) removed.push(new Uint8Array(12), undefined)
    return changes
  }

  it.each([
    ['room is left', 100, 0, 1100, []],
    ['one is too many', 101, 0, 1100, [1101]],
    ['deletions of the same transaction make room', 150, 50, 1100, []],
    ['no size is declared', 1_000, 0, undefined, []]
  ])('%s', (_, add, remove, capacity, wanted) => {
    const capacities = new Map(capacity === undefined ? [] : [[members, capacity]])
    expect(overfull(change(add, remove).phase(1), capacities, contents)).toEqual(wanted.map((rows) => ({ set: members, rows })))
  })
})
