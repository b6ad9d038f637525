import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Nftables, type Family } from '../../../../src/index.js'
import { accept, geneve, icmp, inner, ip, ip6, last, meta, rule, tcp, udp, vxlan, type Expression } from '../../../../src/nftables.js'
import { isOlderThan } from '../../../support/kernel-version.js'
import { nftPrograms } from '../../../support/newest-nft.js'
import { run } from '../../../support/run.js'
import { rowsOf, type Row } from './row.js'

// What only newer versions of nft have words for: written by the newest into `theirs`, by the builder into `ours`.
const [, newest] = nftPrograms()
const nft = (...args: readonly string[]): Promise<string> => run(newest.command[0]!, [...newest.command.slice(1), ...args])

const toVxlan = udp.dport.eq(4789)
const toGeneve = udp.dport.eq(6081)

const tunnels: readonly Row[] = rowsOf('inet', [
  ['udp dport 4789 vxlan vni 10', [toVxlan, vxlan.vni.eq(10)]],
  ['udp dport 4789 vxlan flags 8', [toVxlan, vxlan.flags.eq(8)]],
  ['udp dport 4789 vxlan ip saddr 10.0.0.1', [toVxlan, inner('vxlan', ip.saddr).eq('10.0.0.1')]],
  ['udp dport 4789 vxlan ip saddr != 10.0.0.1', [toVxlan, inner('vxlan', ip.saddr).neq('10.0.0.1')]],
  ['udp dport 4789 vxlan ip6 saddr fd00::1', [toVxlan, inner('vxlan', ip6.saddr).eq('fd00::1')]],
  ['udp dport 4789 vxlan icmp type echo-reply', [toVxlan, inner('vxlan', icmp.type).eq('echo-reply')]],
  ['udp dport 4789 vxlan ip dscp cs1', [toVxlan, inner('vxlan', ip.dscp).eq('cs1')]],
  ['udp dport 4789 vxlan ip protocol tcp accept', [toVxlan, inner('vxlan', ip.protocol).eq('tcp'), accept()]],
  ['udp dport 4789 vxlan tcp dport 80', [toVxlan, inner('vxlan', tcp.dport).eq(80)]],
  ['udp dport 6081 geneve vni 10', [toGeneve, geneve.vni.eq(10)]],
  [
    'udp dport 6081 geneve ip saddr 10.0.0.1 geneve tcp dport 80',
    [toGeneve, inner('geneve', ip.saddr).eq('10.0.0.1'), inner('geneve', tcp.dport).eq(80)]
  ],
  ['gre ip saddr 10.0.0.1', inner('gre', ip.saddr).eq('10.0.0.1')],
  ['gretap ip saddr 10.0.0.1', inner('gretap', ip.saddr).eq('10.0.0.1')]
])
/** `inner` came with Linux 6.2. */
const rows: readonly Row[] = [...(isOlderThan('6.2') ? [] : tunnels), ...rowsOf('ip', [['last', last(), 'last used never']])]
const chainOf = (row: Row): string => `r${rows.indexOf(row)}`
const families: readonly Family[] = ['inet', 'ip']

let expressions: ReadonlyMap<string, readonly Expression[]>
const listings = new Map<string, string>()

beforeAll(async () => {
  await using client = await Nftables.open()
  const tx = client.transaction()
  for (const family of families) {
    for (const name of ['theirs', 'ours']) {
      tx.add.table({ family, name })
      for (const row of rows) if (row.family === family) tx.add.chain({ family, table: name, name: chainOf(row) })
    }
  }
  for (const row of rows) tx.add.rule({ family: row.family, table: 'ours', chain: chainOf(row), ...rule(...row.statements) })
  await tx.commit()
  for (const row of rows) await nft('add', 'rule', row.family, 'theirs', chainOf(row), row.text)
  const rules = await client.listRules()
  expressions = new Map(rules.map((one) => [`${one.table} ${one.chain}`, one.expressions]))
  for (const row of rows) listings.set(chainOf(row), await nft('list', 'chain', row.family, 'ours', chainOf(row)))
}, 60_000)

afterAll(async () => {
  await using client = await Nftables.open()
  const tx = client.transaction()
  for (const family of families) for (const name of ['theirs', 'ours']) tx.delete.table({ family, name })
  await tx.commit()
})

describe.each(rows.map((row) => [`${row.family}: ${row.text}`, row] as const))('%s', (_, row) => {
  it('is held by the kernel as the newest nft would have it', () => {
    expect(expressions.get(`ours ${chainOf(row)}`)).toBeDefined()
    expect(expressions.get(`ours ${chainOf(row)}`)).toEqual(expressions.get(`theirs ${chainOf(row)}`))
  })

  it('is printed by the newest nft as it was meant', () => {
    expect(listings.get(chainOf(row))).toContain(`\t\t${row.prints ?? row.text}\n`)
  })
})

it('says which fields inside of tunnels, which only the newest nft asks for, cannot be asked for', () => {
  expect(() => inner('vxlan', icmp.id)).toThrow('meta.protocol')
  expect(() => inner('vxlan', meta.mark)).toThrow('meta.protocol')
  expect(() => inner('ipip' as never, ip.saddr)).toThrow('vxlan, geneve, gre, gretap')
})
