import { describe, expect, it } from 'vitest'
import type { ConntrackEvent, ConntrackEvents, FlowEvent } from '../../../src/conntrack/watch.js'
import { ClosedError, ValidationError } from '../../../src/core/errors.js'
import { sendPackets, TRACKING, trackedNamespace, udpFlow, udpFlows } from '../../support/conntrack.js'
import { isOlderThan } from '../../support/kernel-version.js'
import { rejection } from '../../support/rejection.js'
import { until } from '../../support/run.js'
import { garbageCollector } from '../../support/this-process.js'

async function next(events: ConntrackEvents): Promise<ConntrackEvent> {
  const step = await events.next()
  expect(step.done).toBe(false)
  return step.value as ConntrackEvent
}

async function nextFlow(events: ConntrackEvents): Promise<FlowEvent> {
  const event = await next(events)
  if (event.type === 'start' || event.type === 'lost') throw new Error(`${event.type} where a flow was expected`)
  return event
}

/** `nf_conntrack_events` = 2, which is the default from then on. */
const hasAuto = !isOlderThan('5.19')

describe('watch', () => {
  it('reports flows as they begin, change and end, and who did it', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    await using events = await conntrack.watch()
    expect(await next(events)).toEqual({ type: 'start', covers: hasAuto ? 'since-first-listener' : 'all' })
    await conntrack.add(udpFlow(1, { mark: 1 }))
    await conntrack.update(udpFlow(1), { mark: 2, status: ['seen-reply'] })
    const listed = (await conntrack.get(udpFlow(1)))!
    await conntrack.remove(udpFlow(1))
    const made = await nextFlow(events)
    expect(made).toMatchObject({ type: 'new', portId: conntrack.portId, flow: { id: listed.id, original: listed.original, mark: 1 } })
    const changed = await nextFlow(events)
    expect(changed).toMatchObject({ type: 'update', portId: conntrack.portId, flow: { id: listed.id, mark: 2 } })
    expect(changed.flow.status).toContain('seen-reply')
    const ended = await nextFlow(events)
    expect(ended).toMatchObject({ type: 'destroy', portId: conntrack.portId, flow: { id: listed.id, original: listed.original } })
    // Kernels before do not say how much time was left.
    if (hasAuto) expect(ended.flow.timeoutSeconds).toBeGreaterThan(590)
  })

  it('reports what packets do, with the last counters and times', async () => {
    await using tracked = await trackedNamespace(TRACKING)
    const { conntrack, namespace } = tracked
    await conntrack.writeSettings({ accounting: true, timestamps: true, udpTimeoutSeconds: 1 })
    await using events = await conntrack.watch({ new: true, destroy: true, filter: { protocol: 'udp' } })
    expect(await next(events)).toMatchObject({ type: 'start' })
    await sendPackets(
      namespace,
      ['udp', '127.0.0.1', '127.0.0.2', 7, 8],
      [89, '127.0.0.1', '127.0.0.2'],
      ['udp', '127.0.0.1', '127.0.0.2', 7, 8]
    )
    const made = await nextFlow(events)
    expect(made).toMatchObject({ type: 'new', portId: 0, flow: { protocol: 'udp', original: { sourcePort: 7, destinationPort: 8 } } })
    // The kernel ends what is overdue when it comes by, which a listing makes it do.
    await until('the end', async () => (await conntrack.count()) >= 0 && events.size > 0)
    const ended = await nextFlow(events)
    expect(ended).toMatchObject({ type: 'destroy', portId: 0, flow: { id: made.flow.id } })
    expect(ended.flow.counters!.original).toEqual({ packets: 2n, bytes: 64n })
    expect(ended.flow.stopNanoseconds! - ended.flow.startNanoseconds!).toBeGreaterThan(900_000_000n)
  })

  it('reports only the kinds that are asked for, and only what matches', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    await using created = await conntrack.watch({ new: true, filter: [{ mark: 3 }, { family: 'ip6' }] })
    await using changed = await conntrack.watch({ update: true })
    await using ended = await conntrack.watch({ destroy: true, filter: { originalSource: '10.0.0.2' } })
    const other = await conntrack.watch({ new: false, update: false, destroy: true })
    await conntrack.addFlows(udpFlows(5, (mark) => ({ mark })))
    await conntrack.update(udpFlow(2), { mark: 77 })
    await conntrack.removeWhere({ protocol: 'udp' })
    for (const events of [created, changed, ended, other]) expect(await next(events)).toMatchObject({ type: 'start' })
    expect(await nextFlow(created)).toMatchObject({ type: 'new', flow: { mark: 3 } })
    expect(await nextFlow(changed)).toMatchObject({ type: 'update', flow: { mark: 77 } })
    expect(await nextFlow(ended)).toMatchObject({ type: 'destroy', flow: { original: { source: '10.0.0.2' } } })
    await until('five ends', () => other.size === 5)
    for (const events of [created, changed, ended]) expect(events.size).toBe(0)
    await other.return()
  })

  it('begins with what the kernel will not report', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    const all = [
      [0, 'none'],
      [1, 'all'],
      [2, 'since-first-listener']
    ] as const
    for (const [events, covers] of all.slice(0, hasAuto ? 3 : 2)) {
      await conntrack.writeSettings({ events })
      const watched = await conntrack.watch()
      expect(await next(watched)).toEqual({ type: 'start', covers })
      await watched.return()
    }
  })

  it('with events off reports nothing of packets; with 1 the end of flows that began before', async () => {
    await using tracked = await trackedNamespace(TRACKING)
    const { conntrack, namespace } = tracked
    await conntrack.writeSettings({ events: 1 })
    await sendPackets(namespace, ['udp', '127.0.0.1', '127.0.0.2', 1, 1])
    await using events = await conntrack.watch({ destroy: true, filter: { protocol: 'udp' } })
    await conntrack.flush({ allFlows: true })
    expect(await next(events)).toEqual({ type: 'start', covers: 'all' })
    expect(await nextFlow(events)).toMatchObject({ type: 'destroy', flow: { original: { sourcePort: 1 } } })
  })

  it('says each time that events were lost, and goes on', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    await using events = await conntrack.watch({ receiveBufferBytes: 4096, queueLimit: 16 })
    expect(await next(events)).toMatchObject({ type: 'start' })
    let lost = 0
    for (let round = 0; round < 2; round += 1) {
      await conntrack.addFlows(udpFlows(3000))
      await conntrack.flush({ allFlows: true })
      let event = await next(events)
      while (event.type !== 'lost') event = await next(events)
      lost += 1
      // What came after the loss may fill the buffer again, and a new flow with it be lost.
      const isLate = ({ type, flow }: FlowEvent): boolean => type === 'new' && flow.mark === 7
      for (let isSeen = false, number = 70_000 + 1000 * round; !isSeen; number += 1) {
        await conntrack.add(udpFlow(number, { mark: 7 }))
        do {
          event = await next(events)
          isSeen = event.type !== 'lost' && event.type !== 'start' && isLate(event)
        } while (!isSeen && events.size > 0)
      }
      await conntrack.flush({ allFlows: true })
    }
    expect(lost).toBe(2)
  })

  it('does not grow the heap, however many events there are', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    await using events = await conntrack.watch({ receiveBufferBytes: 8 << 20 })
    const gc = globalThis.gc ?? garbageCollector()
    const rounds = 25
    const flows = udpFlows(1000)
    let seen = 0
    let lost = 0
    const taken = (async () => {
      for await (const event of events) {
        if (event.type === 'new' || event.type === 'destroy') seen += 1
        if (event.type === 'lost') lost += 1
        if (seen >= rounds * 2 * flows.length || lost > 0) return
      }
    })()
    let after = 0
    for (let round = 0; round < rounds; round += 1) {
      await conntrack.addFlows(flows)
      await conntrack.removeWhere({ protocol: 'udp' })
      await until('events of a round', () => lost > 0 || seen >= (round + 1) * 2 * flows.length)
      if (round === 4) {
        gc()
        after = process.memoryUsage().heapUsed
      }
    }
    await taken
    gc()
    expect({ seen, lost }).toEqual({ seen: 50_000, lost: 0 })
    expect(process.memoryUsage().heapUsed - after).toBeLessThan(4 << 20)
  })

  it('ends with its signal, with its client, and by leaving the loop', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    const controller = new AbortController()
    const aborted = await conntrack.watch({ signal: controller.signal })
    await next(aborted)
    const waiting = rejection(aborted.next())
    const reason = new Error('enough')
    controller.abort(reason)
    expect(await waiting).toBe(reason)

    const closed = await conntrack.watch()
    await next(closed)
    const pending = closed.next()
    await conntrack.close()
    expect(await pending).toEqual({ value: undefined, done: true })
    expect(await rejection(conntrack.watch())).toBeInstanceOf(ClosedError)
  })

  it('refuses what is no option', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    for (const [options, path] of [
      [{ new: 1 }, 'options.new'],
      [{ new: false, update: false, destroy: false }, 'options'],
      [{ filter: { port: 1 } }, 'options.filter.port'],
      [{ queueLimit: 0 }, 'options.queueLimit'],
      [{ receiveBufferBytes: 1 }, 'receiveBufferBytes']
    ] as const) {
      const refusal = await rejection<ValidationError>(conntrack.watch(options as never))
      expect(refusal).toBeInstanceOf(ValidationError)
      expect(refusal.path).toBe(path)
    }
  })
})
