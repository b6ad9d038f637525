import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dataType, splitTypes, concatenatedId } from '../../../src/nftables/datatypes.js'
import { fromNativeSet } from '../../../src/nftables/listed-sets.js'
import { setForm, toNativeSet, type SetSpec } from '../../../src/nftables/sets.js'
import { describedIntegers, typeofEntry } from '../../../src/nftables/typeof.js'
import { SET_USERDATA } from '../../../src/nftables/userdata.js'

const declared = (spec: Omit<SetSpec, 'family' | 'table' | 'name'>): SetSpec => ({ family: 'ip', table: 't', name: 's', ...spec })

describe('integers', () => {
  it('have every width that a key may have', () => {
    expect(dataType('t', 'integer24')).toEqual({ name: 'integer24', id: 4, length: 3, byteOrder: 'big' })
    expect(dataType('t', 'integer512').length).toBe(64)
    for (const name of ['integer0', 'integer7', 'integer520', 'integer08', 'host_integer24', 'integer'])
      expect(() => dataType('key', name)).toThrow(/^key is ".*"; allowed: .*integer8.*integer24/)
  })

  it('of a concatenation take width and order from hints, and else what the others leave in equal parts', () => {
    const id = concatenatedId([dataType('t', 'ipv4_addr'), dataType('t', 'integer8'), dataType('t', 'integer8')])
    const names = (length: number, hints?: Parameters<typeof splitTypes>[2]): unknown =>
      splitTypes(id, length, hints)?.map(({ name }) => name)
    expect(names(12, [{}, { length: 2, isHostOrder: true }, { length: 1 }])).toEqual(['ipv4_addr', 'host_integer16', 'integer8'])
    expect(names(12, [{}, { length: 3, isHostOrder: true }])).toEqual(['ipv4_addr', 'integer24', 'integer32'])
    expect(names(12)).toEqual(['ipv4_addr', 'integer32', 'integer32'])
    expect(names(20)).toEqual(['ipv4_addr', 'integer64', 'integer64'])
    expect(names(16)).toBeUndefined()
    // A hint that contradicts the length of the key.
    expect(names(12, [{}, { length: 8 }, { length: 8 }])).toBeUndefined()
  })

  it('are described by their own expressions, and read back', () => {
    const keys = [
      'integer8',
      'integer16',
      'integer24',
      'integer32',
      'integer64',
      'integer128',
      'host_integer16',
      'host_integer32',
      'host_integer64'
    ] as const
    const other = fc.constantFrom('ipv4_addr' as const, 'mark' as const, 'inet_service' as const)
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(...keys), other), { minLength: 1, maxLength: 4 }), fc.boolean(), (list, isInterval) => {
        const key = list.length === 1 ? list[0]! : list
        const value = toNativeSet(declared({ key, ...(isInterval ? { flags: ['interval'] } : {}) }), 1)
        expect(fromNativeSet({ family: 'ip', value } as never).key).toEqual(key)
        // Without userdata, the description of a set of intervals says how wide the fields are.
        if (!isInterval || list.length === 1) return
        const bare = fromNativeSet({ family: 'ip', value: { ...value, userdata: undefined } } as never).key
        expect(bare).toEqual(list.map((name) => name.replace(/^host_/, '')))
      })
    )
  })
})

describe('typeof', () => {
  it('is refused where it means other bytes than the type', () => {
    const set = (key: SetSpec['key'], ...names: NonNullable<SetSpec['typeof']>['key']): (() => unknown) => {
      return () => setForm({ key, typeof: { key: names } })
    }
    expect(set('integer32', 'numgen random')).toThrow(
      'typeof.key[0] is "numgen random"; allowed: an expression of type integer32: this one is host_integer32'
    )
    expect(set(['ipv4_addr', 'integer16'], 'ip daddr', 'ct zone')).toThrow(/^typeof\.key\[1\] is "ct zone"/)
    expect(set('ipv4_addr', 'ip6 daddr')).toThrow(/^typeof\.key\[0\]/)
    expect(set('ipv4_addr', 'ip daddr', 'ip saddr')).toThrow(/^typeof\.key .*a list of 1 expressions/)
    expect(set('integer16', 'ip colour' as never)).toThrow(/^typeof\.key\[0\] .*tcp dport/)
    expect(set('host_integer32', 'numgen random')).not.toThrow()
    expect(set('inet_proto', 'meta l4proto')).not.toThrow()
    expect(() => setForm({ key: 'mark', data: 'integer32', typeof: { key: ['meta mark'], data: ['ct bytes'] } })).toThrow(
      /^typeof\.data\[0\]/
    )
    expect(() => setForm({ key: 'mark', typeof: { key: ['meta mark'], data: ['meta mark'] } })).toThrow('does not map to values')
  })

  it('takes a modulus, and fields without a name', () => {
    const entry = (name: string): unknown => describedIntegers(typeofEntry('typeof', SET_USERDATA.keyTypeof, [name]).value)
    expect(entry('numgen inc mod 7')).toEqual([{ isHostOrder: true, length: 4 }])
    expect(entry('symhash mod 9')).toEqual([{ isHostOrder: true, length: 4 }])
    expect(entry('@nh,8,24')).toEqual([{ isHostOrder: false, length: 3 }])
    expect(entry('ip6 flowlabel')).toEqual([{ isHostOrder: false, length: 3 }])
    expect(entry('meta random')).toEqual([{ isHostOrder: false, length: 4 }])
    for (const name of ['@nh,8,25', '@nh,8,0', '@xh,0,8', '@nh,0,520', 'numgen inc mod', 'symhash mod -1'])
      expect(() => entry(name)).toThrow(/^typeof\[0\]/)
  })

  it('cannot stand for concatenated data of integers, which nft prints wrong', () => {
    expect(() => toNativeSet(declared({ key: 'mark', data: ['ipv4_addr', 'integer16'] }), 1)).toThrow(/^data\[1\] is "integer16"/)
    expect(() => toNativeSet(declared({ key: 'mark', data: ['ipv4_addr', 'integer16'], userdata: new Uint8Array(0) }), 1)).not.toThrow()
  })
})
