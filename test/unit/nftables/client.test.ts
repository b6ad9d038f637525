import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, it, onTestFinished } from 'vitest'
import { NetplaneError, UnsupportedError, ValidationError, type NetlinkError } from '../../../src/core/errors.js'
import type { CommitTrace, ResyncTrace } from '../../../src/core/tracing.js'
import type { NftablesEvent } from '../../../src/nftables/watch.js'
import type { SetSpec } from '../../../src/nftables/sets.js'
import type { Transaction } from '../../../src/nftables/transaction.js'
import { FakeNftablesKernel } from '../../../src/testing.js'
import { rejection } from '../../support/rejection.js'

const table = { family: 'ip', name: 'app' } as const
const inTable = { family: 'ip', table: 'app' } as const
const addresses: SetSpec = { ...inTable, name: 'addresses', key: 'ipv4_addr' }

function collect<T>(channel: string): T[] {
  const traces: T[] = []
  const listen = (trace: unknown): void => void traces.push(trace as T)
  subscribe(channel, listen)
  onTestFinished(() => void unsubscribe(channel, listen))
  return traces
}

describe('nftables client', () => {
  it('says what the kernel lacks, and what the caller may not do', async () => {
    const error = await rejection<UnsupportedError>(new FakeNftablesKernel({ hasNftables: false }).open())
    expect(error).toBeInstanceOf(UnsupportedError)
    expect(error).toMatchObject({ code: 'ERR_NETPLANE_UNSUPPORTED', missing: 'nf_tables' })
    expect(error.message).toContain('CONFIG_NF_TABLES')
    await using nft = await new FakeNftablesKernel({ privileged: false }).open()
    const tx = nft.transaction()
    tx.add.table(table)
    const jobs = [
      () => tx.commit(),
      () => nft.list(),
      () => nft.readGeneration(),
      () => nft.watch(),
      () => nft.getElements(addresses, ['10.0.0.1'])
    ]
    for (const job of jobs) {
      const refused = await rejection<NetlinkError>(job())
      expect(refused).toMatchObject({ code: 'EPERM', errno: -1 })
      expect(refused.hint).toContain('CAP_NET_ADMIN')
    }
  })

  it('checks its options before it opens anything', async () => {
    for (const options of [{ netns: '' }, { deadlineMs: 0 }, { sendBufferBytes: 1 }, { receiveBufferBytes: NaN }]) {
      expect(await rejection(new FakeNftablesKernel().open(options))).toBeInstanceOf(ValidationError)
    }
    const reason = new Error('enough')
    expect(await rejection(new FakeNftablesKernel().open({ signal: AbortSignal.abort(reason) }))).toBe(reason)
  })

  it('commits nothing that was cancelled while it waited', async () => {
    const kernel = new FakeNftablesKernel()
    await using nft = await kernel.open()
    const release = kernel.hold()
    const generation = nft.readGeneration()
    const controller = new AbortController()
    const tx = nft.transaction()
    tx.add.table(table)
    const commit = tx.commit({ signal: controller.signal })
    const reason = new Error('enough')
    controller.abort(reason)
    expect(await rejection(commit)).toBe(reason)
    release()
    await generation
    expect(await nft.listTables()).toEqual([])
    await tx.commit()
    expect(await nft.listTables()).toHaveLength(1)
  })

  it('says at a deadline that the outcome is unknown; the commit may still happen', async () => {
    const kernel = new FakeNftablesKernel()
    await using nft = await kernel.open()
    const release = kernel.hold()
    const tx = nft.transaction()
    tx.add.table(table)
    const error = await rejection<NetplaneError>(tx.commit({ deadlineMs: 10 }))
    expect(error.code).toBe('ERR_NETPLANE_DEADLINE')
    expect(await rejection(nft.listTables())).toMatchObject({ code: 'ERR_NETPLANE_BUSY' })
    release()
    await expect.poll(() => nft.listTables().catch(() => [])).toHaveLength(1)
  })

  it('names every refusal of a transaction, the lowest first', async () => {
    await using nft = await new FakeNftablesKernel().open()
    const tx = nft.transaction()
    tx.add.table(table)
    tx.add.set({ ...addresses, size: 1 })
    tx.delete.chain({ ...inTable, name: 'a' })
    tx.add.elements(addresses, [{ key: '10.0.0.1' }, { key: '10.0.0.2' }])
    const error = await rejection<NetlinkError>(tx.commit())
    expect(error).toMatchObject({ code: 'ENOENT', index: 2, subject: 'delete chain ip app a', object: { ...inTable, name: 'a' } })
    expect(error.others).toHaveLength(1)
    expect(error.others[0]).toMatchObject({
      code: 'ENFILE',
      index: 3,
      subject: 'add element 10.0.0.2 of set ip app addresses',
      object: { key: '10.0.0.2' }
    })
    expect(error.others[0]!.hint).toContain('declared size')
  })

  it('never throws while a transaction is built', async () => {
    await using nft = await new FakeNftablesKernel().open()
    const junk: unknown[] = [
      undefined,
      null,
      1,
      'x',
      [],
      {},
      { family: 'ip' },
      { family: 'ip', name: Symbol('x') },
      { ...inTable, name: () => 1 },
      new Proxy({}, {})
    ]
    const kinds: (keyof Transaction['add'])[] = ['table', 'chain', 'rule', 'set', 'map', 'elements', 'counter', 'object', 'flowtable']
    for (const value of junk) {
      for (const kind of kinds) {
        const tx = nft.transaction()
        expect(() => (tx.add[kind] as (...args: unknown[]) => void)(value, value)).not.toThrow()
        expect(() => tx.delete.table(value as typeof table)).not.toThrow()
        expect(await rejection(tx.commit())).toBeInstanceOf(NetplaneError)
      }
    }
    expect(await nft.listTables()).toEqual([])
  })

  it('keeps what an iterable of the caller’s throws', async () => {
    await using nft = await new FakeNftablesKernel().open()
    const thrown = new Error('no more')
    const tx = nft.transaction()
    tx.add.elements(
      addresses,
      (function* () {
        yield { key: '10.0.0.1' }
        throw thrown
      })()
    )
    expect(await rejection(tx.commit())).toBe(thrown)
  })

  it('tells handles on request', async () => {
    await using nft = await new FakeNftablesKernel().open()
    const tx = nft.transaction()
    tx.add.table(table)
    tx.add.chain({ ...inTable, name: 'a' })
    const report = await tx.commit({ echo: true })
    expect(report).toMatchObject({ operations: 2, generation: 2 })
    expect([...report.handles.keys()]).toEqual([0, 1])
    expect(report.handles.get(1)).toBe((await nft.listChains())[0]!.handle)
  })

  it('traces commits and lost events', async () => {
    const commits = collect<CommitTrace>('netplane:commit')
    const resyncs = collect<ResyncTrace>('netplane:resync')
    const kernel = new FakeNftablesKernel()
    await using nft = await kernel.open()
    await using events = await nft.watch()
    const tx = nft.transaction()
    tx.add.table(table)
    await tx.check()
    await tx.commit()
    const wrong = nft.transaction()
    wrong.create.table(table)
    await rejection(wrong.commit())
    kernel.loseEvents()
    const seen: NftablesEvent['type'][] = []
    for await (const event of events) if (seen.push(event.type) && event.type === 'lost') break
    expect(seen).toEqual(['new', 'generation', 'lost'])
    expect(commits.map(({ operation, operations, applied }) => [operation, operations, applied])).toEqual([
      ['nftables.check', 1, true],
      ['nftables.commit', 1, true],
      ['nftables.commit', 1, false]
    ])
    expect(resyncs).toEqual([{ operation: 'nftables.watch', reason: 'overrun' }])
  })

  it('ends monitors when it closes', async () => {
    const nft = await new FakeNftablesKernel().open()
    const events = await nft.watch()
    const next = events.next()
    await nft.close()
    expect(await next).toEqual({ value: undefined, done: true })
  })
})
