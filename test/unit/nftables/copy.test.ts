import { Buffer } from 'node:buffer'
import { describe, expect, test } from 'vitest'
import { copyColumns, copyRecord } from '../../../src/nftables/copy.js'

describe('copyRecord', () => {
  test('equals the original and shares nothing with it', () => {
    const bytes = Uint8Array.of(1, 2)
    const record = { table: 'a', handle: 3n, expressions: [{ type: 'cmp', data: bytes }], flags: ['x'], none: undefined }
    const copy = copyRecord(record)
    expect(copy).toStrictEqual(record)
    bytes[0] = 9
    record.expressions[0]!.type = 'other'
    record.flags.push('y')
    const untouched = { table: 'a', handle: 3n, expressions: [{ type: 'cmp', data: Uint8Array.of(1, 2) }], flags: ['x'], none: undefined }
    expect(copy).toStrictEqual(untouched)
  })

  test('a Buffer, or a view of a larger memory, becomes bytes of their own', () => {
    const copy = copyRecord<{ data: Uint8Array }>({ data: Buffer.from([1, 2, 3, 4]).subarray(1, 3) })
    expect(copy.data).toStrictEqual(Uint8Array.of(2, 3))
    expect(copy.data.buffer.byteLength).toBe(2)
  })

  test('an object that holds itself, or a member that is no data, is no error here', () => {
    const circular: { self?: unknown } = {}
    circular.self = circular
    expect(copyRecord(circular)).toHaveProperty('self')
    const call = (): number => 1
    expect(copyRecord({ call }).call).toBe(call)
  })

  test('a member called __proto__ stays a member, so that it is refused as unknown', () => {
    const hostile = JSON.parse('{"__proto__":{"name":"x"}}') as object
    expect(Object.keys(copyRecord(hostile))).toEqual(['__proto__'])
  })
})

describe('copyColumns', () => {
  test('every column gets memory of its own, no larger than it', () => {
    const columns = {
      rows: 2,
      key: Buffer.from([1, 2, 3, 4]).subarray(0, 2),
      verdict: new Int32Array(new ArrayBuffer(64), 4, 2),
      counterBytes: BigUint64Array.of(5n, 6n),
      verdictChainTable: ['a']
    }
    const copy = copyColumns(columns)
    columns.key[0] = 9
    columns.verdict[1] = 7
    columns.verdictChainTable.push('b')
    expect(copy).toStrictEqual({
      rows: 2,
      key: Uint8Array.of(1, 2),
      verdict: Int32Array.of(0, 0),
      counterBytes: BigUint64Array.of(5n, 6n),
      verdictChainTable: ['a']
    })
    expect(copy.verdict.buffer.byteLength).toBe(8)
  })

  test('a column whose memory was transferred is an error, not an empty column', () => {
    const key = Uint8Array.of(1)
    structuredClone(key, { transfer: [key.buffer] })
    expect(() => copyColumns({ rows: 1, key })).toThrow(TypeError)
  })
})
