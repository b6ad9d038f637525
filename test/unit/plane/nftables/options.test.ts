import { expect, it } from 'vitest'
import { checkNftablesOptions, type NftablesPlaneOptions } from '../../../../src/plane/nftables/options.js'
import type { TableOwner } from '../../../../src/plane/tables/layout/owner.js'
import { checkIpvsOptions } from '../../../../src/plane/ipvs/options.js'

it.each([
  ['dropInvalid', 1, 'true or false'],
  ['dropInvalid', null, 'true or false'],
  ['loopbackNodePorts', 'yes', 'true or false'],
  ['forwardedBit', 32, 'an integer from 0 to 31'],
  ['forwardedBit', '5', 'an integer from 0 to 31'],
  ['flowOffload', true, '{ devices, afterPackets? }'],
  ['tableOwner', true, "'temporary', 'persistent'"]
])('refuses %s: %j', (name, value, allowed) => {
  const check = (): unknown => checkNftablesOptions({ [name]: value })
  expect(check).toThrow(expect.objectContaining({ name: 'ValidationError', path: name, value }) as Error)
  expect(check).toThrow(allowed)
})

it.each([
  ['devices', {}, undefined],
  ['devices', { devices: [] }, []],
  ['devices', { devices: 'eth0' }, 'eth0'],
  ['devices[1]', { devices: ['eth0', 'a/b'] }, 'a/b'],
  ['devices[0]', { devices: ['a-name-that-is-too-long'] }, 'a-name-that-is-too-long'],
  ['devices[1]', { devices: ['eth0', 'eth0'] }, 'eth0'],
  ['afterPackets', { devices: ['eth0'], afterPackets: -1 }, -1],
  ['afterPackets', { devices: ['eth0'], afterPackets: 2 ** 32 }, 2 ** 32],
  ['hardware', { devices: ['eth0'], hardware: true }, true]
])('refuses flowOffload.%s of %j', (name, flowOffload, value) => {
  const check = (): unknown => checkNftablesOptions({ flowOffload } as unknown as NftablesPlaneOptions)
  expect(check).toThrow(expect.objectContaining({ name: 'ValidationError', path: `flowOffload.${name}`, value }) as Error)
})

it('hands connections over after 20 packets where nothing is said', () => {
  expect(checkNftablesOptions({ flowOffload: { devices: ['eth0', 'cni0'] } }).table.flowOffload).toEqual({
    devices: ['eth0', 'cni0'],
    afterPackets: 20
  })
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
    forwardedMark: undefined,
    flowOffload: undefined
  })
})

it.each<keyof NftablesPlaneOptions>(['dropInvalid', 'loopbackNodePorts', 'tableOwner', 'forwardedBit', 'flowOffload'])(
  'planes of mode ipvs refuse %s',
  (name) => {
    expect(() => checkIpvsOptions({ [name]: true })).toThrow(expect.objectContaining({ name: 'ValidationError', path: name }) as Error)
  }
)

it('affinityClients is a whole number in its range', () => {
  expect(checkNftablesOptions({}).table.affinityClients).toBe(196_608)
  expect(checkNftablesOptions({ affinityClients: 1024 }).table.affinityClients).toBe(1024)
  for (const affinityClients of [1023, 16_777_217, 2000.5, Number.NaN, '5000' as never])
    expect(() => checkNftablesOptions({ affinityClients })).toThrow('affinityClients')
})

it.each(['-x', '1x', '_x', '', 'a b', 'n'.repeat(32)])('the name %j is refused: nft could not tell of such a table', (name) => {
  expect(() => checkNftablesOptions({ name })).toThrow(expect.objectContaining({ name: 'ValidationError', path: 'name' }) as Error)
})
