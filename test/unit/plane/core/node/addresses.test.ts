import { describe, expect, it, onTestFinished } from 'vitest'
import type { LinkAddress, Route, RouteEvent } from '../../../../../src/index.js'
import type { DefaultWay, DefaultWays } from '../../../../../src/plane/core/node/default-routes.js'
import {
  checkNodeAddresses,
  chooseAddresses,
  NodeAddresses,
  type NodeAddressesOption
} from '../../../../../src/plane/core/node/addresses.js'
import { deviceMark } from '../../../../../src/plane/core/node/service-links.js'

function address(text: string, more: Partial<LinkAddress> = {}): LinkAddress {
  return {
    family: text.includes(':') ? 'ip6' : 'ip',
    address: text,
    scope: 'global',
    flags: [],
    linkIndex: 2,
    prefixLength: 24,
    ...more
  } as LinkAddress
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
    expect(chooseAddresses(there, { choice: checkNodeAddresses(option) })).toEqual({ ip, ip6 })
  })

  describe('primary', () => {
    const way = (more: Partial<DefaultWay>): DefaultWay => ({ preferred: undefined, linkIndex: undefined, source: undefined, ...more })
    const primary = (ways: Partial<DefaultWays>, addresses = there) =>
      chooseAddresses(addresses, { choice: 'primary' }, { ip: undefined, ip6: undefined, ...ways })

    it.each<[string, Partial<DefaultWay>, string]>([
      ['the first of the link', { linkIndex: 3, source: '192.0.2.2' }, '192.0.2.9'],
      ['the preferred source before that', { linkIndex: 3, preferred: '192.0.2.2' }, '192.0.2.2'],
      ['what the kernel takes where the link has none', { linkIndex: 77, source: '192.0.2.9' }, '192.0.2.9'],
      ['the first of all where nothing of that is there', { linkIndex: 77, source: '192.0.2.77', preferred: '192.0.2.78' }, '192.0.2.1'],
      ['never one of loopback', { linkIndex: 1, source: '127.0.0.1', preferred: '127.0.0.1' }, '192.0.2.1']
    ])('%s', (_, ip, expected) => {
      expect(primary({ ip: way(ip) })).toEqual({ ip: [expected], ip6: ['fd00::3'] })
    })

    it('passes over temporary addresses of IPv6, and secondary ones of IPv4 only where another is first', () => {
      const addresses = [
        address('2001:db8::7', { flags: ['secondary'] as never }),
        address('2001:db8::1'),
        address('192.0.2.7', { flags: ['secondary'] as never })
      ]
      const link = way({ linkIndex: 2, source: '2001:db8::7' })
      expect(primary({ ip: link, ip6: link }, addresses)).toEqual({ ip: ['192.0.2.7'], ip6: ['2001:db8::1'] })
    })
  })
})

/** A route client whose link of a plane is exchanged by another process, as soon as addresses have been listed the third time: twice at the start, which finds it. */
function routeWithExchange(): { readonly route: Route; readonly tell: (linkIndex: number) => void; readonly lists: () => number } {
  const events: RouteEvent[] = []
  let wake: () => void = () => undefined
  let index = 5
  let lists = 0
  let isClosed = false
  const tell = (linkIndex: number): void => {
    events.push({ type: 'removed', kind: 'address', object: address('192.0.2.7', { linkIndex }) } as unknown as RouteEvent)
    wake()
  }
  async function* watch(): AsyncGenerator<RouteEvent> {
    while (!isClosed) {
      while (events.length > 0) yield events.shift()!
      await new Promise<void>((resolve) => (wake = resolve))
    }
  }
  const listAddresses = async (): Promise<LinkAddress[]> => {
    const listed = [address('192.0.2.1'), address('10.96.0.1', { linkIndex: index, prefixLength: 32 })]
    if (++lists === 3) {
      tell(index)
      index = 6
      // The event is seen before the list is.
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return listed
  }
  const close = (): Promise<void> => {
    isClosed = true
    wake()
    return Promise.resolve()
  }
  // It was renamed, which changes nothing about whose addresses there are.
  const listLinks = (): Promise<unknown> => Promise.resolve([{ index: 2 }, { index, kind: 'dummy', hardwareAddress: deviceMark('other') }])
  const route = { watch: () => Promise.resolve(watch()), listAddresses, listLinks, close } as unknown as Route
  return { route, tell, lists: () => lists }
}

it('are never those of a link of a plane, whenever another process exchanges it', async () => {
  const { route, tell, lists } = routeWithExchange()
  const seen: string[] = []
  const addresses: NodeAddresses = new NodeAddresses(
    () => Promise.resolve(route),
    { choice: 'all' },
    { onChange: () => seen.push(addresses.current.ip.join()), onError: (error) => seen.push(String(error)) }
  )
  onTestFinished(() => addresses.close())
  await addresses.start()
  expect(addresses.current.ip).toEqual(['192.0.2.1'])
  tell(2)
  await expect.poll(lists).toBeGreaterThan(3)
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(addresses.current.ip).toEqual(['192.0.2.1'])
  expect(seen).toEqual([])
})
