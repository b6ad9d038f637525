import {
  accept,
  addElement,
  concat,
  connlimit,
  constant,
  continues,
  counter,
  ct,
  deleteElement,
  dnat,
  drop,
  ether,
  fib,
  goto,
  icmp,
  icmpv6,
  ip,
  ip6,
  jhash,
  jump,
  limit,
  log,
  masquerade,
  meta,
  notrack,
  numgen,
  quota,
  redirect,
  reject,
  returns,
  snat,
  tcp,
  th,
  udp,
  updateElement,
  useObject
} from '../../../../src/nftables.js'
import { rowsOf, type InetRow } from './row.js'
import { setNamed } from './sets.js'

const objects: readonly InetRow[] = [
  ['ct helper set "ftp"', useObject('ct-helper', 'ftp')],
  ['ct timeout set "short"', useObject('ct-timeout', 'short')],
  ['counter name "hits"', useObject('counter', 'hits')],
  ['counter name ip saddr map { 10.0.0.1 : "hits" }', ip.saddr.objectFrom([['10.0.0.1', 'hits']], 'counter')],
  ['counter name ip saddr map { 10.0.0.0/8 : "hits" }', ip.saddr.objectFrom([['10.0.0.0/8', 'hits']], 'counter')],
  [
    'counter name ip saddr . tcp dport map { 10.0.0.1 . 80 : "hits" }',
    concat(ip.saddr, tcp.dport).objectFrom([[['10.0.0.1', 80], 'hits']], 'counter')
  ],
  ['ct helper set tcp dport map { 21 : "ftp" }', tcp.dport.objectFrom([[21, 'ftp']], 'ct-helper')],
  ['ct timeout set tcp dport map { 21 : "short" }', tcp.dport.objectFrom([[21, 'short']], 'ct-timeout')]
]

const verdicts: readonly InetRow[] = [
  ['accept', accept()],
  ['drop', drop()],
  ['return', returns()],
  ['continue', continues()],
  ['jump web', jump('web')],
  ['goto web', goto('web')],
  ['ip daddr . tcp dport vmap @verdicts', concat(ip.daddr, tcp.dport).vmap('verdicts')],
  ['ip daddr vmap @verdict', ip.daddr.vmap(setNamed('verdict'))],
  [
    'ip daddr vmap { 10.0.0.1 : jump web, 10.0.0.2 : drop }',
    ip.daddr.vmap([
      ['10.0.0.1', jump('web')],
      ['10.0.0.2', drop()]
    ])
  ],
  [
    'ip daddr vmap { 10.0.0.1 : accept, * : drop }',
    ip.daddr.vmap([
      ['10.0.0.1', accept()],
      ['*', drop()]
    ])
  ],
  [
    'ip daddr vmap { 10.0.0.0/8 : jump web, * : drop }',
    ip.daddr.vmap([
      ['10.0.0.0/8', jump('web')],
      ['*', drop()]
    ])
  ],
  ['ip daddr vmap { 10.0.0.0/8 : jump web }', ip.daddr.vmap([['10.0.0.0/8', jump('web')]])],
  [
    'tcp dport vmap { 80 : accept, 100-200 : drop }',
    tcp.dport.vmap([
      [80, accept()],
      [{ from: 100, to: 200 }, drop()]
    ])
  ],
  ['ip saddr . ip daddr vmap { 1.2.3.4 . 10.0.0.0/8 : accept }', concat(ip.saddr, ip.daddr).vmap([[['1.2.3.4', '10.0.0.0/8'], accept()]])],
  [
    'ct state vmap { invalid : drop, established : accept }',
    ct.state.vmap([
      ['established', accept()],
      ['invalid', drop()]
    ])
  ],
  ['meta mark & 0x000000ff vmap { 0x00000001 : accept }', meta.mark.and(0xff).vmap([[1, accept()]])],
  [
    'ip protocol vmap { tcp : accept, udp : drop }',
    ip.protocol.vmap([
      ['tcp', accept()],
      ['udp', drop()]
    ])
  ],
  [
    'fib daddr type vmap { local : accept, broadcast : drop }',
    fib('daddr').type.vmap([
      ['local', accept()],
      ['broadcast', drop()]
    ])
  ],
  [
    'numgen random mod 3 vmap { 0 : accept, 1 : goto web }',
    numgen.random(3).vmap([
      [0, accept()],
      [1, goto('web')]
    ])
  ],
  [
    'numgen inc mod 10 vmap { 0-4 : accept, 5-9 : drop }',
    numgen.inc(10).vmap([
      [{ from: 0, to: 4 }, accept()],
      [{ from: 5, to: 9 }, drop()]
    ])
  ],
  [
    'jhash ip saddr . tcp dport mod 3 seed 0x1 vmap { 0 : accept }',
    jhash(concat(ip.saddr, tcp.dport), 3, { seed: 1 }).vmap([[0, accept()]])
  ]
]

const plain: readonly InetRow[] = [
  ['counter packets 0 bytes 0', counter()],
  ['counter packets 5 bytes 6', counter({ packets: 5n, bytes: 6 })],
  ['counter name "hits"', counter('hits')],
  ['counter name ip saddr map @counted', ip.saddr.objectFrom('counted')],
  ['notrack', notrack()],
  ['limit rate 5/second', limit({ rate: 5 })],
  ['limit rate 10/minute burst 20 packets', limit({ rate: 10, per: 'minute', burst: 20 })],
  ['limit rate over 5/second', limit({ rate: 5, over: true })],
  ['limit rate 1 mbytes/second', limit({ rate: 2 ** 20, of: 'bytes' })],
  ['limit rate over 5 kbytes/second burst 10 kbytes', limit({ rate: 5120, of: 'bytes', burst: 10240, over: true })],
  ['quota 5 mbytes', quota(5 * 2 ** 20)],
  ['quota over 100 bytes', quota(100n, { over: true })],
  ['ct count 5', connlimit(5)],
  ['ct count over 5', connlimit(5, { over: true })],
  ['log', log()],
  ['log prefix "hello "', log({ prefix: 'hello ' })],
  ['log prefix "hi" level debug', log({ prefix: 'hi', level: 'debug' })],
  ['log level info flags all', log({ level: 'info', flags: ['tcp-sequence', 'tcp-options', 'ip-options', 'skuid', 'ether'] })],
  ['log flags tcp sequence,options', log({ flags: ['tcp-sequence', 'tcp-options'] })],
  ['log group 2 snaplen 100 queue-threshold 5', log({ group: 2, snapLength: 100, queueThreshold: 5 })],
  ['log prefix "x" group 0', log({ prefix: 'x', group: 0 })]
]

const assignments: readonly InetRow[] = [
  ['meta mark set 0x00000005', meta.mark.set(5)],
  ['meta mark set meta mark | 0x00000010', meta.mark.set(meta.mark.or(0x10))],
  ['meta mark set meta mark & 0x000000ff', meta.mark.set(meta.mark.and(0xff))],
  ['meta mark set meta mark ^ 0x00000010', meta.mark.set(meta.mark.xor(0x10))],
  ['meta mark set meta mark & 0x000000ff ^ 0x00000005', meta.mark.set(meta.mark.and(0xff).xor(5))],
  [
    'meta mark set meta mark & 0xffffff00 | 0x00000005',
    meta.mark.set(meta.mark.and(0xffffff00).or(5)),
    'meta mark set meta mark & 0xffffff05 | 0x00000005'
  ],
  ['meta mark set ct mark', meta.mark.set(ct.mark)],
  ['meta mark set ip saddr map @tags', meta.mark.set(ip.saddr.map(setNamed('tags')))],
  ['meta mark set ip saddr map { 10.0.0.1 : 0x00000005 }', meta.mark.set(ip.saddr.map([['10.0.0.1', 5]], 'mark'))],
  ['meta mark set numgen inc mod 3', meta.mark.set(numgen.inc(3))],
  ['meta mark set jhash ip saddr mod 3 seed 0x1', meta.mark.set(jhash(ip.saddr, 3, { seed: 1 }))],
  ['meta priority set 1:2', meta.priority.set(0x10002)],
  ['meta nftrace set 1', meta.nftrace.set(1)],
  ['meta mark set 0x00000005 accept', [meta.mark.set(5), accept()]],
  ['ct mark set 0x00000005', ct.mark.set(5)],
  ['ct mark set meta mark', ct.mark.set(meta.mark)],
  ['ct mark set ct mark | 0x00000010', ct.mark.set(ct.mark.or(0x10))],
  ['ct mark set meta mark & 0x000000ff', ct.mark.set(meta.mark.and(0xff))],
  [
    'ct mark set numgen random mod 4 map { 0 : 0x00000001, 1 : 0x00000002 }',
    ct.mark.set(
      numgen.random(4).map(
        [
          [0, 1],
          [1, 2]
        ],
        'mark'
      )
    )
  ],
  ['ct zone set 5', ct.zone.set(5)]
]

const dynamic: readonly InetRow[] = [
  ['update @clients { ip saddr . ip daddr . tcp dport }', updateElement('clients', concat(ip.saddr, ip.daddr, tcp.dport))],
  [
    'add @clients { ip saddr . ip daddr . tcp dport timeout 5s }',
    addElement(setNamed('clients'), concat(ip.saddr, ip.daddr, tcp.dport), { timeoutMs: 5000 })
  ],
  ['delete @clients { ip saddr . ip daddr . tcp dport }', deleteElement('clients', concat(ip.saddr, ip.daddr, tcp.dport))],
  [
    'update @clients { ip saddr . ip daddr . tcp dport timeout 5s counter packets 0 bytes 0 }',
    updateElement('clients', concat(ip.saddr, ip.daddr, tcp.dport), { timeoutMs: 5000, statements: [counter()] }),
    'update @clients { ip saddr . ip daddr . tcp dport timeout 5s counter }'
  ],
  [
    'update @clients { ip saddr . ip daddr . tcp dport limit rate 5/second }',
    updateElement('clients', concat(ip.saddr, ip.daddr, tcp.dport), { statements: [limit({ rate: 5 })] })
  ],
  [
    'update @affinity { ip saddr . ct original ip daddr timeout 3h : ip daddr . th dport }',
    updateElement('affinity', concat(ip.saddr, ct.original.ip.daddr), { timeoutMs: 10_800_000, data: concat(ip.daddr, th.dport) })
  ],
  [
    'meta l4proto tcp update @sticky { ip saddr . ct original ip daddr . meta l4proto . ct original proto-dst timeout 3h : ip daddr . th dport }',
    [
      meta.l4proto.eq('tcp'),
      updateElement('sticky', concat(ip.saddr, ct.original.ip.daddr, meta.l4proto, ct.original.protoDst), {
        timeoutMs: 10_800_000,
        data: concat(ip.daddr, th.dport)
      })
    ],
    'update @sticky { ip saddr . ct original ip daddr . meta l4proto . ct original proto-dst timeout 3h : ip daddr . tcp dport }'
  ],
  [
    'add @affinity { ip saddr . ip daddr : 10.0.0.1 . 80 }',
    addElement('affinity', concat(ip.saddr, ip.daddr), { data: concat(constant('ipv4_addr', '10.0.0.1'), constant('inet_service', 80)) })
  ]
]

const rejections: readonly InetRow[] = [
  ['reject', reject()],
  ['reject with icmpx admin-prohibited', reject({ icmpx: 'admin-prohibited' })],
  ['reject with icmpx port-unreachable', reject({ icmpx: 'port-unreachable' }), 'reject'],
  ['reject with tcp reset', reject('tcp-reset'), 'meta l4proto tcp reject with tcp reset'],
  ['tcp dport 80 reject with tcp reset', [tcp.dport.eq(80), reject('tcp-reset')]],
  [
    'ip saddr 10.0.0.1 reject with tcp reset',
    [ip.saddr.eq('10.0.0.1'), reject('tcp-reset')],
    'meta l4proto tcp ip saddr 10.0.0.1 reject with tcp reset'
  ],
  [
    'log prefix "a" reject with tcp reset',
    [log({ prefix: 'a' }), reject('tcp-reset')],
    'meta l4proto tcp log prefix "a" reject with tcp reset'
  ],
  ['reject with icmp host-unreachable', reject({ icmp: 'host-unreachable' })],
  [
    'counter reject with icmp host-unreachable',
    [counter(), reject({ icmp: 1 })],
    'meta nfproto ipv4 counter packets 0 bytes 0 reject with icmp host-unreachable'
  ],
  ['reject with icmpv6 admin-prohibited', reject({ icmpv6: 'admin-prohibited' })],
  ['ip saddr 1.2.3.4 reject', [ip.saddr.eq('1.2.3.4'), reject()], 'ip saddr 1.2.3.4 reject with icmp port-unreachable'],
  ['ip6 saddr fd00::1 reject', [ip6.saddr.eq('fd00::1'), reject()], 'ip6 saddr fd00::1 reject with icmpv6 port-unreachable'],
  ['meta l4proto tcp reject', [meta.l4proto.eq('tcp'), reject()]],
  ['tcp dport 80 reject', [tcp.dport.eq(80), reject()]]
]

const translations: readonly InetRow[] = [
  ['dnat ip to 10.0.0.1', dnat('10.0.0.1')],
  ['dnat ip to 10.0.0.1-10.0.0.9', dnat({ from: '10.0.0.1', to: '10.0.0.9' })],
  ['dnat ip to 10.0.0.0/24', dnat('10.0.0.0/24')],
  ['tcp dport 80 dnat ip to 10.0.0.1:80', [tcp.dport.eq(80), dnat('10.0.0.1', { port: 80 })]],
  ['tcp dport 80 dnat ip to 10.0.0.1:80-90', [tcp.dport.eq(80), dnat('10.0.0.1', { port: { from: 80, to: 90 } })]],
  [
    'tcp dport 80 dnat ip to 10.0.0.1-10.0.0.5:80-90',
    [tcp.dport.eq(80), dnat({ from: '10.0.0.1', to: '10.0.0.5' }, { port: { from: 80, to: 90 } })]
  ],
  ['dnat ip6 to fd00::1', dnat('fd00::1')],
  ['tcp dport 80 dnat ip6 to [fd00::1]:80', [tcp.dport.eq(80), dnat('fd00::1', { port: 80 })]],
  ['dnat ip to 10.0.0.1 persistent', dnat('10.0.0.1', { flags: ['persistent'] })],
  ['dnat ip to 10.0.0.1 random,persistent', dnat('10.0.0.1', { flags: ['persistent', 'random'] })],
  ['dnat ip to 10.0.0.1 fully-random', dnat('10.0.0.1', { flags: ['fully-random'] })],
  ['dnat ip to ip daddr map @addresses', dnat(ip.daddr.map(setNamed('addresses')))],
  ['dnat ip6 to ip6 daddr map @addresses6', dnat(ip6.daddr.map('addresses6', 'ipv6_addr'))],
  ['dnat ip to ip daddr map { 10.0.0.1 : 10.0.0.2 }', dnat(ip.daddr.map([['10.0.0.1', '10.0.0.2']], 'ipv4_addr'))],
  ['tcp dport 80 dnat ip to ip daddr map @endpoint', [tcp.dport.eq(80), dnat(ip.daddr.map('endpoint', ['ipv4_addr', 'inet_service']))]],
  [
    'tcp dport 80 dnat ip6 to ip6 daddr map @endpoint6',
    [tcp.dport.eq(80), dnat(ip6.daddr.map('endpoint6', ['ipv6_addr', 'inet_service']))]
  ],
  [
    'meta l4proto tcp dnat ip to ip daddr . tcp dport map @endpoints',
    [meta.l4proto.eq('tcp'), dnat(concat(ip.daddr, tcp.dport).map(setNamed('endpoints')))],
    'dnat ip to ip daddr . tcp dport map @endpoints'
  ],
  [
    'dnat ip to numgen random mod 2 map { 0 : 10.0.0.1, 1 : 10.0.0.2 }',
    dnat(
      numgen.random(2).map(
        [
          [0, '10.0.0.1'],
          [1, '10.0.0.2']
        ],
        'ipv4_addr'
      )
    )
  ],
  [
    'dnat ip to jhash ip saddr mod 2 seed 0x3 map { 0 : 10.0.0.1, 1 : 10.0.0.2 }',
    dnat(
      jhash(ip.saddr, 2, { seed: 3 }).map(
        [
          [0, '10.0.0.1'],
          [1, '10.0.0.2']
        ],
        'ipv4_addr'
      )
    )
  ],
  [
    'tcp dport 80 dnat ip to numgen random mod 2 map { 0 : 10.0.0.1 . 80, 1 : 10.0.0.2 . 81 }',
    [
      tcp.dport.eq(80),
      dnat(
        numgen.random(2).map(
          [
            [0, ['10.0.0.1', 80]],
            [1, ['10.0.0.2', 81]]
          ],
          ['ipv4_addr', 'inet_service']
        )
      )
    ]
  ],
  [
    'ip daddr 10.96.0.1 tcp dport 443 counter dnat ip to 10.0.0.1:8443',
    [ip.daddr.eq('10.96.0.1'), tcp.dport.eq(443), counter(), dnat('10.0.0.1', { port: 8443 })],
    'ip daddr 10.96.0.1 tcp dport 443 counter packets 0 bytes 0 dnat ip to 10.0.0.1:8443'
  ],
  ['snat ip to 10.0.0.1', snat('10.0.0.1')],
  ['snat ip6 to fd00::1', snat('fd00::1')],
  ['tcp dport 80 snat ip to 10.0.0.1:1024-65535', [tcp.dport.eq(80), snat('10.0.0.1', { port: { from: 1024, to: 65535 } })]],
  ['snat ip to 10.0.0.1 fully-random', snat('10.0.0.1', { flags: ['fully-random'] })],
  ['snat ip to ip saddr map { 10.0.0.1 : 10.0.0.2 }', snat(ip.saddr.map([['10.0.0.1', '10.0.0.2']], 'ipv4_addr'))],
  ['masquerade', masquerade()],
  ['masquerade fully-random', masquerade({ flags: ['fully-random'] })],
  ['masquerade random,persistent', masquerade({ flags: ['random', 'persistent'] })],
  ['tcp dport 80 masquerade to :1024-65535', [tcp.dport.eq(80), masquerade({ port: { from: 1024, to: 65535 } })]],
  ['tcp dport 80 masquerade to :1024-65535 random', [tcp.dport.eq(80), masquerade({ port: { from: 1024, to: 65535 }, flags: ['random'] })]],
  ['ct status dnat masquerade fully-random', [ct.status.anyOf('dnat'), masquerade({ flags: ['fully-random'] })]],
  ['redirect', redirect()],
  ['redirect random,persistent', redirect({ flags: ['random', 'persistent'] })],
  ['tcp dport 80 redirect to :8080', [tcp.dport.eq(80), redirect({ port: 8080 })]],
  ['tcp dport 80 redirect to :8080-8090', [tcp.dport.eq(80), redirect({ port: { from: 8080, to: 8090 } })]],
  ['udp dport 53 redirect to :5353 random', [udp.dport.eq(53), redirect({ port: 5353, flags: ['random'] })]],
  [
    'tcp dport 80 redirect to :tcp dport map { 80 : 8080 }',
    [tcp.dport.eq(80), redirect({ port: tcp.dport.map([[80, 8080]], 'inet_service') })]
  ]
]

const inIp: readonly InetRow[] = [
  ['ip saddr 10.0.0.1', ip.saddr.eq('10.0.0.1')],
  ['ip saddr 10.0.0.1 tcp dport 80', [ip.saddr.eq('10.0.0.1'), tcp.dport.eq(80)]],
  ['icmp type echo-request', icmp.type.eq('echo-request')],
  ['icmpv6 type echo-request', icmpv6.type.eq('echo-request')],
  ['ip protocol tcp ct original proto-dst 80', [ip.protocol.eq('tcp'), ct.original.protoDst.eq(80)]],
  ['reject', reject()],
  ['reject with tcp reset', reject('tcp-reset')],
  ['reject with icmp admin-prohibited', reject({ icmp: 'admin-prohibited' })],
  ['ether saddr 00:11:22:33:44:55', ether.saddr.eq('00:11:22:33:44:55')],
  ['dnat to 10.0.0.1', dnat('10.0.0.1')],
  ['tcp dport 80 dnat to 10.0.0.1:80', [tcp.dport.eq(80), dnat('10.0.0.1', { port: 80 })]],
  [
    'meta l4proto tcp dnat ip to ip daddr . tcp dport map @endpoints',
    [meta.l4proto.eq('tcp'), dnat(concat(ip.daddr, tcp.dport).map(setNamed('endpoints')))],
    'dnat ip to ip daddr . tcp dport map @endpoints'
  ],
  ['masquerade', masquerade()]
]

const inIp6: readonly InetRow[] = [
  ['ip6 saddr fd00::1', ip6.saddr.eq('fd00::1')],
  ['icmpv6 type echo-request', icmpv6.type.eq('echo-request')],
  ['reject', reject()],
  ['reject with icmpv6 admin-prohibited', reject({ icmpv6: 'admin-prohibited' })],
  ['dnat to fd00::1', dnat('fd00::1')],
  ['tcp dport 80 snat to [fd00::1]:1024-65535', [tcp.dport.eq(80), snat('fd00::1', { port: { from: 1024, to: 65535 } })]]
]

const inBridge: readonly InetRow[] = [
  ['ip saddr 10.0.0.1', ip.saddr.eq('10.0.0.1')],
  ['ip6 saddr fd00::1', ip6.saddr.eq('fd00::1')],
  ['ip saddr 10.0.0.1 tcp dport 80', [ip.saddr.eq('10.0.0.1'), tcp.dport.eq(80)]],
  ['meta protocol ip ip saddr 1.2.3.4', [meta.protocol.eq('ip'), ip.saddr.eq('1.2.3.4')], 'ip saddr 1.2.3.4'],
  ['ether saddr 00:11:22:33:44:55', ether.saddr.eq('00:11:22:33:44:55')],
  ['ether type ip ip saddr 1.2.3.4', [ether.type.eq('ip'), ip.saddr.eq('1.2.3.4')], 'ip saddr 1.2.3.4'],
  ['icmp type echo-request', icmp.type.eq('echo-request')]
]

const inNetdev: readonly InetRow[] = [
  ['ip saddr 10.0.0.1', ip.saddr.eq('10.0.0.1')],
  ['ip6 saddr fd00::1 tcp dport 80', [ip6.saddr.eq('fd00::1'), tcp.dport.eq(80)]],
  ['icmp type echo-request', icmp.type.eq('echo-request')],
  ['ether saddr 00:11:22:33:44:55', ether.saddr.eq('00:11:22:33:44:55')],
  ['reject', reject()]
]

/** Actions in tables of family inet, and what differs in other families. */
export const actions = [
  ...rowsOf('inet', [...objects, ...verdicts, ...plain, ...assignments, ...dynamic, ...rejections, ...translations]),
  ...rowsOf('ip', inIp),
  ...rowsOf('ip6', inIp6),
  ...rowsOf('bridge', inBridge),
  ...rowsOf('netdev', inNetdev)
]
