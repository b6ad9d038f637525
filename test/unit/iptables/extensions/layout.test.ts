import { endianness } from 'node:os'
import { describe, expect, it } from 'vitest'
import { be16, be32, bytes, i32, list, struct, text, u16, u32, u64, u8 } from '../../../../src/iptables/extensions/layout.js'

const everything = struct(42, {
  flag: u8(0),
  port: be16(2),
  mark: be32(4),
  mode: u16(8),
  signed: i32(12),
  wide: u64(16),
  name: text(24, 8),
  address: bytes(32, 4),
  ports: list(36, 3, be16)
})

const values = {
  flag: 255,
  port: 0x1234,
  mark: 0x01020304,
  mode: 0x0102,
  signed: -2,
  wide: 0xffff_ffff_ffff_fffen,
  name: 'ängste',
  address: Uint8Array.of(10, 0, 0, 1),
  ports: [1, 2, 65535]
}

describe('structures described by their fields', () => {
  it('reads what it wrote', () => {
    const info = everything.write(values)
    expect(info).toHaveLength(42)
    expect(everything.read(info)).toEqual(values)
  })

  it('writes network order where it is said, and the order of the machine elsewhere', () => {
    const info = everything.write(values)
    expect([...info.subarray(2, 8)]).toEqual([0x12, 0x34, 1, 2, 3, 4])
    expect([...info.subarray(8, 10)]).toEqual(endianness() === 'LE' ? [2, 1] : [1, 2])
  })

  it('leaves absent fields and gaps zero', () => {
    expect(everything.write({ flag: 1, port: undefined, ports: [7] })).toEqual(
      Uint8Array.from({ length: 42 }, (_, index) => (index === 0 ? 1 : index === 37 ? 7 : 0))
    )
  })

  it('takes the structure with its padding or without, and nothing shorter or longer', () => {
    const info = everything.write(values)
    const long = new Uint8Array(48)
    long.set(info)
    expect(everything.read(long)).toEqual(values)
    for (const length of [0, 41, 43, 47, 49, 56]) expect(everything.read(new Uint8Array(length))).toBeUndefined()
  })

  it('reads from within a greater buffer, and copies', () => {
    const buffer = new Uint8Array(50)
    buffer.set(everything.write(values), 5)
    const read = everything.read(buffer.subarray(5, 47))
    buffer.fill(0)
    expect(read).toEqual(values)
  })

  it('reads a text that nothing ends up to the end of its field', () => {
    const name = struct(4, { name: text(0, 4) })
    expect(name.read(Uint8Array.of(97, 98, 99, 100))).toEqual({ name: 'abcd' })
    expect(name.write({ name: 'abc' })).toEqual(Uint8Array.of(97, 98, 99, 0))
  })

  it('lets fields share bytes: the one that is given is written', () => {
    const union = struct(4, { probability: u32(0), every: u32(0) })
    expect(union.read(union.write({ every: 7 }))).toEqual({ probability: 7, every: 7 })
  })
})
