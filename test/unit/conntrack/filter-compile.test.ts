import { describe, expect, it } from 'vitest'
import type { FlowFilter } from '../../../src/conntrack/filter.js'
import { compileRemoval, compileFilter } from '../../../src/conntrack/filter-compile.js'
import { CONDITION } from '../../../src/conntrack/filter-program.js'
import { ValidationError } from '../../../src/core/errors.js'
import { rejection } from '../../support/rejection.js'

/** A program's attributes: kind by name, and payload. */
function conditionsOf(program: Uint8Array): [string, number[]][] {
  const names = new Map<number, string>(Object.entries(CONDITION).map(([name, number]) => [number, name]))
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength)
  const found: [string, number[]][] = []
  for (let at = 0; at < program.length; at += (view.getUint16(at, true) + 3) & ~3)
    found.push([names.get(view.getUint16(at + 2, true))!, [...program.slice(at + 4, at + view.getUint16(at, true))]])
  return found
}

const kinds = (filter: FlowFilter | FlowFilter[]): string[] => conditionsOf(compileFilter(filter)!).map(([name]) => name)

describe('filters', () => {
  it('become conditions in clauses', () => {
    expect(compileFilter(undefined)).toBeUndefined()
    expect(conditionsOf(compileFilter({ protocol: ['tcp', 89], originalDestination: '10.0.0.0/8', zone: 258 })!)).toEqual([
      ['clause', []],
      ['protocols', [6, 89]],
      ['address', [0, 1, 2, 8, 10, ...new Array<number>(15).fill(0)]],
      ['zone', [0, 0, 2, 1]],
      ['zone', [1, 0, 2, 1]],
      ['family', [2]]
    ])
    expect(kinds([{ mark: 1 }, { id: 2 }])).toEqual(['clause', 'mark', 'clause', 'id'])
    expect(kinds({ nat: 'any', mark: 1 })).toEqual(['clause', 'mark', 'status', 'clause', 'mark', 'status'])
    expect(kinds({ originalSource: ['10.0.0.1', 'fd00::1'] })).toEqual(['clause', 'address', 'address'])
  })

  it('take what can be iterated once only, also for two clauses', () => {
    const endpoints = function* () {
      yield { address: '10.0.0.1', port: 1 }
    }
    const [first, second] = conditionsOf(compileFilter({ nat: 'any', replySourceIn: endpoints() })!).filter(
      ([name]) => name === 'endpoints'
    )
    expect(first![1]).toHaveLength(24)
    expect(second).toEqual(first)
  })

  it('divide large sets of endpoints', () => {
    const many = Array.from({ length: 7000 }, (_, number) => ({
      address: `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`,
      port: 1
    }))
    const parts = conditionsOf(compileFilter({ replySourceNotIn: many })!).filter(([name]) => name === 'endpoints')
    expect(parts.length).toBeGreaterThan(1)
    expect(parts.reduce((sum, [, payload]) => sum + (payload.length - 4) / 20, 0)).toBe(7000)
    for (const [, payload] of parts) expect(payload.slice(0, 4)).toEqual([1, 0, 1, 1])
  })

  it.each([
    [{ prot: 'tcp' }, 'options.filter.prot'],
    [{ protocol: [] }, 'options.filter.protocol'],
    [{ protocol: 'ospf' }, 'options.filter.protocol'],
    [{ protocol: 256 }, 'options.filter.protocol'],
    [{ family: 'ipv4' }, 'options.filter.family'],
    [{ family: 'ip', originalSource: 'fd00::1' }, 'options.filter.originalSource'],
    [{ originalSource: '10.0.0.0/33' }, 'options.filter.originalSource'],
    [{ originalSource: [] }, 'options.filter.originalSource'],
    [{ originalSource: ['10.0.0.1', 'x'] }, 'options.filter.originalSource[1]'],
    [{ originalSourcePort: 65_536 }, 'options.filter.originalSourcePort'],
    [{ originalSourcePort: { first: 2, last: 1 } }, 'options.filter.originalSourcePort.last'],
    [{ protocol: 89, replySourcePort: 1 }, 'options.filter.replySourcePort'],
    [{ protocol: 'icmp', replySourceIn: [{ address: '10.0.0.1', port: 1 }] }, 'options.filter.replySourceIn'],
    [{ replySourceIn: [{ address: '10.0.0.1', port: 1 }, { address: '10.0.0.1' }] }, 'options.filter.replySourceIn[1].port'],
    [{ replySourceIn: 5 }, 'options.filter.replySourceIn'],
    [{ icmpType: 8 }, 'options.filter.icmpType'],
    [{ protocol: 'icmp', icmpType: 256 }, 'options.filter.icmpType'],
    [{ zone: 65_536 }, 'options.filter.zone'],
    [{ mark: -1 }, 'options.filter.mark'],
    [{ mark: { value: 2, mask: 1 } }, 'options.filter.mark.value'],
    [{ mark: { value: 0, mask: 0 } }, 'options.filter.mark.mask'],
    [{ status: { asured: true } }, 'options.filter.status.asured'],
    [{ status: { assured: 1 } }, 'options.filter.status.assured'],
    [{ status: {} }, 'options.filter.status'],
    [{ nat: 'both' }, 'options.filter.nat'],
    [{ state: 'established' }, 'options.filter.state'],
    [{ protocol: ['tcp', 'sctp'], state: 'established' }, 'options.filter.state'],
    [{ protocol: 'tcp', state: 'open' }, 'options.filter.state'],
    [{ timeoutSeconds: { atLeast: 2, atMost: 1 } }, 'options.filter.timeoutSeconds.atMost'],
    [{ timeoutSeconds: {} }, 'options.filter.timeoutSeconds'],
    [{ ageSeconds: { min: 1 } }, 'options.filter.ageSeconds.min'],
    [{ helper: '' }, 'options.filter.helper'],
    [{ labels: [128] }, 'options.filter.labels[0]'],
    [{ id: 2 ** 32 }, 'options.filter.id'],
    [[{ mark: 1 }, 7], 'options.filter[1]'],
    [[], 'options.filter']
  ])('%j are refused at %s', (filter, path) => {
    try {
      compileFilter(filter as FlowFilter)
    } catch (error) {
      expect(error).toBeInstanceOf(ValidationError)
      expect((error as ValidationError).path).toBe(path)
      return
    }
    expect.unreachable('it was taken')
  })

  it('of a cut need a condition', async () => {
    for (const filter of [{}, { mark: undefined }, { replySourceNotIn: [] }, { originalDestinationNotIn: new Set<never>() }])
      expect(await rejection(compileRemoval(filter))).toMatchObject({ path: 'filter' })
    expect(await rejection(compileRemoval([{ mark: 1 }, {}]))).toMatchObject({ path: 'filter[1]' })
    expect(await compileRemoval({ protocol: 'udp', replySourceNotIn: [] })).toBeInstanceOf(Uint8Array)
  })
})
