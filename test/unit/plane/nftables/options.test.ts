import { expect, it } from 'vitest'
import { checkNftablesOptions, type NftablesPlaneOptions } from '../../../../src/plane/nftables/options.js'
import { checkIpvsOptions } from '../../../../src/plane/ipvs/options.js'

it.each([
  ['dropInvalid', 1, 'true or false'],
  ['dropInvalid', null, 'true or false'],
  ['loopbackNodePorts', 'yes', 'true or false']
])('refuses %s: %j', (name, value, allowed) => {
  const check = (): unknown => checkNftablesOptions({ [name]: value })
  expect(check).toThrow(expect.objectContaining({ name: 'ValidationError', path: name, value }) as Error)
  expect(check).toThrow(allowed)
})

it('has everything that is optional switched off by itself', () => {
  expect(checkNftablesOptions({}).table).toMatchObject({ dropInvalid: false, loopbackNodePorts: false })
})

it.each<keyof NftablesPlaneOptions>(['dropInvalid', 'loopbackNodePorts'])('planes of mode ipvs refuse %s', (name) => {
  expect(() => checkIpvsOptions({ [name]: true })).toThrow(expect.objectContaining({ name: 'ValidationError', path: name }) as Error)
})
