import { describe, expect, it } from 'vitest'
import { Iptables } from '../../../src/iptables/client.js'
import { parseRule } from '../../../src/iptables/text/line.js'
import { printRule } from '../../../src/iptables/text/print.js'
import { wordsOf } from '../../support/extension-lines.js'
import { deleteEachOthers, iptablesNft, isIptablesSince, restoreByIptables, ruleSteps, savedRules } from '../../support/iptables.js'
import { makeNamespace } from '../../support/namespace.js'

/** Lines of which iptables-nft writes some or all with expressions of nf_tables; behind `is` what iptables-save prints, where that is another line. */
const LINES: readonly (readonly [line: string, is?: string])[] = [
  ['-p tcp -m tcp --dport 80 -j ACCEPT'],
  ['-p tcp --dport 80 -j ACCEPT', '-p tcp -m tcp --dport 80 -j ACCEPT'],
  ['-p udp -m udp --sport 5:80 ! --dport 5:9 -j RETURN'],
  ['-p tcp -m tcp --sport 1024:65535 --dport 80'],
  ['-p tcp -m tcp --sport 80 --dport 81'],
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
  ['-p tcp -m multiport --dports 80,443'],
  // Before, iptables-nft writes other rules than these say: one that holds where only one of the ports is another, and one that always holds.
  ...(isIptablesSince('1.8.11') ? ([['-p tcp -m tcp ! --sport 80 ! --dport 81'], ['-p udp -m udp ! --sport 0:65535']] as const) : [])
]

/** Rules as nft takes them, of which iptables shows something. */
const NFT_RULES: readonly string[] = [
  'tcp dport 80 accept',
  'tcp dport > 80 counter',
  'tcp sport >= 80 drop',
  'udp dport <= 80',
  'udp dport < 80',
  'udp sport 5-8 udp dport != 9',
  'meta l4proto tcp @th,0,32 != 0x500051',
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
  'meta nftrace set 1',
  // Before, iptables takes the first for any type, and does not know the second.
  ...(isIptablesSince('1.8.10') ? ['icmp code 3', 'meta mark set 0x50'] : [])
]

const FORWARD = { family: 'ip', table: 'filter', chain: 'FORWARD' } as const

async function append(iptables: Iptables, lines: readonly string[]): Promise<void> {
  const tx = iptables.transaction()
  for (const line of lines) tx.append(FORWARD, parseRule(line, FORWARD))
  await tx.commit()
}

/** Sends one datagram from each of two ports to each of two others. */
const SEND = `
import socket
for source in (4080, 5080):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(('127.0.0.1', source))
        for destination in (4081, 5081):
            sender.sendto(b'x', ('127.0.0.1', destination))
`

describe('what iptables-nft has expressions of nf_tables for', () => {
  it('is written as iptables-nft writes it, and read as it reads it', async () => {
    const [ours, theirs] = [await makeNamespace(), await makeNamespace()]
    const given = LINES.map(([line]) => `-A FORWARD ${line}`)
    const wanted = LINES.map(([line, is = line]) => `-A FORWARD ${is}`)
    await restoreByIptables(theirs, 'ip', ['*filter', ...given, 'COMMIT', ''].join('\n'))
    await using iptables = await Iptables.open({ netns: ours.path })
    await append(
      iptables,
      LINES.map(([line]) => line)
    )

    const place = ['chain', 'ip', 'filter', 'FORWARD']
    expect(await ruleSteps(ours, ...place)).toEqual(await ruleSteps(theirs, ...place))
    expect(await savedRules(theirs, 'ip')).toEqual(wanted)
    expect(await savedRules(ours, 'ip')).toEqual(wanted)

    await using other = await Iptables.open({ netns: theirs.path })
    for (const client of [iptables, other]) {
      const rules = (await client.list(FORWARD)).tables[0]!.chains[0]!.rules
      expect(rules.map((rule) => printRule(rule, FORWARD))).toEqual(wanted)
      for (const [index, rule] of rules.entries()) {
        expect(await client.check(FORWARD, rule)).toBe(true)
        expect(await client.check(FORWARD, parseRule(LINES[index]![0], FORWARD))).toBe(true)
      }
    }

    // Since 1.8.10 it finds a rule by what it prints of it, and not by every line that says the same.
    for (const [line, is = line] of LINES) await iptablesNft(ours, 'ip', '-C', 'FORWARD', ...wordsOf(is))
    await deleteEachOthers('ip', ['*filter', ...wanted, 'COMMIT'], ours, other)
    for (const namespace of [ours, theirs]) expect(await savedRules(namespace, 'ip')).toEqual([])
  })

  it('is read as iptables-nft reads it where nft wrote it', async () => {
    const namespace = await makeNamespace()
    await namespace.nft('add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; }')
    for (const rule of NFT_RULES) await namespace.nft('add', 'rule', 'ip', 'filter', 'FORWARD', rule)
    await using iptables = await Iptables.open({ netns: namespace.path })
    const [table] = (await iptables.list()).tables
    const lines = table!.chains.flatMap((chain) =>
      chain.rules.map((rule) => rule.foreign ?? printRule(rule, { family: 'ip', table: 'filter' }))
    )
    expect(lines).toEqual(await savedRules(namespace, 'ip'))
  })

  it.each<[line: string, packets: bigint]>([
    ['-p udp -m udp ! --sport 4080 ! --dport 4081', 1n],
    ['-p udp -m udp --sport 4080 --dport 4081', 1n],
    ['-p udp -m udp ! --sport 4080', 2n],
    ['-p udp -m udp ! --sport 0:65535', 0n],
    ['-p udp -m udp ! --dport 0:4081', 2n]
  ])('holds for the packets that it asks for: %s', async (line, packets) => {
    const namespace = await makeNamespace()
    await using iptables = await Iptables.open({ netns: namespace.path })
    const output = { ...FORWARD, chain: 'OUTPUT' } as const
    const tx = iptables.transaction()
    tx.append(output, parseRule(line, output))
    await tx.commit()
    await namespace.run('python3', ['-c', SEND])
    expect((await iptables.list(output)).tables[0]!.chains[0]!.rules.map(({ counters }) => counters?.packets)).toEqual([packets])
  })
})
