import { describe, expect, it } from 'vitest'
import { ENOENT } from '../../../../src/core/errno.js'
import { NetlinkError, type AddAddressesOptions, type AddressInput, type LinkAddress, type Route } from '../../../../src/index.js'
import { repairRun } from '../../../../src/plane/core/run.js'
import { deviceMark } from '../../../../src/plane/core/node/service-links.js'
import { Addresses } from '../../../../src/plane/ipvs/addresses.js'

const address = (text: string, more: Partial<LinkAddress> = {}): LinkAddress => {
  const [own, length] = text.split('/') as [string, string]
  const family = own.includes(':') ? 'ip6' : 'ip'
  return { linkIndex: 2, family, address: own, prefixLength: Number(length), scope: 'global', flags: [], protocol: 0, ...more }
}

/** A device with addresses; what is added and written is noted. @param disabled What the file about IPv6 says; undefined: there is none. */
function scene(listed: readonly LinkAddress[], disabled?: string) {
  const added: { readonly addresses: AddressInput[]; readonly options: AddAddressesOptions | undefined }[] = []
  const removed: unknown[] = []
  const written: string[] = []
  const route = {
    getLink: () => Promise.resolve({ name: 'netplane', kind: 'dummy', hardwareAddress: deviceMark('netplane'), isUp: true }),
    listAddresses: () => Promise.resolve(listed),
    addAddresses: (_: string, addresses: Iterable<AddressInput>, options?: AddAddressesOptions) =>
      Promise.resolve(void added.push({ addresses: [...addresses], options })),
    removeAddresses: (_: string, addresses: Iterable<string>) => Promise.resolve(void removed.push([...addresses])),
    removeLink: (name: string) => Promise.resolve(void removed.push(name))
  } as unknown as Route
  const files = {
    read: () =>
      disabled === undefined ? Promise.reject(new NetlinkError({ errno: ENOENT, operation: 'plane.sync' })) : Promise.resolve(disabled),
    write: (name: string, value: string) => Promise.resolve(void written.push(`${name}=${value}`))
  }
  return { addresses: new Addresses(route, 'netplane', files), added, removed, written }
}

const run = () => repairRun(new Map(), undefined)

describe('addresses on the device', () => {
  it('are all but those that the kernel gives every link', async () => {
    const link = { scope: 'link' } as const
    const all = [
      address('10.96.0.1/32'),
      address('169.254.1.1/32', link),
      address('fe80::5/128', link),
      address('fe80::6c70:6cff:fe1f:7ac0/64', link)
    ]
    const state = await scene(all).addresses.read()
    expect([...state!.addresses]).toEqual(['10.96.0.1', '169.254.1.1', 'fe80::5'])
  })

  it('are no source of other packets: those of IPv6 are deprecated', async () => {
    const { addresses, added } = scene([])
    await addresses.add(['10.96.0.1', 'fd00:96::1'], run())
    const flags = ['nodad', 'noprefixroute']
    expect(added).toEqual([
      {
        addresses: ['10.96.0.1', { address: 'fd00:96::1', preferredLifetimeSeconds: 0, flags }],
        options: { flags, ensure: true, onError: 'atomic' }
      }
    ])
  })

  it.each([
    ['1', ['fd00:96::1'], ['ipv6/conf/netplane/disable_ipv6=0']],
    ['1', ['10.96.0.1'], []],
    ['0', ['fd00:96::1'], []],
    [undefined, ['fd00:96::1'], []]
  ])('may be of IPv6 though that is switched off (%s) for other links, where there are any: %j', async (disabled, wanted, expected) => {
    const { addresses, written, added } = scene([], disabled)
    await addresses.add(wanted, run())
    expect(written).toEqual(expected)
    expect(added).toHaveLength(1)
  })

  it('go with the device, unless some of them are left to others', async () => {
    const { addresses, removed } = scene([])
    const state = { addresses: new Set(['10.96.0.1', '10.99.0.1']) }
    await addresses.drop(state, () => false)
    await addresses.drop(state, (one) => one.startsWith('10.99.'))
    expect(removed).toEqual(['netplane', ['10.96.0.1']])
  })
})
