import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ValidationError } from '../../../src/errors.js'
import {
  commentEntry,
  commentedBy,
  decodeUserdata,
  encodeUserdata,
  findComment,
  numberEntry,
  userdataOf
} from '../../../src/nftables/userdata.js'

const entries = fc.array(fc.record({ type: fc.integer({ min: 0, max: 255 }), value: fc.uint8Array({ maxLength: 60 }) }), { maxLength: 4 })

describe('userdata', () => {
  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(entries, (list) => {
        const read = decodeUserdata(encodeUserdata(list))
        expect(read.map(({ type, value }) => ({ type, value: Array.from(value) }))).toEqual(
          list.map(({ type, value }) => ({ type, value: Array.from(value) }))
        )
      })
    )
  })

  it('never reads beyond the end, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const read = decodeUserdata(bytes)
        expect(read.reduce((sum, { value }) => sum + 2 + value.length, 0)).toBeLessThanOrEqual(bytes.length)
      })
    )
  })

  it('has numbers in the order of the machine', () => {
    expect(encodeUserdata([numberEntry(1, 1)])).toEqual(Buffer.from([1, 4, ...new Uint8Array(Uint32Array.of(1).buffer)]))
  })
})

describe('comments', () => {
  it('are limited in bytes, with their NUL', () => {
    expect(commentEntry('comment', 0, 'é'.repeat(63)).value).toHaveLength(127)
    expect(commentEntry('comment', 0, 'x'.repeat(127)).value).toHaveLength(128)
    expect(() => commentEntry('comment', 0, 'x'.repeat(128))).toThrow(ValidationError)
    expect(() => commentEntry('comment', 0, 'é'.repeat(64))).toThrow('1 to 127 bytes')
    expect(() => commentEntry('comment', 0, '')).toThrow(ValidationError)
    expect(() => commentEntry('comment', 0, 'a\0b')).toThrow(ValidationError)
  })

  it('come back without the rest where there is nothing else', () => {
    const userdata = userdataOf('rule', { comment: 'web' })!
    expect(commentedBy('rule', userdata)).toEqual({ comment: 'web' })
    const more = encodeUserdata([commentEntry('comment', 0, 'web'), { type: 9, value: Uint8Array.of(1) }])
    expect(commentedBy('rule', more)).toEqual({ comment: 'web', userdata: more })
    expect(findComment(decodeUserdata(more), 7)).toBeUndefined()
  })
})
