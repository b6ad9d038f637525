import { isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatAddress, parseAddress, parsePrefix, prefixRange, requireAddress, requirePrefix } from '../../../src/core/address.js'
import { ValidationError } from '../../../src/core/errors.js'

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })

describe('addresses', () => {
  it.each([
    ['0.0.0.0', [0, 0, 0, 0]],
    ['10.96.0.1', [10, 96, 0, 1]],
    ['255.255.255.255', [255, 255, 255, 255]],
    ['::', new Array<number>(16).fill(0)],
    ['::1', [...new Array<number>(15).fill(0), 1]],
    ['fd00::ff', [0xfd, ...new Array<number>(14).fill(0), 0xff]],
    ['2001:db8:1:2:3:4:5:6', [0x20, 1, 0xd, 0xb8, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6]],
    ['64:ff9b::192.0.2.33', [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 33]],
    ['1::', [0, 1, ...new Array<number>(14).fill(0)]]
  ])('reads %s', (text, expected) => {
    expect([...parseAddress(text)!]).toEqual(expected)
  })

  it.each([
    '',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.',
    '.1.2.3',
    '1..2.3',
    '01.2.3.4',
    '1.2.3.00',
    '256.1.1.1',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '+1.2.3.4',
    '0x1.2.3.4',
    '1.2.3.4/8',
    'fe80::1%eth0',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    'g::',
    '::1.2.3',
    '::01.2.3.4',
    '[::1]',
    '1:2:3:4:5:6:7:8%1',
    '١.2.3.4',
    'localhost'
  ])('refuses %j', (text) => {
    expect(parseAddress(text)).toBeUndefined()
  })

  it.each([
    ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:0:0:0:1', '2001:db8:0:1::1'],
    ['2001:0:0:1:0:0:1:1', '2001::1:0:0:1:1'],
    ['1:0:2:0:3:0:4:0', '1:0:2:0:3:0:4:0'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['1:2:3:4:5:6:0:0', '1:2:3:4:5:6::'],
    ['::ffff:1.2.3.4', '::ffff:1.2.3.4']
  ])('writes %s as %s', (text, expected) => {
    expect(formatAddress(parseAddress(text)!)).toBe(expected)
  })

  it('reads what it writes, as the platform does', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          bytes(4),
          bytes(16),
          fc.tuple(bytes(4), bytes(4)).map(([a, b]) => Uint8Array.from([...a, 0, 0, 0, 0, 0, 0, 0, 0, ...b]))
        ),
        (address) => {
          const text = formatAddress(address)
          expect(isIP(text)).toBe(address.length === 4 ? 4 : 6)
          expect(parseAddress(text)).toEqual(address)
        }
      )
    )
  })

  it('accepts no other texts than the platform does', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f.:%/]{0,40}$/), fc.ipV4(), fc.ipV6()), (text) => {
        expect(parseAddress(text) !== undefined).toBe(isIP(text) !== 0 && !text.includes('%'))
      }),
      { numRuns: 2000 }
    )
  })

  it('names the field and the family that is wanted', () => {
    expect(requireAddress('to', '::1', 'ip6')).toHaveLength(16)
    expect(() => requireAddress('to', '::1', 'ip')).toThrow(/^to is "::1"; allowed: an IPv4 address/)
    for (const wrong of [undefined, null, 1, {}, '1.2.3.4']) expect(() => requireAddress('to', wrong, 'ip6')).toThrow(ValidationError)
  })
})

describe('prefixes', () => {
  it('reads lengths, and addresses alone', () => {
    expect(parsePrefix('10.0.0.0/8')).toEqual({ address: Uint8Array.of(10, 0, 0, 0), length: 8 })
    expect(parsePrefix('10.0.0.1')?.length).toBe(32)
    expect(parsePrefix('::/0')?.length).toBe(0)
    for (const wrong of ['10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/08', '10.0.0.0/8/8', '10.0.0.0/-1', '/8', '10.0.0.0/ 8'])
      expect(parsePrefix(wrong)).toBeUndefined()
  })

  it('refuses bits beyond the length', () => {
    expect(requirePrefix('range', '10.0.0.0/8').length).toBe(8)
    expect(() => requirePrefix('range', '10.0.0.1/8')).toThrow('10.0.0.0/8')
    expect(() => requirePrefix('range', 'x')).toThrow(ValidationError)
  })

  it('spans from the first to the last address', () => {
    fc.assert(
      fc.property(bytes(4), fc.integer({ min: 0, max: 32 }), (address, length) => {
        const { first, last } = prefixRange({ address, length })
        const number = (part: Uint8Array): number => new DataView(part.buffer, part.byteOffset).getUint32(0)
        const size = 2 ** (32 - length)
        expect(number(first)).toBe(Math.floor(number(address) / size) * size)
        expect(number(last) - number(first)).toBe(size - 1)
      })
    )
  })
})
