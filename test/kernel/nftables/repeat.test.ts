import { beforeEach, expect, it } from 'vitest'
import { formatAddress, Iptables, Nftables, type IptablesVerbs, type OperationVerbs, type RepeatedRow } from '../../../src/index.js'
import { accept, counter, ip, rule, tcp } from '../../../src/nftables.js'
import { savedLines } from '../../support/iptables.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'
import { rowOf } from '../../support/repeated-rows.js'

const ROWS = 10_000

let namespace: TestNamespace

beforeEach(async () => {
  namespace = await makeNamespace()
})

const table = { family: 'ip', table: 'app' } as const
const filter = { family: 'ip', table: 'filter' } as const

const columns = {
  chain: Array.from({ length: ROWS }, (_, row) => `svc-${row}`),
  comment: Array.from({ length: ROWS }, (_, row) => `default/web-${row}: http, ${row % 3 === 0 ? 'first' : 'other'}`),
  address: Uint8Array.from({ length: 4 * ROWS }, (_, at) => [10, 96, (at >> 10) & 255, (at >> 2) & 255][at & 3]!),
  port: new Uint16Array(ROWS).map((_, row) => (row % 50 === 0 ? 80 : row + 1)),
  count: new BigUint64Array(ROWS).map((_, row) => BigInt(row) ** 3n)
}

type Row = RepeatedRow<typeof columns>

const rowAt = (row: number): Row => rowOf(columns, ROWS, row)

function queue({ add }: OperationVerbs, { chain, comment, address, port, count }: Row): void {
  add.chain({ ...table, name: chain })
  add.rule({
    ...table,
    chain,
    comment,
    ...rule(ip.daddr.eq(address), tcp.dport.eq(port), counter({ packets: count, bytes: 7n }), accept())
  })
}

async function inNftables(name: string, work: (tx: ReturnType<Nftables['transaction']>) => void): Promise<string> {
  await using nft = await Nftables.open({ netns: namespace.path })
  const tx = nft.transaction()
  tx.add.table({ family: 'ip', name: 'app' })
  work(tx)
  expect(tx.size, name).toBe(1 + 2 * ROWS)
  await tx.commit()
  const listed = await namespace.run('nft', ['list', 'table', 'ip', 'app'])
  const gone = nft.transaction()
  gone.delete.table({ family: 'ip', name: 'app' })
  // The kernel would tell of each chain and rule, if it was asked for an echo.
  expect((await gone.commit()).generation).toBe((await nft.readGeneration()).id)
  return listed
}

it('nft lists for what is repeated what it lists for single calls', async () => {
  const repeated = await inNftables('repeated', (tx) => tx.repeat(ROWS, columns, queue))
  const single = await inNftables('single', (tx) => {
    for (let row = 0; row < ROWS; row++) queue(tx, rowAt(row))
  })
  expect(repeated).toBe(single)
  expect(repeated).toContain(
    'ip daddr 10.96.39.15 tcp dport 10000 counter packets 999700029999 bytes 7 accept comment "default/web-9999: http, first"'
  )
})

function call(tx: IptablesVerbs, { chain, comment, address, port, count }: Row): void {
  const place = { ...filter, chain }
  tx.newChain(place)
  tx.append(place, {
    destination: `${formatAddress(address)}/32`,
    protocol: 'tcp',
    matches: [
      { match: 'tcp', destinationPort: port },
      { match: 'comment', comment }
    ],
    target: 'ACCEPT',
    counters: { packets: count, bytes: 7n }
  })
}

async function inIptables(work: (tx: ReturnType<Iptables['transaction']>) => void): Promise<string[]> {
  await using iptables = await Iptables.open({ netns: namespace.path })
  const tx = iptables.transaction()
  work(tx)
  await tx.commit()
  const lines = await savedLines(namespace, 'ip', true)
  await namespace.run('iptables-nft', ['-F'])
  await namespace.run('iptables-nft', ['-X'])
  return lines
}

it('iptables-save prints for what is repeated what it prints for single calls', async () => {
  const repeated = await inIptables((tx) => tx.repeat(ROWS, columns, call))
  const single = await inIptables((tx) => {
    for (let row = 0; row < ROWS; row++) call(tx, rowAt(row))
  })
  expect(repeated).toEqual(single)
  expect(repeated).toContain(
    '[999700029999:7] -A svc-9999 -d 10.96.39.15/32 -p tcp -m tcp --dport 10000 -m comment --comment "default/web-9999: http, first" -j ACCEPT'
  )
})
