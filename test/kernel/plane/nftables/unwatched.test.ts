import { describe, expect, it } from 'vitest'
import type { Plane } from '../../../../src/index.js'
import { makeNamespace, type TestNamespace } from '../../../support/namespace.js'
import { servicesOn, unwatchedPlane } from '../../../support/plane-ways.js'

/** The elements and objects of our tables, in an order that does not depend on history. */
async function ruleset(namespace: TestNamespace): Promise<string[]> {
  const text = await namespace.nft('-s', 'list', 'ruleset')
  return text
    .split(/[\n,]/)
    .map((line) => line.replace(/elements = \{|\}/g, '').trim())
    .sort()
}

/** One change by another process for each way in which our tables may come to differ. */
const CHANGES: [string, (namespace: TestNamespace) => Promise<unknown>][] = [
  ['all tables are flushed', (namespace) => namespace.nft('flush', 'ruleset')],
  ['one table is deleted', (namespace) => namespace.nft('delete', 'table', 'ip6', 'netplane')],
  ['a set is emptied', (namespace) => namespace.nft('flush', 'set', 'ip', 'netplane', 'random-1')],
  [
    'a frontend is exchanged for another',
    (namespace) =>
      namespace.nft(
        'delete element ip netplane random-1 { 10.96.0.1 . tcp . 80 }; add element ip netplane random-1 { 10.9.9.9 . tcp . 80 }'
      )
  ]
]

describe('a plane that does not poll', () => {
  it.each(CHANGES)('plans and syncs by what the kernel holds when %s', async (_, change) => {
    const namespace = await makeNamespace()
    const plane = await unwatchedPlane(namespace)
    const services = servicesOn(1)
    await plane.sync(services)
    const before = await ruleset(namespace)
    const events = plane.watch()

    await change(namespace)
    const after = await ruleset(namespace)
    expect(after).not.toEqual(before)
    for (let time = 0; time < 2; time++) {
      const plan = await plane.plan(services)
      expect({ isEmpty: plan.isEmpty, drift: plan.drift.length > 0, entries: plan.entries }).toEqual({
        isEmpty: false,
        drift: true,
        entries: []
      })
    }
    // A plan changes nothing.
    expect(await ruleset(namespace)).toEqual(after)

    expect((await plane.sync(services)).services).toEqual({ added: 0, changed: 0, removed: 0 })
    expect(await ruleset(namespace)).toEqual(before)
    const types: string[] = []
    for await (const { type } of events) {
      if (type !== 'flows') types.push(type)
      if (type === 'repaired') break
    }
    expect(types).toEqual(['drift', 'repaired'])
    expect(plane.status().drifts).toBe(1)
    expect((await plane.plan(services)).isEmpty).toBe(true)
    expect((await plane.sync(services)).requests).toBe(0)
  })

  describe.each([
    ['sync', (plane: Plane) => plane.sync(servicesOn(1))],
    ['update', (plane: Plane) => plane.update({ set: servicesOn(1).values() })]
  ])('%s with other objects that say the same', (_, call) => {
    it.each(CHANGES)('repairs when %s', async (__, change) => {
      const namespace = await makeNamespace()
      const plane = await unwatchedPlane(namespace)
      await plane.sync(servicesOn(1))
      const before = await ruleset(namespace)
      await change(namespace)
      const report = await call(plane)
      expect(await ruleset(namespace)).toEqual(before)
      expect(report.objects.written).toBeGreaterThan(0)
      expect(report.requests).toBeGreaterThan(0)
      expect(plane.status().drifts).toBe(1)
      expect((await call(plane)).requests).toBe(0)
    })
  })

  it('repairs and changes in one sync', async () => {
    const namespace = await makeNamespace()
    const plane = await unwatchedPlane(namespace)
    await plane.sync(servicesOn(1, 2))
    const fresh = await makeNamespace()
    const other = await unwatchedPlane(fresh)
    await other.sync(servicesOn(3))

    await namespace.nft('flush', 'ruleset')
    const plan = await plane.plan(servicesOn(3))
    expect(plan.entries.map(({ action, service }) => `${action} ${service}`)).toEqual(['change tcp', 'change udp'])
    expect(plan.drift).not.toEqual([])
    await plane.sync(servicesOn(3))
    expect(await plane.plan(servicesOn(3))).toMatchObject({ isEmpty: true, drift: [] })
    const served = (await ruleset(namespace)).filter((line) => line.includes(' . '))
    expect(served).toEqual(expect.arrayContaining((await ruleset(fresh)).filter((line) => line.includes(' . '))))
  })

  it('finds no drift where others change what is theirs', async () => {
    const namespace = await makeNamespace()
    const plane = await unwatchedPlane(namespace)
    await plane.sync(servicesOn(1))
    await namespace.nft('add', 'table', 'inet', 'theirs')
    expect((await plane.plan(servicesOn(1))).isEmpty).toBe(true)
    expect(await plane.sync(servicesOn(1))).toMatchObject({ requests: 0 })
    expect(plane.status().drifts).toBe(0)
  })
})
