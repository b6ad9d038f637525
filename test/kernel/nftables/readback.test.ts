import { describe, expect, it } from 'vitest'
import { Nftables } from '../../../src/nftables/client.js'
import type { Expression } from '../../../src/nftables/expressions.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'
import { isOlderThan } from '../../support/kernel-version.js'
import { copyRuleset, expectSamePrinted, listRuleset } from '../../support/ruleset-copy.js'

/** The element for all other keys, which Linux 5.13 brought. */
const catchAll = isOlderThan('5.13') ? '' : ', * : drop'

/** What nft makes of everything a program may have written: sets of all kinds, objects, and expressions that this package has no types for. */
const scripts: Readonly<Record<string, string>> = {
  'base chains of every family': `
    table inet a {
      chain pre {
        type filter hook prerouting priority raw; policy accept;
      }
      chain in {
        type filter hook input priority filter + 3; policy drop;
      }
    }
    table ip b {
      chain pre {
        type nat hook prerouting priority dstnat;
      }
      chain post {
        type nat hook postrouting priority srcnat - 1;
      }
      chain out {
        type route hook output priority mangle;
      }
    }
    table ip6 c {
      chain out {
        type nat hook output priority -100;
      }
    }
    table arp d {
      chain in {
        type filter hook input priority filter;
      }
    }
    table bridge e {
      chain forwarded {
        type filter hook forward priority filter;
      }
    }
    table netdev f {
      chain in {
        type filter hook ingress device "lo" priority 5;
      }
    }
    table ip dormant {
      flags dormant
      chain in {
        type filter hook input priority 0;
      }
    }`,
  'sets and maps': `
    table ip a {
      comment "a table"
      set plain { type ipv4_addr; size 65535; elements = { 10.0.0.1, 10.0.0.2 comment "two" } }
      set named { type ipv4_addr . inet_service; comment "pairs"; elements = { 10.0.0.1 . 80, 10.0.0.2 . 443 } }
      set ranges { type ipv4_addr; flags interval; auto-merge; elements = { 10.0.0.0/8, 192.0.2.3-192.0.2.9, 255.255.255.0/24 } }
      set everything { type ipv4_addr; flags interval; elements = { 0.0.0.0/0 } }
      set ports { type inet_service; flags interval; elements = { 1-1024, 8080 } }
      set pairs { type ipv4_addr . inet_service; flags interval; elements = { 10.0.0.0/8 . 80-90, 192.0.2.1 . 443 } }
      set marks { type mark; elements = { 0x1, 0x12345678 } }
      set names { type ifname; elements = { "lo", "eth0" } }
      set macs { type ether_addr; elements = { 52:54:00:12:34:56 } }
      set typed { typeof ip saddr . tcp dport; elements = { 10.0.0.1 . 22 } }
      set fixed { type inet_proto; flags constant; elements = { tcp, udp } }
      set timed { type ipv4_addr; timeout 1h; gc-interval 10m; }
      set learnt { type ipv4_addr; size 100; flags dynamic,timeout; timeout 5m; }
      set counted { type ipv4_addr; counter; elements = { 10.0.0.9 counter packets 5 bytes 600 } }
      map values { type ipv4_addr : ipv4_addr; elements = { 10.0.0.1 : 10.1.0.1 } }
      map pairsto { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; elements = { 10.0.0.1 . tcp . 80 : 10.1.0.1 . 8080 } }
      map verdicts { type inet_service : verdict; elements = { 22 : accept, 80 : jump web, 443 : goto web${catchAll} } }
      map marking { type ipv4_addr : mark; flags interval; elements = { 10.0.0.0/8 : 0x7 } }
      map objects { type ipv4_addr : counter; elements = { 10.0.0.1 : "hits" } }
      counter hits { comment "how many"; packets 12 bytes 3456 }
      chain web { counter packets 1 bytes 2 accept comment "done"; }
    }`,
  'objects of other kinds': `
    table ip a {
      quota many { over 25 mbytes used 2 kbytes }
      limit few { rate 10/second burst 20 packets }
      ct timeout quick { protocol tcp; l3proto ip; policy = { established: 100, close: 4 }; }
      ct expectation wanted { protocol tcp; dport 5432; timeout 1h; size 12; l3proto ip; }
      synproxy proxy { mss 1460; wscale 7; timestamp sack-perm }
      counter hits { }
    }`,
  'address translation': `
    table ip a {
      map to { type ipv4_addr . inet_service : ipv4_addr . inet_service; elements = { 10.0.0.1 . 80 : 10.1.0.1 . 8080 } }
      chain pre {
        type nat hook prerouting priority dstnat;
        dnat ip to ip daddr . tcp dport map @to
        tcp dport 81 dnat to 10.0.0.1:8080
        tcp dport 82 dnat to numgen random mod 2 map { 0 : 10.0.0.2, 1 : 10.0.0.3 }
        tcp dport 83 redirect to :8083
        tcp dport 84 dnat to 10.0.0.4-10.0.0.9:1000-2000 persistent
      }
      chain post {
        type nat hook postrouting priority srcnat;
        oifname "eth0" masquerade random,persistent
        ip saddr 10.0.0.0/8 snat to 192.0.2.1 fully-random
      }
    }`
}

/** Rules in nft's words, of expressions that this package knows and of others. */
const rules = [
  'ct state established,related accept',
  'iifname "lo" ip saddr 10.0.0.0/8 tcp dport { 22, 80-90, 443 } counter accept',
  'tcp flags syn / fin,syn,rst,ack limit rate over 10/second burst 5 packets drop',
  'meta l4proto { tcp, udp } th dport vmap { 53 : accept, 80 : jump web }',
  'ip saddr 192.0.2.0/24 meta mark set 0x00000005 ct mark set mark',
  'ip6 nexthdr icmpv6 icmpv6 type nd-neighbor-solicit accept',
  'update @learnt { ip saddr timeout 30s limit rate 5/minute } log prefix "learnt: " level info',
  'fib daddr type local meta pkttype host accept',
  'quota over 10 mbytes drop',
  'ct count over 20 reject with tcp reset',
  'socket transparent 1 meta mark set 1',
  'rt classid 7 drop',
  'exthdr hbh exists drop',
  'tcp option maxseg size set rt mtu',
  'numgen random mod 3 0 drop',
  'jhash ip saddr mod 4 seed 0xdeadbeef 2 drop',
  'queue num 3 bypass',
  'reject with icmpx type port-unreachable'
]

/** Lists what a namespace holds, writes it into an empty one, and compares what nft and the client see in both. */
async function expectSame(from: TestNamespace): Promise<void> {
  const { to, listed } = await copyRuleset(from)
  await expectSamePrinted(from, to)
  const again = await listRuleset(to)
  for (const kind of ['tables', 'chains', 'rules', 'counters', 'objects', 'flowtables'] as const) {
    const plain = (objects: readonly object[]): object[] => objects.map((object) => ({ ...object, handle: 0n }))
    expect(plain(again[kind])).toEqual(plain(listed[kind]))
  }
}

describe('what nft wrote', () => {
  it.each(Object.entries(scripts))('is listed and written again: %s', async (_name, script) => {
    const from = await makeNamespace()
    await from.nftScript(script)
    await expectSame(from)
  })

  it.each(rules)('is listed and written again: %s', async (rule) => {
    const from = await makeNamespace()
    await from.nftScript(`table inet a {
      set learnt { type ipv4_addr; size 100; flags dynamic,timeout; timeout 5m; }
      chain web { }
      chain in { type filter hook input priority 0; }
    }`)
    const { status, stderr } = await from.attempt('nft', ['add', 'rule', 'inet', 'a', 'in', rule])
    // A kernel may lack the expression (its module), which says nothing about this package; nothing else may be wrong.
    if (status !== 0) expect(stderr).toMatch(/Could not process rule: (No such file or directory|Operation not supported)/)
    await expectSame(from)
  })
})

describe('what is written', () => {
  it('is what nft prints', async () => {
    const namespace = await makeNamespace()
    await using nft = await Nftables.open({ netns: namespace.path })
    const inTable = { family: 'ip', table: 'app' } as const
    const count: Expression = { type: 'counter' }
    const tx = nft.transaction()
    tx.add.table({ family: 'ip', name: 'app', comment: 'of an application' })
    tx.add.chain({ ...inTable, name: 'lb' })
    tx.add.chain({ ...inTable, name: 'pre', type: 'nat', hook: 'prerouting', priority: 'dstnat', policy: 'accept' })
    tx.add.set({ ...inTable, name: 'ranges', key: 'ipv4_addr', flags: ['interval'], comment: 'from where' })
    tx.add.map({ ...inTable, name: 'services', key: ['ipv4_addr', 'inet_proto', 'inet_service'], data: 'verdict' })
    tx.add.elements({ ...inTable, name: 'ranges', key: 'ipv4_addr', flags: ['interval'] }, [
      { key: '10.0.0.0/8', comment: 'own' },
      { key: '255.255.255.255' }
    ])
    tx.add.elements({ ...inTable, name: 'services', key: ['ipv4_addr', 'inet_proto', 'inet_service'], data: 'verdict' }, [
      { key: ['10.0.0.1', 'tcp', 80], verdict: 'goto', chain: 'lb', comment: 'web' }
    ])
    tx.add.rule({
      ...inTable,
      chain: 'pre',
      comment: 'first',
      expressions: [
        { type: 'payload', destinationRegister: 1, base: 'network', offset: 12, length: 4 },
        { type: 'lookup', set: 'ranges', sourceRegister: 1 },
        count
      ]
    })
    await tx.commit()
    const printed = (await namespace.nft('list', 'ruleset')).replace(/^\s+/gm, '').split('\n').filter(Boolean)
    expect(printed).toEqual([
      'table ip app {',
      'comment "of an application"',
      'set ranges {',
      'type ipv4_addr',
      'flags interval',
      'comment "from where"',
      'elements = { 10.0.0.0/8 comment "own", 255.255.255.255 }',
      '}',
      'map services {',
      'type ipv4_addr . inet_proto . inet_service : verdict',
      'elements = { 10.0.0.1 . tcp . 80 comment "web" : goto lb }',
      '}',
      'chain lb {',
      '}',
      'chain pre {',
      'type nat hook prerouting priority dstnat; policy accept;',
      'ip saddr @ranges counter packets 0 bytes 0 comment "first"',
      '}',
      '}'
    ])
  })

  it('can hold 100,000 elements, in one transaction', async () => {
    const namespace = await makeNamespace()
    await using nft = await Nftables.open({ netns: namespace.path })
    const set = { family: 'ip', table: 'app', name: 'many', key: 'ipv4_addr' } as const
    const rows = 100_000
    const key = new Uint8Array(rows * 4)
    for (let row = 0; row < rows; row += 1) key.set([10, row >> 16, (row >> 8) & 255, row & 255], row * 4)
    const tx = nft.transaction()
    tx.add.table({ family: 'ip', name: 'app' })
    tx.add.set(set)
    tx.add.elements(set, { rows, key })
    const report = await tx.commit()
    expect(report.bytes).toBeGreaterThan(rows * 16)
    const listed = await nft.listElements(set)
    expect(listed.rows).toBe(rows)
    const seen = new Set(Array.from(listed, (element) => element.key))
    expect(seen.size).toBe(rows)
    expect(seen.has('10.1.134.159')).toBe(true)
  })
})
