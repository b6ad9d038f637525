import { describe, expect, it } from 'vitest'
import type { FlowFilter } from '../../../src/conntrack/filter.js'
import { TRACKING, trackedNamespace } from '../../support/conntrack.js'
import { filterFields, isMeant } from '../../support/conntrack-oracle.js'
import { Random } from '../../support/random.js'
import { randomFilter, randomFlow } from '../../support/random-flows.js'

describe('filters', () => {
  // Each look walks the table of all namespaces, some ten milliseconds: so not thousands of rounds.
  it('of any kind mean the flows that their words mean', async () => {
    const random = new Random(20_261_121)
    await using tracked = await trackedNamespace(TRACKING)
    const { conntrack } = tracked
    await conntrack.addFlows(
      Array.from({ length: 200 }, () => randomFlow(random)),
      { onError: 'isolate' }
    )
    await conntrack.writeSettings({ timestamps: true })
    const made = await conntrack.addFlows(
      Array.from({ length: 200 }, () => randomFlow(random)),
      { onError: 'isolate' }
    )
    expect(new Set(made.refused.map(({ code }) => code))).toEqual(new Set(['EEXIST']))
    const flows = await conntrack.list()
    expect(flows.length).toBeGreaterThan(250)
    const ids = flows.map(({ id }) => id!)
    const met = new Map<string, Set<boolean>>()
    let some = 0
    for (let round = 0; round < 300; round += 1) {
      const filter: FlowFilter | FlowFilter[] = random.chance(80)
        ? randomFilter(random, ids)
        : Array.from({ length: 1 + random.below(3) }, () => randomFilter(random, ids))
      const expected = flows.filter((flow) => isMeant(flow, filter))
      const found = await conntrack.list({ filter })
      const told = `round ${round}: ${JSON.stringify(filter)}`
      expect(found.map(({ id }) => id).sort(), told).toEqual(expected.map(({ id }) => id).sort())
      if (expected.length > 0 && expected.length < flows.length) some += 1
      for (const name of [filter].flat().flatMap((entry) => Object.keys(entry))) {
        if (!met.has(name)) met.set(name, new Set())
        met.get(name)!.add(expected.length > 0)
      }
    }
    // Every field was asked for, both in vain and not: else the comparison would prove little.
    for (const name of filterFields) expect([...(met.get(name) ?? [])].sort(), name).toEqual([false, true])
    expect(some).toBeGreaterThan(60)
  })

  it('remove what they mean', async () => {
    const random = new Random(4711)
    await using tracked = await trackedNamespace(TRACKING)
    const { conntrack } = tracked
    let removed = 0
    for (let round = 0; round < 25; round += 1) {
      await conntrack.addFlows(
        Array.from({ length: 50 }, () => randomFlow(random)),
        { onError: 'isolate' }
      )
      const flows = await conntrack.list()
      const filter = randomFilter(
        random,
        flows.map(({ id }) => id!)
      )
      if (!Object.entries(filter).some(([name, value]) => !name.endsWith('NotIn') || (value as readonly unknown[]).length > 0)) continue
      const expected = flows.filter((flow) => isMeant(flow, filter))
      const report = await conntrack.removeWhere(filter)
      const told = `round ${round}: ${JSON.stringify(filter)}`
      expect(report, told).toMatchObject({ matched: expected.length, removed: expected.length, vanished: 0 })
      const left = (await conntrack.list()).map(({ id }) => id).sort()
      expect(left, told).toEqual(
        flows
          .filter((flow) => !expected.includes(flow))
          .map(({ id }) => id)
          .sort()
      )
      removed += report.removed
    }
    expect(removed).toBeGreaterThan(80)
  })

  it('of the size of a cluster are matched in one go', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    const services = Array.from({ length: 5000 }, (_, number) => `10.96.${number >> 8}.${number & 255}`)
    await conntrack.addFlows(
      services.map((destination, number) => ({
        protocol: 'udp',
        original: { source: '10.0.0.1', destination, sourcePort: 1 + (number % 7), destinationPort: 53 },
        destinationNat: { first: number % 3 === 0 ? '10.1.0.1' : '10.1.0.2', firstPort: 53 },
        timeoutSeconds: 600
      })),
      { onError: 'isolate' }
    )
    const total = await conntrack.count()
    const filters = services.map((originalDestination): FlowFilter => ({
      protocol: 'udp',
      originalDestination,
      originalDestinationPort: 53,
      replySourceNotIn: [{ address: '10.1.0.2', port: 53 }]
    }))
    const stale = (await conntrack.list({ filter: { replySource: '10.1.0.1' } })).length
    expect(stale).toBeGreaterThan(0)
    expect(await conntrack.removeWhere(filters)).toMatchObject({ scanned: total, matched: stale, removed: stale })
    expect(await conntrack.count({ filter: { replySource: '10.1.0.2' } })).toBe(total - stale)
  })
})
