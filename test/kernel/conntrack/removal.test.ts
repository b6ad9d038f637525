import { describe, expect, it } from 'vitest'
import type { Conntrack } from '../../../src/conntrack/client.js'
import type { FlowFilter } from '../../../src/conntrack/filter.js'
import type { FlowInput } from '../../../src/conntrack/types.js'
import { TransactionError, ValidationError } from '../../../src/core/errors.js'
import { TRACKING, trackedNamespace, udpFlow, udpFlows } from '../../support/conntrack.js'
import { rejection } from '../../support/rejection.js'

const marksOf = async (conntrack: Conntrack): Promise<number[]> => (await conntrack.list()).map(({ mark }) => mark!).sort((a, b) => a - b)

/** Flows that differ in everything a filter can ask for; the mark is the index. */
const zoo: readonly FlowInput[] = (
  [
    { protocol: 'udp', original: { source: '10.0.0.1', destination: '10.96.0.10', sourcePort: 1, destinationPort: 53 } },
    {
      protocol: 'udp',
      original: { source: '10.0.0.2', destination: '10.96.0.10', sourcePort: 1, destinationPort: 53 },
      destinationNat: { first: '10.1.0.1', firstPort: 5353 }
    },
    {
      protocol: 'udp',
      original: { source: '10.0.1.2', destination: '10.96.0.11', sourcePort: 2, destinationPort: 54 },
      sourceNat: { first: '192.0.2.1' }
    },
    { protocol: 'udp', original: { source: 'fd00::1', destination: 'fd00:96::10', sourcePort: 3, destinationPort: 53 } },
    {
      protocol: 'udp',
      original: { source: 'fd00::2', destination: 'fd00:96::11', sourcePort: 3, destinationPort: 53 },
      destinationNat: { first: 'fd00:1::1', firstPort: 5353 }
    },
    {
      protocol: 'tcp',
      original: { source: '10.0.0.1', destination: '10.96.0.10', sourcePort: 4, destinationPort: 53 },
      state: 'established',
      status: ['seen-reply', 'assured']
    },
    {
      protocol: 'tcp',
      original: { source: 'fd00::1', destination: 'fd00:96::10', sourcePort: 4, destinationPort: 80 },
      state: 'close',
      helper: 'ftp'
    },
    { protocol: 'icmp', original: { source: '10.0.0.1', destination: '10.96.0.10', icmpId: 1, icmpType: 8, icmpCode: 0 } },
    { protocol: 'icmp', original: { source: '10.0.0.1', destination: '10.96.0.10', icmpId: 1, icmpType: 13, icmpCode: 0 } },
    { protocol: 'icmpv6', original: { source: 'fd00::1', destination: 'fd00:96::10', icmpId: 1, icmpType: 128, icmpCode: 0 } },
    {
      protocol: 'sctp',
      original: { source: '10.0.0.1', destination: '10.96.0.10', sourcePort: 5, destinationPort: 53 },
      state: 'established',
      sctp: { originalTag: 1, replyTag: 2 }
    },
    { protocol: 89, original: { source: '10.0.0.9', destination: '10.96.0.10' }, zone: 9, timeoutSeconds: 5000 },
    {
      protocol: 'udp',
      original: { source: '10.0.0.1', destination: '10.96.0.10', sourcePort: 6, destinationPort: 53 },
      zone: 9,
      labels: [1, 64]
    }
  ] satisfies Partial<FlowInput>[]
).map((flow, mark) => ({ timeoutSeconds: 600, ...flow, mark }))

const all = zoo.map((_, mark) => mark)

/** What each filter removes of the zoo. */
const removals: readonly (readonly [string, FlowFilter | FlowFilter[], number[]])[] = [
  ['a family', { family: 'ip6' }, [3, 4, 6, 9]],
  ['a protocol', { protocol: 'udp' }, [0, 1, 2, 3, 4, 12]],
  ['protocols', { protocol: ['tcp', 89] }, [5, 6, 11]],
  ['protocol 0, which no flow has', { protocol: 0 }, []],
  ['an address', { originalSource: '10.0.0.2' }, [1]],
  ['a prefix', { originalSource: '10.0.0.0/24' }, [0, 1, 5, 7, 8, 10, 11, 12]],
  ['an IPv6 address, which the kernel itself would match the wrong way round', { originalSource: 'fd00::2' }, [4]],
  ['an IPv6 destination of one protocol', { protocol: 'udp', originalDestination: 'fd00:96::10', originalDestinationPort: 53 }, [3]],
  ['an IPv6 prefix', { originalDestination: 'fd00:96::10/127' }, [3, 4, 6, 9]],
  ['addresses of both families', { originalSource: ['10.0.1.2', 'fd00::2'] }, [2, 4]],
  ['the source of answers', { replySource: '10.1.0.1' }, [1]],
  ['the destination of answers', { replyDestination: '192.0.2.0/31' }, [2]],
  ['a port', { protocol: 'udp', originalDestinationPort: 54 }, [2]],
  ['a port of any protocol that has some', { originalDestinationPort: 53, originalSourcePort: [4, 5] }, [5, 10]],
  ['a range of ports', { protocol: 'tcp', originalDestinationPort: { first: 54, last: 65_535 } }, [6]],
  ['a port of answers', { replySourcePort: 5353 }, [1, 4]],
  [
    'answers from endpoints',
    {
      replySourceIn: [
        { address: '10.1.0.1', port: 5353 },
        { address: 'fd00:1::1', port: 5353 }
      ]
    },
    [1, 4]
  ],
  [
    'answers from elsewhere',
    { protocol: 'udp', originalDestination: '10.96.0.10', replySourceNotIn: [{ address: '10.1.0.1', port: 5353 }] },
    [0, 12]
  ],
  ['answers from elsewhere, whatever the port', { family: 'ip6', replySourceNotIn: [{ address: 'fd00:1::1' }] }, [3, 6, 9]],
  ['answers from anywhere: an empty set', { protocol: 'tcp', replySourceNotIn: [] }, [5, 6]],
  ['answers from an empty set', { protocol: 'tcp', replySourceIn: [] }, []],
  ['destinations', { originalDestinationIn: [{ address: '10.96.0.11', port: 54 }] }, [2]],
  ['other destinations', { family: 'ip', originalDestinationNotIn: [{ address: '10.96.0.10' }] }, [2]],
  ['types of icmp', { protocol: ['icmp', 'icmpv6'], icmpType: [13, 128] }, [8, 9]],
  ['a zone', { zone: 9 }, [11, 12]],
  ['the zone of a direction', { originalZone: 9, protocol: 'udp' }, [12]],
  ['zone 0', { replyZone: 0, protocol: 'udp' }, [0, 1, 2, 3, 4]],
  ['a mark', { mark: 5 }, [5]],
  ['no mark', { mark: 0 }, [0]],
  ['a mark under a mask', { mark: { value: 4, mask: 6 } }, [4, 5, 12]],
  ['a status', { status: { assured: true } }, [5]],
  ['no status', { protocol: ['tcp', 'sctp'], status: { 'seen-reply': false } }, [6, 10]],
  ['translated sources', { nat: 'source' }, [2]],
  ['translated destinations', { nat: 'destination' }, [1, 4]],
  ['anything translated', { nat: 'any' }, [1, 2, 4]],
  ['nothing translated', { nat: 'none', protocol: 'udp' }, [0, 3, 12]],
  ['a state', { protocol: 'tcp', state: ['close', 'time-wait'] }, [6]],
  ['a state of sctp', { protocol: 'sctp', state: 'established' }, [10]],
  ['time that is left', { timeoutSeconds: { atLeast: 601 } }, [11]],
  ['a helper', { helper: 'ftp' }, [6]],
  ['labels', { labels: [64, 1] }, [12]],
  ['labels of which one is not there', { labels: [1, 2] }, []],
  ['one of several filters', [{ mark: 1 }, { protocol: 89 }, { mark: 1 }], [1, 11]],
  ['conditions that never meet', { mark: 1, protocol: 'tcp' }, []]
]

describe('removeWhere', () => {
  it('removes what each kind of filter says, and list and count say the same before', async () => {
    await using tracked = await trackedNamespace(TRACKING)
    const { conntrack } = tracked
    for (const [what, filter, expected] of removals) {
      await conntrack.addFlows(zoo)
      expect(
        (await conntrack.list({ filter })).map(({ mark }) => mark!).sort((a, b) => a - b),
        what
      ).toEqual(expected)
      expect(await conntrack.count({ filter }), what).toBe(expected.length)
      const report = await conntrack.removeWhere(filter)
      expect(report, what).toMatchObject({ matched: expected.length, removed: expected.length, vanished: 0 })
      expect(await marksOf(conntrack), what).toEqual(all.filter((mark) => !expected.includes(mark)))
      await conntrack.flush({ allFlows: true })
    }
  })

  it('removes by id: this flow and no other', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    await conntrack.addFlows(udpFlows(100, (mark) => ({ mark })))
    const [, second] = await conntrack.list()
    expect(await conntrack.removeWhere({ id: second!.id })).toMatchObject({ matched: 1, removed: 1 })
    expect(await marksOf(conntrack)).toEqual(Array.from({ length: 100 }, (_, mark) => mark).filter((mark) => mark !== second!.mark))
  })

  it('removes by age, only what has a time stamp', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    await conntrack.add(udpFlow(1))
    await conntrack.writeSettings({ timestamps: true })
    await conntrack.add(udpFlow(2))
    expect(await conntrack.count({ filter: { ageSeconds: { atLeast: 100 } } })).toBe(0)
    expect(await conntrack.count({ filter: { ageSeconds: { atLeast: 0 } } })).toBe(1)
    const moment = Date.now() + 1500
    while (Date.now() < moment) await new Promise((resolve) => setTimeout(resolve, 50))
    await conntrack.add(udpFlow(3))
    expect(await conntrack.removeWhere({ ageSeconds: { atLeast: 1 } })).toMatchObject({ removed: 1 })
    expect(await conntrack.count({ filter: { ageSeconds: { atMost: 10 } } })).toBe(1)
    expect(await conntrack.count()).toBe(2)
  })

  it('removes the few out of many in few system calls, of which the kernel filters a part', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    await conntrack.addFlows(udpFlows(20_000, (number) => ({ mark: number % 8 })))
    const report = await conntrack.removeWhere({ protocol: 'udp', family: 'ip', mark: 3, originalDestination: '10.96.0.10' })
    expect(report).toMatchObject({ scanned: 2500, matched: 2500, removed: 2500, vanished: 0, kernelFiltered: true })
    expect(report.systemCalls).toBeLessThan(250)
    expect(await conntrack.count()).toBe(17_500)
    const wide = await conntrack.removeWhere({ originalSource: '10.0.0.0/24' })
    expect(wide).toMatchObject({ scanned: 17_500, matched: 224, removed: 224 })
  })

  it('survives flows that vanish meanwhile', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack, namespace } = tracked
    const { Conntrack: Client } = await import('../../../src/conntrack/client.js')
    await using other = await Client.open({ netns: namespace.path })
    await conntrack.addFlows(udpFlows(30_000))
    const reports = await Promise.all([conntrack.removeWhere({ protocol: 'udp' }), other.removeWhere({ protocol: 'udp' })])
    expect(reports[0].removed + reports[1].removed).toBe(30_000)
    for (const { matched, removed: deleted, vanished } of reports) expect(deleted + vanished).toBe(matched)
    // Both read the same table at once, so that most flows were seen by both.
    expect(reports[0].vanished + reports[1].vanished).toBeGreaterThan(0)
    expect(await conntrack.count()).toBe(0)
  })

  it('refuses to remove without a condition', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    await conntrack.add(udpFlow(1))
    for (const [filter, path] of [
      [{}, 'filter'],
      [{ protocol: undefined }, 'filter'],
      [[{ protocol: 'tcp' }, {}], 'filter[1]'],
      [[], 'filter'],
      [{ status: {} }, 'filter'],
      [{ timeoutSeconds: {} }, 'filter'],
      [{ mark: { value: 0, mask: 0 } }, 'filter'],
      [{ replySourceNotIn: new Set() }, 'filter'],
      [{ replySourceNotIn: [] }, 'filter']
    ] as const) {
      const refusal = await rejection<ValidationError>(conntrack.removeWhere(filter as FlowFilter))
      expect(refusal, JSON.stringify(filter)).toBeInstanceOf(ValidationError)
      expect(refusal.path.startsWith(path)).toBe(true)
    }
    expect(await rejection(conntrack.removeWhere(undefined as never))).toBeInstanceOf(ValidationError)
    expect(await conntrack.count()).toBe(1)
  })

  it('stops between two batches when its signal aborts, and says how far it came', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    await conntrack.addFlows(udpFlows(60_000))
    const reason = new Error('enough')
    expect(await rejection(conntrack.removeWhere({ protocol: 'udp' }, { signal: AbortSignal.abort(reason) }))).toBe(reason)
    expect(await conntrack.count()).toBe(60_000)
    const controller = new AbortController()
    const removal = rejection<TransactionError>(conntrack.removeWhere({ protocol: 'udp' }, { signal: controller.signal }))
    setTimeout(() => controller.abort(), 5)
    const stopped = await removal
    expect(stopped).toBeInstanceOf(TransactionError)
    expect(stopped.message).toContain('cancelled')
    const left = await conntrack.count()
    expect(left).toBeGreaterThan(0)
    expect(stopped.applied).toEqual([`${60_000 - left} flows deleted`])
    expect(await conntrack.removeWhere({ protocol: 'udp' })).toMatchObject({ removed: left })
  })
})
