import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Nftables } from '../../../src/nftables/client.js'
import type { NftablesEvent, NftablesEvents } from '../../../src/nftables/watch.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'
import { rejection } from '../../support/rejection.js'
import { until } from '../../support/run.js'
import { openDescriptors } from '../../support/this-process.js'

const inTable = { family: 'ip', table: 'app' } as const
const set = { ...inTable, name: 'many', key: 'ipv4_addr' } as const

/** Events up to one that ends the wait, that one included. */
async function take(events: NftablesEvents, isLast: (event: NftablesEvent) => boolean): Promise<NftablesEvent[]> {
  const taken: NftablesEvent[] = []
  for (;;) {
    const next = await events.next()
    if (next.done === true) throw new Error(`the stream ended after ${taken.length} events`)
    taken.push(next.value)
    if (isLast(next.value)) return taken
  }
}

/** Commits elements in one transaction after the other: each makes events of its own. */
async function flood(nft: Nftables, commits: number): Promise<number> {
  let generation = 0
  for (let round = 0; round < commits; round += 1) {
    const key = new Uint8Array(400 * 4)
    for (let row = 0; row < 400; row += 1) key.set([10, round & 255, row >> 8, row & 255], row * 4)
    const tx = nft.transaction()
    tx.add.elements(set, { rows: 400, key })
    tx.delete.elements(set, { rows: 400, key })
    generation = (await tx.commit()).generation
  }
  return generation
}

async function setUp(): Promise<{ readonly namespace: TestNamespace; readonly client: Nftables }> {
  const namespace = await makeNamespace()
  const client = await Nftables.open({ netns: namespace.path })
  const tx = client.transaction()
  tx.add.table({ family: 'ip', name: 'app' })
  tx.add.set(set)
  await tx.commit()
  return { namespace, client }
}

describe('monitor', () => {
  it('sees what nft does, decoded, commit by commit', async () => {
    const { namespace, client } = await setUp()
    await using nft = client
    await using events = await nft.watch()
    await namespace.nftScript(
      'add chain ip app in { type filter hook input priority 0; }; add rule ip app in tcp dport 22 counter accept comment "ssh"; add element ip app many { 10.0.0.1 comment "one" }'
    )
    const seen = await take(events, (event) => event.type === 'generation')
    expect(seen.map((event) => ('kind' in event ? `${event.type} ${event.kind}` : event.type))).toEqual([
      'new chain',
      'new rule',
      'new elements',
      'generation'
    ])
    expect(seen[0]).toMatchObject({ object: { family: 'ip', table: 'app', name: 'in', hook: 'input', priority: 0, policy: 'accept' } })
    expect(seen[1]).toMatchObject({ object: { chain: 'in', comment: 'ssh' } })
    expect(seen[2]).toMatchObject({ set: 'many', columns: { rows: 1, key: Uint8Array.of(10, 0, 0, 1) } })
    expect(seen[3]).toMatchObject({ id: (await nft.readGeneration()).id, processName: 'nft' })
    await namespace.nft('delete', 'table', 'ip', 'app')
    const gone = await take(events, (event) => event.type === 'generation')
    expect(gone.map((event) => ('kind' in event ? `${event.type} ${event.kind}` : event.type))).toEqual(
      expect.arrayContaining(['delete rule', 'delete chain', 'delete set', 'delete table'])
    )
  })

  it('tells its own client’s changes from others’ by their port', async () => {
    const { namespace, client } = await setUp()
    await using nft = client
    await using other = await Nftables.open({ netns: namespace.path })
    await using events = await nft.watch()
    const ports: number[] = []
    for (const client of [nft, other, nft]) {
      const tx = client.transaction()
      tx.add.chain({ ...inTable, name: `c${ports.length}` })
      await tx.commit()
      const [chain] = await take(events, (event) => event.type === 'generation')
      ports.push((chain as Extract<NftablesEvent, { portId: number }>).portId)
    }
    expect(ports[0]).toBe(ports[2])
    expect(ports[0]).not.toBe(ports[1])
  })

  it('says that events were lost, each time the kernel’s buffer overruns, and goes on', async () => {
    const { client } = await setUp()
    await using nft = client
    await using events = await nft.watch({ receiveBufferBytes: 8192, queueLimit: 1 })
    for (let overrun = 0; overrun < 2; overrun += 1) {
      // Nobody reads: the queue is full after one event, and the kernel's buffer soon after.
      await flood(nft, 60)
      await take(events, (event) => event.type === 'lost')
      // What is committed now is seen, or the buffer overran once more before it, and that is told.
      for (let round = 0, isSeen = false; !isSeen; round += 1) {
        expect(round).toBeLessThan(20)
        const name = `after${overrun}-${round}`
        const tx = nft.transaction()
        tx.add.chain({ ...inTable, name })
        const { generation } = await tx.commit()
        const later = await take(events, (event) => event.type === 'lost' || (event.type === 'generation' && event.id === generation))
        isSeen = later.some((event) => 'kind' in event && event.kind === 'chain' && event.object.name === name)
      }
    }
  })

  it('loses nothing where the consumer keeps up', async () => {
    const { client } = await setUp()
    await using nft = client
    await using events = await nft.watch()
    const seen = { rows: 0, generations: [] as number[] }
    const reading = (async () => {
      for await (const event of events) {
        expect(event.type).not.toBe('lost')
        if ('columns' in event && event.type === 'new') seen.rows += event.columns.rows
        if (event.type !== 'generation') continue
        seen.generations.push(event.id)
        if (seen.generations.length === 30) break
      }
    })()
    const last = await flood(nft, 30)
    await reading
    expect(seen.rows).toBe(30 * 400)
    expect(seen.generations).toEqual(Array.from({ length: 30 }, (_, index) => last - 29 + index))
  })

  it('closes its socket when the loop is left, the signal aborts, or the client closes', async () => {
    const { namespace, client: nft } = await setUp()
    const before = openDescriptors()
    const controller = new AbortController()
    const left = await nft.watch()
    const aborted = await nft.watch({ signal: controller.signal })
    const closed = await nft.watch()
    expect(openDescriptors()).toBe(before + 3)
    await namespace.nft('add', 'table', 'ip', 'x')
    for await (const event of left) if (event.type === 'generation') break
    const reason = new Error('enough')
    controller.abort(reason)
    await take(aborted, (event) => event.type === 'generation')
    expect(await rejection(aborted.next())).toBe(reason)
    await nft.close()
    // The client itself had a socket and the namespace that it was opened in.
    await until('all descriptors are gone', () => openDescriptors() === before - 2)
    await take(closed, (event) => event.type === 'generation')
    expect(await closed.next()).toEqual({ value: undefined, done: true })
    // Nothing listens any more: a listener would slow every commit on this machine.
    expect(
      readFileSync('/proc/self/net/netlink', 'utf8')
        .split('\n')
        .filter((line) => / 12 +\d+ +(?!0{8})[0-9a-f]{8} /.test(line))
    ).toEqual([])
  })
})
