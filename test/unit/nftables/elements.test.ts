import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatAddress } from '../../../src/core/address.js'
import { ValidationError } from '../../../src/core/errors.js'
import type { KeyField } from '../../../src/nftables/bounds.js'
import { INTERVAL_END, rowAt, toColumns, type ElementRow } from '../../../src/nftables/columns.js'
import { decodeElements, encodeElements, type SetElement } from '../../../src/nftables/elements.js'
import { setForm, type SetForm } from '../../../src/nftables/sets.js'

const reread = (elements: readonly SetElement[], form: SetForm): SetElement[] => [
  ...decodeElements([toColumns(encodeElements(elements, form).rows)], form)
]
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(formatAddress)
const port = fc.integer({ min: 0, max: 65535 })
const extras = fc.record(
  {
    comment: fc.string({ unit: fc.constantFrom(...Array.from('abc é')), minLength: 1, maxLength: 60 }),
    timeoutMs: fc.integer({ min: 1, max: 2 ** 40 }),
    expirationMs: fc.integer({ min: 1, max: 2 ** 40 }),
    counter: fc.record({ packets: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), bytes: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) })
  },
  { requiredKeys: [] }
)

describe('elements with exact keys', () => {
  const form = setForm({ key: ['ipv4_addr', 'inet_service'], data: ['ipv4_addr', 'inet_service'] })
  const element = fc.tuple(ipv4, port, ipv4, port, extras).map(([a, b, c, d, more]): SetElement => ({ key: [a, b], data: [c, d], ...more }))

  it('come back from columns as they were', () => {
    fc.assert(
      fc.property(fc.array(element, { maxLength: 20 }), (elements) => {
        expect(reread(elements, form)).toEqual(elements)
      })
    )
  })

  it('of verdict maps come back with their chains', () => {
    const verdicts = setForm({ key: 'mark', data: 'verdict' })
    const elements: SetElement[] = [
      { key: 1, verdict: 'accept' },
      { key: 2, verdict: 'goto', chain: 'web' },
      { key: '*', verdict: 'drop' },
      { key: 3, verdict: 'jump', chain: 'web', comment: 'x' }
    ]
    expect(reread(elements, verdicts)).toEqual(elements)
  })

  it('of object maps come back with their objects', () => {
    const objects = setForm({ key: 'inet_service', data: { object: 'counter' } })
    const elements: SetElement[] = [
      { key: 80, object: 'hits' },
      { key: 81, object: 'misses' },
      { key: 82, object: 'hits' }
    ]
    expect(reread(elements, objects)).toEqual(elements)
  })
})

/** Ranges that neither overlap nor touch, from sorted borders. */
const disjoint = fc
  .uniqueArray(port, { minLength: 2, maxLength: 20 })
  .map((borders) => borders.sort((left, right) => left - right))
  .map((borders) =>
    Array.from({ length: Math.floor(borders.length / 2) }, (_, index): KeyField => ({
      from: borders[2 * index]!,
      to: borders[2 * index + 1]! - 1
    }))
  )
  .map((ranges) => ranges.map((range) => (typeof range === 'object' && 'from' in range && range.from === range.to ? range.from : range)))

describe('plain intervals', () => {
  const form = setForm({ key: 'inet_service', flags: ['interval'] })

  it('come back as ranges, whatever the order they are given and listed in', () => {
    fc.assert(
      fc.property(disjoint, fc.integer(), (ranges, seed) => {
        const given = ranges.map((key) => ({ key }))
        const rows = [...encodeElements(given.toReversed(), form).rows]
        // As a hash or a tree may list them.
        rows.sort((left, right) => ((left.key[1]! * 7 + left.flags + seed) % 5) - ((right.key[1]! * 7 + right.flags + seed) % 5))
        expect([...decodeElements([toColumns(rows)], form)]).toEqual(given)
      })
    )
  })

  it('are rows in ascending order, ends before starts', () => {
    const { rows, sources } = encodeElements([{ key: { from: 6, to: 10 } }, { key: { from: 1, to: 5 } }], form)
    expect(rows.map(({ key, flags }) => `${hex(key)}${flags === INTERVAL_END ? ' end' : ''}`)).toEqual([
      '0001',
      '0006 end',
      '0006',
      '000b end'
    ])
    expect(sources).toEqual([1, 1, 0, 0])
  })

  it('without an end have no end, and say so', () => {
    const { rows } = encodeElements([{ key: { from: 1024, to: 65535 }, comment: 'high' }], form)
    expect(rows).toHaveLength(1)
    // As nft writes it: the comment, then flags with the bit "open".
    expect(hex(rows[0]!.userdata!)).toBe('00056869676800010401000000')
    expect(reread([{ key: { from: 1024, to: 65535 }, comment: 'high' }], form)).toEqual([
      { key: { from: 1024, to: 65535 }, comment: 'high' }
    ])
  })

  it('of the whole range come back', () => {
    expect(reread([{ key: { from: 0, to: 65535 } }], form)).toEqual([{ key: { from: 0, to: 65535 } }])
  })

  it('pass over the end at 0 that nft begins with', () => {
    const rows: ElementRow[] = [
      { key: Uint8Array.of(0, 0), flags: INTERVAL_END, timeoutMs: 0, expirationMs: 0 },
      ...encodeElements([{ key: 80 }], form).rows
    ]
    expect([...decodeElements([toColumns(rows)], form)]).toEqual([{ key: 80 }])
  })

  it('of marks are ordered as numbers', () => {
    const marks = setForm({ key: 'mark', flags: ['interval'] })
    const elements = [{ key: { from: 0x100, to: 0x1ff } }, { key: { from: 0x01000000, to: 0x01ffffff } }]
    expect(reread(elements, marks)).toEqual(elements)
    expect(hex(encodeElements(elements, marks).rows[0]!.key)).toBe('00000100')
  })

  it('of addresses come back as prefixes where they are', () => {
    const addresses = setForm({ key: 'ipv6_addr', flags: ['interval'] })
    const elements = [{ key: '::1' }, { key: 'fd00::/8' }, { key: { from: 'fe80::1', to: 'fe80::3' } }]
    expect(reread(elements, addresses)).toEqual(elements)
  })

  it("of links' names come back as beginnings", () => {
    const links = setForm({ key: 'ifname', flags: ['interval'] })
    const elements = [{ key: 'eth*' }, { key: 'lo' }]
    expect(reread(elements, links)).toEqual(elements)
  })
})

describe('concatenated ranges', () => {
  const form = setForm({ key: ['ipv4_addr', 'mark', 'inet_service'], flags: ['interval'] })

  it('come back as they were', () => {
    const range = fc
      .tuple(port, port)
      .filter(([a, b]) => a !== b)
      .map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }))
    const key = fc.tuple(
      fc.oneof(ipv4, fc.constantFrom('10.0.0.0/8', '0.0.0.0/0')),
      fc.integer({ min: 0, max: 0xffffffff }),
      fc.oneof(port, range)
    )
    fc.assert(
      fc.property(fc.array(key, { minLength: 1, maxLength: 10 }), (keys) => {
        const elements = keys.map((fields) => ({ key: fields }))
        expect(reread(elements, form)).toEqual(elements)
      })
    )
  })

  it('are one row each, with an inclusive end', () => {
    const { rows } = encodeElements([{ key: ['10.0.0.0/8', 5, { from: 80, to: 90 }] }], form)
    expect(rows.map(({ key, keyEnd }) => [hex(key), hex(keyEnd!)])).toEqual([['0a0000000000000500500000', '0affffff00000005005a0000']])
  })
})

describe('refusals', () => {
  const set = setForm({ key: 'ipv4_addr' })
  const intervals = setForm({ key: 'ipv4_addr', flags: ['interval'] })
  const verdicts = setForm({ key: 'ipv4_addr', data: 'verdict' })
  const bad: readonly (readonly [string, SetForm, unknown, string])[] = [
    ['a prefix where there are no intervals', set, { key: '10.0.0.0/8' }, 'elements[1].key'],
    ['a range whose end is before its start', intervals, { key: { from: '10.0.0.2', to: '10.0.0.1' } }, 'elements[1].key'],
    ['a prefix of the other family', intervals, { key: 'fd00::/8' }, 'elements[1].key'],
    ['data in a set', set, { key: '10.0.0.1', data: 5 }, 'elements[1].data'],
    ['a verdict in a set', set, { key: '10.0.0.1', verdict: 'drop' }, 'elements[1].verdict'],
    ['a jump without a chain', verdicts, { key: '10.0.0.1', verdict: 'jump' }, 'elements[1].chain'],
    ['a chain without a jump', verdicts, { key: '10.0.0.1', verdict: 'drop', chain: 'web' }, 'elements[1].chain'],
    ['a verdict that is none', verdicts, { key: '10.0.0.1', verdict: 'toString' }, 'elements[1].verdict'],
    ['a time-out that is no whole number', set, { key: '10.0.0.1', timeoutMs: 1.5 }, 'elements[1].timeoutMs'],
    ['a comment that is too long in bytes', set, { key: '10.0.0.1', comment: 'é'.repeat(65) }, 'elements[1].comment'],
    ['what is no element', set, null, 'elements[1]'],
    ['a key that is missing', set, {}, 'elements[1].key']
  ]

  it.each(bad)('%s', (_, form, element, path) => {
    const good = form === verdicts ? { key: '10.0.0.9', verdict: 'drop' as const } : { key: '10.0.0.9' }
    const encode = (): unknown => encodeElements([good, element as SetElement], form)
    expect(encode).toThrow(ValidationError)
    expect(encode).toThrow(expect.objectContaining({ path }) as Error)
  })
})

describe('columns', () => {
  it('leave out what no row needs', () => {
    expect(Object.keys(toColumns([{ key: Uint8Array.of(1), flags: 0, timeoutMs: 0, expirationMs: 0 }]))).toEqual(['rows', 'key'])
    expect(toColumns([])).toEqual({ rows: 0, key: new Uint8Array(0) })
  })

  it('have a row for every row, also where only late ones need the column', () => {
    const plain: ElementRow = { key: Uint8Array.of(1, 2), flags: 0, timeoutMs: 0, expirationMs: 0 }
    const full: ElementRow = {
      ...plain,
      keyEnd: Uint8Array.of(3, 4),
      flags: 2,
      data: Uint8Array.of(9),
      verdict: -3,
      chain: 'c',
      timeoutMs: 5,
      expirationMs: 6,
      userdata: Uint8Array.of(1, 0),
      object: 'o',
      counter: { packets: 1n, bytes: 2n },
      expressions: Uint8Array.of(7)
    }
    const rows = [...Array.from({ length: 40 }, () => plain), full, plain]
    const columns = toColumns(rows)
    expect(rowAt(columns, 40)).toEqual(full)
    expect(rowAt(columns, 39)).toEqual({ ...plain, keyEnd: plain.key })
    expect(rowAt(columns, 41)).toEqual({ ...plain, keyEnd: plain.key })
    expect(columns.dataOffsets).toHaveLength(43)
    for (const name of [
      'flags',
      'verdict',
      'verdictChain',
      'timeoutMs',
      'expirationMs',
      'objectReference',
      'hasCounter',
      'counterBytes'
    ] as const)
      expect(columns[name]).toHaveLength(42)
  })
})
