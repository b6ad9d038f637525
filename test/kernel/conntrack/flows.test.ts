import { describe, expect, it } from 'vitest'
import type { FlowInput, FlowProtocol, FlowTuple } from '../../../src/conntrack/types.js'
import { expectAsShown, openFtp, sendPackets, shownStarts, TRACKING, trackedNamespace } from '../../support/conntrack.js'

const addresses = {
  ip: { source: '10.0.0.1', destination: '10.0.0.2' },
  ip6: { source: 'fd00::1', destination: 'fd00::a:2' }
}
const ports = { sourcePort: 40_000, destinationPort: 80 }
const both = ['ip', 'ip6'] as const

/** A flow of each protocol. The kernel keeps no ports of dccp any more (Linux 6.18), so that protocol is not here. */
const kinds: readonly (readonly [FlowProtocol, Partial<FlowTuple>, Partial<FlowInput>?])[] = [
  [
    'tcp',
    ports,
    {
      state: 'established',
      tcp: { originalWindowScale: 3, replyWindowScale: 14, originalFlags: 1, replyFlags: 3 },
      status: ['assured', 'seen-reply']
    }
  ],
  ['udp', ports, { status: ['seen-reply'] }],
  ['udplite', ports],
  ['sctp', ports, { state: 'cookie-wait', sctp: { originalTag: 0xfedcba98, replyTag: 7 } }],
  ['gre', { sourceKey: 0xffff, destinationKey: 6 }],
  [0, {}],
  [89, {}],
  [255, {}]
]

describe('flows that were made', () => {
  it.each(both)('of all protocols are as conntrack(8) lists them: %s', async (family) => {
    await using tracked = await trackedNamespace(TRACKING)
    const { conntrack, namespace } = tracked
    const icmp = { icmpId: 0xabcd, icmpType: family === 'ip' ? 8 : 128, icmpCode: 0 }
    const inputs = [...kinds, [family === 'ip' ? 'icmp' : 'icmpv6', icmp] as const].map(([protocol, parts, more], index): FlowInput => ({
      protocol,
      original: { ...addresses[family], ...parts },
      timeoutSeconds: 1000 + index,
      mark: 0xf0000000 + index,
      ...more
    }))
    await conntrack.addFlows(inputs)
    const flows = await conntrack.list()
    await expectAsShown(namespace, flows)
    expect(flows).toHaveLength(inputs.length)
    for (const input of inputs) {
      const flow = flows.find(({ protocol }) => protocol === input.protocol)!
      const { timeoutSeconds, status = [], ...rest } = input
      expect(flow).toMatchObject(rest)
      expect(flow.status).toEqual(expect.arrayContaining([...status, 'confirmed']))
      expect(Math.abs(flow.timeoutSeconds! - timeoutSeconds)).toBeLessThan(5)
      expect(flow.family).toBe(family)
    }
    expect(flows.find(({ protocol }) => protocol === 'tcp')!.tcp).toEqual(kinds[0]![2]!.tcp)
    expect(flows.find(({ protocol }) => protocol === 'sctp')!.sctp).toEqual({ originalTag: 0xfedcba98, replyTag: 7 })
  })

  it('keep states, labels, zones and zones of a direction', async () => {
    await using tracked = await trackedNamespace(TRACKING)
    const { conntrack, namespace } = tracked
    const tuple = (sourcePort: number, zone?: number): FlowTuple => ({
      ...addresses.ip,
      sourcePort,
      destinationPort: 80,
      ...(zone === undefined ? {} : { zone })
    })
    const states = ['none', 'syn-sent', 'syn-received', 'established', 'fin-wait', 'close-wait', 'last-ack', 'time-wait', 'close'] as const
    const reply = (port: number, zone?: number): FlowTuple => ({
      source: '10.0.0.2',
      destination: '10.0.0.1',
      sourcePort: 80,
      destinationPort: port,
      ...(zone === undefined ? {} : { zone })
    })
    await conntrack.addFlows([
      ...states.map((state, index): FlowInput => ({ protocol: 'tcp', original: tuple(100 + index), timeoutSeconds: 500, state })),
      { protocol: 'udp', original: tuple(1), timeoutSeconds: 500, labels: [0, 1, 64, 127] },
      { protocol: 'udp', original: tuple(2), timeoutSeconds: 500, labels: [] },
      { protocol: 'udp', original: tuple(3), timeoutSeconds: 500, zone: 65_535 },
      { protocol: 'udp', original: tuple(3), timeoutSeconds: 500, zone: 1 },
      { protocol: 'udp', original: tuple(4, 5), reply: reply(4), timeoutSeconds: 500 },
      { protocol: 'udp', original: tuple(4), reply: reply(4, 6), timeoutSeconds: 500 }
    ])
    const flows = await conntrack.list()
    await expectAsShown(namespace, flows)
    for (const [index, state] of states.entries())
      expect(flows.find(({ original }) => original.sourcePort === 100 + index)!.state ?? 'none').toBe(state)
    expect(flows.find(({ original }) => original.sourcePort === 1)!.labels).toEqual([0, 1, 64, 127])
    expect(flows.filter(({ original }) => original.sourcePort === 3).map(({ zone }) => zone)).toEqual(expect.arrayContaining([1, 65_535]))
    const halves = flows.filter(({ original }) => original.sourcePort === 4)
    expect(halves.map(({ original, reply: answers, zone }) => [original.zone, answers.zone, zone])).toEqual(
      expect.arrayContaining([
        [5, undefined, undefined],
        [undefined, 6, undefined]
      ])
    )
  })

  it('keep master, sequence adjustment, synproxy and NAT', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack, namespace } = tracked
    const master = { protocol: 'udp', ...addresses.ip, sourcePort: 1, destinationPort: 2 } as const
    const adjustment = { correctionPosition: 0xffffffff, offsetBefore: -3, offsetAfter: 2 ** 31 - 1 }
    await conntrack.add({
      protocol: 'udp',
      original: { ...addresses.ip, sourcePort: 1, destinationPort: 2 },
      timeoutSeconds: 100,
      sourceNat: { first: '192.0.2.1', firstPort: 7, lastPort: 7 },
      destinationNat: { first: '192.0.2.2' }
    })
    await conntrack.add({
      protocol: 'tcp',
      original: { ...addresses.ip, sourcePort: 3, destinationPort: 4 },
      timeoutSeconds: 100,
      state: 'established',
      master,
      sequenceAdjustment: { original: adjustment, reply: { correctionPosition: 1, offsetBefore: 2, offsetAfter: -(2 ** 31) } },
      synproxy: { initialSequence: 0xffffffff, initialTimestamp: 1, timestampOffset: 2 }
    })
    await conntrack.add({
      protocol: 'udp',
      original: { ...addresses.ip6, sourcePort: 5, destinationPort: 6 },
      timeoutSeconds: 100,
      destinationNat: { first: 'fd00::b', firstPort: 66 }
    })
    const flows = await conntrack.list()
    await expectAsShown(namespace, flows)
    const by = (port: number) => flows.find(({ original }) => original.sourcePort === port)!
    expect(by(1).reply).toEqual({ source: '192.0.2.2', destination: '192.0.2.1', sourcePort: 2, destinationPort: 7 })
    expect(by(1).status).toEqual(
      expect.arrayContaining(['source-nat', 'destination-nat', 'source-nat-done', 'destination-nat-done', 'confirmed'])
    )
    expect(by(3)).toMatchObject({
      master,
      sequenceAdjustment: { original: adjustment, reply: { correctionPosition: 1, offsetBefore: 2, offsetAfter: -(2 ** 31) } },
      synproxy: { initialSequence: 0xffffffff, initialTimestamp: 1, timestampOffset: 2 }
    })
    expect(by(5).reply).toMatchObject({ source: 'fd00::b', sourcePort: 66, destination: 'fd00::1', destinationPort: 5 })
    expect(by(5)).not.toHaveProperty('synproxy')
    expect(by(5)).not.toHaveProperty('master')
  })

  it('that were listed can be made again', async () => {
    await using tracked = await trackedNamespace(TRACKING)
    const { conntrack } = tracked
    const { timeoutSeconds, ...tcp } = { ...kinds[0]![2], timeoutSeconds: 1000 }
    await conntrack.add({
      protocol: 'tcp',
      original: { ...addresses.ip, ...ports },
      timeoutSeconds,
      labels: [9],
      mark: 3,
      zone: 4,
      ...tcp
    })
    const [before] = await conntrack.list()
    await conntrack.flush({ allFlows: true })
    await conntrack.add({ ...before!, timeoutSeconds: before!.timeoutSeconds! })
    const [after] = await conntrack.list()
    expect({ ...after, id: 0, timeoutSeconds: 0 }).toEqual({ ...before, id: 0, timeoutSeconds: 0 })
  })
})

describe('flows of packets', () => {
  it('of all protocols, both families, are as conntrack(8) lists them', async () => {
    await using tracked = await trackedNamespace(TRACKING)
    const { conntrack, namespace } = tracked
    for (const [source, destination, icmp] of [
      ['127.0.0.1', '127.0.0.2', 'icmp'],
      ['::1', '::1', 'icmpv6']
    ] as const) {
      await sendPackets(
        namespace,
        [icmp, source, destination, 4711],
        ['udp', source, destination, 1000, 2000],
        ['udplite', source, destination, 1001, 2001],
        ['sctp', source, destination, 1002, 2002],
        ...[2, 50, 89, 108].map((number) => [number, source, destination] as const)
      )
    }
    await sendPackets(namespace, ['gre', '127.0.0.1', '127.0.0.2', 0, 99])
    const flows = await conntrack.list()
    await expectAsShown(namespace, flows)
    const protocols = flows.map(({ family, protocol }) => `${family} ${protocol}`)
    for (const protocol of ['udp', 'udplite', 'sctp', 2, 50, 89, 108])
      expect(protocols).toEqual(expect.arrayContaining([`ip ${protocol}`, `ip6 ${protocol}`]))
    expect(protocols).toEqual(expect.arrayContaining(['ip icmp', 'ip6 icmpv6', 'ip gre']))
    const echo = flows.find(({ protocol }) => protocol === 'icmp')!
    expect(echo).toMatchObject({ original: { icmpId: 4711, icmpType: 8, icmpCode: 0 }, reply: { icmpId: 4711, icmpType: 0 } })
    expect(echo.status).toContain('seen-reply')
    expect(flows.find(({ protocol }) => protocol === 'gre')!.original).toMatchObject({ destinationKey: 99 })
  })

  it('have counters and time stamps only where the kernel keeps them', async () => {
    await using tracked = await trackedNamespace(TRACKING)
    const { conntrack, namespace } = tracked
    await sendPackets(namespace, ['udp', '127.0.0.1', '127.0.0.2', 1, 1])
    await conntrack.writeSettings({ accounting: true })
    await sendPackets(namespace, ['udp', '127.0.0.1', '127.0.0.2', 2, 2])
    await conntrack.writeSettings({ timestamps: true, accounting: false })
    const before = BigInt(Date.now()) * 1_000_000n
    await sendPackets(namespace, ['udp', '127.0.0.1', '127.0.0.2', 3, 3], ['udp', '127.0.0.1', '127.0.0.2', 2, 2])
    const flows = await conntrack.list({ filter: { protocol: 'udp' } })
    await expectAsShown(namespace, await conntrack.list())
    const by = (port: number) => flows.find(({ original }) => original.sourcePort === port)!
    for (const field of ['counters', 'startNanoseconds', 'stopNanoseconds', 'eventNanoseconds']) expect(by(1)).not.toHaveProperty(field)
    // The size of the IP header, of UDP's, and "data", twice.
    expect(by(2).counters).toEqual({ original: { packets: 2n, bytes: 64n }, reply: { packets: 0n, bytes: 0n } })
    expect(by(2)).not.toHaveProperty('startNanoseconds')
    expect(by(3)).not.toHaveProperty('counters')
    expect(by(3).startNanoseconds! - before).toBeGreaterThan(-2_000_000_000n)
    expect(by(3).startNanoseconds! - before).toBeLessThan(20_000_000_000n)
    const starts = await shownStarts(namespace)
    expect(starts.get(by(3).id!)).toBe(by(3).startNanoseconds)
    expect(starts.has(by(2).id!)).toBe(false)
  })

  it('give their counters and have them zeroed, all of them and only then', async () => {
    await using tracked = await trackedNamespace(TRACKING)
    const { conntrack, namespace } = tracked
    await conntrack.writeSettings({ accounting: true })
    await sendPackets(namespace, ['udp', '127.0.0.1', '127.0.0.2', 1, 1], ['udp', '127.0.0.1', '127.0.0.2', 1, 1])
    const read = async (zeroCounters?: boolean) =>
      (await conntrack.list({ zeroCounters })).find(({ protocol }) => protocol === 'udp')!.counters!.original.packets
    expect([await read(), await read(true), await read(), await read(false)]).toEqual([2n, 2n, 0n, 0n])
    await expect(conntrack.list({ zeroCounters: true, filter: { protocol: 'udp' } })).rejects.toMatchObject({
      path: 'options.zeroCounters'
    })
  })

  it('have the helper that a rule gives them, and what it expects', async () => {
    await using tracked = await trackedNamespace(`${TRACKING}
      table ip help {
        ct helper data {
          type "ftp" protocol tcp
        }
        chain output {
          type filter hook output priority 0;
          tcp dport 21 ct helper set "data"
        }
      }`)
    const { conntrack, namespace } = tracked
    const program = await openFtp(namespace, '127.0.0.1', '127.0.0.2')
    const flows = await conntrack.list()
    await expectAsShown(namespace, flows)
    const control = flows.find(({ helper }) => helper === 'ftp')!
    expect(control).toMatchObject({ protocol: 'tcp', state: 'established', original: { destinationPort: 21 } })
    expect(await conntrack.count({ filter: { helper: ['sip', 'ftp'] } })).toBe(1)
    expect(await conntrack.count({ filter: { helper: 'sip' } })).toBe(0)

    const [expectation, ...others] = await conntrack.listExpectations()
    expect(others).toEqual([])
    expect(expectation).toMatchObject({
      family: 'ip',
      protocol: 'tcp',
      tuple: { source: '127.0.0.2', destination: '127.0.0.1', sourcePort: 0, destinationPort: 2580 },
      mask: { source: '255.255.255.255', destination: '255.255.255.255', sourcePort: 0, destinationPort: 65_535 },
      master: {
        protocol: 'tcp',
        source: '127.0.0.1',
        destination: '127.0.0.2',
        sourcePort: control.original.sourcePort,
        destinationPort: 21
      },
      helper: 'ftp',
      class: 0
    })
    const shown = await namespace.run('conntrack', ['-L', 'expect'])
    expect(shown).toMatch(
      /mask-src=255\.255\.255\.255 mask-dst=255\.255\.255\.255 sport=0 dport=65535 master-src=127\.0\.0\.1 .* helper=ftp/
    )
    expect(Math.abs(expectation!.timeoutSeconds - Number(shown.split(' ')[0]))).toBeLessThan(5)

    await expect(conntrack.removeExpectation({ ...expectation!, id: (expectation!.id ^ 1) >>> 0 })).rejects.toMatchObject({
      code: 'ENOENT'
    })
    await conntrack.removeExpectation(expectation!)
    await expect(conntrack.removeExpectation(expectation!)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await conntrack.listExpectations()).toEqual([])
    await program.stop()
    await openFtp(namespace, '127.0.0.1', '127.0.0.2')
    expect(await conntrack.listExpectations()).toHaveLength(1)
    await conntrack.flushExpectations({ allExpectations: true })
    expect(await conntrack.listExpectations()).toEqual([])
  })
})
