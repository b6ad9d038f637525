import { describe, expect, it } from 'vitest'
import { consistentTable, endpointHash, tableSize } from '../../../../../src/plane/core/balance/consistent.js'

/** The table of some endpoints, by their names. */
function tableOf(endpoints: readonly (readonly [name: string, weight: number])[]): string[] {
  const hashes = Uint32Array.from(endpoints, ([name]) => endpointHash(Buffer.from(name)))
  const steps = consistentTable(
    hashes,
    endpoints.map(([, weight]) => weight),
    tableSize(endpoints.length)
  )
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return [...value].map((index) => endpoints[index]![0])
  }
}

const many = (count: number, weight = 1) =>
  Array.from({ length: count }, (_, index) => [`10.1.${index >> 8}.${index & 255}`, weight] as const)

const shares = (table: readonly string[]): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const name of table) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

describe('the table of scheduler consistent', () => {
  it('has 4,096 slots, and 16,384 for more than 512 endpoints', () => {
    expect([0, 1, 512, 513, 5000].map(tableSize)).toEqual([0, 4096, 4096, 16_384, 16_384])
  })

  it('moves at most 2 % of the other clients when one of 100 endpoints goes, whichever it is', () => {
    const all = many(100)
    const before = tableOf(all)
    for (const gone of [0, 17, 50, 99]) {
      const name = all[gone]![0]
      const after = tableOf(all.filter((_, index) => index !== gone))
      const others = before.filter((owner) => owner !== name).length
      const moved = before.filter((owner, slot) => owner !== name && owner !== after[slot]).length
      expect(moved / others).toBeLessThanOrEqual(0.02)
    }
  })

  it('gives each endpoint its share, and little more', () => {
    for (const count of shares(tableOf(many(100))).values()) {
      expect(count).toBeGreaterThan(0)
      expect(count).toBeLessThanOrEqual(Math.ceil((4096 / 100) * 1.15))
    }
  })

  it('gives twice the share to twice the weight', () => {
    const counts = shares(tableOf([...many(10, 1), ['10.2.0.1', 10]]))
    expect(counts.get('10.2.0.1')).toBeGreaterThan(4096 * 0.4)
    expect(counts.get('10.2.0.1')).toBeLessThan(4096 * 0.6)
  })

  it('depends on the endpoints alone', () => {
    expect(tableOf(many(30))).toEqual(tableOf(many(30)))
  })
})
