import { expect, test } from 'vitest'
import type { ShownFrontend } from '../../../src/cli/show/model.js'
import { byAddress } from '../../../src/cli/show/order.js'

function frontend(place: Partial<ShownFrontend>, endpoints: readonly (readonly [string, number])[] = []): ShownFrontend {
  return {
    ...{ mode: 'nftables', family: 'ip', service: 'web', isOurs: true, refusals: [], ...place },
    endpoints: endpoints.map(([address, port]) => ({ address, port, clients: 'all' }))
  }
}

test('frontends and endpoints stand in the order of numbers, IPv4 before IPv6, and node ports without an address last', () => {
  const mixed = [
    frontend({ port: 30080 }),
    frontend({ address: 'fd00::a', port: 80 }),
    frontend({ address: 'fd00::9', port: 80 }),
    frontend({ address: '10.96.0.10', port: 80, protocol: 'udp' }),
    frontend({ address: '10.96.0.10', port: 80, protocol: 'tcp' }),
    frontend({ address: '10.96.0.9', port: 443 }),
    frontend({ address: '10.96.0.9', port: 80 }, [
      ['10.0.0.10', 80],
      ['10.0.0.9', 8080],
      ['10.0.0.9', 80]
    ])
  ]
  const [first, ...others] = byAddress(mixed)
  expect(first!.endpoints.map(({ address, port }) => `${address} ${port}`)).toEqual(['10.0.0.9 80', '10.0.0.9 8080', '10.0.0.10 80'])
  expect(others.map(({ address, port, protocol }) => [address, port, protocol].filter((part) => part !== undefined))).toEqual([
    ['10.96.0.9', 443],
    ['10.96.0.10', 80, 'tcp'],
    ['10.96.0.10', 80, 'udp'],
    ['fd00::9', 80],
    ['fd00::a', 80],
    [30080]
  ])
})
