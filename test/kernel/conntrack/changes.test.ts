import { describe, expect, it } from 'vitest'
import type { FlowInput } from '../../../src/conntrack/types.js'
import { NetlinkError, TransactionError } from '../../../src/core/errors.js'
import { expectAsShown, TRACKING, trackedNamespace, udpFlow, udpFlows } from '../../support/conntrack.js'
import { isOlderThan } from '../../support/kernel-version.js'
import { rejection } from '../../support/rejection.js'

const original = { source: '10.0.0.1', destination: '10.0.0.2', sourcePort: 1, destinationPort: 2 } as const
const tcp: FlowInput = { protocol: 'tcp', original, timeoutSeconds: 1000, state: 'established' }

describe('a flow', () => {
  it('is found by its original tuple and by that of its answers, in its zone', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    await conntrack.add({ ...tcp, destinationNat: { first: '10.9.9.9', firstPort: 99 } })
    await conntrack.add({ ...tcp, zone: 7, mark: 7 })
    await conntrack.add({
      protocol: 'icmpv6',
      original: { source: '::1', destination: '::2', icmpId: 3, icmpType: 128, icmpCode: 0 },
      timeoutSeconds: 9
    })
    const flows = await conntrack.list()
    for (const flow of flows) {
      const { protocol, reply, zone } = flow
      for (const found of [await conntrack.get(flow), await conntrack.get({ protocol, reply, zone })])
        expect(found).toMatchObject({ id: flow.id })
    }
    expect(await conntrack.get({ protocol: 'tcp', original, zone: 8 })).toBeUndefined()
    expect(await conntrack.get({ protocol: 'udp', original })).toBeUndefined()
    expect((await conntrack.get({ protocol: 'tcp', original }))!.reply.source).toBe('10.9.9.9')
    expect((await conntrack.get({ protocol: 'tcp', original, zone: 7 }))!.mark).toBe(7)
  })

  it('with zones of its directions is found and deleted by each', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    const udp = udpFlow(1)
    const answers = { source: '10.96.0.10', destination: '10.0.0.1', sourcePort: 53, destinationPort: 1025 }
    await conntrack.add({ ...udp, original: { ...udp.original, zone: 5 }, reply: answers })
    await conntrack.add({ ...udp, original: udp.original, reply: { ...answers, zone: 6 } })
    const flows = await conntrack.list()
    expect(flows).toHaveLength(2)
    for (const flow of flows) {
      expect(await conntrack.get(flow)).toMatchObject({ id: flow.id })
      expect(await conntrack.get({ protocol: 'udp', reply: flow.reply })).toMatchObject({ id: flow.id })
    }
    for (const flow of flows) await conntrack.remove(flow)
    expect(await conntrack.list()).toEqual([])
  })

  it('is changed as far as asked, and no further', async () => {
    await using tracked = await trackedNamespace(TRACKING)
    const { conntrack, namespace } = tracked
    await conntrack.add({ ...tcp, mark: 0xff00, labels: [1, 2, 3] })
    const read = async () => (await conntrack.get({ protocol: 'tcp', original }))!
    await conntrack.update(tcp, { mark: 0x12, markMask: 0xff })
    expect(await read()).toMatchObject({ mark: 0xff12, labels: [1, 2, 3], state: 'established', status: ['confirmed'] })
    await conntrack.update(tcp, { labels: [4], labelsMask: [1, 4] })
    expect(await read()).toMatchObject({ mark: 0xff12, labels: [2, 3, 4] })
    await conntrack.update(tcp, { labels: [127] })
    expect((await read()).labels).toEqual([127])
    await conntrack.update(tcp, { status: ['assured', 'seen-reply'] })
    expect((await read()).status).toEqual(['seen-reply', 'assured', 'confirmed'])
    await conntrack.update(tcp, { status: ['fixed-timeout'] })
    expect((await read()).status).toEqual(['seen-reply', 'assured', 'confirmed', 'fixed-timeout'])
    await conntrack.update(tcp, {
      state: 'close-wait',
      tcp: { originalWindowScale: 1, replyWindowScale: 2, originalFlags: 3, replyFlags: 5 }
    })
    expect(await read()).toMatchObject({
      state: 'close-wait',
      tcp: { originalWindowScale: 1, replyWindowScale: 2, originalFlags: 3, replyFlags: 5 }
    })
    await conntrack.update(tcp, { status: [] })
    expect((await read()).status).toEqual(['seen-reply', 'assured', 'confirmed', 'fixed-timeout'])
    // Before, it was changed like any other.
    if (!isOlderThan('5.19')) {
      const fixed = await rejection(conntrack.update(tcp, { timeoutSeconds: 77 }))
      expect(fixed).toMatchObject({ code: 'EPERM' })
      expect(fixed.message).toContain('fixed-timeout')
    }
    await conntrack.remove(tcp)
    await conntrack.add(tcp)
    await conntrack.update(tcp, { timeoutSeconds: 77 })
    expect((await read()).timeoutSeconds).toBeGreaterThan(70)
    expect((await read()).timeoutSeconds).toBeLessThanOrEqual(77)
    await expectAsShown(namespace, await conntrack.list())
  })

  it('gets a helper, which cannot be exchanged, and loses it', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    await conntrack.add({ ...tcp, helper: 'ftp' })
    expect((await conntrack.get(tcp))!.helper).toBe('ftp')
    // The second where the kernel does not have that helper.
    expect(['EBUSY', 'EOPNOTSUPP']).toContain((await rejection<NetlinkError>(conntrack.update(tcp, { helper: 'irc' }))).code)
    await conntrack.update(tcp, { helper: '' })
    expect(await conntrack.get(tcp)).not.toHaveProperty('helper')
    await conntrack.remove(tcp)
    await conntrack.add({ ...tcp, helper: '' })
    expect(await conntrack.get(tcp)).not.toHaveProperty('helper')
  })

  it('is deleted exactly: not a later one with the same tuple', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    await conntrack.add(tcp)
    const first = (await conntrack.get(tcp))!
    await conntrack.remove(first)
    await expect(conntrack.remove(first)).rejects.toMatchObject({ code: 'ENOENT' })
    // The id speaks of the flow's place in memory: a later one has another, unless it happens to get the same place. Each try takes one more.
    let second = first
    for (let tries = 0; second.id === first.id && tries < 100; tries += 1) {
      await conntrack.remove({ protocol: 'tcp', original }, { ensure: true })
      await conntrack.addFlows(udpFlows(200 * (tries + 1)).slice(200 * tries))
      await conntrack.add(tcp)
      second = (await conntrack.get(tcp))!
    }
    expect(second.id).not.toBe(first.id)
    await expect(conntrack.remove(first)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await conntrack.get(tcp)).toMatchObject({ id: second.id })
    await conntrack.remove({ protocol: 'tcp', original })
    expect(await conntrack.count({ filter: { protocol: 'tcp' } })).toBe(0)
  })

  it('that is gone cannot be changed, and one that is there not made again', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    const gone = await rejection<NetlinkError>(conntrack.update(tcp, { mark: 1 }))
    expect(gone).toBeInstanceOf(NetlinkError)
    expect(gone).toMatchObject({ code: 'ENOENT', operation: 'conntrack.update', subject: 'flow tcp 10.0.0.1:1 -> 10.0.0.2:2' })
    expect(gone.message).toContain('there is no such flow')
    expect(await rejection(conntrack.update(tcp, { status: ['assured'] }))).toMatchObject({ code: 'ENOENT' })
    await conntrack.add(tcp)
    expect(await rejection(conntrack.add(tcp))).toMatchObject({ code: 'EEXIST', operation: 'conntrack.add' })
    // The same answers: another flow's tuple.
    const reply = { source: '10.0.0.2', destination: '10.0.0.1', sourcePort: 2, destinationPort: 1 }
    expect(await rejection(conntrack.add({ ...tcp, original: { ...original, sourcePort: 9 }, reply }))).toMatchObject({ code: 'EEXIST' })
    expect(await conntrack.count()).toBe(1)
  })

  it('gets no helper that the kernel does not know, and no labels without room for them', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    const helper = await rejection(conntrack.add({ ...tcp, helper: 'gopher' }))
    expect(helper).toMatchObject({ code: 'EOPNOTSUPP' })
    expect(helper.message).toContain('modprobe nf_conntrack_')
    // A helper of another protocol.
    expect(await rejection(conntrack.add({ ...udpFlow(1), helper: 'ftp' }))).toMatchObject({ code: 'EOPNOTSUPP' })
    await conntrack.add(tcp)
    expect(await rejection(conntrack.update(tcp, { labels: [1] }))).toMatchObject({ code: 'ENOSPC' })
  })
})

describe('many flows', () => {
  it('are made and deleted in few system calls', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack, namespace } = tracked
    const flows = udpFlows(3000, (number) => ({ mark: number, ...(number % 2 === 0 ? { zone: number % 7 } : {}) }))
    const made = await conntrack.addFlows(flows)
    expect(made).toMatchObject({ applied: 3000, unchanged: 0, refused: [] })
    expect(made.systemCalls).toBeLessThan(100)
    const listed = await conntrack.list()
    await expectAsShown(namespace, listed)
    expect(listed.map(({ mark }) => mark!).sort((a, b) => a - b)).toEqual(flows.map(({ mark }) => mark))
    const deleted = await conntrack.removeFlows(listed.filter(({ mark }) => mark! >= 10))
    expect(deleted).toMatchObject({ applied: 2990, unchanged: 0, refused: [] })
    expect((await conntrack.list()).map(({ mark }) => mark!).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(await conntrack.addFlows([])).toMatchObject({ applied: 0, unchanged: 0, refused: [] })
  })

  it('of which some are there already: thrown, isolated, or fine', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    await conntrack.addFlows(udpFlows(3))
    const thrown = await rejection<TransactionError>(conntrack.addFlows(udpFlows(5)))
    expect(thrown).toBeInstanceOf(TransactionError)
    expect(thrown.message).toContain('of 5 flows 3 refused, 2 applied')
    expect(thrown.applied).toEqual(['flow udp 10.0.0.3:1027 -> 10.96.0.10:53', 'flow udp 10.0.0.4:1028 -> 10.96.0.10:53'])
    expect(thrown.errors.map((error) => error.code)).toEqual(['EEXIST', 'EEXIST', 'EEXIST'])

    const strange = udpFlow(99, { helper: 'gopher' })
    const isolated = await conntrack.addFlows([...udpFlows(6), strange], { onError: 'isolate' })
    expect(isolated).toMatchObject({ applied: 1, unchanged: 0 })
    expect(isolated.refused.map(({ index, code }) => [index, code])).toEqual([
      [0, 'EEXIST'],
      [1, 'EEXIST'],
      [2, 'EEXIST'],
      [3, 'EEXIST'],
      [4, 'EEXIST'],
      [6, 'EOPNOTSUPP']
    ])
    expect(isolated.refused[5]!.object).toBe(strange)

    expect(await conntrack.addFlows(udpFlows(7), { ensure: true })).toMatchObject({ applied: 1, unchanged: 6, refused: [] })
    const ensured = await rejection<TransactionError>(conntrack.addFlows([...udpFlows(8), strange], { ensure: true }))
    expect(ensured.errors.map((error) => error.index)).toEqual([8])
  })

  it('of which some are gone: thrown, isolated, or fine', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    await conntrack.addFlows(udpFlows(3))
    const listed = await conntrack.list()
    await conntrack.remove(listed[1]!)
    const thrown = await rejection<TransactionError>(conntrack.removeFlows(listed))
    expect(thrown.message).toContain('of 3 flows 1 refused, 2 applied')
    expect((thrown.errors[0] as NetlinkError).code).toBe('ENOENT')
    const isolated = await conntrack.removeFlows(listed, { onError: 'isolate' })
    expect(isolated).toMatchObject({ applied: 0, unchanged: 0 })
    expect(isolated.refused).toHaveLength(3)
    expect(await conntrack.removeFlows(listed, { ensure: true })).toMatchObject({ applied: 0, unchanged: 3, refused: [] })
  })

  it('are flushed, and others are not', async () => {
    await using tracked = await trackedNamespace()
    await using other = await trackedNamespace()
    await tracked.conntrack.addFlows(udpFlows(50))
    await other.conntrack.addFlows(udpFlows(3))
    await tracked.conntrack.flush({ allFlows: true })
    expect(await tracked.conntrack.count()).toBe(0)
    expect(await other.conntrack.count()).toBe(3)
  })
})
