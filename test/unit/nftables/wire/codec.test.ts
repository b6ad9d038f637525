import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ValidationError } from '../../../../src/core/errors.js'
import { AttributeBuffer } from '../../../../src/nftables/wire/buffer.js'
import { decodeRecord } from '../../../../src/nftables/wire/decode.js'
import { encodeRecord } from '../../../../src/nftables/wire/encode.js'
import { KINDS, schemaOf } from '../../../../src/nftables/wire/tables.js'

type Value = Readonly<Record<string, unknown>>

function encode(kind: (typeof KINDS)[number], value: Value): Uint8Array {
  const out = new AttributeBuffer(16)
  out.start()
  encodeRecord(schemaOf(kind), value, out)
  const { bytes, from, to } = out.finish()
  return bytes.slice(from, to)
}

function refusal(kind: (typeof KINDS)[number], value: unknown): ValidationError {
  try {
    encode(kind, value as Value)
  } catch (error) {
    expect(error).toBeInstanceOf(ValidationError)
    return error as ValidationError
  }
  throw new Error('nothing was refused')
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const rule = (...expressions: unknown[]): Value => ({ table: 't', chain: 'c', expressions })

describe('what is written', () => {
  test('is netlink attributes, padded to 4', () => {
    expect(hex(encode('table', { name: 'abc' }))).toBe('0800010061626300')
    expect(hex(encode('table', { name: 'ab', flags: ['dormant'] }))).toBe('07000100616200000800020000000001')
    expect(hex(encode('chain', { table: 't', handle: 0x0102030405060708n }))).toBe('06000100740000000c0002000102030405060708')
  })

  test('an expression without attributes has no data', () => {
    expect(hex(encode('rule', { table: 't', expressions: [{ type: 'notrack' }] }))).toBe(
      '06000100740000001400048010000180' + '0c0001006e6f747261636b00'
    )
  })

  test('comes back as it was', () => {
    const value = rule(
      { type: 'payload', destinationRegister: 1, base: 'network', offset: 16, length: 4 },
      { type: 'cmp', sourceRegister: 1, op: 'neq', data: Uint8Array.of(10, 96, 0, 1) },
      { type: 'counter', bytes: 2n ** 64n - 1n, packets: 3n },
      {
        type: 'dynset',
        set: 's',
        op: 'add',
        keyRegister: 1,
        timeoutMs: 2 ** 52 + 1,
        expressions: [{ type: 'limit', rate: 1n, unitSeconds: 60n }]
      },
      { type: 'opaque', name: 'match', data: Uint8Array.of(5, 0, 1, 0, 65, 0, 0, 0) },
      { type: 'immediate', destinationRegister: 0, data: { verdict: 'jump', chain: 'next' } },
      { type: 'immediate', destinationRegister: 0, data: { verdict: 77 } }
    )
    expect(decodeRecord(schemaOf('rule'), encode('rule', value))).toEqual(value)
    const hook = { hook: 1, priority: -200, devices: ['eth0', 'eth1'] }
    const chain = { table: 'ä'.repeat(100), name: 'x'.repeat(255), hook, policy: 'drop', flags: ['binding', 2 ** 31] }
    expect(decodeRecord(schemaOf('chain'), encode('chain', chain))).toEqual(chain)
  })

  test('attributes without a field come back as they came', () => {
    const value = { name: 't', opaque: [{ type: 99, payload: Uint8Array.of(1, 2, 3) }] }
    expect(decodeRecord(schemaOf('table'), encode('table', value))).toEqual(value)
  })

  test('what only the kernel reports is passed over, and so is what is undefined', () => {
    expect(encode('table', { name: 't', use: 3, owner: 4, flags: undefined })).toEqual(encode('table', { name: 't' }))
  })

  test('names of any letters come back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 80 }), (text) => {
        const name = text.replaceAll('\0', '')
        fc.pre(Buffer.byteLength(name) <= 255)
        expect(decodeRecord(schemaOf('table'), encode('table', { name }))).toEqual({ name })
      })
    )
  })

  test('bytes that are none of ours are read without reading past their end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(...KINDS), (bytes, kind) => {
        const padded = new Uint8Array(bytes.length + 8).fill(0xff)
        padded.set(bytes)
        expect(decodeRecord(schemaOf(kind), padded.subarray(0, bytes.length))).toEqual(decodeRecord(schemaOf(kind), bytes))
      })
    )
  })
})

describe('what is refused', () => {
  test.each<[string, unknown, string, string]>([
    [
      'a field that there is not',
      rule({ type: 'meta', key: 'mark', destinationRegister: 1, mask: 2 }),
      'expressions[0].mask',
      'one of the fields'
    ],
    ['a missing field', rule({ type: 'meta', destinationRegister: 1 }), 'expressions[0].key', 'a value: the field is required'],
    ['an unknown name', rule({ type: 'cmp', sourceRegister: 1, op: 'equals', data: Uint8Array.of(1) }), 'expressions[0].op', 'eq, neq'],
    [
      'a number too large',
      rule({ type: 'meta', key: 'mark', destinationRegister: 2 ** 32 }),
      'expressions[0].destinationRegister',
      '4294967295'
    ],
    ['a number that is not whole', rule({ type: 'counter', bytes: 1.5 }), 'expressions[0].bytes', 'a bigint from 0'],
    ['a negative bigint', rule({ type: 'counter', bytes: -1n }), 'expressions[0].bytes', 'a bigint from 0'],
    ['an unknown expression', rule({ type: 'none' }), 'expressions[0].type', 'opaque, immediate'],
    ['what is no expression', rule(undefined), 'expressions[0]', 'an object with a type'],
    [
      'bytes that are none',
      rule({ type: 'cmp', sourceRegister: 1, op: 'eq', data: [1] }),
      'expressions[0].data',
      'a Uint8Array of at most'
    ],
    ['a verdict without a name', rule({ type: 'immediate', destinationRegister: 0, data: {} }), 'expressions[0].data.verdict', 'required'],
    ['a text with a NUL', { table: 'a\0', chain: 'c' }, 'table', 'text of at most 255 bytes without NUL'],
    ['a text that is too long', { table: 'ä'.repeat(128), chain: 'c' }, 'table', 'text of at most 255 bytes'],
    ['what is no list', { table: 't', expressions: {} }, 'expressions', 'a list'],
    ['a list that says any length', { table: 't', expressions: new Array(100_000) }, 'expressions', 'a list of at most'],
    [
      'too many bytes',
      rule(...new Array<unknown>(4000).fill({ type: 'counter', bytes: 1n, packets: 1n })),
      'expressions',
      'as an attribute'
    ],
    ['attributes that were not listed so', { table: 't', opaque: [{ type: -1, payload: Uint8Array.of(1) }] }, 'opaque', 'as it was listed']
  ])('%s', (_what, value, path, allowed) => {
    const error = refusal('rule', value)
    expect(error.path).toBe(path)
    expect(error.allowed).toContain(allowed)
  })

  test('an object that holds itself', () => {
    const dynset: Record<string, unknown> = { type: 'dynset', set: 's', op: 'add', keyRegister: 1 }
    dynset['expression'] = dynset
    expect(refusal('rule', rule(dynset)).allowed).toContain('16 levels')
  })

  test('bytes whose memory is gone', () => {
    const data = Uint8Array.of(1)
    structuredClone(data.buffer, { transfer: [data.buffer] })
    expect(refusal('rule', rule({ type: 'cmp', sourceRegister: 1, op: 'eq', data })).path).toBe('expressions[0].data')
  })
})
