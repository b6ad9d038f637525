import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Nftables, type ListedElements, type SetElement, type SetSpec } from '../../../src/index.js'
import { rowAt } from '../../../src/nftables/columns.js'
import { nft, nftScript } from '../../support/namespace.js'
import { run } from '../../support/run.js'
import { isOlderThan } from '../../support/kernel-version.js'

// Every set is made twice: by nft from its text in the table `theirs`, by us in `ours`. The kernel must then hold the same of both, userdata included, and nft must print the same.
type Declared = Omit<SetSpec, 'family' | 'table' | 'name'>
type Row = readonly [text: string, spec: Declared, elements: readonly SetElement[]]

const types: readonly Row[] = [
  [
    'set { type ipv4_addr; elements = { 10.0.0.1, 10.0.0.2 comment "two" } }',
    { key: 'ipv4_addr' },
    [{ key: '10.0.0.1' }, { key: '10.0.0.2', comment: 'two' }]
  ],
  ['set { type ipv6_addr; elements = { fd00::1 } }', { key: 'ipv6_addr' }, [{ key: 'fd00::1' }]],
  ['set { type ether_addr; elements = { 00:11:22:33:44:55 } }', { key: 'ether_addr' }, [{ key: '00:11:22:33:44:55' }]],
  ['set { type ether_type; elements = { ip, arp } }', { key: 'ether_type' }, [{ key: 'ip' }, { key: 'arp' }]],
  ['set { type inet_proto; elements = { tcp, 200 } }', { key: 'inet_proto' }, [{ key: 'tcp' }, { key: 200 }]],
  ['set { type inet_service; elements = { 80, 65535 } }', { key: 'inet_service' }, [{ key: 80 }, { key: 65535 }]],
  ['set { type mark; elements = { 0x10, 0xffffffff } }', { key: 'mark' }, [{ key: 16 }, { key: 0xffffffff }]],
  ['set { type ifname; elements = { "lo", "eth0" } }', { key: 'ifname' }, [{ key: 'lo' }, { key: 'eth0' }]],
  ['set { type iface_index; elements = { "lo" } }', { key: 'iface_index' }, [{ key: 1 }]],
  ['set { type iface_type; elements = { ether } }', { key: 'iface_type' }, [{ key: 1 }]],
  ['set { type ct_state; elements = { new, established } }', { key: 'ct_state' }, [{ key: 'new' }, { key: 'established' }]],
  ['set { type ct_status; elements = { dnat } }', { key: 'ct_status' }, [{ key: 'dnat' }]],
  ['set { type ct_dir; elements = { reply } }', { key: 'ct_dir' }, [{ key: 'reply' }]],
  ['set { type icmp_type; elements = { echo-request } }', { key: 'icmp_type' }, [{ key: 'echo-request' }]],
  ['set { type icmp_code; elements = { port-unreachable } }', { key: 'icmp_code' }, [{ key: 'port-unreachable' }]],
  ['set { type icmpv6_type; elements = { nd-neighbor-solicit } }', { key: 'icmpv6_type' }, [{ key: 'nd-neighbor-solicit' }]],
  ['set { type icmpv6_code; elements = { no-route } }', { key: 'icmpv6_code' }, [{ key: 'no-route' }]],
  ['set { type icmpx_code; elements = { no-route } }', { key: 'icmpx_code' }, [{ key: 'no-route' }]],
  ['set { type tcp_flag; elements = { syn, ack } }', { key: 'tcp_flag' }, [{ key: 'syn' }, { key: 'ack' }]],
  ['set { type arp_op; elements = { request } }', { key: 'arp_op' }, [{ key: 'request' }]],
  ['set { type fib_addrtype; elements = { local } }', { key: 'fib_addrtype' }, [{ key: 'local' }]],
  ['set { type pkt_type; elements = { broadcast } }', { key: 'pkt_type' }, [{ key: 'broadcast' }]],
  ['set { type nf_proto; elements = { ipv6 } }', { key: 'nf_proto' }, [{ key: 'ipv6' }]],
  ['set { type dscp; elements = { cs1, 0x07 } }', { key: 'dscp' }, [{ key: 'cs1' }, { key: 7 }]],
  ['set { type ecn; elements = { ce } }', { key: 'ecn' }, [{ key: 'ce' }]],
  ['set { type uid; elements = { 5 } }', { key: 'uid' }, [{ key: 5 }]],
  ['set { type gid; elements = { 5 } }', { key: 'gid' }, [{ key: 5 }]],
  ['set { type realm; elements = { 5 } }', { key: 'realm' }, [{ key: 5 }]],
  ['set { type classid; elements = { 1:2 } }', { key: 'classid' }, [{ key: 0x10002 }]],
  ['set { type devgroup; elements = { 5 } }', { key: 'devgroup' }, [{ key: 5 }]]
]

const intervals: readonly Row[] = [
  [
    'set { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.168.0.1-192.168.0.9, 255.255.255.0/24 comment "end" } }',
    { key: 'ipv4_addr', flags: ['interval'] },
    [{ key: '10.0.0.0/8' }, { key: { from: '192.168.0.1', to: '192.168.0.9' } }, { key: '255.255.255.0/24', comment: 'end' }]
  ],
  [
    'set { type inet_service; flags interval; elements = { 0-10, 80, 1024-65535 } }',
    { key: 'inet_service', flags: ['interval'] },
    [{ key: { from: 0, to: 10 } }, { key: 80 }, { key: { from: 1024, to: 65535 } }]
  ],
  [
    'set { type inet_service; flags interval; elements = { 1-5, 6-10, 20 } }',
    { key: 'inet_service', flags: ['interval'] },
    [{ key: { from: 6, to: 10 } }, { key: { from: 1, to: 5 } }, { key: 20 }]
  ],
  [
    'set { type mark; flags interval; elements = { 1-5, 0x10 } }',
    { key: 'mark', flags: ['interval'] },
    [{ key: { from: 1, to: 5 } }, { key: 16 }]
  ],
  [
    'set { type ipv6_addr; flags interval; elements = { ::1, fd00::/8 } }',
    { key: 'ipv6_addr', flags: ['interval'] },
    [{ key: '::1' }, { key: 'fd00::/8' }]
  ],
  [
    'set { type ifname; flags interval; elements = { "eth*", "lo" } }',
    { key: 'ifname', flags: ['interval'] },
    [{ key: 'eth*' }, { key: 'lo' }]
  ],
  [
    'set { type ipv4_addr . inet_service; flags interval; elements = { 10.0.0.0/8 . 80-90, 1.2.3.4 . 5 comment "x" } }',
    { key: ['ipv4_addr', 'inet_service'], flags: ['interval'] },
    [{ key: ['10.0.0.0/8', { from: 80, to: 90 }] }, { key: ['1.2.3.4', 5], comment: 'x' }]
  ],
  [
    'set { type mark . inet_service; flags interval; elements = { 1-5 . 80 } }',
    { key: ['mark', 'inet_service'], flags: ['interval'] },
    [{ key: [{ from: 1, to: 5 }, 80] }]
  ],
  [
    'set { type ifname . ipv4_addr; flags interval; elements = { "eth*" . 10.0.0.1 } }',
    { key: ['ifname', 'ipv4_addr'], flags: ['interval'] },
    [{ key: ['eth*', '10.0.0.1'] }]
  ],
  [
    'map { type ipv4_addr : mark; flags interval; elements = { 10.0.0.0/8 : 5, 11.0.0.0/8 : 6 } }',
    { key: 'ipv4_addr', data: 'mark', flags: ['interval'] },
    [
      { key: '10.0.0.0/8', data: 5 },
      { key: '11.0.0.0/8', data: 6 }
    ]
  ],
  [
    'map { type inet_service : verdict; flags interval; elements = { 1-5 : drop, 6-10 : accept } }',
    { key: 'inet_service', data: 'verdict', flags: ['interval'] },
    [
      { key: { from: 1, to: 5 }, verdict: 'drop' },
      { key: { from: 6, to: 10 }, verdict: 'accept' }
    ]
  ]
]

const properties: readonly Row[] = [
  [
    'set { type ipv4_addr . inet_proto . inet_service; comment "services"; elements = { 10.0.0.1 . tcp . 80 } }',
    { key: ['ipv4_addr', 'inet_proto', 'inet_service'], comment: 'services' },
    [{ key: ['10.0.0.1', 'tcp', 80] }]
  ],
  [
    'set { type ipv4_addr; flags timeout; timeout 1h; gc-interval 10s; size 100; comment "some set"; elements = { 1.1.1.1, 1.1.1.2 timeout 2h } }',
    { key: 'ipv4_addr', timeoutMs: 3_600_000, gcIntervalMs: 10_000, size: 100, comment: 'some set' },
    [{ key: '1.1.1.1' }, { key: '1.1.1.2', timeoutMs: 7_200_000 }]
  ],
  [
    'set { type ipv4_addr; policy memory; size 12; elements = { 1.1.1.1 } }',
    { key: 'ipv4_addr', policy: 'memory', size: 12 },
    [{ key: '1.1.1.1' }]
  ],
  [
    'set { type ipv4_addr; counter; elements = { 1.1.1.1 counter packets 3 bytes 4 } }',
    { key: 'ipv4_addr', expressions: [{ type: 'counter' }] },
    [{ key: '1.1.1.1', counter: { packets: 3n, bytes: 4n } }]
  ],
  [
    'set { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 1m; }',
    { key: 'ipv4_addr', size: 65535, flags: ['eval'], timeoutMs: 60_000 },
    []
  ],
  [
    'set { type ipv4_addr; flags constant; elements = { 1.1.1.1 } }',
    { key: 'ipv4_addr', flags: ['constant'], size: 1 },
    [{ key: '1.1.1.1' }]
  ],
  ['set { type ipv4_addr; elements = { 1.1.1.1, * } }', { key: 'ipv4_addr' }, [{ key: '1.1.1.1' }, { key: '*' }]],
  [
    'map { type ipv4_addr . inet_service : verdict; elements = { 1.1.1.1 . 80 : goto web, 1.1.1.2 . 80 : drop, * : accept } }',
    { key: ['ipv4_addr', 'inet_service'], data: 'verdict' },
    [
      { key: ['1.1.1.1', 80], verdict: 'goto', chain: 'web' },
      { key: ['1.1.1.2', 80], verdict: 'drop' },
      { key: '*', verdict: 'accept' }
    ]
  ],
  [
    'map { type mark : verdict; elements = { 1 : jump web, 2 : return, 3 : continue } }',
    { key: 'mark', data: 'verdict' },
    [
      { key: 1, verdict: 'jump', chain: 'web' },
      { key: 2, verdict: 'return' },
      { key: 3, verdict: 'continue' }
    ]
  ],
  [
    'map { type ipv4_addr : ipv4_addr; elements = { 1.1.1.1 : 2.2.2.2 } }',
    { key: 'ipv4_addr', data: 'ipv4_addr' },
    [{ key: '1.1.1.1', data: '2.2.2.2' }]
  ],
  [
    'map { type ipv4_addr . inet_service : ipv4_addr . inet_service; elements = { 1.1.1.1 . 80 : 2.2.2.2 . 8080 } }',
    { key: ['ipv4_addr', 'inet_service'], data: ['ipv4_addr', 'inet_service'] },
    [{ key: ['1.1.1.1', 80], data: ['2.2.2.2', 8080] }]
  ],
  [
    'map { type ipv4_addr : counter; elements = { 1.1.1.1 : "hits" } }',
    { key: 'ipv4_addr', data: { object: 'counter' } },
    [{ key: '1.1.1.1', object: 'hits' }]
  ],
  [
    'map { typeof ip daddr . meta l4proto . th dport . numgen random mod 2 : ip daddr . th dport; elements = { 1.1.1.1 . tcp . 80 . 1 : 2.2.2.2 . 80 } }',
    {
      key: ['ipv4_addr', 'inet_proto', 'inet_service', 'host_integer32'],
      data: ['ipv4_addr', 'inet_service'],
      typeof: { key: ['ip daddr', 'meta l4proto', 'th dport', 'numgen random'], data: ['ip daddr', 'th dport'] }
    },
    [{ key: ['1.1.1.1', 'tcp', 80, 1], data: ['2.2.2.2', 80] }]
  ],
  ['set { typeof meta mark; elements = { 5 } }', { key: 'mark', typeof: { key: ['meta mark'] } }, [{ key: 5 }]],
  [
    'set { typeof tcp dport . udp sport . sctp dport; elements = { 5 . 6 . 7 } }',
    { key: ['inet_service', 'inet_service', 'inet_service'], typeof: { key: ['tcp dport', 'udp sport', 'sctp dport'] } },
    [{ key: [5, 6, 7] }]
  ],
  ['set { typeof numgen inc mod 2; elements = { 1 } }', { key: 'host_integer32', typeof: { key: ['numgen inc'] } }, [{ key: 1 }]]
]

/** Types without a name in nft: what is declared without a `typeof` gets the expressions of these texts. */
const described: readonly Row[] = [
  ['set { typeof ip ttl; elements = { 64 } }', { key: 'integer8' }, [{ key: 64 }]],
  ['set { typeof ip length; elements = { 1500 } }', { key: 'integer16' }, [{ key: 1500 }]],
  ['set { typeof @nh,0,24; elements = { 0x123456 } }', { key: 'integer24' }, [{ key: 0x123456 }]],
  ['set { typeof tcp sequence; elements = { 5 } }', { key: 'integer32' }, [{ key: 5 }]],
  ['set { typeof ct zone; elements = { 7 } }', { key: 'host_integer16' }, [{ key: 7 }]],
  ['set { typeof ct bytes; elements = { 7 } }', { key: 'host_integer64' }, [{ key: 7n }]],
  ['set { typeof ct helper; elements = { "ftp" } }', { key: 'string' }, [{ key: 'ftp' }]],
  ['set { typeof meta day; elements = { "Monday" } }', { key: 'day' }, [{ key: 'Monday' }]],
  ['set { typeof meta hour; elements = { "10:00" } }', { key: 'hour' }, [{ key: 36_000 }]],
  ['set { typeof ip daddr . ct zone; elements = { 10.0.0.1 . 7 } }', { key: ['ipv4_addr', 'host_integer16'] }, [{ key: ['10.0.0.1', 7] }]],
  [
    'set { typeof ip ttl . ip length . meta mark; elements = { 64 . 1500 . 1 } }',
    { key: ['integer8', 'integer16', 'mark'] },
    [{ key: [64, 1500, 1] }]
  ],
  [
    'set { typeof ip length . ip ttl; flags interval; elements = { 20-80 . 1-5, 90 . 64 } }',
    { key: ['integer16', 'integer8'], flags: ['interval'] },
    [
      {
        key: [
          { from: 20, to: 80 },
          { from: 1, to: 5 }
        ]
      },
      { key: [90, 64] }
    ]
  ],
  [
    'set { typeof ip daddr . ct zone; flags interval; elements = { 10.0.0.0/8 . 1-300 } }',
    { key: ['ipv4_addr', 'host_integer16'], flags: ['interval'] },
    [{ key: ['10.0.0.0/8', { from: 1, to: 300 }] }]
  ],
  [
    'map { typeof numgen random mod 2 : ip daddr; elements = { 1 : 10.0.0.1 } }',
    { key: 'host_integer32', data: 'ipv4_addr' },
    [{ key: 1, data: '10.0.0.1' }]
  ],
  [
    'map { typeof ip daddr : ct zone; elements = { 10.0.0.1 : 7 } }',
    { key: 'ipv4_addr', data: 'host_integer16' },
    [{ key: '10.0.0.1', data: 7 }]
  ],
  [
    'map { typeof ip daddr . th dport . numgen random mod 2 : ip daddr . th dport; elements = { 10.0.0.1 . 80 . 1 : 10.0.0.2 . 8080 } }',
    { key: ['ipv4_addr', 'inet_service', 'host_integer32'], data: ['ipv4_addr', 'inet_service'] },
    [{ key: ['10.0.0.1', 80, 1], data: ['10.0.0.2', 8080] }]
  ],
  ['map { typeof ip ttl : verdict; elements = { 64 : drop } }', { key: 'integer8', data: 'verdict' }, [{ key: 64, verdict: 'drop' }]],
  [
    'map { typeof ip daddr . ct zone : verdict; elements = { 10.0.0.1 . 7 : drop } }',
    { key: ['ipv4_addr', 'host_integer16'], data: 'verdict' },
    [{ key: ['10.0.0.1', 7], verdict: 'drop' }]
  ],
  [
    'set { typeof numgen inc mod 7 . symhash mod 9; elements = { 1 . 2 } }',
    { key: ['host_integer32', 'host_integer32'], typeof: { key: ['numgen inc mod 7', 'symhash mod 9'] } },
    [{ key: [1, 2] }]
  ],
  [
    'set { typeof vlan id . ip6 flowlabel . esp spi; elements = { 5 . 6 . 7 } }',
    { key: ['integer16', 'integer24', 'integer32'], typeof: { key: ['vlan id', 'ip6 flowlabel', 'esp spi'] } },
    [{ key: [5, 6, 7] }]
  ]
]

/** Elements for all other keys came with Linux 5.13. */
const isHere = ([script]: Row): boolean => !isOlderThan('5.13') || !/[,{] \* /.test(script)

const rows: readonly Row[] = [...types, ...intervals, ...properties, ...described].filter(isHere)
const nameOf = (row: Row): string => `s${rows.indexOf(row)}`
const specOf = (row: Row): SetSpec => ({ family: 'inet', table: 'ours', name: nameOf(row), ...row[1] })

/** What the kernel holds of a set, without what differs between any two. */
function content(listed: ListedElements): unknown {
  const set: Record<string, unknown> = { ...listed.set }
  const { raw } = listed.set
  // The kernel counts the end at 0 too.
  for (const field of ['handle', 'table', 'raw', ...(listed.set.flags?.includes('interval') === true ? ['count'] : [])])
    Reflect.deleteProperty(set, field)
  const found = listed.chunks.flatMap((columns) => Array.from({ length: columns.rows }, (_, index) => rowAt(columns, index)))
  // nft begins a set of intervals with an end at 0, where there is nothing to end.
  const kept = found.filter(({ key, flags }) => flags !== 1 || key.some((byte) => byte !== 0))
  const sorted = kept
    .map((row) => ({ ...row, expirationMs: row.expirationMs > 0 }))
    .sort((left, right) => Buffer.compare(left.key, right.key) || right.flags - left.flags)
  return {
    set,
    description: raw['description'],
    keyType: raw['keyType'],
    keyLength: raw['keyLength'],
    dataType: raw['dataType'],
    dataLength: raw['dataLength'],
    rows: sorted
  }
}

interface JsonSet {
  readonly name: string
  readonly [field: string]: unknown
}

/** The sets as nft prints them in JSON. */
async function printed(table: string): Promise<Map<string, unknown>> {
  const { nftables } = JSON.parse(await nft('-j', 'list', 'table', 'inet', table)) as {
    nftables: readonly { set?: JsonSet; map?: JsonSet }[]
  }
  return new Map(
    nftables.flatMap((entry) => {
      const set = entry.set ?? entry.map
      if (set === undefined) return []
      const elements = (Array.isArray(set['elem']) ? (set['elem'] as unknown[]) : []).map((element) =>
        JSON.stringify(element).replace(/,"expires":\d+/, '')
      )
      return [[set.name, { ...set, table: '', handle: 0, elem: elements.sort() }] as const]
    })
  )
}

const listed = new Map<string, ListedElements>()
const prints = new Map<string, unknown>()

beforeAll(async () => {
  await run('ip', ['link', 'set', 'lo', 'up'])
  const declarations = rows.map((row) => `  ${row[0].replace(/^(set|map) /, `$1 ${nameOf(row)} `)}\n`).join('')
  await nftScript(`table inet theirs {\n  counter hits { }\n  chain web { }\n${declarations}}\n`)
  await using client = await Nftables.open()
  const tx = client.transaction()
  tx.add.table({ family: 'inet', name: 'ours' })
  tx.add.chain({ family: 'inet', table: 'ours', name: 'web' })
  tx.add.counter({ family: 'inet', table: 'ours', name: 'hits' })
  for (const row of rows) {
    tx.add.set(specOf(row))
    if (row[2].length > 0) tx.add.elements(specOf(row), row[2])
  }
  await tx.commit()
  for (const elements of (await client.list({ elements: true })).elements)
    listed.set(`${elements.set.table} ${elements.set.name}`, elements)
  const again = client.transaction()
  again.add.table({ family: 'inet', name: 'again' })
  again.add.chain({ family: 'inet', table: 'again', name: 'web' })
  again.add.counter({ family: 'inet', table: 'again', name: 'hits' })
  for (const row of rows) {
    const theirs = listed.get(`theirs ${nameOf(row)}`)!
    const set = { ...theirs.set, table: 'again' }
    again.add.set(set)
    again.add.elements(set, [...theirs])
  }
  await again.commit()
  for (const elements of (await client.list({ table: 'again', elements: true })).elements)
    listed.set(`again ${elements.set.name}`, elements)
  for (const table of ['ours', 'theirs']) for (const [name, set] of await printed(table)) prints.set(`${table} ${name}`, set)
})

afterAll(async () => {
  await nft('delete', 'table', 'inet', 'ours')
  await nft('delete', 'table', 'inet', 'theirs')
  await nft('delete', 'table', 'inet', 'again')
})

/** Elements without what the kernel adds, in an order of their own. */
function plain(elements: Iterable<SetElement>): string[] {
  const text = (element: SetElement): string =>
    JSON.stringify(element, (field, value: unknown) =>
      field === 'expirationMs' ? undefined : typeof value === 'bigint' ? `${value}n` : value
    )
  return Array.from(elements, text).sort()
}

describe.each(rows.map((row) => [row[0], row] as const))('%s', (_, row) => {
  const ours = (): ListedElements => listed.get(`ours ${nameOf(row)}`)!
  const theirs = (): ListedElements => listed.get(`theirs ${nameOf(row)}`)!

  it('is held by the kernel as nft would have it', () => {
    expect(content(ours())).toEqual(content(theirs()))
  })

  it('is read back as it was declared', () => {
    expect(plain(ours())).toEqual(plain(row[2]))
    expect(plain(theirs())).toEqual(plain(row[2]))
    expect(theirs().set.key).toEqual(row[1].key)
    expect(theirs().set.data).toEqual(row[1].data)
  })

  it('is the same when it is written as it was listed', () => {
    expect(content(listed.get(`again ${nameOf(row)}`)!)).toEqual(content(theirs()))
  })

  it('is printed by nft as its own', () => {
    expect(prints.get(`ours ${nameOf(row)}`)).toEqual(prints.get(`theirs ${nameOf(row)}`))
  })
})
