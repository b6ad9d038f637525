import { describe, expect, it, onTestFinished } from 'vitest'
import { Conntrack } from '../../src/conntrack/client.js'
import type { Expectation, ExpectationInput, Flow, FlowInput } from '../../src/conntrack/types.js'
import type { ConntrackEvent, FlowEvent } from '../../src/conntrack/watch.js'
import { type NetlinkError, type TransactionError, UnsupportedError, ValidationError } from '../../src/core/errors.js'
import { FakeConntrackKernel } from '../../src/testing/conntrack/kernel.js'
import { TRACKING, udpFlow, udpFlows } from '../support/conntrack.js'
import { isMeant } from '../support/conntrack-oracle.js'
import { isOlderThan } from '../support/kernel-version.js'
import { kernelsHere } from '../support/lab.js'
import { makeNamespace } from '../support/namespace.js'
import { Random } from '../support/random.js'
import { randomFilter, randomFlow } from '../support/random-flows.js'
import { rejection } from '../support/rejection.js'

/** The fake and the kernel must answer alike. Each `open` is a namespace of its own, in which labels have room. */
const kernels = [
  { kernel: 'the fake', open: () => new FakeConntrackKernel({ helpers: ['ftp', 'sip'] }).open() },
  {
    kernel: 'the kernel',
    open: async () => {
      const namespace = await makeNamespace()
      await namespace.nftScript(TRACKING)
      return await Conntrack.open({ netns: namespace.path })
    }
  }
]

const original = { source: '10.0.0.1', destination: '10.0.0.2', sourcePort: 1, destinationPort: 2 } as const
const tcp: FlowInput = { protocol: 'tcp', original, timeoutSeconds: 1000, state: 'established' }

/** What two kernels must agree on: not ids, nor how much time is left. */
const plain = ({ id, timeoutSeconds, use, ...flow }: Flow): object => ({
  ...flow,
  has: [id, timeoutSeconds, use].map((value) => typeof value)
})

/** Since 5.19 events are reported from the first listener on, and a fixed time-out is kept. */
const before519 = (kernel: string): boolean => kernel === 'the kernel' && isOlderThan('5.19')

describe.each(kernelsHere(kernels))('conntrack client on $kernel', ({ kernel, open }) => {
  it('makes, finds, changes and deletes a flow', async () => {
    await using conntrack = await open()
    await conntrack.add({ ...tcp, mark: 0xff00, labels: [1, 70], helper: 'ftp', zone: 3 })
    const key = { protocol: 'tcp', original, zone: 3 } as const
    const flow = (await conntrack.get(key))!
    expect(plain(flow)).toEqual({
      family: 'ip',
      protocol: 'tcp',
      original,
      reply: { source: '10.0.0.2', destination: '10.0.0.1', sourcePort: 2, destinationPort: 1 },
      status: ['confirmed', 'helper'],
      mark: 0xff00,
      zone: 3,
      state: 'established',
      tcp: { originalWindowScale: 0, replyWindowScale: 0, originalFlags: 0, replyFlags: 0 },
      labels: [1, 70],
      helper: 'ftp',
      has: ['number', 'number', 'number']
    })
    expect(await conntrack.get({ protocol: 'tcp', reply: flow.reply, zone: 3 })).toMatchObject({ id: flow.id })
    expect(await conntrack.get({ protocol: 'tcp', original })).toBeUndefined()
    await conntrack.update(key, {
      mark: 0x12,
      markMask: 0xff,
      labels: [2],
      labelsMask: [1, 2],
      status: ['seen-reply', 'assured'],
      helper: ''
    })
    const changed = (await conntrack.get(key))!
    expect(changed).toMatchObject({ mark: 0xff12, labels: [2, 70] })
    expect(changed.status).toEqual(['seen-reply', 'assured', 'confirmed', 'helper'])
    expect(changed).not.toHaveProperty('helper')
    await expect(conntrack.remove({ ...key, id: (flow.id! ^ 1) >>> 0 })).rejects.toMatchObject({ code: 'ENOENT' })
    await conntrack.remove(changed)
    await expect(conntrack.remove(changed)).rejects.toMatchObject({ code: 'ENOENT', operation: 'conntrack.remove' })
    await conntrack.remove(changed, { ensure: true })
    expect(await conntrack.list()).toEqual([])
  })

  it('refuses alike', async () => {
    await using conntrack = await open()
    const code = async (promise: Promise<unknown>): Promise<string> => (await rejection<NetlinkError>(promise)).code
    expect(await code(conntrack.update(tcp, { mark: 1 }))).toBe('ENOENT')
    expect(await code(conntrack.add({ ...tcp, helper: 'gopher' }))).toBe('EOPNOTSUPP')
    await conntrack.add({ ...tcp, helper: 'ftp', status: ['fixed-timeout'] })
    expect(await code(conntrack.add(tcp))).toBe('EEXIST')
    const reply = { source: '10.0.0.2', destination: '10.0.0.1', sourcePort: 2, destinationPort: 1 }
    expect(await code(conntrack.add({ ...tcp, original: { ...original, sourcePort: 9 }, reply }))).toBe('EEXIST')
    // The second where the kernel does not have that helper.
    expect(['EBUSY', 'EOPNOTSUPP']).toContain(await code(conntrack.update(tcp, { helper: 'sip' })))
    if (!before519(kernel)) expect(await code(conntrack.update(tcp, { timeoutSeconds: 5 }))).toBe('EPERM')
    expect(await rejection(conntrack.removeWhere({}))).toBeInstanceOf(ValidationError)
    expect(await rejection(conntrack.add({ ...tcp, markMask: 1 }))).toMatchObject({ path: 'flow.markMask' })
  })

  it('lists flows of all protocols with what they have', async () => {
    await using conntrack = await open()
    const inputs: FlowInput[] = [
      { ...tcp, tcp: { originalWindowScale: 3, replyWindowScale: 7, originalFlags: 1, replyFlags: 3 } },
      { protocol: 'sctp', original, timeoutSeconds: 600, state: 'established', sctp: { originalTag: 1, replyTag: 2 } },
      {
        protocol: 'udp',
        original,
        timeoutSeconds: 600,
        sourceNat: { first: '192.0.2.1' },
        destinationNat: { first: '192.0.2.2', firstPort: 9 }
      },
      { protocol: 'gre', original: { source: 'fd00::1', destination: 'fd00::2', sourceKey: 1, destinationKey: 2 }, timeoutSeconds: 600 },
      {
        protocol: 'icmpv6',
        original: { source: 'fd00::1', destination: 'fd00::2', icmpId: 1, icmpType: 128, icmpCode: 0 },
        timeoutSeconds: 600
      },
      { protocol: 89, original: { source: '10.0.0.1', destination: '10.0.0.2' }, timeoutSeconds: 600 }
    ]
    expect(await conntrack.addFlows(inputs)).toMatchObject({ applied: inputs.length, unchanged: 0, refused: [] })
    const flows = await conntrack.list()
    expect(flows).toHaveLength(inputs.length)
    const by = (protocol: Flow['protocol']): object => plain(flows.find((flow) => flow.protocol === protocol)!)
    const common = { status: ['confirmed'], mark: 0, has: ['number', 'number', 'number'] }
    expect(by('tcp')).toMatchObject({ ...common, tcp: inputs[0]!.tcp })
    expect(by('sctp')).toMatchObject({ ...common, state: 'established', sctp: inputs[1]!.sctp })
    expect(by('udp')).toEqual({
      ...common,
      family: 'ip',
      protocol: 'udp',
      original,
      reply: { source: '192.0.2.2', destination: '192.0.2.1', sourcePort: 9, destinationPort: 1 },
      status: ['confirmed', 'source-nat', 'destination-nat', 'source-nat-done', 'destination-nat-done']
    })
    expect(by('gre')).toMatchObject({
      family: 'ip6',
      reply: { source: 'fd00::2', destination: 'fd00::1', sourceKey: 2, destinationKey: 1 }
    })
    expect(by('icmpv6')).toMatchObject({ reply: { icmpId: 1, icmpType: 129, icmpCode: 0 } })
    expect(by(89)).toEqual({
      ...common,
      family: 'ip',
      protocol: 89,
      original: { source: '10.0.0.1', destination: '10.0.0.2' },
      reply: { source: '10.0.0.2', destination: '10.0.0.1' }
    })
    const columns = await conntrack.listColumns()
    expect(columns.reduce((sum, { rows }) => sum + rows, 0)).toBe(inputs.length)
    let iterated = 0
    for await (const flow of conntrack.iterate({ rows: 2 })) iterated += flows.some(({ id }) => id === flow.id) ? 1 : 0
    expect(iterated).toBe(inputs.length)
    expect(await conntrack.list({ source: 'dying' })).toEqual([])
  })

  it('means the same flows by the same filters', async () => {
    const random = new Random(99)
    await using conntrack = await open()
    await conntrack.writeSettings({ timestamps: true })
    await conntrack.addFlows(
      Array.from({ length: 150 }, () => randomFlow(random)),
      { onError: 'isolate' }
    )
    const flows = await conntrack.list()
    const ids = flows.map(({ id }) => id!)
    let found = 0
    for (let round = 0; round < 60; round += 1) {
      const filter = round % 3 === 0 ? [randomFilter(random, ids), randomFilter(random, ids)] : randomFilter(random, ids)
      const expected = flows.filter((flow) => isMeant(flow, filter))
      expect((await conntrack.list({ filter })).map(({ id }) => id).sort(), JSON.stringify(filter)).toEqual(
        expected.map(({ id }) => id).sort()
      )
      expect(await conntrack.count({ filter })).toBe(expected.length)
      found += expected.length
    }
    expect(found).toBeGreaterThan(100)
    const report = await conntrack.removeWhere([{ protocol: 'udp' }, { family: 'ip6' }])
    const cut = flows.filter(({ protocol, family }) => protocol === 'udp' || family === 'ip6').length
    expect(report).toMatchObject({ matched: cut, removed: cut, vanished: 0 })
    expect(await conntrack.count()).toBe(flows.length - cut)
  })

  it('reports on many flows', async () => {
    await using conntrack = await open()
    await conntrack.addFlows(udpFlows(3))
    const thrown = await rejection<TransactionError>(conntrack.addFlows(udpFlows(5)))
    expect(thrown.message).toContain('of 5 flows 3 refused, 2 applied')
    const isolated = await conntrack.addFlows(udpFlows(6), { onError: 'isolate' })
    expect(isolated).toMatchObject({ applied: 1, unchanged: 0 })
    expect(isolated.refused.map(({ index, code }) => [index, code])).toEqual([0, 1, 2, 3, 4].map((index) => [index, 'EEXIST']))
    expect(await conntrack.addFlows(udpFlows(7), { ensure: true })).toMatchObject({ applied: 1, unchanged: 6, refused: [] })
    const flows = await conntrack.list()
    expect(await conntrack.removeFlows(flows.slice(0, 3))).toMatchObject({ applied: 3 })
    expect(await conntrack.removeFlows(flows, { ensure: true })).toMatchObject({ applied: 4, unchanged: 3, refused: [] })
    await conntrack.add(udpFlow(1))
    await conntrack.flush({ allFlows: true })
    expect(await conntrack.readUsage()).toMatchObject({ entries: 0 })
  })

  it('watches', async () => {
    await using conntrack = await open()
    await using events = await conntrack.watch({ filter: { mark: { value: 1, mask: 1 } } })
    expect((await events.next()).value).toEqual({ type: 'start', covers: before519(kernel) ? 'all' : 'since-first-listener' })
    await conntrack.addFlows(udpFlows(2, (mark) => ({ mark })))
    await conntrack.update(udpFlow(1), { mark: 3 })
    await conntrack.removeWhere({ protocol: 'udp' })
    const seen: FlowEvent[] = []
    while (seen.length < 3) seen.push((await events.next()).value as FlowEvent)
    expect(seen.map(({ type, flow }) => [type, flow.mark])).toEqual([
      ['new', 1],
      ['update', 3],
      ['destroy', 3]
    ])
    for (const { portId } of seen) expect(portId).toBe(conntrack.portId)
    const pending = events.next()
    await conntrack.close()
    expect(await pending).toMatchObject({ done: true })
  })

  it('reads and writes settings', async () => {
    await using conntrack = await open()
    await conntrack.writeSettings({ accounting: true, udpTimeoutSeconds: 7 })
    expect(await conntrack.readSettings(['accounting', 'udpTimeoutSeconds', 'entries', 'events'])).toEqual({
      accounting: true,
      udpTimeoutSeconds: 7,
      entries: 0,
      events: before519(kernel) ? 1 : 2
    })
    expect(['EACCES', 'EPERM', 'EROFS']).toContain((await rejection<NetlinkError>(conntrack.writeSettings({ maxEntries: 5 }))).code)
    await conntrack.add(udpFlow(1))
    const zero = { packets: 0n, bytes: 0n }
    expect((await conntrack.list())[0]!.counters).toEqual({ original: zero, reply: zero })
  })

  it('forgets what is overdue', async () => {
    await using conntrack = await open()
    await using events = await conntrack.watch({ destroy: true })
    await conntrack.add(udpFlow(1, { timeoutSeconds: 1 }))
    expect(await conntrack.count()).toBe(1)
    const end = Date.now() + 5000
    while ((await conntrack.count()) > 0 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 100))
    expect((await events.next()).value).toMatchObject({ type: 'start' })
    expect((await events.next()).value).toMatchObject({ type: 'destroy', portId: 0 })
  })

  it('has no expectations, and counters for every processor', async () => {
    await using conntrack = await open()
    expect(await conntrack.listExpectations()).toEqual([])
    await conntrack.flushExpectations({ allExpectations: true })
    const statistics = await conntrack.readStatistics()
    expect(statistics[0]).toMatchObject({ processor: 0, counters: { found: 0, insertFailed: 0, drop: 0 } })
    expect((await conntrack.readStatistics({ of: 'expectations' }))[0]!.counters).toEqual({ new: 0, create: 0, delete: 0 })
  })
})

/** What is said of an expectation but of its id and the time it has left. */
const plainExpectation = ({ id, timeoutSeconds, ...rest }: Expectation): object => ({ ...rest, has: [typeof id, typeof timeoutSeconds] })

describe.each(kernelsHere(kernels))('expectations on $kernel', ({ open }) => {
  const master = { protocol: 'tcp', ...original } as const
  const tuple = { source: '10.0.0.2', destination: '10.0.0.1', destinationPort: 2580 }
  const wanted: ExpectationInput = { protocol: 'udp', tuple, master }
  const listed = {
    family: 'ip',
    protocol: 'udp',
    tuple: { ...tuple, sourcePort: 0 },
    mask: { source: '255.255.255.255', destination: '255.255.255.255', sourcePort: 0, destinationPort: 65_535 },
    master,
    flags: [],
    class: 0,
    helper: 'ftp',
    has: ['number', 'number']
  }

  it('are made, listed, made again as they were listed, and deleted', async () => {
    await using conntrack = await open()
    await conntrack.add({ ...tcp, helper: 'ftp', zone: 3 })
    const reply = { protocol: 'tcp', source: '10.0.0.2', destination: '10.0.0.1', sourcePort: 2, destinationPort: 1 } as const
    await conntrack.addExpectation({ ...wanted, master: reply, zone: 3 })
    const [plainOne] = await conntrack.listExpectations()
    expect(plainExpectation(plainOne!)).toEqual(listed)
    expect(plainOne!.timeoutSeconds).toBeGreaterThan(290)
    await expect(conntrack.removeExpectation(plainOne!)).rejects.toMatchObject({ code: 'ENOENT' })
    await conntrack.removeExpectation({ ...plainOne!, zone: 3 })
    const full: ExpectationInput = {
      ...wanted,
      zone: 3,
      tuple: { ...tuple, sourcePort: 0x1230 },
      mask: { source: '255.255.0.0', sourcePort: 0xfff0 },
      timeoutSeconds: 77,
      flags: ['permanent', 'inactive'],
      nat: { direction: 'reply', tuple: { source: '10.0.0.9', sourcePort: 5 } }
    }
    await conntrack.addExpectation(full)
    const one = (await conntrack.listExpectations())[0]!
    expect(plainExpectation(one)).toEqual({
      ...listed,
      tuple: full.tuple,
      mask: { ...listed.mask, source: '255.255.0.0', sourcePort: 0xfff0 },
      flags: ['permanent', 'inactive'],
      nat: { direction: 'reply', tuple: { protocol: 'tcp', source: '10.0.0.9', destination: '0.0.0.0', sourcePort: 5, destinationPort: 0 } }
    })
    expect(Math.abs(one.timeoutSeconds - 76)).toBeLessThan(4)
    await conntrack.flushExpectations({ allExpectations: true })
    await conntrack.addExpectation({ ...one, zone: 3 })
    expect((await conntrack.listExpectations()).map(plainExpectation)).toEqual([plainExpectation(one)])
    await conntrack.remove({ ...master, original, zone: 3 })
    expect(await conntrack.listExpectations()).toEqual([])
  })

  it('give way to newer ones where the helper takes no more', async () => {
    await using conntrack = await open()
    await conntrack.add({ ...tcp, helper: 'ftp' })
    await conntrack.addExpectation(wanted)
    await conntrack.addExpectation({ ...wanted, tuple: { ...tuple, destinationPort: 9 } })
    expect((await conntrack.listExpectations()).map((one) => one.tuple.destinationPort)).toEqual([9])
  })

  it.each<[code: string, hint: string, provoke: (conntrack: Conntrack) => Promise<void>, refused?: Partial<ExpectationInput>]>([
    [
      'ENOENT',
      'there is no such master flow (any more)',
      async (conntrack) => {
        await conntrack.remove(tcp)
      }
    ],
    [
      'EOPNOTSUPP',
      'the master flow has no helper',
      async (conntrack) => {
        await conntrack.remove(tcp)
        await conntrack.add(tcp)
      }
    ],
    ['EEXIST', 'an expectation that this tuple meets is there already', (conntrack) => conntrack.addExpectation(wanted)],
    [
      'EBUSY',
      'an expectation is there that the same packets can meet',
      (conntrack) => conntrack.addExpectation(wanted),
      { tuple: { ...tuple, source: '10.0.0.9' }, mask: { source: '0.0.0.0' } }
    ],
    ['EINVAL', 'the kernel has no function of this name, or its module is not loaded', () => Promise.resolve(), { function: 'absent' }]
  ])('are refused with %s: %s', async (code, hint, provoke, refused = {}) => {
    await using conntrack = await open()
    await conntrack.add({ ...tcp, helper: 'ftp' })
    await provoke(conntrack)
    const before = await conntrack.listExpectations()
    const given = { ...wanted, ...refused }
    const error = await rejection<NetlinkError>(conntrack.addExpectation(given))
    expect(error).toMatchObject({ code, hint, object: given, operation: 'conntrack.addExpectation' })
    expect(error.subject).toBe(`expectation udp ${given.tuple.source} -> 10.0.0.1:2580`)
    const ensured = await conntrack.addExpectation(given, { ensure: true }).catch((refusal: unknown) => (refusal as NetlinkError).code)
    expect(ensured).toBe(code === 'EEXIST' ? undefined : code)
    expect((await conntrack.listExpectations()).map(({ id }) => id)).toEqual(before.map(({ id }) => id))
  })
})

describe('a fake connection tracking', () => {
  it('without privileges refuses everything, and without netfilter does not open', async () => {
    await using conntrack = await new FakeConntrackKernel({ privileged: false }).open()
    for (const call of [() => conntrack.list(), () => conntrack.add(tcp), () => conntrack.watch(), () => conntrack.readUsage()])
      expect(await rejection(call())).toMatchObject({ code: 'EPERM' })
    const cut = await rejection<TransactionError>(conntrack.removeWhere({ protocol: 'udp' }))
    expect(cut.errors).toMatchObject([{ code: 'EPERM' }])
    expect(await rejection(new FakeConntrackKernel({ hasConntrack: false }).open())).toBeInstanceOf(UnsupportedError)
  })

  it('loses events when it is told to, and keeps them while nobody reads', async () => {
    const kernel = new FakeConntrackKernel()
    const conntrack = await kernel.open()
    onTestFinished(() => conntrack.close())
    await using events = await conntrack.watch({ queueLimit: 2 })
    await conntrack.addFlows(udpFlows(10))
    kernel.loseEvents()
    const seen: string[] = []
    while (seen.length < 12) seen.push(((await events.next()).value as ConntrackEvent).type)
    expect(seen).toEqual(['start', ...Array.from({ length: 10 }, () => 'new'), 'lost'])
  })
})
