import { describe, expect, it } from 'vitest'
import { ValidationError } from '../../../src/core/errors.js'
import { Slices } from '../../../src/core/slices.js'
import { toColumns } from '../../../src/nftables/columns.js'
import { ElementBatch } from '../../../src/nftables/element-batch.js'
import { encodeElements, type SetElement } from '../../../src/nftables/elements.js'
import { setForm } from '../../../src/nftables/sets.js'

const exact = setForm({ key: 'inet_service' })
const ranges = setForm({ key: 'inet_service', flags: ['interval'] })

/** A clock that has always run out. */
class CountedSlices extends Slices {
  turns = 0
  override get isOver(): boolean {
    return true
  }
  override async turn(): Promise<void> {
    this.turns++
    await Promise.resolve()
  }
}

const scattered = (count: number): SetElement[] => Array.from({ length: count }, (_, index) => ({ key: ((index * 7919) % 30_011) * 2 }))

describe('ElementBatch', () => {
  it('encodes a short list at once, so that it may change', async () => {
    const elements: { key: number }[] = [{ key: 80 }, { key: 81 }]
    const batch = new ElementBatch(elements, exact)
    elements[0]!.key = 1
    elements.pop()
    expect(await batch.columns(new Slices())).toEqual(toColumns(encodeElements([{ key: 80 }, { key: 81 }], exact).rows))
  })

  it('takes turns with long lists, and gives the same columns', async () => {
    const elements = scattered(10_000)
    const slices = new CountedSlices()
    const batch = new ElementBatch(elements, exact)
    expect(batch.encoded).toBeUndefined()
    const columns = await batch.columns(slices)
    expect(columns).toEqual(toColumns(encodeElements(elements, exact).rows))
    expect(slices.turns).toBeGreaterThan(10_000 / 65)
    expect(batch.object(123)).toBe(elements[123])
  })

  it('keeps the rows of a range together, and knows whose row is whose', async () => {
    const elements = scattered(5000)
    const batch = new ElementBatch(elements, ranges)
    const columns = await batch.columns(new CountedSlices())
    expect(columns.rows).toBe(10_000)
    for (const row of [0, 1, 778, 9999]) {
      expect(batch.object(row)).toBe(elements[row >> 1])
      expect(columns.flags![row]).toBe(row & 1)
    }
  })

  it('reads an iterable when it is sent, once, however often it is sent', async () => {
    let read = 0
    function* numbers(): Generator<SetElement> {
      for (let key = 0; key < 1000; key++) {
        read++
        yield { key }
      }
    }
    const batch = new ElementBatch(numbers(), exact)
    expect(read).toBe(0)
    const [first, second] = await Promise.all([batch.columns(new Slices()), batch.columns(new Slices())])
    expect(read).toBe(1000)
    expect(second).toBe(first)
    expect(first.rows).toBe(1000)
  })

  it('names the element that does not fit, every time', async () => {
    const batch = new ElementBatch([...scattered(500), { key: 65_536 }], exact)
    for (let time = 0; time < 2; time++) {
      await expect(batch.columns(new Slices())).rejects.toThrow(expect.objectContaining({ path: 'elements[500].key' }) as Error)
    }
    expect(() => new ElementBatch([{ key: -1 }], exact)).toThrow(ValidationError)
  })
})
