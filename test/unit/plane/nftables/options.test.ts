import { expect, it } from 'vitest'
import { checkNftablesOptions, type NftablesPlaneOptions } from '../../../../src/plane/nftables/options.js'
import type { TableOwner } from '../../../../src/plane/nftables/owner.js'
import { checkIpvsOptions } from '../../../../src/plane/ipvs/options.js'

it.each([
  ['dropInvalid', 1, 'true or false'],
  ['dropInvalid', null, 'true or false'],
  ['loopbackNodePorts', 'yes', 'true or false'],
  ['forwardedBit', 32, 'an integer from 0 to 31'],
  ['forwardedBit', '5', 'an integer from 0 to 31'],
  ['tableOwner', true, "'temporary', 'persistent'"]
])('refuses %s: %j', (name, value, allowed) => {
  const check = (): unknown => checkNftablesOptions({ [name]: value })
  expect(check).toThrow(expect.objectContaining({ name: 'ValidationError', path: name, value }) as Error)
  expect(check).toThrow(allowed)
})

it('lets no tables go with the process that keep others from loopback addresses', () => {
  const check = (tableOwner: TableOwner) => () => checkNftablesOptions({ tableOwner, loopbackNodePorts: true })
  expect(check('temporary')).toThrow(expect.objectContaining({ name: 'ValidationError', path: 'tableOwner' }) as Error)
  expect(check('persistent')).not.toThrow()
})

it('has everything that is optional switched off by itself', () => {
  expect(checkNftablesOptions({}).table).toMatchObject({
    dropInvalid: false,
    loopbackNodePorts: false,
    tableOwner: undefined,
    forwardedMark: undefined
  })
})

it.each<keyof NftablesPlaneOptions>(['dropInvalid', 'loopbackNodePorts', 'tableOwner', 'forwardedBit'])(
  'planes of mode ipvs refuse %s',
  (name) => {
    expect(() => checkIpvsOptions({ [name]: true })).toThrow(expect.objectContaining({ name: 'ValidationError', path: name }) as Error)
  }
)
