import { writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ClosedError } from '../../../src/core/errors.js'
import { trackedNamespace, udpFlows } from '../../support/conntrack.js'
import { isInLab } from '../../support/lab.js'
import { rejection } from '../../support/rejection.js'

const MIB = 1 << 20

describe('iterate', () => {
  it('gives a hundred thousand flows, each once, in bounded memory', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    // The machines of the lab are small, and allow fewer.
    if (isInLab) writeFileSync('/proc/sys/net/netfilter/nf_conntrack_max', '262144')
    await conntrack.addFlows(udpFlows(100_000))
    // By address: ids are 32-bit hashes, of which two may be the same.
    const seen = new Set<string>()
    const ports = new Uint32Array(65_536)
    // Once before, so that what the first pass leaves in place is not counted.
    for await (const { original } of conntrack.iterate({ rows: 1000 })) ports[original.sourcePort!]! += 1
    const before = process.memoryUsage().rss
    let max = 0
    let at = 0
    for await (const { original } of conntrack.iterate({ rows: 1000 })) {
      seen.add(original.source)
      at += 1
      if (at % 10_000 === 0) max = Math.max(max, process.memoryUsage().rss - before)
    }
    expect(at).toBe(100_000)
    expect(seen.size).toBe(100_000)
    expect(ports.reduce((sum, count) => sum + count)).toBe(100_000)
    // As objects in a list they take more than 60 MiB.
    expect(max).toBeLessThan(48 * MIB)
    const listed = await conntrack.listColumns()
    expect(listed.reduce((sum, { rows }) => sum + rows, 0)).toBe(100_000)
    expect(Math.max(...listed.map(({ rows }) => rows))).toBeLessThanOrEqual(16_384 + 1024)
  })

  it('filters, leaves early, and can be had several times at once beside other calls', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    await conntrack.addFlows(udpFlows(5000, (mark) => ({ mark })))
    const marks = async (filter?: { mark: { value: number; mask: number } }): Promise<number> => {
      let count = 0
      for await (const { mark } of conntrack.iterate({ filter, rows: 64 })) if (filter === undefined || (mark! & 1) === 1) count += 1
      return count
    }
    const [all, odd, counted] = await Promise.all([marks(), marks({ mark: { value: 1, mask: 1 } }), conntrack.count()])
    expect([all, odd, counted]).toEqual([5000, 2500, 5000])
    for await (const flow of conntrack.iterate({ rows: 1 })) {
      expect(flow.protocol).toBe('udp')
      break
    }
    // Calls made at once are answered one after the other.
    await using iteration = conntrack.iterate({ rows: 2 })
    const five = await Promise.all(Array.from({ length: 5 }, () => iteration.next()))
    expect(new Set(five.map(({ value }) => (value as { id: number }).id)).size).toBe(5)
  })

  it('ends with its signal, and with its client', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    await conntrack.addFlows(udpFlows(1000))
    const controller = new AbortController()
    const aborted = conntrack.iterate({ rows: 1, signal: controller.signal })
    await aborted.next()
    const reason = new Error('enough')
    controller.abort(reason)
    let failure: unknown
    try {
      for await (const flow of aborted) expect(flow.protocol).toBe('udp')
    } catch (error) {
      failure = error
    }
    expect(failure).toBe(reason)
    expect(await aborted.next()).toEqual({ value: undefined, done: true })

    const closed = conntrack.iterate({ rows: 1 })
    await closed.next()
    await conntrack.close()
    expect(await closed.next()).toEqual({ value: undefined, done: true })
    expect(() => conntrack.iterate()).toThrow(ClosedError)
    expect(await rejection(conntrack.list())).toBeInstanceOf(ClosedError)
  })
})
