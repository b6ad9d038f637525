import { describe, expect, it } from 'vitest'
import { hashedSlot, slotProbabilities } from '../../../../../src/plane/tables/explain/choice.js'

const below =
  (count: number) =>
  (slot: number): boolean =>
    slot < count
const sum = (numbers: Iterable<number>): number => [...numbers].reduce((total, number) => total + number, 0)

describe('the probability of a slot', () => {
  it.each([1, 2, 3, 4])('is the same for all of %i slots', (count) => {
    const found = slotProbabilities({ slots: count }, below(count))
    expect([...found.values()]).toEqual(Array.from({ length: count }, () => 1 / count))
  })

  it('is nearly the same where a few slots are not in use: ten tries, then the first half', () => {
    const found = slotProbabilities({ slots: 8 }, below(5))
    const missed = (3 / 8) ** 10
    const first = (1 - missed) / 5 + missed / 4
    expect([...found.keys()]).toEqual([0, 1, 2, 3, 4])
    for (const slot of [0, 1, 2, 3]) expect(found.get(slot)).toBeCloseTo(first, 12)
    expect(found.get(4)).toBeCloseTo((1 - missed) / 5, 12)
    expect(sum(found.values())).toBeCloseTo(1, 12)
  })

  it('does not add up to 1 where a slot is missing that should be in use', () => {
    expect([...slotProbabilities({ slots: 2 }, (slot) => slot === 0)]).toEqual([[0, 0.5]])
    const found = slotProbabilities({ slots: 8 }, (slot) => slot === 7)
    expect([...found]).toEqual([[7, expect.closeTo(1 - (7 / 8) ** 10, 12)]])
  })
})

describe('the slot of a client', () => {
  const clients = Array.from({ length: 400 }, (_, index) => `10.1.${index >> 8}.${index & 255}`)

  it('is one that is in use, always the same, and each slot has about as many clients', () => {
    const slots = clients.map((client) => hashedSlot({ slots: 8 }, client, below(5)))
    expect(clients.map((client) => hashedSlot({ slots: 8 }, client, below(5)))).toEqual(slots)
    for (const slot of [0, 1, 2, 3, 4]) expect(slots.filter((one) => one === slot).length).toBeGreaterThan(50)
    expect(slots.every((slot) => slot !== undefined && slot < 5)).toBe(true)
  })

  it('is none where nothing is in use', () => {
    expect(hashedSlot({ slots: 8 }, 'fd00::1', () => false)).toBeUndefined()
  })
})
