import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatAddress } from '../../../src/core/address.js'
import { ValidationError } from '../../../src/core/errors.js'
import {
  concatenatedId,
  dataType,
  findDataType,
  formatFields,
  formatValue,
  keyLength,
  parseFields,
  parseValue,
  splitTypes,
  type DataTypeName,
  type KeyValue
} from '../../../src/nftables/datatypes.js'

const address = (length: number): fc.Arbitrary<string> => fc.uint8Array({ minLength: length, maxLength: length }).map(formatAddress)
const text = fc.string({ unit: fc.constantFrom(...Array.from('abcdefghijklmnopqrstuvwxyz0123456789.-é')), minLength: 1, maxLength: 7 })
const mac = fc
  .uint8Array({ minLength: 6, maxLength: 6 })
  .map((bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':'))
const named = (...names: readonly string[]): fc.Arbitrary<KeyValue> => fc.constantFrom(...names)

/** Values of a type as reading gives them. */
const VALUES: Readonly<Partial<Record<DataTypeName, fc.Arbitrary<KeyValue>>>> = {
  ipv4_addr: address(4),
  ipv6_addr: address(16),
  ether_addr: mac,
  ifname: text,
  string: text,
  inet_service: fc.integer({ min: 0, max: 0xffff }),
  mark: fc.integer({ min: 0, max: 0xffffffff }),
  uid: fc.integer({ min: 0, max: 0xffffffff }),
  inet_proto: fc.oneof(named('tcp', 'udp', 'sctp', 'icmp'), fc.integer({ min: 200, max: 255 })),
  ct_state: fc.oneof(named('new', 'established', 'related', 'invalid', 'untracked'), fc.integer({ min: 100, max: 0xffffffff })),
  ct_status: fc.oneof(named('dnat', 'snat'), fc.integer({ min: 1000, max: 0xffffffff })),
  fib_addrtype: fc.oneof(named('local', 'unicast'), fc.integer({ min: 10, max: 0xffffffff })),
  ether_type: fc.oneof(named('ip', 'ip6', 'arp', 'vlan'), fc.integer({ min: 0x9000, max: 0xffff })),
  icmp_type: fc.oneof(named('echo-request'), fc.integer({ min: 20, max: 255 })),
  icmpv6_type: fc.oneof(named('nd-neighbor-solicit'), fc.integer({ min: 200, max: 255 })),
  integer8: fc.integer({ min: 0, max: 0xff }),
  integer16: fc.integer({ min: 0, max: 0xffff }),
  integer32: fc.integer({ min: 0, max: 0xffffffff }),
  host_integer16: fc.integer({ min: 0, max: 0xffff }),
  host_integer32: fc.integer({ min: 0, max: 0xffffffff }),
  integer64: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  host_integer64: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  integer128: fc.bigInt({ min: 0n, max: (1n << 128n) - 1n })
}

const names = Object.keys(VALUES) as DataTypeName[]

describe.each(names)('%s', (name) => {
  const type = dataType('type', name)

  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(VALUES[name]!, (value) => {
        const bytes = parseValue('value', value, type)
        expect(bytes).toHaveLength(type.length)
        expect(formatValue(bytes, type)).toEqual(value)
      })
    )
  })

  it('takes raw bytes of its length, and no others', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
        if (bytes.length === type.length) expect(parseValue('value', bytes, type)).toEqual(bytes)
        else expect(() => parseValue('value', bytes, type)).toThrow(ValidationError)
      })
    )
  })

  it.each([undefined, null, {}, [], true, Number.NaN, -1, 1.5, '', 'no such name', 1n << 128n])('refuses %s', (value) => {
    // What a name of a link may be is nearly everything.
    if (value === 'no such name' && (name === 'ifname' || name === 'string'))
      return expect(parseValue('value', value, type)).toHaveLength(16)
    expect(() => parseValue('path.to', value, type)).toThrow(ValidationError)
    return expect(() => parseValue('path.to', value, type)).toThrow(/^path\.to is /)
  })
})

describe('byte order', () => {
  it('is that of packets for ports and addresses, that of the machine for marks and states', () => {
    expect(parseValue('v', 80, dataType('t', 'inet_service'))).toEqual(Uint8Array.of(0, 80))
    expect(parseValue('v', 1, dataType('t', 'mark'))).toEqual(new Uint8Array(Uint32Array.of(1).buffer))
    expect(parseValue('v', 'new', dataType('t', 'ct_state'))).toEqual(new Uint8Array(Uint32Array.of(8).buffer))
    expect(parseValue('v', 5n, dataType('t', 'host_integer64'))).toEqual(new Uint8Array(BigUint64Array.of(5n).buffer))
    expect(parseValue('v', 5n, dataType('t', 'integer64'))).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 5))
  })

  it('does not take inherited names for symbols', () => {
    expect(() => parseValue('v', 'constructor', dataType('t', 'inet_proto'))).toThrow(ValidationError)
  })
})

describe('names of links', () => {
  it('are limited in bytes, not characters', () => {
    const type = dataType('t', 'ifname')
    expect(parseValue('v', 'é'.repeat(7), type)).toHaveLength(16)
    expect(() => parseValue('v', 'é'.repeat(8), type)).toThrow('1 to 15 bytes')
    expect(() => parseValue('v', 'a\0b', type)).toThrow(ValidationError)
  })
})

describe('concatenations', () => {
  it('pad every field to 4 bytes, and have the fields in their identifier', () => {
    const types = (['inet_proto', 'ipv4_addr', 'inet_service'] as const).map((name) => dataType('t', name))
    expect(keyLength(types)).toBe(12)
    // As nft declares `type inet_proto . ipv4_addr . inet_service`.
    expect(concatenatedId(types)).toBe(0xc1cd)
    expect(parseFields('key', ['tcp', '10.0.0.1', 443], types)).toEqual(Uint8Array.of(6, 0, 0, 0, 10, 0, 0, 1, 1, 0xbb, 0, 0))
    expect(splitTypes(0xc1cd, 12)).toEqual(types)
  })

  it('read back what they wrote', () => {
    const short = names.filter((name) => dataType('t', name).length <= 4)
    const lists = fc.array(fc.constantFrom(...short), { minLength: 2, maxLength: 5 })
    const cases = lists.chain((list) => fc.tuple(fc.constant(list), fc.tuple(...list.map((name) => VALUES[name]!))))
    fc.assert(
      fc.property(cases, ([list, values]) => {
        const types = list.map((name) => dataType('t', name))
        const bytes = parseFields('key', values, types)
        expect(bytes).toHaveLength(4 * list.length)
        expect(formatFields(bytes, types)).toEqual(values)
      })
    )
  })

  it('name the field that does not fit', () => {
    const types = (['ipv4_addr', 'inet_service'] as const).map((name) => dataType('t', name))
    expect(() => parseFields('key', ['10.0.0.1', 65536], types)).toThrow(/^key\[1\] is 65536; allowed: an integer from 0 to 65535/)
    expect(() => parseFields('key', ['10.0.0.256', 80], types)).toThrow(/^key\[0\] is "10\.0\.0\.256"/)
    expect(() => parseFields('key', ['10.0.0.1'], types)).toThrow('a list of 2 values: ipv4_addr, inet_service')
    expect(() => parseFields('key', '10.0.0.1', types)).toThrow(ValidationError)
  })
})

describe('types of other making', () => {
  it('are told by identifier and length', () => {
    expect(findDataType(7, 4)?.name).toBe('ipv4_addr')
    expect(findDataType(7, 5)).toBeUndefined()
    expect(findDataType(4, 4)?.name).toBe('integer32')
    expect(splitTypes(0, 4)).toBeUndefined()
    expect(splitTypes(63, 4)).toBeUndefined()
  })

  it('have the width of a lone integer from what the other fields leave', () => {
    const id = concatenatedId([dataType('t', 'ipv4_addr'), dataType('t', 'integer32')])
    expect(splitTypes(id, 8)?.map(({ name }) => name)).toEqual(['ipv4_addr', 'integer32'])
    expect(splitTypes(id, 20)?.map(({ name }) => name)).toEqual(['ipv4_addr', 'integer128'])
  })

  it('refuse unknown names, listing the known', () => {
    expect(() => dataType('key[1]', 'ipv5_addr')).toThrow(/^key\[1\] is "ipv5_addr"; allowed: .*ipv4_addr/)
  })
})
