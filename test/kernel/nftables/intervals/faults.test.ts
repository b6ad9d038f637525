import { describe, expect, it } from 'vitest'
import { Nftables, type NameReference, type SetElement, type SetSpec, type Transaction } from '../../../../src/index.js'
import { toColumns } from '../../../../src/nftables/columns.js'
import { encodeElements } from '../../../../src/nftables/elements.js'
import { setForm } from '../../../../src/nftables/sets.js'
import { isOlderThan } from '../../../support/kernel-version.js'
import { makeNamespace, type TestNamespace } from '../../../support/namespace.js'
import { rejection } from '../../../support/rejection.js'

const table = { family: 'ip', table: 't' } as const
const ranges = { ...table, name: 's', key: 'ipv4_addr', flags: ['interval'] } satisfies SetSpec

interface Setting {
  readonly namespace: TestNamespace
  readonly nft: Nftables
  /** What `nft list` prints of the set's elements, one line. */
  readonly listed: (name?: string) => Promise<string>
}

async function withRuleset(script: string): Promise<Setting> {
  const namespace = await makeNamespace()
  await namespace.nftScript(`${script}\n`)
  const nft = await Nftables.open({ netns: namespace.path })
  const listed = async (name = 's'): Promise<string> =>
    (/elements = \{([^}]*)\}/.exec(await namespace.nft('list', 'set', 'ip', 't', name))?.[1] ?? '').replace(/\s+/g, ' ').trim()
  return { namespace, nft, listed }
}

const withRanges = (elements: string): Promise<Setting> =>
  withRuleset(`table ip t {\nset s { type ipv4_addr; flags interval\n${elements === '' ? '' : `elements = { ${elements} }`}\n}\n}`)

/** Destroys; where that is not known (before Linux 6.3), deletes what is there. */
function remove(tx: Transaction, set: SetSpec, present: readonly SetElement[], absent: readonly SetElement[]): void {
  if (isOlderThan('6.3')) tx.delete.elements(set, present)
  else tx.destroy.elements(set, [...absent, ...present])
}

async function elementsOf(nft: Nftables, set: NameReference): Promise<SetElement[]> {
  return [...(await nft.listElements(set))]
}

describe('ranges that are listed', () => {
  it('touch in the maps of rules, made by nft or by the builder', async () => {
    const { nft } = await withRuleset('table ip t {\nchain c {\ntcp dport vmap { 0-1023 : accept, 1024-65535 : drop }\n}\n}')
    const { sets, elements } = await nft.list({ ...table, elements: true })
    expect(sets).toHaveLength(1)
    expect([...elements[0]!]).toEqual([
      { key: { from: 0, to: 1023 }, verdict: 'accept' },
      { key: { from: 1024, to: 65535 }, verdict: 'drop' }
    ])
  })

  it('are found singly, each to its own end', async () => {
    const { nft } = await withRuleset('table ip t {\nchain c {\ntcp dport vmap { 1-5 : accept, 6-9 : drop, 65000-65535 : continue }\n}\n}')
    const { elements } = await nft.list({ ...table, elements: true })
    const found = async (...keys: number[]): Promise<unknown[]> => [...(await nft.getElements(elements[0]!.set, keys))]
    const first = { key: { from: 1, to: 5 }, verdict: 'accept' }
    const second = { key: { from: 6, to: 9 }, verdict: 'drop' }
    for (const key of [1, 3, 5]) expect(await found(key)).toEqual([first])
    for (const key of [6, 9]) expect(await found(key)).toEqual([second])
    for (const key of [0, 10, 64999]) expect(await found(key)).toEqual([])
    expect(await found(65535, 7, 2)).toEqual([first, second, { key: { from: 65000, to: 65535 }, verdict: 'continue' }])
  })

  it('can be written into the set of a rule again', async () => {
    const { nft, namespace } = await withRuleset(
      'table ip t {\nchain c {\ntcp dport vmap { 10-19 : accept, 20-29 : drop, 30 : continue }\ntcp sport { 1-5, 6-9, 20 }\n}\n}\n'
    )
    const text = await namespace.nft('list', 'ruleset')
    const { elements, rules } = await nft.list({ ...table, elements: true })
    const tx = nft.transaction()
    tx.delete.table({ family: 'ip', name: 't' })
    tx.add.table({ family: 'ip', name: 't' })
    tx.add.chain({ ...table, name: 'c' })
    for (const [index, listed] of elements.entries()) {
      const set = { ...listed.set, id: 100 + index }
      tx.add.set(set)
      tx.add.elements(set, listed)
    }
    for (const { expressions } of rules) tx.add.rule({ ...table, chain: 'c', expressions })
    await tx.commit()
    expect(await namespace.nft('list', 'ruleset')).toBe(text)
    // An end beside a start would hide the start: the kernel's look-up says so, not the listing. nft begins sets with an end at 0, which ends nothing.
    const again = await nft.list({ ...table, elements: true })
    expect(again.elements.map(({ rows }) => rows)).toEqual(elements.map(({ rows }) => rows - 1))
  })

  it('are fields where types have no name', async () => {
    const { nft, namespace } = await withRuleset(
      'table ip t {\nset s { typeof ip length . ip ttl; flags interval; elements = { 20-80 . 1-5, 90 . 64 }\n}\n}'
    )
    const text = await namespace.nft('list', 'ruleset')
    const listed = await nft.listElements({ ...table, name: 's' })
    expect([...listed]).toEqual([
      {
        key: [
          { from: 20, to: 80 },
          { from: 1, to: 5 }
        ]
      },
      { key: [90, 64] }
    ])
    const tx = nft.transaction()
    tx.delete.set(listed.set)
    tx.create.set(listed.set)
    tx.add.elements(listed.set, listed)
    await tx.commit()
    expect(await namespace.nft('list', 'ruleset')).toBe(text)
  })

  it('are data', async () => {
    const { nft, namespace } = await withRuleset(`table ip6 t {
      chain c {
        type nat hook postrouting priority 0
        snat ip6 prefix to ip6 saddr map { 2001:db8:1111::/64 : 2001:db8:2222::/64 }
      }
    }`)
    const { elements } = await nft.list({ family: 'ip6', elements: true })
    expect(elements[0]!.set.data).toEqual({ interval: 'ipv6_addr' })
    expect([...elements[0]!]).toEqual([{ key: '2001:db8:1111::/64', data: '2001:db8:2222::/64' }])
    await namespace.nft('list', 'ruleset')
  })
})

describe('maps to ranges', () => {
  it('are declared and filled as nft does it', async () => {
    const lines = (name: string): string => `table ip ${name} {
      map m { type ipv4_addr : interval ipv4_addr
              elements = { 10.0.0.1 : 1.1.1.0/24, 10.0.0.2 : 2.2.2.2-2.2.2.9 } }
      map p { type ipv4_addr : interval ipv4_addr . inet_service
              elements = { 10.0.0.1 : 1.1.1.0/24 . 80-90 } }
    }`
    const { nft, namespace } = await withRuleset(lines('t'))
    const m = { family: 'ip', table: 'o', name: 'm', key: 'ipv4_addr', data: { interval: 'ipv4_addr' } } as const
    const p = { ...m, name: 'p', data: { interval: ['ipv4_addr', 'inet_service'] } } as const
    const tx = nft.transaction()
    tx.add.table({ family: 'ip', name: 'o' })
    tx.add.map(m)
    tx.add.map(p)
    const elements = [
      { key: '10.0.0.1', data: '1.1.1.0/24' },
      { key: '10.0.0.2', data: { from: '2.2.2.2', to: '2.2.2.9' } }
    ]
    tx.add.elements(m, elements)
    tx.add.elements(p, [{ key: '10.0.0.1', data: ['1.1.1.0/24', { from: 80, to: 90 }] }])
    await tx.commit()
    const [theirs, ours] = await Promise.all(['t', 'o'].map((name) => namespace.nft('list', 'table', 'ip', name)))
    expect(ours).toBe(theirs!.replace('table ip t ', 'table ip o '))
    expect((await nft.listSets(table)).map(({ data }) => data)).toEqual([m.data, p.data])
    expect(await elementsOf(nft, { ...table, name: 'm' })).toEqual(expect.arrayContaining(elements))
    expect(await elementsOf(nft, { ...table, name: 'p' })).toEqual([{ key: '10.0.0.1', data: ['1.1.1.0/24', { from: 80, to: 90 }] }])
    // A single value is a range, too, which nft 1.0.6 cannot write.
    const more = nft.transaction()
    more.add.elements(m, [{ key: '10.0.0.3', data: '3.3.3.3' }])
    await more.commit()
    expect(await namespace.nft('list', 'map', 'ip', 'o', 'm')).toContain('10.0.0.3 : 3.3.3.3')
  })
})

describe('ranges that are removed', () => {
  it('by destroy, must be there exactly: others stay', async () => {
    const { nft, listed } = await withRanges('10.0.0.0/24, 10.9.0.0/24')
    for (const key of [
      '10.0.0.128/25',
      '10.0.0.0/25',
      '10.0.0.0/16',
      '10.0.0.5',
      '11.0.0.0/8',
      { from: '10.0.0.0', to: '10.9.0.255' },
      { from: '10.0.1.0', to: '10.8.255.255' }
    ]) {
      const tx = nft.transaction()
      tx.destroy.elements(ranges, [{ key }])
      await tx.commit()
    }
    expect(await listed()).toBe('10.0.0.0/24, 10.9.0.0/24')
    const tx = nft.transaction()
    remove(tx, ranges, [{ key: '10.9.0.0/24' }], [{ key: '10.8.0.0/24' }])
    await tx.commit()
    expect(await listed()).toBe('10.0.0.0/24')
  })

  it('by delete, are refused by name otherwise', async () => {
    const { nft, listed } = await withRanges('10.0.0.0/24, 10.9.0.0/24, 255.0.0.0/8')
    const cases: readonly (readonly [SetElement['key'], string, string])[] = [
      ['10.0.0.128/25', '10.0.0.128/25', '10.0.0.0/24 is there'],
      [{ from: '10.0.0.0', to: '10.9.0.255' }, '10.0.0.0-10.9.0.255', '10.0.0.0/24 is there'],
      ['10.1.0.0/16', '10.1.0.0/16', 'no such range'],
      [{ from: '255.0.0.0', to: '255.0.0.9' }, '255.0.0.0-255.0.0.9', '255.0.0.0/8 is there']
    ]
    for (const [key, text, hint] of cases) {
      const tx = nft.transaction()
      const element = { key }
      tx.delete.elements(ranges, [element])
      for (const send of [() => tx.check(), () => tx.commit()]) {
        const error = await rejection(send())
        expect(error).toMatchObject({ code: 'ENOENT', index: 0, object: element, subject: `delete element ${text} of set ip t s` })
        expect(error).toMatchObject({ hint: expect.stringContaining(hint) as string })
      }
    }
    expect(await listed()).toBe('10.0.0.0/24, 10.9.0.0/24, 255.0.0.0/8')
    const tx = nft.transaction()
    tx.delete.elements(ranges, [{ key: '255.0.0.0/8' }, { key: '10.0.0.0/24' }])
    await tx.commit()
    expect(await listed()).toBe('10.9.0.0/24')
  })

  it('of concatenations, too', async () => {
    const { nft, listed } = await withRuleset(
      'table ip t {\nset s { type ipv4_addr . inet_service; flags interval; elements = { 10.0.0.0/24 . 80-90, 10.1.0.0/16 . 1-5 }\n}\n}'
    )
    const set = { ...ranges, key: ['ipv4_addr', 'inet_service'] } as const
    const destroy = nft.transaction()
    remove(destroy, set, [{ key: ['10.1.0.0/16', { from: 1, to: 5 }] }], [{ key: ['10.0.0.128', 85] }, { key: ['10.0.0.0', 80] }])
    await destroy.commit()
    expect(await listed()).toBe('10.0.0.0/24 . 80-90')
    const tx = nft.transaction()
    tx.delete.elements(set, [{ key: ['10.0.0.0/24', 80] }])
    expect(await rejection(tx.commit())).toMatchObject({ code: 'ENOENT', subject: 'delete element 10.0.0.0/24 . 80 of set ip t s' })
    expect(await listed()).toBe('10.0.0.0/24 . 80-90')
    const good = nft.transaction()
    good.delete.elements(set, [{ key: ['10.0.0.0/24', { from: 80, to: 90 }] }])
    await good.commit()
    expect(await listed()).toBe('')
  })
})

describe('ranges that are added', () => {
  it('must not overlap one another', async () => {
    const { nft, listed } = await withRanges('')
    const cases: readonly (readonly SetElement['key'][])[] = [
      ['0.0.0.0/0', '0.0.0.0/8'],
      ['10.0.0.0/24', '10.0.0.5'],
      ['10.0.0.5', '10.0.0.0/24'],
      [
        { from: '10.0.0.0', to: '10.0.0.9' },
        { from: '10.0.0.9', to: '10.0.0.20' }
      ]
    ]
    for (const keys of cases) {
      const [first, second] = [nft.transaction(), nft.transaction()]
      first.add.elements(
        ranges,
        keys.map((key) => ({ key }))
      )
      for (const key of keys) second.add.elements(ranges, [{ key }])
      for (const tx of [first, second]) {
        const error = await rejection(tx.commit())
        expect(error).toMatchObject({ code: 'ERR_NETPLANE_VALIDATION' })
        expect(String(error)).toMatch(/elements\[[01]\]\.key is .*ranges that do not overlap.*elements\[[01]\]\.key is /)
      }
    }
    expect(await listed()).toBe('')
  })

  it('must not overlap what is there, and the range is named that was given', async () => {
    const { nft, namespace } = await withRuleset('table ip t {\nset s { type ipv6_addr; flags interval; elements = { fd11::/48 }\n}\n}')
    const set = { ...ranges, key: 'ipv6_addr' } as const
    for (const key of ['fd00::/8', 'fd11::/64', { from: 'fd10::', to: 'fd11::5' }, '::/0', { from: 'fd11::', to: 'ffff::' }]) {
      const tx = nft.transaction()
      tx.add.elements(set, [{ key: '1::/64' }, { key }])
      const error = await rejection(tx.commit())
      const text = typeof key === 'string' ? key : `${key.from}-${key.to}`
      if (key === '::/0') expect(error).toMatchObject({ code: 'ERR_NETPLANE_VALIDATION' })
      else
        expect(error).toMatchObject({
          code: 'EEXIST',
          subject: `add element ${text} of set ip t s`,
          object: { key },
          hint: expect.stringContaining('fd11::/48 is there') as string
        })
    }
    const tx = nft.transaction()
    tx.add.elements(set, [
      { key: 'fd11::/48' },
      { key: 'fd11::/48' },
      { key: 'fd11:0:1::/48' },
      { key: { from: 'fd10::', to: 'fd10:ffff:ffff:ffff:ffff:ffff:ffff:ffff' } }
    ])
    await tx.commit()
    expect(await namespace.nft('list', 'set', 'ip', 't', 's')).toMatch(/fd10::\/16,\s+fd11::\/48,\s+fd11:0:1::\/48/)
  })

  it('may take the place of what the same transaction removes', async () => {
    const { nft, listed } = await withRanges('10.0.0.0/24, 10.9.0.0/24')
    const tx = nft.transaction()
    tx.delete.elements(ranges, [{ key: '10.0.0.0/24' }])
    tx.add.elements(ranges, [{ key: '10.0.0.0/25' }, { key: '10.0.0.192/26' }])
    remove(tx, ranges, [{ key: '10.0.0.192/26' }], [{ key: '10.0.0.0/24' }])
    tx.add.elements(ranges, [{ key: '10.0.0.128/25' }])
    await tx.commit()
    expect(await listed()).toBe('10.0.0.0/25, 10.0.0.128/25, 10.9.0.0/24')
    const flush = nft.transaction()
    flush.flush.set(ranges)
    flush.add.elements(ranges, [{ key: '0.0.0.0/0' }])
    await flush.commit()
    expect(await listed()).toBe('0.0.0.0/0')
    const replaced = nft.transaction()
    replaced.delete.table({ family: 'ip', name: 't' })
    replaced.add.table({ family: 'ip', name: 't' })
    replaced.add.set(ranges)
    replaced.add.elements(ranges, [{ key: '10.0.0.0/8' }])
    await replaced.commit()
    expect(await listed()).toBe('10.0.0.0/8')
  })

  it('as columns obey the same rules, in any order', async () => {
    const { nft, listed } = await withRanges('10.0.0.0/24')
    const form = setForm(ranges)
    const columns = (...keys: SetElement['key'][]): ReturnType<typeof toColumns> =>
      toColumns(
        [
          ...encodeElements(
            keys.map((key) => ({ key })),
            form
          ).rows
        ].reverse()
      )
    const refused = nft.transaction()
    refused.add.elements({ ...table, name: 's' }, columns('10.0.0.0/16'))
    expect(await rejection(refused.commit())).toMatchObject({ code: 'EEXIST' })
    const overlapping = nft.transaction()
    overlapping.add.elements(ranges, columns('10.1.0.0/16', '10.1.0.0/24'))
    expect(await rejection(overlapping.commit())).toMatchObject({ code: 'ERR_NETPLANE_VALIDATION' })
    const tx = nft.transaction()
    tx.add.elements(ranges, columns('10.0.1.0/24', '255.255.255.255', '10.5.0.0/16'))
    if (isOlderThan('6.3')) tx.delete.elements(ranges, columns('10.5.0.0/16'))
    else tx.destroy.elements(ranges, columns('10.0.0.0/25', '10.5.0.0/16'))
    await tx.commit()
    expect(await listed()).toBe('10.0.0.0/24, 10.0.1.0/24, 255.255.255.255')
  })

  it('are not checked against what is there where the caller says that the set is his alone', async () => {
    const { nft, listed } = await withRanges('10.0.0.0/24')
    const tx = nft.transaction()
    tx.add.elements(ranges, [{ key: '10.0.0.0/16' }], { exclusive: true })
    // The kernel's own checks differ between versions: newer ones refuse this, older ones shrink the range.
    const outcome = await tx.commit().then(
      () => 'committed',
      (error: unknown) => (error as { code: string }).code
    )
    expect(['committed', 'EEXIST']).toContain(outcome)
    const good = nft.transaction()
    good.add.elements(ranges, [{ key: '10.7.0.0/16' }], { exclusive: true })
    await good.commit()
    expect(await listed()).toContain('10.7.0.0/16')
    const bad = nft.transaction()
    bad.add.elements(ranges, [{ key: '10.8.0.0/16' }, { key: '10.8.0.0/24' }], { exclusive: true })
    expect(await rejection(bad.commit())).toMatchObject({ code: 'ERR_NETPLANE_VALIDATION' })
    const misspelt = nft.transaction()
    misspelt.add.elements(ranges, [], { exklusive: true } as object)
    expect(await rejection(misspelt.commit())).toMatchObject({ path: expect.stringContaining('options.exklusive') as string })
  })
})

describe('a set that another process changes', () => {
  it('is read again, and the transaction checked anew', async () => {
    const { nft, namespace, listed } = await withRanges('10.0.0.0/24')
    const other = await Nftables.open({ netns: namespace.path })
    for (let round = 0; round < 10; round++) {
      const mine = nft.transaction()
      mine.add.elements(ranges, [{ key: `10.1.${round}.0/24` }])
      const theirs = other.transaction()
      theirs.add.elements(ranges, [{ key: `10.2.${round}.0/24` }])
      await Promise.all([mine.commit(), theirs.commit()])
    }
    const expected = ['10.0.0.0/24', ...[1, 2].flatMap((net) => Array.from({ length: 10 }, (_, round) => `10.${net}.${round}.0/24`))]
    expect((await listed()).split(', ')).toEqual(expected)
    const { id } = await nft.readGeneration()
    const late = nft.transaction()
    late.add.elements(ranges, [{ key: '10.3.0.0/24' }])
    expect(await rejection(late.commit({ generation: id - 1 }))).toMatchObject({ code: 'ERESTART' })
    await late.commit({ generation: id })
  })
})
