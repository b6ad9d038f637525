import { describe, expect, it } from 'vitest'
import { checkTrafficOptions } from '../../../../src/plane/core/traffic-options.js'

const bytes = (ranges: readonly { readonly from: Uint8Array; readonly to: Uint8Array }[]): string[] =>
  ranges.map(({ from, to }) => `${from.join('.')}-${to.join('.')}`)

describe('options about traffic', () => {
  it('have these values where nothing is said', () => {
    expect(checkTrafficOptions({})).toEqual({
      localSources: undefined,
      masquerade: 'never',
      masqueradeAddress: {},
      masqueradeMark: undefined,
      nodeAddresses: 'all',
      ownAddresses: 'refuse',
      serviceRanges: undefined
    })
    expect(checkTrafficOptions({ localSources: [] }).masquerade).toBe('nonLocal')
  })

  it('merge prefixes that overlap or touch', () => {
    const { serviceRanges } = checkTrafficOptions({
      serviceRanges: ['10.0.1.0/24', '10.0.0.0/24', '10.0.0.128/25', '255.0.0.0/8', '10.9.0.1']
    })
    expect(bytes(serviceRanges!.ip)).toEqual(['10.0.0.0-10.0.1.255', '10.9.0.1-10.9.0.1', '255.0.0.0-255.255.255.255'])
    expect(serviceRanges!.ip6).toEqual([])
  })

  it('make a mark of a bit, the highest one too', () => {
    expect(checkTrafficOptions({ masqueradeBit: 14 }).masqueradeMark).toBe(0x4000)
    expect(checkTrafficOptions({ masqueradeBit: 31 }).masqueradeMark).toBe(0x8000_0000)
  })

  it('tell a device from names that begin alike', () => {
    expect(checkTrafficOptions({ localSources: { bridge: 'cbr0' } }).localSources).toEqual({
      by: 'interface',
      name: 'cbr0',
      isPrefix: false
    })
    expect(checkTrafficOptions({ localSources: { interfacePrefix: 'veth' } }).localSources).toEqual({
      by: 'interface',
      name: 'veth',
      isPrefix: true
    })
  })

  it.each<[options: object, path: string]>([
    [{ localSources: ['10.0.0.0/33'] }, 'localSources[0]'],
    [{ localSources: {} }, 'localSources'],
    [{ localSources: { bridge: 'a', interfacePrefix: 'b' } }, 'localSources'],
    [{ localSources: { bridge: 'a/b' } }, 'localSources.bridge'],
    [{ localSources: { bridge: 'sixteen-letters-' } }, 'localSources.bridge'],
    [{ localSources: { interfacePrefix: '' } }, 'localSources.interfacePrefix'],
    [{ localSources: { interfacePrefix: 'veth*' } }, 'localSources.interfacePrefix'],
    [{ masquerade: 'some' }, 'masquerade'],
    [{ masqueradeAddress: { ip: 'fd00::1' } }, 'masqueradeAddress.ip'],
    [{ masqueradeAddress: { ipv4: '10.0.0.1' } }, 'masqueradeAddress.ipv4'],
    [{ masqueradeAddress: '10.0.0.1' }, 'masqueradeAddress'],
    [{ masqueradeAddress: { ip: '0.0.0.0' } }, 'masqueradeAddress.ip'],
    [{ masqueradeAddress: { ip: '127.0.0.1' } }, 'masqueradeAddress.ip'],
    [{ masqueradeAddress: { ip6: 'ff02::1' } }, 'masqueradeAddress.ip6'],
    [{ masqueradeBit: 32 }, 'masqueradeBit'],
    [{ masqueradeBit: -1 }, 'masqueradeBit'],
    [{ nodeAddresses: 'first' }, 'nodeAddresses'],
    [{ nodeAddresses: ['eth0'] }, 'nodeAddresses[0]'],
    [{ serviceRanges: '10.96.0.0/12' }, 'serviceRanges'],
    [{ serviceRanges: [5] }, 'serviceRanges[0]']
  ])('%j is refused', (options, path) => {
    expect(() => checkTrafficOptions(options)).toThrow(expect.objectContaining({ code: 'ERR_NETPLANE_VALIDATION', path }))
  })
})
