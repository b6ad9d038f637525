import { Buffer } from 'node:buffer'
import { describe, expect, it } from 'vitest'
import { ValidationError } from '../../../src/core/errors.js'
import type { NativeBatch, NativeCommitResult } from '../../../src/native/index.js'
import { accept, counter, ip, rule, tcp } from '../../../src/nftables.js'
import { Nftables } from '../../../src/nftables/client.js'
import type { RepeatedColumns, RepeatedRow } from '../../../src/nftables/repeat/columns.js'
import type { OperationVerbs } from '../../../src/nftables/repeat/verbs.js'
import { Transaction } from '../../../src/nftables/transaction.js'
import type { TransactionHost } from '../../../src/nftables/transaction-types.js'
import { FakeNftablesKernel } from '../../../src/testing.js'
import { rejection } from '../../support/rejection.js'
import { rowOf } from '../../support/repeated-rows.js'

const table = { family: 'ip', table: 'app' } as const

type Build<Columns extends RepeatedColumns> = (tx: OperationVerbs, row: RepeatedRow<Columns>) => void

/** The bytes that a transaction sends. */
function sent(queue: (tx: Transaction) => void): string {
  const runs: Uint8Array[] = []
  const result = { applied: true, errors: [], echoes: [], bytes: 0, generation: 1, systemCalls: 0 } as unknown as NativeCommitResult
  const add = (run: Uint8Array): void => void runs.push(run.slice())
  const batch = { add, addElements: add, commitHere: () => result } as unknown as NativeBatch
  const host = { beginBatch: () => batch, runHere: (_: string, __: unknown, start: (ms: number) => unknown) => start(1_000) }
  const tx = Transaction.begin(host as unknown as TransactionHost)
  queue(tx)
  tx.commitSync()
  return Buffer.concat(runs).toString('hex')
}

/** Compares with what the function queues for each row. @returns How often it was called for the rows and for made-up ones. */
function compare<Columns extends RepeatedColumns>(rows: number, columns: Columns, build: Build<Columns>): number {
  let calls = 0
  const repeated = sent((tx) =>
    tx.repeat(rows, columns, (own, row) => {
      calls++
      build(own, row)
    })
  )
  const single = sent((tx) => {
    for (let row = 0; row < rows; row++) build(tx, rowOf(columns, rows, row))
  })
  expect(repeated).toBe(single)
  return calls
}

const names = (rows: number, begin = 'svc-'): string[] =>
  Array.from({ length: rows }, (_, row) => `${begin}${String(row).padStart(5, '0')}`)
const addresses = (rows: number): Uint8Array =>
  Uint8Array.from({ length: 4 * rows }, (_, at) => [10, 96, (at >> 10) & 255, (at >> 2) & 255][at & 3]!)

describe('what is repeated', () => {
  it('is what the function queues for each row, of which it is asked for few', () => {
    const rows = 1_000
    const columns = { chain: names(rows), address: addresses(rows), port: new Uint16Array(rows).map((_, row) => row + 1) }
    const calls = compare(rows, columns, (tx, { chain, address, port }) => {
      tx.add.chain({ ...table, name: chain })
      tx.add.rule({ ...table, chain, comment: `of ${chain}`, ...rule(ip.daddr.eq(address), tcp.dport.eq(port), counter(), accept()) })
    })
    expect(calls).toBeLessThan(20)
  })

  it('has counters, marks in the order of the machine, handles, and names that are as long as they like', () => {
    const rows = 300
    const columns = {
      name: Array.from({ length: rows }, (_, row) => `n${'x'.repeat(row % 30)}${row}`),
      packets: new BigUint64Array(rows).map((_, row) => BigInt(row) ** 7n),
      mark: new Uint32Array(rows).map((_, row) => row * 70_001)
    }
    const calls = compare(rows, columns, (tx, { name, packets, mark }) => {
      tx.add.counter({ ...table, name, packets, bytes: packets })
      const data = new Uint8Array(Uint32Array.of(mark).buffer)
      tx.add.rule({
        ...table,
        chain: 'c',
        expressions: [
          { type: 'immediate', destinationRegister: 1, data },
          { type: 'meta', key: 'mark', sourceRegister: 1 }
        ]
      })
    })
    expect(calls).toBeLessThan(rows)
  })

  it.each([
    ['numbers that mean something at 0', (value: number) => value === 0],
    ['numbers that mean something at ones', (value: number) => value === 0xffff]
  ])('asks for rows with %s', (_, isSpecial) => {
    const rows = 12
    const port = new Uint16Array(rows).map((__, row) => [0, 7, 0xffff][row % 3]!)
    compare(rows, { port }, (tx, row) => {
      if (isSpecial(row.port)) tx.add.chain({ ...table, name: 'special' })
      else tx.add.rule({ ...table, chain: 'c', ...rule(tcp.dport.eq(row.port), accept()) })
    })
  })

  it('asks where columns are equal, where marks decide, and where nothing is alike', () => {
    const rows = 40
    const columns = {
      first: new Uint16Array(rows).map((_, row) => row + 1),
      last: new Uint16Array(rows).map((_, row) => row + 1 + (row % 2)),
      name: Array.from({ length: rows }, (_, row) => ['plain0', 'with a', 'a-b-c0', '-begin', 'ends! ', 'ümlaut'][row % 6]!)
    }
    compare(rows, columns, (tx, { first, last, name }) => {
      const port = first === last ? tcp.dport.eq(first) : tcp.dport.eq({ from: Math.min(first, last), to: Math.max(first, last) })
      tx.add.rule({ ...table, chain: /^-| /.test(name) ? 'odd' : name, ...rule(port, accept()) })
    })
    compare(rows, { value: columns.first }, (tx, { value }) => {
      tx.add.chain({ ...table, name: `c${(value * 7919) % 31}` })
    })
  })

  it('leaves sets, and rules with sets and chains of their own, their numbers', () => {
    const rows = 20
    compare(rows, { name: names(rows), port: new Uint16Array(rows).map((_, row) => row + 1) }, (tx, { name, port }) => {
      tx.add.set({ ...table, name, key: 'inet_service' })
      tx.add.rule({ ...table, chain: name, ...rule(tcp.dport.in([port, port + 100]), accept()) })
    })
  })

  it('throws what the function throws for a row, and not what it throws for made-up ones', () => {
    const port = Uint16Array.of(1, 2, 3, 4, 5)
    const only = (most: number) => (tx: OperationVerbs, row: { readonly port: number }) => {
      if (row.port > most) throw new RangeError(`port ${row.port}`)
      tx.add.chain({ ...table, name: `c${row.port}` })
    }
    compare(5, { port }, only(5))
    expect(() => sent((tx) => tx.repeat(5, { port }, only(4)))).toThrow(new RangeError('port 5'))
  })

  it('is refused where the function is seen to decide by values', () => {
    const port = new Uint16Array(40).map((_, row) => 1000 + row)
    const decides = (tx: OperationVerbs, row: { readonly port: number }): void => {
      tx.add.rule({ ...table, chain: 'c', ...rule(tcp.dport.eq(row.port), ...(row.port < 1024 ? [accept()] : [])) })
    }
    expect(() => sent((tx) => tx.repeat(40, { port }, decides))).toThrow(
      expect.objectContaining({ code: 'ERR_NETPLANE_VALIDATION', path: 'row 0', value: { port: 1000 } })
    )
  })

  it('takes nothing, one row, and no columns', () => {
    const build: Build<Record<string, never>> = (tx) => tx.add.chain({ ...table, name: 'same' })
    for (const rows of [0, 1, 2, 3, 50]) compare(rows, {}, build)
  })

  it('copies the columns', async () => {
    const kernel = new FakeNftablesKernel()
    await using nft = await Nftables.open({ kernel })
    const port = Uint16Array.of(1, 2, 3, 4)
    const chain = ['a1', 'a2', 'a3', 'a4']
    const tx = nft.transaction()
    tx.repeat(4, { port, chain }, (own, row) => own.add.rule({ ...table, chain: row.chain, ...rule(tcp.dport.eq(row.port), accept()) }))
    port.fill(9)
    chain.fill('other')
    const error = await rejection(tx.commit())
    expect(error).toMatchObject({ code: 'ENOENT', index: 0, subject: 'add rule of chain ip app a1', object: { chain: 'a1' } })
  })
})

describe('what is wrong with what is repeated', () => {
  it('is told of the operation of the row', async () => {
    await using nft = await Nftables.open({ kernel: new FakeNftablesKernel() })
    const tx = nft.transaction()
    tx.add.table({ family: 'ip', name: 'app' })
    const chain = names(6)
    for (const name of chain.slice(0, 5)) tx.add.chain({ ...table, name })
    tx.repeat(6, { chain }, (own, row) => own.add.rule({ ...table, chain: row.chain, ...rule(accept()) }))
    expect(tx.size).toBe(12)
    expect(await rejection(tx.commit())).toMatchObject({
      index: 11,
      subject: 'add rule of chain ip app svc-00005',
      object: { chain: 'svc-00005' }
    })
  })

  it.each([
    [{ rows: -1, columns: {} }, 'rows', -1],
    [{ rows: 1.5, columns: {} }, 'rows', 1.5],
    [{ rows: 2, columns: { port: Uint16Array.of(1) } }, 'columns.port.length', 1],
    [{ rows: 2, columns: { address: new Uint8Array(5) } }, 'columns.address.length', 5],
    [{ rows: 2, columns: { address: new Uint8Array(0) } }, 'columns.address.length', 0],
    [{ rows: 2, columns: { name: ['a', 1] } }, 'columns.name[1]', 1],
    [{ rows: 1, columns: { name: 'a' } }, 'columns.name', 'a'],
    [{ rows: 1, columns: 7 }, 'columns', 7]
  ])('is refused before anything is sent: %o', async ({ rows, columns }, path, value) => {
    await using nft = await Nftables.open({ kernel: new FakeNftablesKernel() })
    const tx = nft.transaction()
    tx.repeat(rows, columns as unknown as Record<string, Uint8Array>, () => undefined)
    const error = await rejection<ValidationError>(tx.commit())
    expect(error).toBeInstanceOf(ValidationError)
    expect(error).toMatchObject({ path: `operations[0] (repeated).${path}`, value })
  })

  it('is refused for the row whose value is malformed', async () => {
    await using nft = await Nftables.open({ kernel: new FakeNftablesKernel() })
    const tx = nft.transaction()
    tx.repeat(5, { name: ['a1', 'b2', 'c3', 'd\0', 'e5'] }, (own, { name }) => own.add.chain({ ...table, name }))
    expect(await rejection(tx.commit())).toMatchObject({ path: 'operations[3] (chain ip app d\0).name', value: 'd\0' })
  })
})
