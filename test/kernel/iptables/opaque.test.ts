import { expect, it } from 'vitest'
import { Iptables } from '../../../src/iptables/client.js'
import type { IptablesTable } from '../../../src/iptables/state/types.js'
import { parseRule } from '../../../src/iptables/text/line.js'
import { printSave } from '../../../src/iptables/text/save.js'
import { IptablesSyntaxError } from '../../../src/iptables/text/syntax-error.js'
import { asDeletions, restoreByIptables, savedLines, savedRules } from '../../support/iptables.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'

/** Lines of rule sets that are common, by their tables; netplane has no words for a match or target of each. */
const LINES: Readonly<Record<'ip' | 'ip6', readonly (readonly [table: string, line: string])[]>> = {
  ip: [
    ['filter', '-A INPUT -m pkttype --pkt-type broadcast -j DROP'],
    ['filter', '-A INPUT -p tcp -m connlimit --connlimit-above 20 --connlimit-mask 32 --connlimit-saddr -j REJECT --reject-with tcp-reset'],
    ['filter', '-A INPUT -m time --timestart 08:00:00 --timestop 18:00:00 --weekdays Mon,Tue -j ACCEPT'],
    ['filter', '-A FORWARD -p tcp -m string --string "GET /x" --algo bm -j DROP'],
    ['filter', '-A FORWARD -m policy --dir in --pol ipsec -j ACCEPT'],
    ['filter', '-A FORWARD -m helper --helper ftp -j ACCEPT'],
    ['filter', '-A FORWARD -m dscp --dscp 0x2e -j ACCEPT'],
    ['filter', '-A FORWARD -p esp -m esp --espspi 500 -j ACCEPT'],
    ['filter', '-A FORWARD -m quota --quota 1000000 -j ACCEPT'],
    ['filter', '-A FORWARD -m connbytes --connbytes 1000 --connbytes-mode bytes --connbytes-dir both -j ACCEPT'],
    ['filter', '-A FORWARD -m cpu --cpu 0 -j ACCEPT'],
    ['filter', '-A FORWARD -m devgroup --src-group 0x1 -j ACCEPT'],
    ['filter', '-A FORWARD -m u32 --u32 "0x0&0xffff=0x100" -j ACCEPT'],
    ['filter', '-A OUTPUT -m cgroup --cgroup 5 -j ACCEPT'],
    ['filter', '-A INPUT -p tcp -m tcp --dport 22 -m pkttype ! --pkt-type multicast -j NFQUEUE --queue-num 3 --queue-bypass'],
    ['filter', '-A INPUT -j AUDIT --type accept'],
    ['mangle', '-A PREROUTING -m socket --transparent -j MARK --set-xmark 0x1/0xffffffff'],
    ['mangle', '-A PREROUTING -m tos --tos 0x10/0x3f -j ACCEPT'],
    ['mangle', '-A PREROUTING -j TEE --gateway 10.0.0.1'],
    ['mangle', '-A FORWARD -p tcp -m tcpmss --mss 1400:1500 -j ACCEPT'],
    ['mangle', '-A FORWARD -p tcp -j TCPOPTSTRIP --strip-options 5'],
    ['nat', '-A PREROUTING -d 10.1.0.0/16 -j NETMAP --to 10.2.0.0/16']
  ],
  ip6: [
    ['filter', '-A INPUT -m rt --rt-type 0 -j DROP'],
    ['filter', '-A INPUT -m frag --fragmore -j DROP'],
    ['filter', '-A INPUT -m ipv6header --header hop-by-hop --soft -j DROP'],
    ['filter', '-A INPUT -m pkttype --pkt-type multicast -m eui64 -j ACCEPT']
  ]
}

/** A file of those lines that this kernel takes. */
async function takenBy(namespace: TestNamespace, family: 'ip' | 'ip6'): Promise<string> {
  const taken: string[] = []
  for (const [table, line] of LINES[family]) {
    const file = `*${table}\n${line}\nCOMMIT\n`
    const { status, stderr } = await namespace.attempt(`${family}tables-nft-restore`, ['--noflush'], { input: file })
    if (status === 0) taken.push(file)
    else expect(stderr, line).toMatch(/missing kernel module|RULE_APPEND failed \(No such file or directory\)/)
  }
  return taken.join('')
}

function rulesOf(tables: readonly IptablesTable[], family: 'ip' | 'ip6'): string[] {
  return printSave(tables, { family })
    .split('\n')
    .filter((line) => !line.startsWith('#'))
}

it.each(['ip', 'ip6'] as const)(
  'rules of %s that netplane has no words for are listed, found and written back as they were',
  async (family) => {
    const [theirs, ours] = [await makeNamespace(), await makeNamespace()]
    const file = await takenBy(theirs, family)
    const saved = await savedLines(theirs, family)
    expect(saved.filter((line) => line.startsWith('-A')).length).toBeGreaterThan(1)
    await using other = await Iptables.open({ netns: theirs.path })
    const { tables } = await other.list()
    expect(tables.flatMap(({ chains }) => chains.flatMap(({ rules }) => rules.filter(({ foreign }) => foreign !== undefined)))).toEqual([])
    for (const { name: table, chains } of tables)
      for (const { name: chain, rules } of chains)
        for (const rule of rules) expect(await other.check({ family, table, chain }, rule)).toBe(true)

    await using iptables = await Iptables.open({ netns: ours.path })
    const restoring = iptables.transaction()
    restoring.restore(family, printSave(tables, { family }))
    await restoring.commit()
    expect(await savedLines(ours, family)).toEqual(saved)
    expect(rulesOf((await iptables.list()).tables, family)).toEqual(rulesOf(tables, family))
    await restoreByIptables(ours, family, asDeletions(file.split('\n').filter((line) => line !== '')), '--noflush')
    expect(await savedRules(ours, family)).toEqual([])
  }
)

it.each([
  ['-m pkttype --pkt-type broadcast -j DROP', 4],
  ['-p tcp -m tcp --dport 22 -m time --timestart 08:00 -j DROP', 29],
  ['-j TEE --gateway 10.0.0.1', 8]
])('a line of what netplane has no words for is refused where it stands: %s', (line, column) => {
  const read = (): unknown => parseRule(line, { family: 'ip', table: 'filter' })
  expect(read).toThrow(IptablesSyntaxError)
  expect(read).toThrow(`line 1, column ${column} `)
})
