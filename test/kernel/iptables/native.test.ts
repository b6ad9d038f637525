import { describe, expect, it } from 'vitest'
import { Iptables } from '../../../src/iptables/client.js'
import { parseRule } from '../../../src/iptables/text/line.js'
import { printRule } from '../../../src/iptables/text/print.js'
import { savedLines } from '../../support/iptables.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'

/** Lines of which iptables-nft writes some or all with expressions of nf_tables; behind `is` what iptables-save prints, where that is another line. */
const LINES: readonly (readonly [line: string, is?: string])[] = [
  ['-p tcp -m tcp --dport 80 -j ACCEPT'],
  ['-p tcp --dport 80 -j ACCEPT', '-p tcp -m tcp --dport 80 -j ACCEPT'],
  ['-p udp -m udp --sport 5:80 ! --dport 5:9 -j RETURN'],
  ['-p tcp -m tcp --sport 1024:65535 --dport 80'],
  ['-p tcp -m tcp --sport 80 --dport 81'],
  ['-p tcp -m tcp ! --sport 80 ! --dport 81'],
  ['-p tcp -m tcp ! --sport 80 --dport 81'],
  ['-p udp -m udp --sport 0:5'],
  ['-p udp -m udp --dport 0'],
  ['-p udp -m udp ! --dport 0:4', '-p udp -m udp --dport 5:65535'],
  ['-p udp -m udp ! --dport 4:65535'],
  ['-p tcp -m tcp --sport 0:65535', '-p tcp -m tcp'],
  ['-p tcp -m tcp'],
  ['-p udp -m udp'],
  ['-p tcp -m tcp --tcp-flags SYN,ACK SYN'],
  ['-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE'],
  ['-p tcp -m tcp --dport 5 --tcp-flags FIN,SYN,RST,ACK SYN'],
  ['-p tcp --syn', '-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN'],
  ['-p tcp -m tcp --dport 7 --tcp-option 5'],
  ['-p tcp -m tcp ! --tcp-option 5'],
  ['-m mark --mark 0x4/0xff -m mark ! --mark 0x5'],
  ['-m mark --mark 0x0'],
  ['-m mark ! --mark 0xffffffff'],
  ['-m limit --limit 5/min --limit-burst 7'],
  ['-m limit --limit 3/hour'],
  ['-m limit --limit 10/sec'],
  ['-m limit --limit 1/day --limit-burst 1'],
  ['-m limit --limit 1000/sec --limit-burst 100'],
  ['-m limit --limit 7/sec'],
  ['-m limit --limit 100/min'],
  ['-m limit --limit 23/hour'],
  ['-p icmp -m icmp --icmp-type 8'],
  ['-p icmp -m icmp --icmp-type any'],
  [
    '-m conntrack --ctstate NEW -m comment --comment "a b" -p tcp -m tcp --dport 80 -j DROP',
    '-p tcp -m conntrack --ctstate NEW -m comment --comment "a b" -m tcp --dport 80 -j DROP'
  ],
  ['-j NFLOG --nflog-prefix "x y" --nflog-group 3'],
  ['-j NFLOG --nflog-group 65535 --nflog-size 256 --nflog-threshold 5'],
  ['-j NFLOG'],
  ['-p tcp -m tcp --dport 80 -j TRACE'],
  ['-p tcp -j REJECT --reject-with tcp-reset'],
  ['-m state --state NEW,ESTABLISHED'],
  ['-p tcp -m multiport --dports 80,443']
]

describe('what iptables-nft has expressions of nf_tables for', () => {
  it('is written as iptables-nft writes it, and read as it reads it', async () => {
    const [ours, theirs] = [await makeNamespace(), await makeNamespace()]
    const place = { family: 'ip', table: 'raw', chain: 'PREROUTING' } as const
    const wanted = LINES.map(([line, is = line]) => `-A FORWARD ${is}`)
    const at = { ...place, table: 'filter', chain: 'FORWARD' } as const
    await theirs.run('iptables-nft-restore', [], { input: `*filter\n${LINES.map(([line]) => `-A FORWARD ${line}\n`).join('')}COMMIT\n` })
    await using iptables = await Iptables.open({ netns: ours.path })
    const tx = iptables.transaction()
    for (const [line] of LINES) tx.append(at, parseRule(line, at))
    await tx.commit()

    const rulesOf = async ({ nft }: Pick<TestNamespace, 'nft'>): Promise<string[]> =>
      (await nft('--debug=netlink', 'list', 'chain', 'ip', 'filter', 'FORWARD')).split('\nip filter FORWARD').map((rule) =>
        rule
          .split('\n')
          .filter((step) => step.startsWith('  ['))
          .join('\n')
      )
    expect(await rulesOf(ours)).toEqual(await rulesOf(theirs))
    const saved = async (namespace: typeof ours): Promise<string[]> =>
      (await savedLines(namespace, 'ip')).filter((line) => line.startsWith('-A'))
    expect(await saved(theirs)).toEqual(wanted)
    expect(await saved(ours)).toEqual(wanted)

    await using other = await Iptables.open({ netns: theirs.path })
    for (const client of [iptables, other]) {
      const rules = (await client.list(at)).tables[0]!.chains[0]!.rules
      expect(rules.map((rule) => printRule(rule, at))).toEqual(wanted)
      for (const [index, rule] of rules.entries()) {
        expect(await client.check(at, rule)).toBe(true)
        expect(await client.check(at, parseRule(LINES[index]![0], at))).toBe(true)
      }
    }
  })

  it('is read as iptables-nft reads it where nft wrote it', async () => {
    const namespace = await makeNamespace()
    await namespace.nft('add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; }')
    const rules = [
      'tcp dport 80 accept',
      'tcp dport > 80 counter',
      'tcp sport >= 80 drop',
      'udp dport <= 80',
      'udp dport < 80',
      'udp sport 5-8 udp dport != 9',
      'meta l4proto tcp tcp flags & (syn|ack) == syn',
      'iifname "eth*" oifname != "lo" ip saddr 10.0.0.0/8 ip daddr != 10.0.0.1',
      'ip ttl 5',
      'ip ttl != 5',
      'ip ttl < 5',
      'ip ttl > 5',
      'meta mark 5',
      'meta mark & 0xff != 5',
      'limit rate 5/minute burst 7 packets',
      'ip protocol udp return',
      'icmp type echo-request',
      'log group 5 prefix "a b" snaplen 100',
      'meta nftrace set 1'
    ]
    for (const rule of rules) await namespace.nft('add', 'rule', 'ip', 'filter', 'FORWARD', rule)
    await using iptables = await Iptables.open({ netns: namespace.path })
    const [table] = (await iptables.list()).tables
    const lines = table!.chains.flatMap((chain) =>
      chain.rules.map((rule) => rule.foreign ?? printRule(rule, { family: 'ip', table: 'filter' }))
    )
    expect(lines).toEqual((await savedLines(namespace, 'ip')).filter((line) => line.startsWith('-A')))
  })
})
