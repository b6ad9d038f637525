import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Endpoint } from '../../../../../src/plane/model.js'
import { assignSlots, slotCount } from '../../../../../src/plane/core/balance/weights.js'

const endpoints = (...weights: (number | undefined)[]): Endpoint[] =>
  weights.map((weight, index) => ({ address: `10.1.0.${index + 1}`, port: 80, ...(weight === undefined ? {} : { weight }) }))

describe('slots', () => {
  it.each([
    [endpoints(undefined, undefined, undefined), [0, 1, 2]],
    [endpoints(2, 2), [0, 1]],
    [endpoints(0, 5), [1]],
    [endpoints(), []],
    [endpoints(4, 2), [0, 1, 0]]
  ])('are interleaved and as few as the weights allow', (given, expected) => {
    expect([...assignSlots(given)]).toEqual(expected)
    expect(slotCount(given)).toBe(expected.length)
  })

  it('give every endpoint exactly its share', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 12 }), (weights) => {
        const given = endpoints(...weights)
        const slots = assignSlots(given)
        const sum = weights.reduce((left, right) => left + right, 0)
        expect(slots.length).toBe(slotCount(given))
        for (const [index, weight] of weights.entries()) {
          const share = slots.filter((holder) => holder === index).length
          if (sum > 0) expect(share * sum).toBe(weight * slots.length)
        }
      })
    )
  })

  it('pass over endpoints that drain', () => {
    const [first, second] = endpoints(1, 1)
    expect(slotCount([first!, { ...second!, state: 'draining' }])).toBe(1)
  })
})
