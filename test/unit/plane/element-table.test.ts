import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ElementTable } from '../../../src/plane/nftables/element-table.js'
import { shortenName } from '../../../src/plane/nftables/comment.js'

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
