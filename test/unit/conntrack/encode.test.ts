import { describe, expect, it } from 'vitest'
import { FlowReader } from '../../../src/conntrack/columns.js'
import { PRESENT, STATUSES } from '../../../src/conntrack/constants.js'
import { FlowColumnWriter, settableStatus, wholeStatus } from '../../../src/conntrack/encode.js'
import { newExpectation } from '../../../src/conntrack/expectations.js'
import type { ExpectationInput, Flow, FlowInput } from '../../../src/conntrack/types.js'
import { coverageOf } from '../../../src/conntrack/watch.js'
import { ValidationError } from '../../../src/core/errors.js'

const original = { source: '10.0.0.1', destination: '10.0.0.2', sourcePort: 1, destinationPort: 2 } as const
const udp: FlowInput = { protocol: 'udp', original, timeoutSeconds: 30 }

function write(...inputs: FlowInput[]): Record<string, unknown> {
  const writer = new FlowColumnWriter(inputs.length)
  for (const [row, input] of inputs.entries()) writer.flow(row, `flows[${row}]`, input)
  return writer.finish()
}

describe('flows to make', () => {
  it('become columns: an answer where none is said, and only what is given', () => {
    const columns = write(udp, { ...udp, mark: 7, zone: 9, labels: [0, 127], status: ['assured', 'dying'], helper: 'ftp' })
    expect(columns['replySource']).toEqual(
      Uint8Array.from([10, 0, 0, 2, ...new Array<number>(12).fill(0), 10, 0, 0, 2, ...new Array<number>(12).fill(0)])
    )
    expect(columns['replySourcePort']).toEqual(Uint16Array.of(2, 2))
    const present = columns['present'] as Uint32Array
    expect(present[0]).toBe(PRESENT.timeout)
    expect(present[1]).toBe(PRESENT.timeout | PRESENT.mark | PRESENT.zone | PRESENT.labels | PRESENT.status)
    expect(columns['status']).toEqual(Uint32Array.of(0, STATUSES.assured))
    expect(columns['labelsOffsets']).toEqual(Uint32Array.of(0, 0, 16))
    expect([columns['helper'], columns['helperTable']]).toEqual([Uint32Array.of(0xffffffff, 0), ['ftp']])
  })

  it('of icmp are answered by the other type', () => {
    const echo = (icmpType: number): FlowInput => ({
      protocol: 'icmp',
      original: { source: '10.0.0.1', destination: '10.0.0.2', icmpId: 5, icmpType, icmpCode: 1 },
      timeoutSeconds: 1
    })
    const columns = write(echo(8), echo(13))
    expect(columns['replyDestinationPort']).toEqual(Uint16Array.of(1, (14 << 8) | 1))
    expect(columns['replySourcePort']).toEqual(Uint16Array.of(5, 5))
  })

  it.each([
    [{ protocol: 'tcpp' }, 'flows[0].protocol'],
    [{ original: { ...original, source: '10.0.0' } }, 'flows[0].original.source'],
    [{ original: { ...original, destination: 'fd00::1' } }, 'flows[0].original.destination'],
    [{ original: { ...original, sourcePort: undefined } }, 'flows[0].original.sourcePort'],
    [{ original: { ...original, zone: 70_000 } }, 'flows[0].original.zone'],
    [{ original: null }, 'flows[0].original'],
    [{ reply: { ...original, source: 'fd00::1', destination: 'fd00::2' } }, 'flows[0].reply.source'],
    [
      { protocol: 'icmp', original: { source: '10.0.0.1', destination: '10.0.0.2', icmpId: 1, icmpType: 3, icmpCode: 0 } },
      'flows[0].original.icmpType'
    ],
    [{ timeoutSeconds: undefined }, 'flows[0].timeoutSeconds'],
    [{ timeoutSeconds: 2 ** 31 }, 'flows[0].timeoutSeconds'],
    [{ zone: 65_536 }, 'flows[0].zone'],
    [{ mark: 2 ** 32 }, 'flows[0].mark'],
    [{ markMask: 1 }, 'flows[0].markMask'],
    [{ mark: 3, markMask: 1 }, 'flows[0].mark'],
    [{ labels: [-1] }, 'flows[0].labels[0]'],
    [{ labels: [1, 2], labelsMask: [1] }, 'flows[0].labels'],
    [{ labelsMask: [1] }, 'flows[0].labels'],
    [{ status: ['asured'] }, 'flows[0].status[0]'],
    [{ status: 'assured' }, 'flows[0].status'],
    [{ helper: 'a-name-that-is-too-long' }, 'flows[0].helper'],
    [{ state: 'established' }, 'flows[0].state'],
    [{ protocol: 'tcp', state: 'open' }, 'flows[0].state'],
    [{ sourceNat: { first: 'fd00::1' } }, 'flows[0].sourceNat.first'],
    [{ sourceNat: { first: '10.0.0.1', lastPort: 5 } }, 'flows[0].sourceNat.lastPort'],
    [{ destinationNat: { first: '10.0.0.1', firstPort: 9, lastPort: 8 } }, 'flows[0].destinationNat.lastPort'],
    [
      { sequenceAdjustment: { original: { correctionPosition: -1, offsetBefore: 0, offsetAfter: 0 } } },
      'flows[0].sequenceAdjustment.original.correctionPosition'
    ]
  ])('%j are refused at %s', (part, path) => {
    try {
      write({ ...udp, ...(part as unknown as Partial<FlowInput>) })
    } catch (error) {
      expect(error).toBeInstanceOf(ValidationError)
      expect((error as ValidationError).path).toBe(path)
      return
    }
    expect.unreachable('it was taken')
  })
})

describe('statuses', () => {
  it('are written whole, with what the flow has', () => {
    expect(settableStatus('status', ['assured', 'expected', 'seen-reply'])).toBe(6)
    const flow = { status: ['confirmed', 'fixed-timeout'] } as unknown as Flow
    expect(wholeStatus(flow, 4)).toBe(0x40c)
    expect(wholeStatus(undefined, 4)).toBe(4)
  })
})

describe('flows that are read', () => {
  it('have nothing that the kernel did not say', () => {
    const columns = write(udp) as never as Parameters<typeof Object.keys>[0]
    const none = Uint32Array.of(0xffffffff)
    const piece = {
      columns: {
        ...columns,
        rows: 1,
        status: Uint32Array.of(0x18),
        present: Uint32Array.of(0),
        helper: none,
        securityContext: none
      },
      details: []
    }
    expect(new FlowReader(piece).flow(0)).toEqual({
      family: 'ip',
      protocol: 'udp',
      original,
      reply: { source: '10.0.0.2', destination: '10.0.0.1', sourcePort: 2, destinationPort: 1 },
      status: ['confirmed', 'source-nat']
    })
  })
})

describe('what a watch covers', () => {
  it.each([
    ['0\n', 'none'],
    ['1\n', 'all'],
    ['2\n', 'since-first-listener'],
    ['3\n', 'unknown'],
    [undefined, 'unknown']
  ])('%j: %s', (setting, covers) => {
    expect(coverageOf(setting)).toBe(covers)
  })
})

describe('expectations to make', () => {
  const tuple = { source: '10.0.0.2', destination: '10.0.0.1', destinationPort: 9 }
  const wanted: ExpectationInput = { protocol: 'udp', tuple, master: { protocol: 'tcp', ...original } }
  const echo = { source: '10.0.0.2', destination: '10.0.0.1', icmpType: 8, icmpCode: 0 }

  it('say as little as they can: any source port, and the whole source address', () => {
    expect(newExpectation('expectation', wanted)).toEqual({
      family: 2,
      record: {
        tuple: {
          addresses: { source: Uint8Array.of(10, 0, 0, 2), destination: Uint8Array.of(10, 0, 0, 1) },
          protocol: { number: 17, sourcePort: 0, destinationPort: 9 }
        },
        mask: {
          addresses: { source: Uint8Array.of(255, 255, 255, 255), destination: Uint8Array.of(10, 0, 0, 1) },
          protocol: { number: 17, sourcePort: 0, destinationPort: 9 }
        },
        master: {
          addresses: { source: Uint8Array.of(10, 0, 0, 1), destination: Uint8Array.of(10, 0, 0, 2) },
          protocol: { number: 6, sourcePort: 1, destinationPort: 2 }
        }
      }
    })
    const exact = newExpectation('expectation', { ...wanted, tuple: { ...tuple, sourcePort: 5 }, timeoutSeconds: 7, helper: '' })
    expect(exact).toMatchObject({ timeoutSeconds: 7, record: { mask: { protocol: { sourcePort: 0xffff } } } })
    expect(exact.record).not.toHaveProperty('helper')
  })

  it.each([
    [{ protocol: 'tcpp' }, 'protocol'],
    [{ tuple: undefined }, 'tuple'],
    [{ tuple: { ...tuple, destinationPort: undefined } }, 'tuple.destinationPort'],
    [{ tuple: { ...tuple, sourcePort: 65_536 } }, 'tuple.sourcePort'],
    [{ mask: 1 }, 'mask'],
    [{ mask: { source: 'ffff::' } }, 'mask.source'],
    [{ mask: { sourcePort: 65_536 } }, 'mask.sourcePort'],
    [{ mask: { destination: '255.255.255.0' } }, 'mask.destination'],
    [{ mask: { destinationPort: 0 } }, 'mask.destinationPort'],
    [{ mask: { icmpId: 1 } }, 'mask.icmpId'],
    [{ protocol: 'icmp', tuple: echo, mask: { icmpType: 0 } }, 'mask.icmpType'],
    [{ master: undefined }, 'master'],
    [{ master: { protocol: 'tcp', ...original, source: 'fd00::1', destination: 'fd00::2' } }, 'master.source'],
    [{ master: { ...original } }, 'master.protocol'],
    [{ timeoutSeconds: 4_294_968 }, 'timeoutSeconds'],
    [{ zone: 65_536 }, 'zone'],
    [{ helper: 'x'.repeat(16) }, 'helper'],
    [{ flags: 'permanent' }, 'flags'],
    [{ flags: ['userspace'] }, 'flags[0]'],
    [{ class: 4 }, 'class'],
    [{ function: '' }, 'function'],
    [{ nat: { direction: 'both', tuple } }, 'nat.direction'],
    [{ nat: { direction: 'reply' } }, 'nat.tuple'],
    [{ nat: { direction: 'reply', tuple: { source: 'fd00::1', destination: 'fd00::2' } } }, 'nat.tuple.source'],
    [{ timeout: 3 }, 'timeout']
  ])('are refused: %j', (more, path) => {
    expect(() => newExpectation('expectation', { ...wanted, ...more } as ExpectationInput)).toThrow(
      expect.objectContaining({ path: `expectation.${path}` }) as ValidationError
    )
  })
})
