import { describe, expect, it } from 'vitest'
import type { NativeEvent } from '../../../src/native/index.js'
import { convertTrace, type TraceStep } from '../../../src/nftables/trace.js'
import { FakeNftablesKernel } from '../../../src/testing/nftables/kernel.js'
import { toNativeTrace } from '../../../src/testing/nftables/traces.js'

const where = { id: 7, family: 'ip', table: 'app', chain: 'in' } as const
const rule: TraceStep = {
  ...where,
  type: 'rule',
  ruleHandle: 4n,
  verdict: { verdict: 'jump', chain: 'other' },
  mark: 0x2a,
  protocolFamily: 'ip',
  inLink: { index: 2, type: 1 },
  outLink: { index: 1, type: 772 },
  headers: { link: Uint8Array.of(1), network: Uint8Array.of(0x45), transport: Uint8Array.of(2) },
  connection: { id: 9, direction: 'reply', state: ['established'], status: ['seen-reply', 'confirmed', 'source-nat-done'] }
}

function native(value: object): NativeEvent {
  return { type: 'trace', family: 'ip', portId: 0, sequence: 0, value: value as NativeEvent['value'] }
}

describe('steps of packets', () => {
  it.each<[string, TraceStep]>([
    ['a rule', rule],
    ['a policy', { ...where, type: 'policy', policy: 'drop', mark: 0 }],
    ['the end of a chain', { ...where, type: 'return', verdict: { verdict: 'continue' }, mark: 0 }],
    ['a queue', { ...where, type: 'rule', ruleHandle: 1n, verdict: { verdict: 'queue', queue: 65_535 }, mark: 0 }],
    ['an untracked packet', { ...where, type: 'rule', ruleHandle: 1n, mark: 0, connection: { state: ['untracked'], status: [] } }],
    ['bits without names', { ...where, type: 'rule', ruleHandle: 1n, mark: 0, connection: { state: [0x80], status: [0x8000_0000] } }]
  ])('tells %s', (_, step) => {
    expect(convertTrace(toNativeTrace(step))).toEqual([step])
  })

  it('calls a rule what has a handle, and the end of a chain what has none', () => {
    const ends = { id: 1, table: 't', chain: 'c', step: 'rule', verdict: { verdict: 'continue' } }
    expect(convertTrace(native(ends))).toMatchObject([{ type: 'return' }])
    expect(convertTrace(native({ ...ends, step: 'return', ruleHandle: 3n, verdict: { verdict: 'return' } }))).toMatchObject([
      { type: 'rule' }
    ])
  })

  it('reads the verdict below the number of an error', () => {
    const refused = { id: 1, table: 't', chain: 'c', step: 'rule', ruleHandle: 1n, verdict: { verdict: 0x000d_0000 } }
    expect(convertTrace(native(refused))).toMatchObject([{ verdict: { verdict: 'drop' } }])
  })

  it.each([
    { table: 't', chain: 'c', step: 'rule' },
    { id: 1, chain: 'c', step: 'rule' },
    { id: 1, table: 't', step: 'rule' },
    { id: 1, table: 't', chain: 'c', step: 9 },
    {}
  ])('says of a step that cannot be told that it is missing: %j', (value) => {
    expect(convertTrace(native(value))).toEqual([{ type: 'lost' }])
  })
})

describe('a fake', () => {
  it('tells traces and changes apart', async () => {
    const kernel = new FakeNftablesKernel()
    await using nft = await kernel.open()
    await using traces = await nft.trace()
    await using changes = await nft.watch()
    const tx = nft.transaction()
    tx.add.table({ family: 'ip', name: 'app' })
    await tx.commit()
    kernel.deliverTrace([rule])
    expect(await traces.next()).toEqual({ done: false, value: rule })
    expect(await changes.next()).toMatchObject({ value: { kind: 'table' } })
    kernel.loseEvents()
    expect(await traces.next()).toEqual({ done: false, value: { type: 'lost' } })
    expect(traces.size).toBe(0)
  })

  it('refuses who lacks CAP_NET_ADMIN', async () => {
    await using nft = await new FakeNftablesKernel({ privileged: false }).open()
    await expect(nft.trace()).rejects.toMatchObject({ code: 'EPERM' })
  })

  it('refuses options that are none', async () => {
    await using nft = await new FakeNftablesKernel().open()
    await expect(nft.trace({ queueLimit: 0 })).rejects.toMatchObject({ path: 'options.queueLimit' })
  })
})
