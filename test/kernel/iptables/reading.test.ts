import { describe, expect, it } from 'vitest'
import { Iptables } from '../../../src/iptables/client.js'
import { printRule } from '../../../src/iptables/text/print.js'
import type { IptablesListing } from '../../../src/iptables/state/types.js'
import { asSaved, iptablesNft, restoreByIptables, savedLines } from '../../support/iptables.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'

function lines({ tables }: IptablesListing): string[] {
  return tables.flatMap(({ family, name, chains }) =>
    chains.flatMap(({ rules }) => rules.map((rule) => printRule(rule, { family, table: name, counters: true })))
  )
}

/** Rules made of what is native, and of the extensions `comment` and `MARK`; as iptables-save prints them. */
const IP = [
  '-s 10.0.0.0/8 -d 1.2.3.4/32 -i eth0 -p tcp -j ACCEPT',
  '! -s 10.0.0.0/13 -d 10.0.0.0/255.0.255.0 ! -i eth+ ! -p udp -j DROP',
  '-s 10.1.0.0/16 ! -d 10.1.2.0/24 -o a -p gre -j RETURN',
  '-s 128.0.0.0/1 -p 253',
  '-f -j ACCEPT',
  '! -f -j ACCEPT',
  '-m comment --comment plain -j MARK --set-xmark 0x5/0xffffffff',
  `-m comment --comment "a \\"b\\" \\\\ c.d" -j MARK --set-xmark 0x1/0xff`,
  '! -i + -j ACCEPT',
  '-p ipv6-icmp -j user',
  '-p tcp -g user'
]
const IP6 = [
  '-s fd00::/16 ! -d fd00::1/128 -p ipv6-icmp -j ACCEPT',
  '-s fd00::1/ffff::ffff -o lo -p ipv6 -j DROP',
  '! -s ::/1 -p esp -m comment --comment "x y"'
]

async function write(namespace: TestNamespace, family: 'ip' | 'ip6', rules: readonly string[]): Promise<void> {
  const body = rules.map((rule) => `-A FORWARD ${rule}\n`).join('')
  await restoreByIptables(namespace, family, `*filter\n:user - [0:0]\n${body.replace('-A', '[7:420] -A')}COMMIT\n`, '-c')
}

describe('listing what iptables-nft wrote', () => {
  it.each([
    ['ip', IP],
    ['ip6', IP6]
  ] as const)('prints rules of %s as iptables-nft-save does', async (family, rules) => {
    const namespace = await makeNamespace()
    await write(namespace, family, rules)
    await using iptables = await Iptables.open({ netns: namespace.path })
    const listing = await iptables.list()
    const saved = (await savedLines(namespace, family, true)).filter((line) => line.includes('-A'))
    expect(saved.map((line) => line.replace(/^\S+ -A FORWARD /, ''))).toEqual(rules.map(asSaved))
    expect(lines(listing).map(asSaved)).toEqual(saved)
    expect(listing.tables.map(({ incompatible }) => incompatible)).toEqual([undefined])
    expect(listing.tables[0]!.chains.map(({ name, exists }) => [name, exists])).toEqual([
      ['INPUT', false],
      ['FORWARD', true],
      ['OUTPUT', false],
      ['user', true]
    ])
  })

  it('tells tables, base chains and policies, also of chains that nobody made', async () => {
    const namespace = await makeNamespace()
    await iptablesNft(namespace, 'ip', '-t', 'mangle', '-P', 'INPUT', 'DROP')
    await iptablesNft(namespace, 'ip6', '-t', 'nat', '-A', 'POSTROUTING')
    await using iptables = await Iptables.open({ netns: namespace.path })
    const { tables, generation } = await iptables.list()
    expect(tables.map(({ family, name }) => `${family} ${name}`)).toEqual(['ip mangle', 'ip6 nat'])
    expect(tables[0]!.chains.map(({ name, policy, exists }) => [name, policy, exists])).toEqual([
      ['PREROUTING', 'ACCEPT', false],
      ['INPUT', 'DROP', true],
      ['FORWARD', 'ACCEPT', false],
      ['OUTPUT', 'ACCEPT', false],
      ['POSTROUTING', 'ACCEPT', false]
    ])
    expect((await iptables.generation()).id).toBe(generation)
    expect((await iptables.list({ family: 'ip', table: 'raw' })).tables).toEqual([])
    expect((await iptables.list({ table: 'nat', chain: 'POSTROUTING' })).tables[0]!.chains.map(({ name }) => name)).toEqual(['POSTROUTING'])
  })

  it('says of rules and chains that iptables does not know why, and shows the others', async () => {
    const namespace = await makeNamespace()
    await iptablesNft(namespace, 'ip', '-A', 'INPUT', '-p', 'tcp', '-j', 'ACCEPT')
    await namespace.nft('add rule ip filter INPUT ct state new counter packets 3 bytes 9 accept')
    await namespace.nft('add rule ip filter INPUT ip saddr 10.0.0.1 drop comment "of nft"')
    await using iptables = await Iptables.open({ netns: namespace.path })
    const [table] = (await iptables.list()).tables
    expect(table!.incompatible).toBe('rule 2 of chain INPUT has the expression ct')
    expect(table!.chains[0]!.rules).toMatchObject([
      { protocol: 'tcp', target: 'ACCEPT' },
      { foreign: 'the expression ct', counters: { packets: 3n, bytes: 9n } },
      { source: '10.0.0.1/32', target: 'DROP', matches: [{ match: 'comment', comment: 'of nft' }] }
    ])
    await namespace.nft('add chain ip filter OUTPUT { type filter hook output priority 7; }')
    expect((await iptables.list()).tables[0]!.incompatible).toContain('chain OUTPUT')
  })

  it('tells tables of the legacy interface', async () => {
    const namespace = await makeNamespace()
    await using iptables = await Iptables.open({ netns: namespace.path })
    expect(await iptables.legacyTables()).toEqual({ ip: [], ip6: [] })
    const made = await namespace.attempt('iptables-legacy', ['-t', 'filter', '-L', '-n'])
    const file = await namespace.attempt('sh', ['-c', 'cat /proc/net/ip_tables_names'])
    const expected = made.status === 0 ? file.stdout.split('\n').filter((line) => line !== '') : []
    expect((await iptables.list()).legacy.ip).toEqual(expected)
  })
})
