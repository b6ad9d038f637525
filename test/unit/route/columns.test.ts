import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ValidationError } from '../../../src/core/errors.js'
import { type NativeColumns } from '../../../src/native/index.js'
import { decodeAddress, describeRow, encodeAddresses, pickRows, sliceColumns } from '../../../src/route/columns.js'
import { type AddressColumns, type AddressInput } from '../../../src/route/types.js'

/** What a list would give for what was written: all columns, with the link's index. */
function asListed(columns: NativeColumns): NativeColumns {
  const { rows } = columns
  const empty = new Uint32Array(rows).fill(0xffffffff)
  return {
    linkIndex: new Uint32Array(rows).fill(3),
    protocol: new Uint8Array(rows),
    peer: new Uint8Array(0),
    peerOffsets: new Uint32Array(rows + 1),
    broadcast: new Uint8Array(0),
    broadcastOffsets: new Uint32Array(rows + 1),
    label: empty,
    labelTable: [],
    validLifetimeSeconds: empty,
    preferredLifetimeSeconds: empty,
    ...columns
  }
}

const refusal = (run: () => unknown): unknown => {
  try {
    run()
  } catch (error) {
    return error
  }
  return undefined
}

describe('encodeAddresses', () => {
  it('puts an IPv4 address into the first 4 of 16 bytes', () => {
    const columns = encodeAddresses(['10.1.2.3', '127.0.0.2/8', 'fd00::5/64'], {})
    expect(columns).toEqual({
      rows: 3,
      family: Uint8Array.of(2, 2, 10),
      address: Uint8Array.from([10, 1, 2, 3, ...new Uint8Array(12), 127, 0, 0, 2, ...new Uint8Array(12), 0xfd, ...new Uint8Array(14), 5]),
      prefixLength: Uint8Array.of(32, 8, 64),
      scope: Uint8Array.of(0, 254, 0),
      flags: new Uint32Array(3)
    })
  })

  it('gives defaults to those that say nothing', () => {
    const columns = encodeAddresses(['10.0.0.1', { address: '10.0.0.2', flags: [], protocol: 5 }], {
      flags: ['nodad', 'noprefixroute'],
      protocol: 77
    })
    expect(columns.flags).toEqual(Uint32Array.of(0x202, 0))
    expect(columns.protocol).toEqual(Uint8Array.of(77, 5))
  })

  it('never sends flags that are the kernel’s own', () => {
    expect(encodeAddresses([{ address: '10.0.0.1', flags: ['permanent', 'secondary', 'tentative', 'nodad'] }], {}).flags).toEqual(
      Uint32Array.of(2)
    )
    const columns = {
      rows: 1,
      family: Uint8Array.of(2),
      address: new Uint8Array(16),
      prefixLength: Uint8Array.of(32),
      flags: Uint32Array.of(0xfff)
    }
    expect(encodeAddresses(columns, {}).flags).toEqual(Uint32Array.of(0x716))
  })

  it('takes any iterable once, and nothing as no rows', () => {
    const generate = function* (): Generator<string> {
      yield '10.0.0.1'
      yield '10.0.0.2'
    }
    expect(encodeAddresses(generate(), {}).rows).toBe(2)
    expect(encodeAddresses(new Set(['10.0.0.1']), {}).rows).toBe(1)
    expect(encodeAddresses([], {}).rows).toBe(0)
  })

  it('copies columns', () => {
    const given = { rows: 1, family: Uint8Array.of(2), address: new Uint8Array(16).fill(9), prefixLength: Uint8Array.of(24) }
    const columns = encodeAddresses(given, { protocol: 3 })
    given.address.fill(0)
    given.family.fill(0)
    expect(columns).toEqual({
      rows: 1,
      family: Uint8Array.of(2),
      address: new Uint8Array(16).fill(9),
      prefixLength: Uint8Array.of(24),
      flags: new Uint32Array(1),
      protocol: Uint8Array.of(3)
    })
  })

  const address = '10.0.0.1'
  const bad: [what: string, input: unknown, path: string][] = [
    ['text that is no address', '10.0.0', 'addresses[0]'],
    ['an IPv6 zone', 'fe80::1%eth0', 'addresses[0]'],
    ['a prefix length above 32', '10.0.0.1/33', 'addresses[0]'],
    ['a number', 167772161, 'addresses[0]'],
    ['null', null, 'addresses[0]'],
    ['an object without address', {}, 'addresses[0].address'],
    ['a fractional prefix length', { address, prefixLength: 1.5 }, 'addresses[0].prefixLength'],
    ['an IPv6 prefix length above 128', { address: 'fd00::1', prefixLength: 129 }, 'addresses[0].prefixLength'],
    ['two prefix lengths', { address: '10.0.0.1/24', prefixLength: 25 }, 'addresses[0].prefixLength'],
    ['an unknown scope', { address, scope: 'universe' }, 'addresses[0].scope'],
    ['a scope above 255', { address, scope: 256 }, 'addresses[0].scope'],
    ['flags that are no list', { address, flags: 'nodad' }, 'addresses[0].flags'],
    ['an unknown flag', { address, flags: ['nodad', 'fast'] }, 'addresses[0].flags[1]'],
    ['a protocol above 255', { address, protocol: 256 }, 'addresses[0].protocol'],
    ['a peer of the other family', { address, peer: 'fd00::1' }, 'addresses[0].peer'],
    ['an IPv6 broadcast', { address: 'fd00::1', broadcast: '10.0.0.255' }, 'addresses[0].broadcast'],
    ['an IPv6 label', { address: 'fd00::1', label: 'lo' }, 'addresses[0].label'],
    ['a label of 16 bytes', { address, label: 'x'.repeat(16) }, 'addresses[0].label'],
    ['an empty label', { address, label: '' }, 'addresses[0].label'],
    ['no lifetime at all', { address, validLifetimeSeconds: 0 }, 'addresses[0].validLifetimeSeconds'],
    [
      'a preferred lifetime beyond the valid one',
      { address, validLifetimeSeconds: 5, preferredLifetimeSeconds: 6 },
      'addresses[0].preferredLifetimeSeconds'
    ]
  ]
  it.each(bad)('refuses %s', (_, input, path) => {
    const error = refusal(() => encodeAddresses([input as AddressInput], {}))
    expect(error).toBeInstanceOf(ValidationError)
    expect((error as ValidationError).path).toBe(path)
  })

  const good = { rows: 2, family: Uint8Array.of(2, 10), address: new Uint8Array(32), prefixLength: Uint8Array.of(32, 128) }
  const badColumns: [what: string, columns: unknown, path: string][] = [
    ['no addresses at all', undefined, 'addresses'],
    ['one text', '10.0.0.1', 'addresses'],
    ['rows that are no number', { ...good, rows: '2' }, 'addresses.rows'],
    ['a short column', { ...good, address: new Uint8Array(31) }, 'addresses.address'],
    ['a column of another type', { ...good, prefixLength: new Uint16Array(2) }, 'addresses.prefixLength'],
    ['a missing column', { ...good, family: undefined }, 'addresses.family'],
    ['an unknown family', { ...good, family: Uint8Array.of(2, 3) }, 'addresses.family[1]'],
    ['an IPv4 prefix length above 32', { ...good, prefixLength: Uint8Array.of(33, 128) }, 'addresses.prefixLength[0]'],
    ['flags in bytes', { ...good, flags: new Uint8Array(2) }, 'addresses.flags']
  ]
  it.each(badColumns)('refuses columns with %s', (_, columns, path) => {
    const error = refusal(() => encodeAddresses(columns as AddressColumns, {}))
    expect(error).toBeInstanceOf(ValidationError)
    expect((error as ValidationError).path).toBe(path)
  })

  it('refuses defaults that are none', () => {
    expect(refusal(() => encodeAddresses([], { protocol: -1 }))).toMatchObject({ path: 'options.protocol' })
    expect(refusal(() => encodeAddresses([], { flags: ['x' as 'nodad'] }))).toMatchObject({ path: 'options.flags[0]' })
  })
})

describe('columns', () => {
  const spec = fc.oneof(
    fc.record(
      {
        address: fc.ipV4(),
        prefixLength: fc.integer({ min: 0, max: 32 }),
        scope: fc.constantFrom('global', 'site', 'link', 'host', 17),
        flags: fc.constantFrom([], ['noprefixroute']),
        protocol: fc.integer({ min: 0, max: 255 }),
        broadcast: fc.ipV4(),
        label: fc.constantFrom('lo', 'lo:1', 'lo:ü'),
        validLifetimeSeconds: fc.integer({ min: 1, max: 0xfffffffe })
      },
      { requiredKeys: ['address'] }
    ),
    fc.record(
      { address: fc.constantFrom('fd00::1', '::', '1:2:3:4:5:6:7:8'), peer: fc.constantFrom('fd00::2', 'fd00::3') },
      { requiredKeys: ['address'] }
    )
  ) as fc.Arbitrary<AddressInput & object>

  it('are read as they were written', () => {
    fc.assert(
      fc.property(fc.array(spec, { maxLength: 20 }), (specs) => {
        const columns = asListed(encodeAddresses(specs, {}))
        const read = specs.map((_, row) => decodeAddress(columns, row))
        expect(asListed(encodeAddresses(read, {}))).toEqual(columns)
        for (const [row, given] of specs.entries()) expect(read[row]).toMatchObject(given)
      })
    )
  })

  it('are the same in pieces', () => {
    fc.assert(
      fc.property(fc.array(spec, { minLength: 1, maxLength: 20 }), fc.nat(20), (specs, at) => {
        const columns = encodeAddresses(specs, {})
        const cut = Math.min(at, specs.length)
        const pieces = [sliceColumns(columns, 0, cut), sliceColumns(columns, cut, specs.length)]
        const read = pieces.flatMap((piece) => Array.from({ length: piece.rows }, (_, row) => decodeAddress(asListed(piece), row)))
        expect(read).toEqual(specs.map((_, row) => decodeAddress(asListed(columns), row)))
      })
    )
  })

  it('can be picked row by row, with what a removal needs', () => {
    const columns = encodeAddresses(['10.0.0.1/24', { address: '10.0.0.2', peer: '10.9.9.9' }, 'fd00::1'], {})
    const picked = asListed({ scope: new Uint8Array(2), flags: new Uint32Array(2), ...pickRows(columns, [2, 1]) })
    expect(describeRow(picked, 0)).toBe('fd00::1/128')
    expect(decodeAddress(picked, 1)).toMatchObject({ address: '10.0.0.2', prefixLength: 32, peer: '10.9.9.9' })
    expect(pickRows(columns, [0])).not.toHaveProperty('peer')
  })
})
