import { expect, it } from 'vitest'
import { UnsupportedError } from '../../../../src/core/errors.js'
import { checkIptablesPlaneOptions, type IptablesPlaneOptions } from '../../../../src/plane/iptables/options.js'
import { unsupportedByIptables } from '../../../../src/plane/iptables/support.js'
import type { Scheduler, Service } from '../../../../src/plane/model.js'
import { checkIpvsOptions } from '../../../../src/plane/ipvs/options.js'
import { checkNftablesOptions } from '../../../../src/plane/nftables/options.js'

const check = (options: object): unknown => checkIptablesPlaneOptions(options)
const refusal = (path: string, value: unknown): Error => expect.objectContaining({ name: 'ValidationError', path, value }) as Error

it.each([
  ['dropInvalid', 1, 'true or false'],
  ['loopbackNodePorts', 'yes', 'true or false'],
  ['takeOver', 'now', 'true or false'],
  ['masqueradeBit', 32, 'an integer from 0 to 31'],
  ['schedulerFallback', 'hash', "'random'"],
  ['auditMs', 9, '0, or 10 to 3600000'],
  ['name', 'mine', "nothing in mode 'iptables'"],
  ['healthCheckPorts', [], 'a list of 1 to 64 ranges'],
  ['healthCheckPorts', 31_000, 'a list of 1 to 64 ranges']
])('refuses %s: %j', (name, value, allowed) => {
  expect(() => check({ [name]: value })).toThrow(refusal(name, value))
  expect(() => check({ [name]: value })).toThrow(allowed)
})

it('refuses ranges of ports that are none', () => {
  expect(() => check({ healthCheckPorts: [{ from: 2, to: 1 }] })).toThrow(refusal('healthCheckPorts[0].to', 1))
  expect(() => check({ healthCheckPorts: [{ from: 0, to: 1 }] })).toThrow(refusal('healthCheckPorts[0].from', 0))
})

it.each(['tableOwner', 'forwardedBit', 'flowOffload', 'affinityClients', 'counters', 'strictArp', 'transactionMs'])(
  'refuses %s, which others have',
  (name) => {
    expect(() => check({ [name]: 1 })).toThrow(refusal(name, 1))
  }
)

it.each(['takeOver', 'healthCheckPorts'])('others refuse %s', (name) => {
  expect(() => checkNftablesOptions({ [name]: true })).toThrow(refusal(name, true))
  expect(() => checkIpvsOptions({ [name]: true })).toThrow(refusal(name, true))
})

it.each([
  [{ bridge: 'br+' }, 'localSources.bridge', 'br+'],
  [{ interfacePrefix: 'cali+' }, 'localSources.interfacePrefix', 'cali+']
])('refuses %j, which iptables would read as a prefix', (localSources, path, value) => {
  expect(() => check({ localSources })).toThrow(refusal(path, value))
  expect(() => check({ localSources: { bridge: 'br+0' } })).not.toThrow()
})

it('has everything that is optional switched off by itself', () => {
  expect(checkIptablesPlaneOptions({})).toEqual({
    layout: {
      localSources: undefined,
      masquerade: 'never',
      masqueradeAddress: {},
      masqueradeMark: 0x4000,
      ownAddresses: 'refuse',
      serviceRanges: undefined,
      dropInvalid: false,
      loopbackNodePorts: false,
      healthCheckPorts: []
    },
    nodeAddresses: 'all',
    ownAddresses: 'refuse',
    takeOver: false,
    hasFallback: false,
    auditMs: 100,
    client: { netns: undefined, deadlineMs: undefined, signal: undefined, kernel: undefined }
  })
})

it('takes what is given', () => {
  const options: IptablesPlaneOptions = {
    masqueradeBit: 31,
    localSources: ['10.244.0.0/16'],
    healthCheckPorts: [
      { from: 31_001, to: 31_002 },
      { from: 31_000, to: 31_000 }
    ],
    takeOver: true,
    schedulerFallback: 'random',
    auditMs: 0
  }
  expect(checkIptablesPlaneOptions(options)).toMatchObject({
    layout: { masqueradeMark: 0x8000_0000, masquerade: 'nonLocal', healthCheckPorts: [{ from: 31_000, to: 31_002 }] },
    takeOver: true,
    hasFallback: true,
    auditMs: 0
  })
})

it.each<[Scheduler | undefined, boolean]>([
  [undefined, true],
  ['random', true],
  ['hash', false],
  ['consistent', false],
  ['wlc', false]
])('carries services of scheduler %s: %s', (scheduler, isCarried) => {
  const service: Service = { name: 'shop/web', protocol: 'tcp', frontends: [], endpoints: [], scheduler }
  const error = unsupportedByIptables(service, false)
  expect(error === undefined).toBe(isCarried)
  if (!isCarried) expect(error).toBeInstanceOf(UnsupportedError)
  if (!isCarried) expect(error?.message).toContain(`service "shop/web": iptables chooses at random, and has no scheduler ${scheduler}`)
  expect(unsupportedByIptables(service, true)).toBeUndefined()
})
