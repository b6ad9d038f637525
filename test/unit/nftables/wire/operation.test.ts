import { describe, expect, test } from 'vitest'
import { ValidationError } from '../../../../src/core/errors.js'
import { AttributeBuffer } from '../../../../src/nftables/wire/buffer.js'
import { decodeOperation, encodeOperation, readOperations, type OperationBytes } from '../../../../src/nftables/wire/operation.js'

const head = { verb: 'add', kind: 'rule', family: 'ip' } as const
const value = (chain: string) => ({ table: 't', chain, expressions: [{ type: 'counter', bytes: 0n, packets: 0n }] })

describe('operations in a run', () => {
  test('follow each other, and come back as they were', () => {
    const out = new AttributeBuffer()
    const first = encodeOperation(head, value('a'), out)
    const second = encodeOperation({ verb: 'destroy', kind: 'set', family: 'inet' }, { table: 't', name: 's' }, out)
    expect(second.bytes).toBe(first.bytes)
    expect(second.from).toBe(first.to)
    expect([...readOperations(out.bytes.subarray(first.from, second.to))]).toEqual([
      { ...head, value: value('a') },
      { verb: 'destroy', kind: 'set', family: 'inet', value: { table: 't', name: 's' } }
    ])
  })

  test('one that is refused leaves nothing behind', () => {
    const out = new AttributeBuffer()
    const first = encodeOperation(head, value('a'), out)
    expect(() => encodeOperation(head, { chain: 'a' }, out)).toThrow(ValidationError)
    expect(encodeOperation(head, value('b'), out).from).toBe(first.to)
  })

  test('stay as they are when memory is added', () => {
    const out = new AttributeBuffer(64)
    const written: OperationBytes[] = []
    for (let index = 0; index < 5000; index++) written.push(encodeOperation(head, value(`chain-${index}`), out))
    expect(new Set(written.map(({ bytes }) => bytes)).size).toBeGreaterThan(1)
    for (const [index, bytes] of written.entries()) expect(decodeOperation('rule', bytes)).toEqual(value(`chain-${index}`))
  })
})
