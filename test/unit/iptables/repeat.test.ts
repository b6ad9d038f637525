import { expect, it } from 'vitest'
import { formatAddress } from '../../../src/core/address.js'
import { Iptables } from '../../../src/iptables/client.js'
import { printSave } from '../../../src/iptables/text/save.js'
import type { IptablesTransaction, IptablesVerbs } from '../../../src/iptables/transaction/transaction.js'
import type { RepeatedColumns, RepeatedRow } from '../../../src/nftables/repeat/columns.js'
import { FakeNftablesKernel } from '../../../src/testing.js'
import { rejection } from '../../support/rejection.js'
import { rowOf } from '../../support/repeated-rows.js'

const filter = { family: 'ip', table: 'filter' } as const

type Build<Columns extends RepeatedColumns> = (tx: IptablesVerbs, row: RepeatedRow<Columns>) => void

async function saved(queue: (tx: IptablesTransaction) => void): Promise<string> {
  await using iptables = await Iptables.open({ kernel: new FakeNftablesKernel() })
  const tx = iptables.transaction()
  queue(tx)
  await tx.commit()
  return printSave((await iptables.list()).tables, { family: 'ip' })
}

/** Compares with what the function calls for each row. @returns How often it was called for the rows and for made-up ones. */
async function compare<Columns extends RepeatedColumns>(rows: number, columns: Columns, build: Build<Columns>): Promise<number> {
  let calls = 0
  const repeated = await saved((tx) =>
    tx.repeat(rows, columns, (own, row) => {
      calls++
      build(own, row)
    })
  )
  const single = await saved((tx) => {
    for (let row = 0; row < rows; row++) build(tx, rowOf(columns, rows, row))
  })
  expect(repeated).toBe(single)
  expect(repeated).toContain('-A ')
  return calls
}

const numbered = (rows: number, begin: string): string[] =>
  Array.from({ length: rows }, (_, row) => `${begin}${String(row).padStart(5, '0')}`)

it('what is repeated is what the function calls for each row, of which it is asked for few', async () => {
  const rows = 200
  const address = Uint8Array.from({ length: 4 * rows }, (_, at) => [10, 96, 1, (at >> 2) & 255][at & 3]!)
  const columns = {
    chain: numbered(rows, 'KUBE-SVC-'),
    comment: numbered(rows, 'ns/a service: '),
    address,
    port: new Uint16Array(rows).map((_, row) => row + 1)
  }
  const calls = await compare(rows, columns, (tx, { chain, comment, address: bytes, port }) => {
    const place = { ...filter, chain }
    const about = { match: 'comment', comment } as const
    tx.newChain(place)
    tx.append(place, { source: `${formatAddress(bytes)}/32`, matches: [about], target: { target: 'MARK', value: 0x4000, mask: 0x4000 } })
    tx.append(
      { ...filter, chain: 'FORWARD' },
      { protocol: 'tcp', inInterface: 'eth0', matches: [{ match: 'tcp', destinationPort: port }], target: { jump: chain } }
    )
    tx.insert(place, { target: 'RETURN', counters: { packets: BigInt(port), bytes: 9n } }, 2)
  })
  expect(calls).toBeLessThan(30)
})

it('names of base chains, marks at the begin, equal ports and repeated deletions are asked for', async () => {
  const chain = ['INPUT', 'a-b', 'c.d', 'OUTPUT', 'e f'.replace(' ', '_'), '+plus']
  const ports = Uint16Array.of(1, 2, 3, 4, 5, 6)
  const last = Uint16Array.of(1, 9, 3, 9, 5, 9)
  await compare(6, { chain, ports, last }, (tx, row) => {
    const place = { ...filter, chain: row.chain }
    if (!/^[A-Z]+$/.test(row.chain)) tx.newChain(place)
    const rule = {
      protocol: 'udp',
      matches: [{ match: 'udp', destinationPort: [row.ports, row.last] }],
      target: 'DROP'
    } as const
    tx.append(place, rule)
    tx.append(place, rule)
    tx.delete(place, rule)
  })
})

it('an error names the row, and the object of its own', async () => {
  await using iptables = await Iptables.open({ kernel: new FakeNftablesKernel() })
  const tx = iptables.transaction()
  tx.newChain({ ...filter, chain: 'there' })
  const to = ['there', 'there', 'there', 'there', 'lacks']
  tx.repeat(5, { to }, (own, row) => own.append({ ...filter, chain: 'INPUT' }, { target: { jump: row.to } }))
  expect(tx.size).toBe(2)
  to.fill('there')
  expect(await rejection(tx.commit())).toMatchObject({
    code: 'ENOENT',
    index: 1,
    subject: 'append to chain ip filter INPUT, row 4',
    object: { target: { jump: 'lacks' } }
  })
})

it('counts as one call, however its rows are made', async () => {
  await using iptables = await Iptables.open({ kernel: new FakeNftablesKernel() })
  const tx = iptables.transaction()
  const chain = ['a', 'b']
  tx.repeat(2, { chain }, (own, row) => {
    own.newChain({ ...filter, chain: row.chain })
    own.append({ ...filter, chain: 'INPUT' }, { target: { jump: row.chain } })
  })
  tx.append({ ...filter, chain: 'INPUT' }, { target: { jump: 'lacks' } })
  expect(tx.size).toBe(2)
  expect(await rejection(tx.commit())).toMatchObject({ code: 'ENOENT', index: 1, object: { target: { jump: 'lacks' } } })
  const single = iptables.transaction()
  single.repeat(1, { chain: ['lacks'] }, (own, row) => {
    own.newChain({ ...filter, chain: 'there' })
    own.append({ ...filter, chain: 'INPUT' }, { target: { jump: row.chain } })
  })
  expect(await rejection(single.commit())).toMatchObject({ code: 'ENOENT', index: 0 })
})

it('malformed columns and rows are refused at once', async () => {
  await using iptables = await Iptables.open({ kernel: new FakeNftablesKernel() })
  const tx = iptables.transaction()
  expect(() => tx.repeat(2, { port: Uint16Array.of(1) }, () => undefined)).toThrow(
    expect.objectContaining({ path: 'columns.port.length', value: 1 })
  )
  const chain = ['a', 'b', 'c', 'd e']
  expect(() => tx.repeat(4, { chain }, (own, row) => own.newChain({ ...filter, chain: row.chain }))).toThrow(
    expect.objectContaining({ path: 'place.chain', value: 'd e' })
  )
})
