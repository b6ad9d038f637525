import { describe, expect, it } from 'vitest'
import { ValidationError } from '../../../src/core/errors.js'
import { type NativeLink } from '../../../src/native/index.js'
import { decodeLink, encodeSettings, requireLink, requireNewName } from '../../../src/route/links.js'

describe('decodeLink', () => {
  const bare: NativeLink = { index: 7, hardwareType: 1, flags: 0x1003, value: { name: 'veth0', mtu: 1500 } }

  it('leaves out what the link does not have', () => {
    expect(decodeLink(bare)).toEqual({
      index: 7,
      name: 'veth0',
      alternativeNames: [],
      isUp: true,
      flags: ['up', 'broadcast', 'multicast'],
      operationalState: 'unknown',
      mtu: 1500,
      hardwareType: 1
    })
  })

  it('tells all that it has', () => {
    const value = {
      ...bare.value,
      info: { kind: 'veth' },
      operationalState: 'lower-layer-down',
      hardwareAddress: Uint8Array.of(2, 0, 0, 0, 0xab, 1),
      alternativeNames: ['long-name-of-veth0'],
      masterIndex: 3,
      lowerIndex: 8,
      alias: 'uplink'
    }
    expect(decodeLink({ ...bare, value })).toMatchObject({
      kind: 'veth',
      operationalState: 'lower-layer-down',
      hardwareAddress: '02:00:00:00:ab:01',
      alternativeNames: ['long-name-of-veth0'],
      masterIndex: 3,
      lowerIndex: 8,
      alias: 'uplink'
    })
  })

  it('calls a state that it does not know unknown, and takes no other end for none', () => {
    const link = decodeLink({ ...bare, value: { ...bare.value, operationalState: 99, lowerIndex: 0, hardwareAddress: new Uint8Array(0) } })
    expect(link.operationalState).toBe('unknown')
    expect(link).not.toHaveProperty('lowerIndex')
    expect(link).not.toHaveProperty('hardwareAddress')
  })
})

describe('requireLink', () => {
  it.each([1, 0x7fffffff, 'lo', 'x'.repeat(127)])('takes %s', (link) => {
    expect(requireLink('link', link)).toBe(link)
  })

  it.each([0, -1, 1.5, 0x80000000, '', 'x'.repeat(128), 'ä'.repeat(64), 'a\0b', undefined, null, {}])('refuses %j', (link) => {
    expect(() => requireLink('link', link)).toThrow(ValidationError)
  })
})

describe('requireNewName', () => {
  it.each(['d', 'kube-ipvs0', 'x'.repeat(15), '...', 'ä'])('takes %s', (name) => {
    expect(requireNewName('name', name)).toBe(name)
  })

  // `à` ends in the byte of Latin-1's no-break space, which the kernel refuses.
  it.each(['', '.', '..', 'x'.repeat(16), 'ä'.repeat(8), 'a/b', 'a:1', 'a b', 'a\tb', 'dummy%d', 'à', 'a\0', 7, undefined])(
    'refuses %j',
    (name) => {
      expect(() => requireNewName('name', name)).toThrow(ValidationError)
    }
  )
})

describe('encodeSettings', () => {
  it('changes only what is said', () => {
    expect(encodeSettings('settings', {})).toEqual({ changeMask: 0, flags: 0, value: {} })
    expect(encodeSettings('settings', { up: true })).toEqual({ changeMask: 1, flags: 1, value: {} })
    expect(encodeSettings('settings', { up: false, mtu: 9000 })).toEqual({ changeMask: 1, flags: 0, value: { mtu: 9000 } })
  })

  it.each([
    [{ up: 'yes' }, 'settings.up'],
    [{ mtu: 0 }, 'settings.mtu'],
    [{ mtu: 1.5 }, 'settings.mtu'],
    [{ mtu: 2 ** 32 }, 'settings.mtu']
  ])('refuses %j', (settings, path) => {
    expect(() => encodeSettings('settings', settings as object)).toThrow(expect.objectContaining({ path }) as Error)
  })
})
