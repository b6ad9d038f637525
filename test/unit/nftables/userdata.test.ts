import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ValidationError } from '../../../src/core/errors.js'
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
  it('are limited in bytes, and need not have any', () => {
    expect(commentEntry('comment', 0, 'é'.repeat(64)).value).toHaveLength(129)
    expect(commentEntry('comment', 0, '').value).toEqual(Buffer.from([0]))
    expect(() => commentEntry('comment', 0, 'x'.repeat(129))).toThrow(ValidationError)
    expect(() => commentEntry('comment', 0, `${'é'.repeat(64)}x`)).toThrow('at most 128 bytes')
  })

  it.each(['a\0b', 'a"b', 'a\nb', '\u001b[31m', '\u007f'])('are refused where nft could not read them again: %j', (comment) => {
    expect(() => commentEntry('comment', 0, comment)).toThrow('without quotation marks and control characters')
  })

  it('come back without the rest where they alone give the same bytes', () => {
    const userdata = userdataOf('rule', { comment: 'web' })!
    expect(commentedBy('rule', userdata)).toEqual({ comment: 'web' })
    expect(commentedBy('rule', userdataOf('rule', { comment: '' }))).toEqual({ comment: '' })
    const more = encodeUserdata([commentEntry('comment', 0, 'web'), { type: 9, value: Uint8Array.of(1) }])
    expect(commentedBy('rule', more)).toEqual({ comment: 'web', userdata: more })
    expect(findComment(decodeUserdata(more), 7)).toBeUndefined()
  })

  it('that cannot be written again come with their bytes', () => {
    const bytes = (...value: number[]): Uint8Array => encodeUserdata([{ type: 0, value: Uint8Array.from(value) }])
    const quoted = encodeUserdata([{ type: 0, value: Buffer.from('a"b\0') }])
    for (const userdata of [bytes(0x61), bytes(0xff, 0), bytes(0x61, 0, 0x62, 0), quoted, Uint8Array.of(0xff), Uint8Array.of(0, 200, 1)])
      expect(commentedBy('rule', userdata).userdata).toEqual(userdata)
    expect(commentedBy('rule', quoted).comment).toBe('a"b')
  })

  it('and any other bytes are the same when what was listed is written', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), (userdata) => {
        expect(Buffer.from(userdataOf('table', commentedBy('table', userdata))!)).toEqual(Buffer.from(userdata))
      })
    )
  })
})
