import { describe, expect, it } from 'vitest'
import { NetlinkError, type Link, type LinkAddress, type PlaneEvent, type Route } from '../../../../src/index.js'
import { AnnouncedAddresses } from '../../../../src/plane/ipvs/announced.js'

const link = (index: number, name: string, more: Partial<Link> = {}): Link => ({
  index,
  name,
  alternativeNames: [],
  isUp: true,
  flags: ['up', 'broadcast'],
  operationalState: 'up',
  mtu: 1500,
  hardwareType: 1,
  ...more
})

const address = (linkIndex: number, text: string): LinkAddress => {
  const [own, length] = text.split('/') as [string, string]
  const family = own.includes(':') ? 'ip6' : 'ip'
  return { linkIndex, family, address: own, prefixLength: Number(length), scope: 'global', flags: [], protocol: 0 }
}

/** A node with two links in subnets, and some that have no part in it. */
class Node {
  links = [
    link(1, 'lo', { flags: ['up', 'loopback'] }),
    link(2, 'eth0'),
    link(3, 'eth1'),
    link(4, 'netplane', { flags: ['up', 'broadcast', 'noarp'] }),
    link(5, 'tun0', { flags: ['up', 'noarp'] }),
    link(6, 'off0', { isUp: false, flags: [] })
  ]
  addresses = [
    address(1, '127.0.0.1/8'),
    address(2, '192.0.2.5/24'),
    address(2, 'fd00::5/64'),
    address(3, '198.51.100.5/25'),
    address(3, '198.51.100.200/32'),
    address(4, '10.96.0.1/32'),
    address(5, '203.0.113.1/24'),
    address(6, '203.0.113.2/24')
  ]
  readonly files: Record<string, string> = { all: '0', lo: '0', eth0: '0', eth1: '0', tun0: '0', off0: '0' }
  reads = 0
  /** Links whose addresses were asked for. */
  readonly listed: unknown[] = []
  /** The index of a link that goes away before it is asked for its addresses. */
  gone: number | undefined
  readonly events: PlaneEvent[] = []
  refusal: number | undefined
  readonly watch = new AnnouncedAddresses(
    { listLinks: () => Promise.resolve(this.links), listAddresses: (options) => this.#listAddresses(options) },
    { read: (name) => this.#read(name) },
    'netplane',
    (event) => void this.events.push(event)
  )

  #listAddresses({ link, family }: Parameters<Route['listAddresses']>[0] = {}): Promise<LinkAddress[]> {
    this.listed.push(link)
    if (link === this.gone) return Promise.reject(new NetlinkError({ errno: 19, operation: 'route.listAddresses' }))
    return Promise.resolve(this.addresses.filter((entry) => entry.linkIndex === link && entry.family === family))
  }

  #read(name: string): Promise<string> {
    this.reads++
    const value = this.files[/^ipv4\/conf\/(\w+)\/arp_ignore$/.exec(name)![1]!]
    const errno = value === undefined ? 2 : this.refusal
    return errno === undefined ? Promise.resolve(value!) : Promise.reject(new NetlinkError({ errno, operation: 'plane.sync' }))
  }

  /** What one look tells: links with addresses. */
  async look(...addresses: string[]): Promise<string[]> {
    this.events.length = 0
    await this.watch.look(addresses)
    return this.events.map((event) => {
      if (event.type !== 'addressesAnnounced') return event.type
      expect(event.option).toBe('strictArp')
      return `${event.link} ${event.addresses.join(' ')}`
    })
  }
}

describe('addresses of services that are answered for', () => {
  it('are those in a subnet of a link with ARP, which does not have them itself', async () => {
    const node = new Node()
    const inside = ['192.0.2.9', '192.0.2.7', '198.51.100.127']
    const outside = ['192.0.3.1', '192.0.2.5', '198.51.100.128', '198.51.100.200', '203.0.113.7', '127.0.0.9', '10.96.0.1', 'fd00::7']
    expect(await node.look(...inside, ...outside)).toEqual(['eth0 192.0.2.7 192.0.2.9', 'eth1 198.51.100.127'])
  })

  it('are told once while it lasts', async () => {
    const node = new Node()
    expect(await node.look('192.0.2.7')).toEqual(['eth0 192.0.2.7'])
    expect(await node.look('192.0.2.7')).toEqual([])
    expect(await node.look('192.0.2.7', '192.0.2.8')).toEqual(['eth0 192.0.2.8'])
    expect(await node.look('192.0.2.8')).toEqual([])
    expect(await node.look('192.0.2.7', '192.0.2.8')).toEqual(['eth0 192.0.2.7'])
    node.links = node.links.map((entry) => ({ ...entry, isUp: false }))
    expect(await node.look('192.0.2.7')).toEqual([])
    node.links = node.links.map((entry) => ({ ...entry, isUp: true }))
    expect(await node.look('192.0.2.7')).toEqual(['eth0 192.0.2.7'])
  })

  it.each([
    ['0', '0', true],
    ['1', '0', false],
    ['0', '1', false],
    ['2', '1', false],
    ['0', '8', false],
    // Only addresses of scope host are kept back.
    ['3', '1', true]
  ])('depend on arp_ignore of all (%s) and of the link (%s): %s', async (all, own, isAnswered) => {
    const node = new Node()
    Object.assign(node.files, { all, eth0: own })
    expect(await node.look('192.0.2.7')).toEqual(isAnswered ? ['eth0 192.0.2.7'] : [])
  })

  it('are looked for without reading settings where there are none, and a link may go meanwhile', async () => {
    const node = new Node()
    expect(await node.look('10.96.0.7')).toEqual([])
    expect(node.reads).toBe(0)
    delete node.files.eth0
    expect(await node.look('192.0.2.7', '198.51.100.7')).toEqual(['eth1 198.51.100.7'])
    node.gone = 2
    expect(await node.look('192.0.2.7', '198.51.100.7')).toEqual([])
    expect(await node.look('192.0.2.7', '198.51.100.8')).toEqual(['eth1 198.51.100.8'])
  })

  it('are looked for without listing the addresses of the dummy device, which are many', async () => {
    const node = new Node()
    await node.look('192.0.2.7')
    expect(node.listed).toEqual([2, 3])
  })

  it('cannot be looked for where settings cannot be read, which is told once', async () => {
    const node = new Node()
    node.refusal = 13
    expect(await node.look('192.0.2.7')).toEqual(['error'])
    expect(await node.look('192.0.2.7')).toEqual([])
    node.refusal = undefined
    expect(await node.look('192.0.2.7')).toEqual(['eth0 192.0.2.7'])
    node.refusal = 13
    expect(await node.look('192.0.2.7')).toEqual(['error'])
  })
})
