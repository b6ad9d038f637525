import { describe, expect, it } from 'vitest'
import type { LinkAddress } from '../../../../../src/index.js'
import { checkNodeAddresses, chooseAddresses, type NodeAddressesOption } from '../../../../../src/plane/core/node/addresses.js'

function address(text: string, more: Partial<LinkAddress> = {}): LinkAddress {
  return { family: text.includes(':') ? 'ip6' : 'ip', address: text, scope: 'global', flags: [], linkIndex: 2, ...more } as LinkAddress
}

const there = [
  address('127.0.0.1', { linkIndex: 1, scope: 'host' }),
  address('::1', { linkIndex: 1, scope: 'host' }),
  address('192.0.2.9', { linkIndex: 3 }),
  address('192.0.2.1'),
  address('192.0.2.2', { flags: ['secondary'] as never }),
  address('fe80::1', { scope: 'link' }),
  address('fd00::2', { flags: ['tentative'] as never }),
  address('fd00::1', { flags: ['deprecated'] as never }),
  address('fd00::3')
]

describe("this node's addresses", () => {
  it.each<[NodeAddressesOption | undefined, ip: string[], ip6: string[]]>([
    [undefined, ['192.0.2.1', '192.0.2.2', '192.0.2.9'], ['fd00::1', 'fd00::3']],
    ['all', ['192.0.2.1', '192.0.2.2', '192.0.2.9'], ['fd00::1', 'fd00::3']],
    ['primary', ['192.0.2.1'], ['fd00::3']],
    [['192.0.2.8/29', '127.0.0.0/8'], ['127.0.0.1', '192.0.2.9'], []],
    [['::/0'], [], ['::1', 'fd00::1', 'fd00::3']],
    [[], [], []]
  ])('%j', (option, ip, ip6) => {
    expect(chooseAddresses(there, checkNodeAddresses(option))).toEqual({ ip, ip6 })
  })
})
