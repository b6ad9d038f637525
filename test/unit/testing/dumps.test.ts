import { describe, expect, it } from 'vitest'
import { accept, counter, ip, jump, rule, tcp, useObject } from '../../../src/nftables.js'
import { FakeConntrackKernel, FakeNftablesKernel, FakeRouteKernel } from '../../../src/testing.js'

const at = { family: 'inet', table: 'app' } as const
const TABLE = { family: 'inet', name: 'app', comment: 'of an agent' } as const
const blocked = { ...at, name: 'blocked', key: 'ipv4_addr', flags: ['interval'] } as const
const ways = { ...at, name: 'ways', key: ['ipv4_addr', 'inet_service'], data: 'verdict' } as const
const backends = { ...at, name: 'backends', key: 'inet_service', data: ['ipv4_addr', 'inet_service'], timeoutMs: 60_000 } as const

/** A table of every kind of object; `turned`: all that has no order is added in the other order. */
async function nftablesDump(turned: boolean): Promise<string> {
  const kernel = new FakeNftablesKernel()
  await using nft = await kernel.open()
  const order = <T>(things: T[]): T[] => (turned ? things.reverse() : things)
  const tx = nft.transaction()
  tx.add.table(TABLE)
  tx.add.counter({ ...at, name: 'hits' })
  tx.add.object({ ...at, name: 'daily', objectType: 'quota', data: { bytes: 1000n } })
  for (const set of order([blocked, backends])) tx.add.map(set)
  for (const name of order(['web', 'input'])) tx.add.chain({ ...at, name, ...(name === 'input' && { hook: 'input', policy: 'drop' }) })
  tx.add.map(ways)
  tx.add.elements(blocked, order([{ key: '198.51.100.0/24' }, { key: { from: '203.0.113.5', to: '203.0.113.9' }, comment: 'a scan' }]))
  tx.add.elements(ways, [{ key: ['10.0.0.1', 80], verdict: 'jump', chain: 'web' }])
  tx.add.elements(backends, [{ key: 80, data: ['10.0.0.2', 8080], timeoutMs: 5000 }])
  tx.add.rule({ ...at, chain: 'input', ...rule(ip.saddr.in(blocked), counter(), jump('web')), comment: 'first' })
  tx.add.rule({ ...at, chain: 'input', ...rule(tcp.dport.eq(80), useObject('counter', 'hits'), accept()) })
  await tx.commit()
  return kernel.dump()
}

describe('a dump', () => {
  it('of nftables has objects, sets with elements, and chains with rules', async () => {
    expect(await nftablesDump(false)).toMatchInlineSnapshot(`
      "table inet app comment="of an agent"
        counter hits
        quota daily data={bytes=1000}
        map backends key=inet_service data=ipv4_addr,inet_service flags=map,timeout timeoutMs=60000
          80 : 10.0.0.2 . 8080 timeoutMs=5000
        set blocked key=ipv4_addr flags=interval
          198.51.100.0/24
          203.0.113.5-203.0.113.9 comment="a scan"
        map ways key=ipv4_addr,inet_service data=verdict flags=map
          10.0.0.1 . 80 : jump web
        chain input type=filter hook=input priority=0 policy=drop
          meta key=nfproto destinationRegister=1; cmp sourceRegister=1 op=eq data=0x02; payload destinationRegister=1 base=network offset=12 length=4; lookup set=blocked sourceRegister=1; counter packets=0 bytes=0; immediate destinationRegister=0 data={verdict=jump chain=web} comment=first
          meta key=l4proto destinationRegister=1; cmp sourceRegister=1 op=eq data=0x06; payload destinationRegister=1 base=transport offset=2 length=2; cmp sourceRegister=1 op=eq data=0x0050; objref objectType=counter name=hits; immediate destinationRegister=0 data={verdict=accept}
        chain web"
    `)
  })

  it('of nftables is the same for the same rule set, however it came to be', async () => {
    expect(await nftablesDump(true)).toBe(await nftablesDump(false))
    expect(new FakeNftablesKernel().dump()).toBe('')
  })

  it('of conntrack has a line per flow', async () => {
    const kernel = new FakeConntrackKernel()
    await using conntrack = await kernel.open()
    const original = { source: '10.0.0.1', destination: '10.96.0.1', sourcePort: 4000, destinationPort: 80 }
    await conntrack.add({
      protocol: 'udp',
      original: { source: '2001:db8::1', destination: '2001:db8::2', sourcePort: 5, destinationPort: 53 },
      timeoutSeconds: 30
    })
    const destinationNat = { first: '10.244.0.1', firstPort: 8080 }
    await conntrack.add({
      protocol: 'tcp',
      original,
      destinationNat,
      timeoutSeconds: 60,
      state: 'established',
      status: ['assured'],
      mark: 7,
      zone: 3
    })
    expect(kernel.dump()).toMatchInlineSnapshot(`
      "tcp 10.0.0.1:4000 -> 10.96.0.1:80  reply 10.244.0.1:8080 -> 10.0.0.1:4000  state established  zone 3  mark 7  status assured,confirmed,destination-nat,source-nat-done,destination-nat-done
      udp [2001:db8::1]:5 -> [2001:db8::2]:53  reply [2001:db8::2]:53 -> [2001:db8::1]:5  status confirmed"
    `)
  })

  it('of route has links, addresses and routes that were added', async () => {
    const kernel = new FakeRouteKernel()
    await using route = await kernel.open()
    await route.addDummy('services', { up: true })
    await route.addAddresses('services', ['10.96.0.2', '10.96.0.1', 'fd00::1/64'])
    kernel.addRoute({ destination: '0.0.0.0/0', link: 'services', gateway: '10.96.0.9', metric: 10 })
    kernel.addRoute({ destination: '10.97.0.0/16', type: 'blackhole' })
    expect(kernel.dump()).toMatchInlineSnapshot(`
      "lo loopback down mtu 65536
      services dummy up mtu 1500
        10.96.0.1/32
        10.96.0.2/32
        fd00::1/64
      route blackhole 10.97.0.0/16
      route unicast 0.0.0.0/0 via 10.96.0.9 dev services metric 10"
    `)
  })
})
