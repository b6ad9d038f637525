import { Buffer } from 'node:buffer'
import { describe, expect, test } from 'vitest'
import { copyColumns } from '../../../src/nftables/copy.js'

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
