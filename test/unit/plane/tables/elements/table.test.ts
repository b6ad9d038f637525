import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ElementTable } from '../../../../../src/plane/tables/elements/table.js'
import { shortenName } from '../../../../../src/plane/tables/layout/comment.js'

it('finds what was put, as a map does', () => {
  const key = fc.uint8Array({ minLength: 12, maxLength: 12 })
  fc.assert(
    fc.property(
      fc.array(fc.tuple(key, fc.uint8Array({ minLength: 8, maxLength: 8 })), { maxLength: 300 }),
      fc.array(key),
      (entries, others) => {
        const table = new ElementTable(12, 8, 4)
        const model = new Map<string, Uint8Array>()
        for (const [bytes, data] of entries) {
          table.put(bytes, data)
          model.set(bytes.join(), data)
        }
        expect(table.rows).toBe(model.size)
        for (const [bytes] of entries) expect([...table.buffer.dataAt(table.find(bytes))]).toEqual([...model.get(bytes.join())!])
        for (const bytes of others) expect(table.find(bytes) >= 0).toBe(model.has(bytes.join()))
      }
    )
  )
})

/** FNV-1a with a last mix, which has no secret: whoever reads this can choose keys that fall into one place of a table. */
function unseededHash(key: Uint8Array): number {
  let hash = 0x811c_9dc5
  for (const byte of key) hash = Math.imul(hash ^ byte, 0x0100_0193)
  hash ^= hash >>> 15
  return Math.imul(hash, 0x2c1b_3c6d) >>> 0
}

it('takes keys that were chosen against a hash without a secret as it takes any others', () => {
  const chosen: Uint8Array[] = []
  const key = new Uint8Array(12)
  const view = new DataView(key.buffer)
  // All in the first 64th of the places: a run of 20,000 in linear probing.
  for (let number = 0; chosen.length < 20_000; number++) {
    view.setUint32(0, number)
    if ((unseededHash(key) & 0xffff) < 1024) chosen.push(key.slice())
  }
  const timeOf = (keys: readonly Uint8Array[]): number => {
    const table = new ElementTable(12, 0)
    const started = performance.now()
    for (const each of keys) table.put(each, undefined)
    for (const each of keys) table.find(each)
    return performance.now() - started
  }
  const others = Array.from(chosen, () => crypto.getRandomValues(new Uint8Array(12)))
  timeOf(others)
  // Against FNV-1a they take a hundred times as long.
  expect(timeOf(chosen)).toBeLessThan(10 * Math.max(timeOf(others), 5))
})

// U+FFFD is what a split character would turn into: a name that holds one of its own would hide that.
const nameWithoutReplacement = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 }).filter((name) => !name.includes('\ufffd'))

it('shortens names to what a comment holds, keeping characters whole and names apart', () => {
  fc.assert(
    fc.property(nameWithoutReplacement, (name) => {
      const short = shortenName(name)
      expect(Buffer.byteLength(short)).toBeLessThan(128)
      expect(short).not.toContain('\ufffd')
      expect(short).not.toContain('"')
      if (Buffer.byteLength(name) < 128 && !name.includes('"')) expect(short).toBe(name)
    })
  )
  expect(shortenName('the "best" one')).toMatch(/^the 'best' one~[0-9a-f]{12}$/)
  expect(shortenName('the "best" one')).not.toBe(shortenName(`the "best' one`))
  expect(shortenName(`${'x'.repeat(200)}1`)).not.toBe(shortenName(`${'x'.repeat(200)}2`))
})
