import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { ClosedError, NetlinkError, ValidationError } from '../../../src/core/errors.js'
import { type Nftables } from '../../../src/nftables/client.js'
import type { Expression } from '../../../src/nftables/expressions.js'
import type { NftablesEvent } from '../../../src/nftables/watch.js'
import type { SetSpec } from '../../../src/nftables/sets.js'
import type { Transaction } from '../../../src/nftables/transaction.js'
import { isOlderThan } from '../../support/kernel-version.js'
import { kernelsHere } from '../../support/lab.js'
import { nftablesKernels } from '../../support/nftables-kernels.js'
import { rejection } from '../../support/rejection.js'
import { onThisKernel } from '../../support/older-kernels.js'

const table = { family: 'ip', name: 'app' } as const
const inTable = { family: 'ip', table: 'app' } as const
const chain = { ...inTable, name: 'web' } as const
const inChain = { ...inTable, chain: 'web' } as const
const services: SetSpec = { ...inTable, name: 'services', key: ['ipv4_addr', 'inet_proto', 'inet_service'], data: 'verdict' }
const addresses: SetSpec = { ...inTable, name: 'addresses', key: 'ipv4_addr' }
const accept: Expression = { type: 'immediate', destinationRegister: 0, data: { verdict: 'accept' } }
const count: Expression = { type: 'counter', packets: 0n, bytes: 0n }

function jump(to: string): Expression {
  return { type: 'immediate', destinationRegister: 0, data: { verdict: 'jump', chain: to } }
}

/** `ip daddr @set` */
function lookUp(set: string): Expression[] {
  return [
    { type: 'payload', destinationRegister: 1, base: 'network', offset: 16, length: 4 },
    { type: 'lookup', set, sourceRegister: 1, flags: [] }
  ]
}

async function commit(nft: Nftables, build: (tx: Transaction) => void): Promise<number> {
  const tx = nft.transaction()
  build(tx)
  return (await tx.commit()).generation
}

async function refusal(nft: Nftables, build: (tx: Transaction) => void): Promise<NetlinkError> {
  const tx = nft.transaction()
  build(tx)
  const error = await rejection<NetlinkError>(tx.commit())
  expect(error).toBeInstanceOf(NetlinkError)
  expect(error.operation).toBe('nftables.commit')
  return error
}

/** A table with a chain and a set. */
function base(tx: Transaction): void {
  tx.add.table(table)
  tx.add.chain(chain)
  tx.add.set(addresses)
}

describe.each(kernelsHere(nftablesKernels))('nftables client on $kernel', ({ kernel, opener }) => {
  const isReal = kernel === 'the kernel'

  it('begins empty, and counts generations', async () => {
    const open = await opener()
    await using nft = await open()
    expect(await nft.list({ elements: true })).toMatchObject({
      tables: [],
      chains: [],
      rules: [],
      sets: [],
      elements: [],
      counters: [],
      objects: [],
      flowtables: []
    })
    const before = await nft.readGeneration()
    const after = await commit(nft, base)
    expect(after).toBe(before.id + 1)
    expect((await nft.readGeneration()).id).toBe(after)
  })

  it.each([
    ['no text', { comment: '' }],
    ['128 bytes of text', { comment: 'é'.repeat(64) }],
    ['bytes that nobody knows', { userdata: Uint8Array.of(0xff) }],
    ['a text without its NUL (nft crashes)', { userdata: Uint8Array.of(0, 1, 0x61), comment: 'a' }],
    ['a text with a quotation mark', { userdata: Uint8Array.of(0, 2, 0x22, 0), comment: '"' }],
    ['a text that is no UTF-8', { userdata: Uint8Array.of(0, 2, 0xff, 0), comment: '\ufffd' }]
  ])('keeps comments and other bytes of users as they are: %s', async (_, kept) => {
    const [from, to] = [await opener(), await opener()]
    await using nft = await from()
    // NFTA_QUOTA_BYTES.
    const quota = { ...inTable, name: 'most', objectType: 2, data: Uint8Array.of(12, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 9), ...kept }
    await commit(nft, (tx) => {
      tx.add.table({ ...table, ...kept })
      tx.add.chain({ ...chain, ...kept })
      tx.add.rule({ ...inChain, expressions: [accept], ...kept })
      tx.add.set(addresses)
      tx.add.elements(addresses, [{ key: '10.0.0.1', ...kept }])
      tx.add.counter({ ...inTable, name: 'hits', ...kept })
      tx.add.object(quota)
    })
    await using other = await to()
    const written = await nft.list({ elements: true })
    await commit(other, (tx) => {
      for (const one of written.tables) tx.add.table(one)
      for (const one of written.chains) tx.add.chain(one)
      for (const one of written.rules) tx.add.rule(one)
      for (const one of written.sets) tx.add.set(one)
      for (const one of written.elements) tx.add.elements(one.set, [...one])
      for (const one of written.counters) tx.add.counter(one)
      for (const one of written.objects) tx.add.object(one)
    })
    for (const { tables, chains, rules, elements, counters, objects } of [written, await other.list({ elements: true })]) {
      for (const one of [tables[0], chains[0], rules[0], counters[0], objects[0], [...elements[0]!][0]]) {
        expect(one).toMatchObject(kept)
        expect('userdata' in one!).toBe('userdata' in kept)
      }
    }
  })

  it('lists what was written, and writes it again elsewhere', async () => {
    const [from, to] = [await opener(), await opener()]
    await using nft = await from()
    await commit(nft, (tx) => {
      tx.add.table({ ...table, comment: 'of an application' })
      tx.add.chain({ ...inTable, name: 'input', type: 'filter', hook: 'input', priority: 'filter+10', policy: 'drop', comment: 'base' })
      tx.add.chain({ ...chain, comment: 'regular' })
      tx.add.counter({ ...inTable, name: 'hits', packets: 3n, bytes: 4n, comment: 'counted' })
      tx.add.set({ ...addresses, comment: 'who', size: 100 })
      tx.add.set({ ...inTable, name: 'ranges', key: 'ipv4_addr', flags: ['interval'] })
      tx.add.map(services)
      tx.add.map({ ...inTable, name: 'endpoints', key: ['ipv4_addr', 'mark'], data: ['ipv4_addr', 'inet_service'] })
      tx.add.elements(addresses, [{ key: '10.0.0.1', comment: 'first' }, { key: '10.0.0.2' }])
      tx.add.elements({ ...inTable, name: 'ranges', key: 'ipv4_addr', flags: ['interval'] }, [
        { key: '10.0.0.0/8' },
        { key: { from: '192.0.2.3', to: '192.0.2.9' } }
      ])
      tx.add.elements(services, [
        { key: ['10.0.0.1', 'tcp', 80], verdict: 'goto', chain: 'web' },
        { key: ['10.0.0.1', 'udp', 53], verdict: 'drop' }
      ])
      tx.add.elements({ ...inTable, name: 'endpoints', key: ['ipv4_addr', 'mark'], data: ['ipv4_addr', 'inet_service'] }, [
        { key: ['10.0.0.1', 7], data: ['10.1.0.1', 8080] }
      ])
      tx.add.rule({ ...inTable, chain: 'input', expressions: [...lookUp('addresses'), count, accept], comment: 'known' })
      tx.add.rule({ ...inTable, chain: 'input', expressions: [{ type: 'objref', objectType: 'counter', name: 'hits' }, jump('web')] })
      tx.add.rule({ ...inChain, expressions: [accept] })
    })
    const written = await nft.list({ elements: true })
    expect(written.tables).toMatchObject([{ ...table, comment: 'of an application', use: 7 }])
    expect(written.chains).toMatchObject([
      { name: 'input', type: 'filter', hook: 'input', priority: 10, policy: 'drop', comment: 'base', use: 2 },
      { name: 'web', comment: 'regular', use: 3 }
    ])
    expect(written.chains[1]).not.toHaveProperty('hook')
    expect(written.counters).toMatchObject([{ name: 'hits', packets: 3n, bytes: 4n, comment: 'counted', use: 1 }])
    expect(written.rules.map(({ chain: of, comment }) => [of, comment])).toEqual([
      ['input', 'known'],
      ['input', undefined],
      ['web', undefined]
    ])
    expect(written.rules[0]!.expressions).toEqual([...lookUp('addresses'), count, accept])
    expect(written.sets.find(({ name }) => name === 'addresses')).toMatchObject({ key: 'ipv4_addr', size: 100, comment: 'who' })
    const elements = new Map(written.elements.map((listed) => [listed.set.name, [...listed]]))
    expect(elements.get('addresses')).toHaveLength(2)
    expect(elements.get('addresses')).toEqual(expect.arrayContaining([{ key: '10.0.0.1', comment: 'first' }, { key: '10.0.0.2' }]))
    expect(elements.get('ranges')).toEqual([{ key: '10.0.0.0/8' }, { key: { from: '192.0.2.3', to: '192.0.2.9' } }])
    expect(elements.get('services')).toEqual(
      expect.arrayContaining([
        { key: ['10.0.0.1', 'tcp', 80], verdict: 'goto', chain: 'web' },
        { key: ['10.0.0.1', 'udp', 53], verdict: 'drop' }
      ])
    )
    expect(elements.get('endpoints')).toEqual([{ key: ['10.0.0.1', 7], data: ['10.1.0.1', 8080] }])

    await using other = await to()
    await commit(other, (tx) => {
      for (const listed of written.tables) tx.create.table(listed)
      for (const listed of written.chains) tx.create.chain(listed)
      for (const listed of written.counters) tx.create.counter(listed)
      for (const listed of written.sets) tx.create.set(listed)
      for (const listed of written.elements) tx.create.elements(listed.set, listed)
      for (const listed of written.rules) tx.add.rule(listed)
    })
    const again = await other.list({ elements: true })
    const anonymous = (listed: readonly object[]): unknown[] => listed.map((object) => ({ ...object, handle: undefined, raw: undefined }))
    for (const kind of ['tables', 'chains', 'rules', 'counters', 'sets'] as const)
      expect(anonymous(again[kind])).toEqual(anonymous(written[kind]))
    for (const listed of again.elements) {
      const original = elements.get(listed.set.name)!
      expect([...listed]).toHaveLength(original.length)
      expect([...listed]).toEqual(expect.arrayContaining(original))
    }
  })

  it('lists one set, and leaves out elements that rules may have put', async () => {
    const open = await opener()
    await using nft = await open()
    const learnt: SetSpec = { ...addresses, name: 'learnt', flags: ['eval'], size: 100 }
    await commit(nft, (tx) => {
      base(tx)
      tx.add.set(learnt)
      for (const set of [addresses, learnt]) tx.add.elements(set, [{ key: '10.0.0.1' }])
    })
    const namesOf = async (elements: boolean | 'static'): Promise<string[]> =>
      (await nft.list({ ...inTable, elements })).elements.map(({ set }) => set.name).sort()
    expect(await namesOf(true)).toEqual(['addresses', 'learnt'])
    expect(await namesOf('static')).toEqual(['addresses'])
    expect(await namesOf(false)).toEqual([])
    expect((await nft.listSets({ ...inTable, name: 'learnt' })).map(({ name, size }) => [name, size])).toEqual([['learnt', 100]])
    expect(await rejection(nft.listSets({ ...inTable, name: 'nothing' }))).toMatchObject({ code: 'ENOENT' })
    expect(await rejection(nft.list({ elements: 'all' as never }))).toBeInstanceOf(ValidationError)
  })

  it('puts rules where they were asked to be', async () => {
    const open = await opener()
    await using nft = await open()
    const named = (comment: string): { comment: string; expressions: Expression[] } => ({ comment, expressions: [accept] })
    const tx = nft.transaction()
    base(tx)
    const first = tx.size
    tx.add.rule({ ...inChain, ...named('b') })
    tx.add.rule({ ...inChain, ...named('c') })
    tx.insert.rule({ ...inChain, ...named('a') })
    const { handles } = await tx.commit({ echo: true })
    const [b, c] = [handles.get(first)!, handles.get(first + 1)!]
    const order = async (): Promise<string> => (await nft.listRules({ ...inTable, chain: 'web' })).map(({ comment }) => comment).join('')
    expect(await order()).toBe('abc')
    await commit(nft, (tx) => {
      tx.add.rule({ ...inChain, ...named('x'), after: b })
      tx.insert.rule({ ...inChain, ...named('y'), before: c })
      tx.replace.rule({ ...inChain, ...named('B'), handle: b })
    })
    expect(await order()).toBe('aBxyc')
    const rules = await nft.listRules({ ...inTable, chain: 'web' })
    await commit(nft, (tx) => {
      for (const { comment, handle } of rules) if (comment !== 'y') tx.delete.rule({ ...inChain, handle })
    })
    expect(await order()).toBe('y')
  })

  it('commits all or nothing', async () => {
    const open = await opener()
    await using nft = await open()
    const generation = await commit(nft, base)
    const error = await refusal(nft, (tx) => {
      tx.add.chain({ ...inTable, name: 'other' })
      tx.delete.set({ ...inTable, name: 'absent' })
    })
    expect(error).toMatchObject({ code: 'ENOENT', errno: -2, index: 1, outcomeUnknown: false })
    expect((await nft.listChains(inTable)).map(({ name }) => name)).toEqual(['web'])
    expect((await nft.readGeneration()).id).toBe(generation)
  })

  it('checks without changing anything, and then commits the same transaction', async () => {
    const open = await opener()
    await using nft = await open()
    const generation = (await nft.readGeneration()).id
    const tx = nft.transaction()
    base(tx)
    await tx.check()
    expect(await nft.listTables()).toEqual([])
    expect((await nft.readGeneration()).id).toBe(generation)
    await tx.commit()
    expect(await nft.listTables()).toHaveLength(1)
    expect(await rejection(tx.commit())).toBeInstanceOf(ClosedError)
    const wrong = nft.transaction()
    wrong.add.chain({ family: 'ip', table: 'absent', name: 'x' })
    expect(await rejection(wrong.check())).toMatchObject({ code: 'ENOENT', operation: 'nftables.check', field: 'table', index: 0 })
  })

  it('refuses to commit when another process did meanwhile', async () => {
    const open = await opener()
    await using nft = await open()
    await using other = await open()
    const generation = await commit(nft, base)
    await commit(other, (tx) => tx.add.table({ family: 'ip6', name: 'theirs' }))
    const tx = nft.transaction()
    tx.add.chain({ ...inTable, name: 'late' })
    const error = await rejection<NetlinkError>(tx.commit({ generation }))
    expect(error).toMatchObject({ code: 'ERESTART', errno: -85, outcomeUnknown: false })
    expect(error.hint).toContain('another process')
    const now = (await nft.readGeneration()).id
    expect((await tx.commit({ generation: now })).generation).toBe(now + 1)
  })

  it.each<[what: string, code: string, field: string | undefined, subject: string, build: (tx: Transaction) => void]>([
    ['a table twice', 'EEXIST', 'name', 'create table ip app', (tx) => tx.create.table(table)],
    ['a chain twice', 'EEXIST', 'name', 'create chain ip app web', (tx) => tx.create.chain(chain)],
    ['a set twice', 'EEXIST', 'name', 'create set ip app addresses', (tx) => tx.create.set(addresses)],
    ['a counter twice', 'EEXIST', 'name', 'create counter ip app hits', (tx) => tx.create.counter({ ...inTable, name: 'hits' })],
    ['a set of other type', 'EEXIST', 'name', 'add set ip app addresses', (tx) => tx.add.set({ ...addresses, key: 'ipv6_addr' })],
    ['a chain in no table', 'ENOENT', 'table', 'add chain ip absent web', (tx) => tx.add.chain({ ...chain, table: 'absent' })],
    [
      'a rule in no chain',
      'ENOENT',
      'chain',
      'add rule of chain ip app absent',
      (tx) => tx.add.rule({ ...inTable, chain: 'absent', expressions: [accept] })
    ],
    [
      'a jump to no chain',
      'ENOENT',
      'expressions[1]',
      'add rule of chain ip app web',
      (tx) => tx.add.rule({ ...inChain, expressions: [count, jump('absent')] })
    ],
    [
      'a look-up in no set',
      'ENOENT',
      'expressions[1]',
      'add rule of chain ip app web',
      (tx) => tx.add.rule({ ...inChain, expressions: lookUp('absent') })
    ],
    [
      'a jump to a base chain',
      'EOPNOTSUPP',
      'expressions[0]',
      'add rule of chain ip app web',
      (tx) => tx.add.rule({ ...inChain, expressions: [jump('input')] })
    ],
    [
      'an object that is not there',
      'ENOENT',
      'expressions[0]',
      'add rule of chain ip app web',
      (tx) => tx.add.rule({ ...inChain, expressions: [{ type: 'objref', objectType: 'counter', name: 'absent' }] })
    ],
    [
      'elements of no set',
      'ENOENT',
      'set',
      'add elements of set ip app absent',
      (tx) => tx.add.elements({ ...addresses, name: 'absent' }, [{ key: '10.0.0.9' }])
    ],
    [
      'a goto to no chain from a map',
      'ENOENT',
      undefined,
      'add element 10.0.0.9 . tcp . 80 of map ip app services',
      (tx) =>
        tx.add.elements(services, [
          { key: ['10.0.0.8', 'tcp', 80], verdict: 'drop' },
          { key: ['10.0.0.9', 'tcp', 80], verdict: 'goto', chain: 'absent' }
        ])
    ],
    [
      'a full set',
      'ENFILE',
      undefined,
      'add element 10.0.0.3 of set ip app addresses',
      (tx) => tx.add.elements(addresses, [{ key: '10.0.0.2' }, { key: '10.0.0.3' }])
    ],
    [
      'an element twice',
      'EEXIST',
      undefined,
      'create element 10.0.0.1 of set ip app addresses',
      (tx) => tx.create.elements(addresses, [{ key: '10.0.0.1' }])
    ],
    [
      'an element with other data',
      'EEXIST',
      undefined,
      'add element 10.0.0.1 . tcp . 80 of map ip app services',
      (tx) => tx.add.elements(services, [{ key: ['10.0.0.1', 'tcp', 80], verdict: 'drop' }])
    ],
    [
      'an element without data in a map',
      'EINVAL',
      undefined,
      'add element 10.0.0.2 . tcp . 80 of map ip app services',
      (tx) => tx.add.elements(services, [{ key: ['10.0.0.2', 'tcp', 80] }])
    ],
    [
      'a time-out in a set without',
      'EINVAL',
      undefined,
      'add element 10.0.0.2 of set ip app addresses',
      (tx) => tx.add.elements(addresses, [{ key: '10.0.0.2', timeoutMs: 1000 }])
    ],
    ['the deletion of no table', 'ENOENT', 'name', 'delete table ip absent', (tx) => tx.delete.table({ family: 'ip', name: 'absent' })],
    ['the deletion of no chain', 'ENOENT', 'name', 'delete chain ip app absent', (tx) => tx.delete.chain({ ...chain, name: 'absent' })],
    ['the deletion of no set', 'ENOENT', 'name', 'delete set ip app absent', (tx) => tx.delete.set({ ...addresses, name: 'absent' })],
    [
      'the deletion of no counter',
      'ENOENT',
      'name',
      'delete counter ip app absent',
      (tx) => tx.delete.counter({ ...inTable, name: 'absent' })
    ],
    [
      'the deletion of no element',
      'ENOENT',
      undefined,
      'delete element 10.0.0.9 of set ip app addresses',
      (tx) => tx.delete.elements(addresses, [{ key: '10.0.0.1' }, { key: '10.0.0.9' }])
    ],
    [
      'the deletion of no rule',
      'ENOENT',
      'handle',
      'delete rule with handle 12345 of chain ip app web',
      (tx) => tx.delete.rule({ ...inChain, handle: 12345n })
    ],
    [
      'a rule after no rule',
      'ENOENT',
      'position',
      'add rule of chain ip app web',
      (tx) => tx.add.rule({ ...inChain, expressions: [accept], after: 12345n })
    ],
    ['the deletion of a chain in use', 'EBUSY', 'name', 'delete chain ip app web', (tx) => tx.delete.chain(chain)],
    ['the deletion of a set in use', 'EBUSY', 'name', 'delete set ip app addresses', (tx) => tx.delete.set(addresses)],
    [
      'the deletion of a counter in use',
      'EBUSY',
      'name',
      'delete counter ip app hits',
      (tx) => tx.delete.counter({ ...inTable, name: 'hits' })
    ],
    [
      'a base chain moved',
      'EOPNOTSUPP',
      undefined,
      'add chain ip app input',
      (tx) => tx.add.chain({ ...inTable, name: 'input', type: 'filter', hook: 'output', priority: 0 })
    ],
    [
      'a chain made a base chain',
      'EEXIST',
      'name',
      'add chain ip app web',
      (tx) => tx.add.chain({ ...chain, type: 'filter', hook: 'output', priority: 0 })
    ],
    [
      'a goto to a base chain from a map',
      'EOPNOTSUPP',
      undefined,
      'add element 10.0.0.9 . tcp . 80 of map ip app services',
      (tx) => tx.add.elements(services, [{ key: ['10.0.0.9', 'tcp', 80], verdict: 'goto', chain: 'input' }])
    ],
    [
      'a base chain of no such type',
      'ENOENT',
      'chainType',
      'add chain ip app x',
      (tx) => tx.add.chain({ ...inTable, name: 'x', type: 'absent', hook: 'input', priority: 0 })
    ]
  ])('names the object and field of %s', async (what, code, field, subject, build) => {
    const open = await opener()
    await using nft = await open()
    const generation = await commit(nft, (tx) => {
      tx.add.table(table)
      tx.add.chain(chain)
      tx.add.chain({ ...inTable, name: 'input', type: 'filter', hook: 'input', priority: 0 })
      tx.add.set({ ...addresses, size: 2 })
      tx.add.map(services)
      tx.add.counter({ ...inTable, name: 'hits' })
      tx.add.elements(addresses, [{ key: '10.0.0.1' }])
      tx.add.elements(services, [{ key: ['10.0.0.1', 'tcp', 80], verdict: 'goto', chain: 'web' }])
      tx.add.rule({ ...inTable, chain: 'input', expressions: lookUp('addresses') })
      tx.add.rule({ ...inTable, chain: 'input', expressions: [{ type: 'objref', objectType: 'counter', name: 'hits' }] })
    })
    const before = await nft.list({ elements: true })
    const expected = isReal ? onThisKernel(what, { code, field, subject }) : { code, field, subject }
    if (expected === undefined) {
      await commit(nft, build)
      expect(await nft.list({ elements: true })).toEqual(before)
      return
    }
    const error = await refusal(nft, (tx) => {
      tx.add.chain({ ...inTable, name: 'unrelated' })
      build(tx)
    })
    expect({ code: error.code, index: error.index, field: error.field, subject: error.subject }).toEqual({ ...expected, index: 1 })
    expect(error.object).toBeDefined()
    expect(error.message).toContain(expected.subject)
    expect(await nft.list({ elements: true })).toEqual(before)
    expect((await nft.readGeneration()).id).toBe(generation)
  })

  it('refuses chains that go round in circles', async () => {
    const open = await opener()
    await using nft = await open()
    const error = await refusal(nft, (tx) => {
      tx.add.table(table)
      tx.add.chain({ ...inTable, name: 'input', type: 'filter', hook: 'input', priority: 0 })
      tx.add.chain(chain)
      tx.add.rule({ ...inTable, chain: 'input', expressions: [jump('web')] })
      tx.add.rule({ ...inChain, expressions: [jump('web')] })
    })
    expect(['EMLINK', 'ELOOP']).toContain(error.code)
    expect(error.hint).toContain('circles')
    expect(await nft.listTables()).toEqual([])
  })

  it('names the rule, not the transaction, that is malformed', async () => {
    const open = await opener()
    await using nft = await open()
    const long = 'x'.repeat(65_536)
    const wrong: [path: RegExp, build: (tx: Transaction) => void][] = [
      [/name$/, (tx) => tx.add.table({ family: 'ip', name: long })],
      [/name$/, (tx) => tx.add.set({ ...addresses, name: long })],
      [/table$/, (tx) => tx.add.chain({ family: 'ip', table: long, name: 'x' })],
      [/family$/, (tx) => tx.add.table({ family: 'ipx' as 'ip', name: 'x' })],
      [/hook$/, (tx) => tx.add.chain({ ...chain, type: 'filter', hook: 'egress', priority: 0 })],
      [/priority$/, (tx) => tx.add.chain({ ...chain, type: 'filter', hook: 'input', priority: 'sometimes' as 'filter' })],
      [/policy$/, (tx) => tx.add.chain({ ...chain, policy: 'drop' })],
      [/prio$/, (tx) => tx.add.chain({ ...chain, prio: 0 } as typeof chain)],
      [/expressions$/, (tx) => tx.add.rule({ ...inChain } as unknown as Parameters<typeof tx.add.rule>[0])],
      [/operations\[1\]$/, (tx) => tx.add.table(undefined as unknown as typeof table)],
      [/operations\[1\]$/, (tx) => tx.delete.elements(null as unknown as SetSpec, [])],
      [/elements$/, (tx) => tx.add.elements(addresses, undefined as unknown as [])],
      [/handle$/, (tx) => tx.delete.rule({ ...inChain } as unknown as Parameters<typeof tx.delete.rule>[0])],
      [/key$/, (tx) => tx.add.set({ ...addresses, key: 'ipv5_addr' as 'ipv4_addr' })],
      [/elements\[1\]\.key$/, (tx) => tx.add.elements(addresses, [{ key: '10.0.0.1' }, { key: '10.0.0.256' }])],
      [/comment$/, (tx) => tx.add.table({ ...table, comment: 'x'.repeat(129) })]
    ]
    for (const [path, build] of wrong) {
      const tx = nft.transaction()
      tx.add.table(table)
      build(tx)
      tx.add.chain(chain)
      const error = await rejection<ValidationError>(tx.commit())
      expect(error).toBeInstanceOf(ValidationError)
      expect(error.path).toMatch(path)
      expect(error.path).toMatch(/^operations\[1\]/)
      expect(error.message.length).toBeLessThan(700)
      expect(await rejection(tx.check())).toMatchObject({ path: error.path })
    }
    expect(await nft.listTables()).toEqual([])
  })

  it('writes a listed set under another name', async () => {
    const open = await opener()
    await using nft = await open()
    await commit(nft, (tx) => {
      tx.add.table(table)
      tx.add.map({ ...services, comment: 'listed' })
      tx.add.set({ ...inTable, name: 'ranges', key: ['ipv4_addr', 'inet_service'], flags: ['interval'] })
    })
    const listed = await nft.listSets(inTable)
    await commit(nft, (tx) => {
      for (const set of listed) tx.add.set({ ...set, name: `${set.name}-copy` })
    })
    const copies = (await nft.listSets(inTable)).slice(2)
    expect(copies.map(({ name }) => name)).toEqual(['services-copy', 'ranges-copy'])
    expect(copies.map((set) => ({ ...set, name: '', handle: 0n, raw: {} }))).toEqual(
      listed.map((set) => ({ ...set, name: '', handle: 0n, raw: {} }))
    )
  })

  it('copies what it is given', async () => {
    const open = await opener()
    await using nft = await open()
    const tx = nft.transaction()
    base(tx)
    const expressions = [accept]
    const rule = { ...inChain, expressions, comment: 'kept' }
    tx.add.rule(rule)
    rule.comment = 'changed'
    expressions.length = 0
    const key = Uint8Array.of(10, 0, 0, 1, 10, 0, 0, 2)
    tx.add.elements(addresses, { rows: 2, key })
    structuredClone(key, { transfer: [key.buffer] })
    await tx.commit()
    expect(await nft.listRules(inTable)).toMatchObject([{ comment: 'kept', expressions: [accept] }])
    expect([...(await nft.listElements(addresses))].map((element) => element.key).sort()).toEqual(['10.0.0.1', '10.0.0.2'])
  })

  it('deletes and destroys', async () => {
    const open = await opener()
    await using nft = await open()
    await commit(nft, base)
    await commit(nft, (tx) => {
      tx.add.elements(addresses, [{ key: '10.0.0.1' }, { key: '10.0.0.2' }, { key: '10.0.0.3' }])
      tx.add.rule({ ...inChain, expressions: lookUp('addresses') })
    })
    const destroy = (tx: Transaction): void => {
      tx.delete.elements(addresses, [{ key: '10.0.0.2' }])
      tx.destroy.elements(addresses, [{ key: '10.0.0.1' }, { key: '10.0.0.9' }])
      tx.destroy.chain({ ...chain, name: 'absent' })
      tx.destroy.table({ family: 'ip6', name: 'absent' })
    }
    if (isReal && isOlderThan('6.3')) {
      expect((await refusal(nft, destroy)).hint).toBe('destroy needs Linux 6.3')
      await commit(nft, (tx) => tx.delete.elements(addresses, [{ key: '10.0.0.1' }, { key: '10.0.0.2' }]))
    } else {
      await commit(nft, destroy)
    }
    expect([...(await nft.listElements(addresses))]).toEqual([{ key: '10.0.0.3' }])
    await commit(nft, (tx) => tx.flush.set(addresses))
    const empty = await nft.listElements(addresses)
    expect([...empty]).toEqual([])
    // Every chunk that there is has rows, and so all its columns.
    expect(empty.chunks).toEqual([])
    await commit(nft, (tx) => tx.flush.chain(chain))
    expect(await nft.listRules(inTable)).toEqual([])
    await commit(nft, (tx) => {
      tx.delete.set(addresses)
      tx.delete.chain(chain)
    })
    expect(await nft.listTables()).toMatchObject([{ use: 0 }])
    await commit(nft, (tx) => tx.flush.ruleset({ allTables: true }))
    expect(await nft.listTables()).toEqual([])
  })

  it('swaps the data of an element in one transaction', async () => {
    const open = await opener()
    await using nft = await open()
    const map: SetSpec = { ...inTable, name: 'slots', key: 'mark', data: 'ipv4_addr' }
    await commit(nft, (tx) => {
      tx.add.table(table)
      tx.add.map(map)
      tx.add.elements(map, [{ key: 1, data: '10.0.0.1' }])
    })
    await commit(nft, (tx) => {
      tx.delete.elements(map, [{ key: 1 }])
      tx.add.elements(map, [{ key: 1, data: '10.0.0.2' }])
    })
    expect([...(await nft.listElements(map))]).toEqual([{ key: 1, data: '10.0.0.2' }])
  })

  it('looks single elements up', async () => {
    const open = await opener()
    await using nft = await open()
    await commit(nft, (tx) => {
      base(tx)
      tx.add.elements(addresses, [{ key: '10.0.0.1', comment: 'one' }, { key: '10.0.0.2' }])
    })
    expect([...(await nft.getElements(addresses, ['10.0.0.1', '10.0.0.7']))]).toEqual([{ key: '10.0.0.1', comment: 'one' }])
    expect(await rejection(nft.getElements({ ...addresses, name: 'absent' }, ['10.0.0.1']))).toMatchObject({
      code: 'ENOENT',
      subject: 'set ip app absent'
    })
  })

  it('looks up the range that holds a value', async () => {
    const open = await opener()
    await using nft = await open()
    const plain: SetSpec = { ...inTable, name: 'plain', key: 'ipv4_addr', flags: ['interval'] }
    const fields: SetSpec = { ...inTable, name: 'fields', key: ['ipv4_addr', 'inet_service'], flags: ['interval'] }
    await commit(nft, (tx) => {
      tx.add.table(table)
      tx.add.set(plain)
      tx.add.set(fields)
      tx.add.elements(plain, [{ key: '10.0.0.0/24', comment: 'first' }, { key: '10.0.2.0/24' }])
      tx.add.elements(fields, [{ key: ['10.0.0.0/24', 80] }, { key: ['10.0.0.0/24', { from: 90, to: 99 }], comment: 'ports' }])
    })
    expect([...(await nft.getElements(plain, ['10.0.0.7']))]).toEqual([{ key: '10.0.0.0/24', comment: 'first' }])
    expect([...(await nft.getElements(plain, ['10.0.2.255']))]).toEqual([{ key: '10.0.2.0/24' }])
    expect([...(await nft.getElements(plain, ['10.0.0.0/24']))]).toEqual([{ key: '10.0.0.0/24', comment: 'first' }])
    expect([...(await nft.getElements(fields, [['10.0.0.7', 95]]))]).toEqual([
      { key: ['10.0.0.0/24', { from: 90, to: 99 }], comment: 'ports' }
    ])
    for (const key of ['10.0.1.0', '10.0.1.1', '10.0.3.0', '9.255.255.255']) expect([...(await nft.getElements(plain, [key]))]).toEqual([])
    for (const port of [81, 100]) expect([...(await nft.getElements(fields, [['10.0.0.7', port]]))]).toEqual([])
  })

  it('reads counters and zeroes them in one step', async () => {
    const open = await opener()
    await using nft = await open()
    await commit(nft, (tx) => {
      tx.add.table(table)
      tx.add.counter({ ...inTable, name: 'hits', packets: 5n, bytes: 6n })
    })
    expect(await nft.listCounters({ ...inTable, reset: true })).toMatchObject([{ packets: 5n, bytes: 6n }])
    expect(await nft.listCounters(inTable)).toMatchObject([{ packets: 0n, bytes: 0n }])
  })

  it('keeps elements with a time-out for that long', async () => {
    const open = await opener()
    await using nft = await open()
    const sticky: SetSpec = { ...inTable, name: 'sticky', key: 'ipv4_addr', timeoutMs: 60_000 }
    await commit(nft, (tx) => {
      tx.add.table(table)
      tx.add.set(sticky)
      tx.add.elements(sticky, [{ key: '10.0.0.1', timeoutMs: 100 }, { key: '10.0.0.2' }])
    })
    const listed = [...(await nft.listElements(sticky))]
    expect(listed).toHaveLength(2)
    const [own] = listed.filter(({ key }) => key === '10.0.0.2')
    expect(own!.expirationMs).toBeGreaterThan(50_000)
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect([...(await nft.listElements(sticky))].map(({ key }) => key)).toEqual(['10.0.0.2'])
  })

  it('keeps others off a table that a client owns, until that one closes', async () => {
    const open = await opener()
    const owner = await open()
    await using other = await open()
    const own = (tx: Transaction): void => {
      tx.add.table({ ...table, flags: ['owner'] })
      tx.add.chain(chain)
    }
    if (isReal && isOlderThan('5.12')) {
      expect((await refusal(owner, own)).hint).toContain('owner needs Linux 5.12')
      return
    }
    await commit(owner, own)
    const error = await refusal(other, (tx) => tx.add.chain({ ...inTable, name: 'theirs' }))
    expect(error).toMatchObject({ code: 'EPERM', field: 'table', subject: 'add chain ip app theirs' })
    expect(error.hint).toContain('owned by another socket')
    const again = await refusal(other, (tx) => tx.add.table({ ...table, flags: ['owner'] }))
    expect(again).toMatchObject({ code: 'EPERM', field: undefined, subject: 'add table ip app', hint: error.hint })
    await commit(other, (tx) => tx.flush.ruleset({ allTables: true }))
    expect(await other.listTables()).toMatchObject([{ name: 'app', flags: ['owner'] }])
    await commit(owner, (tx) => tx.add.chain({ ...inTable, name: 'ours' }))
    await owner.close()
    expect(await other.listTables()).toEqual([])
  })

  it('leaves a table that persists to nobody when its owner closes, and to who takes it over then', async () => {
    const open = await opener()
    const owner = await open()
    await using other = await open()
    const flags = ['owner', 'persist'] as const
    const own = (tx: Transaction): void => tx.add.table({ ...table, flags })
    if (isReal && isOlderThan('6.9')) {
      expect((await refusal(owner, own)).hint).toMatch(/needs Linux (5\.12|6\.9)/)
      return
    }
    await commit(owner, own)
    await commit(owner, own)
    expect(await other.listTables()).toMatchObject([{ name: 'app', flags, owner: owner.portId }])
    await owner.close()
    const [left] = await other.listTables()
    expect(left).toMatchObject({ name: 'app', flags: ['persist'] })
    expect(left).not.toHaveProperty('owner')
    expect(await refusal(other, (tx) => tx.add.table({ ...table, flags: ['owner'] }))).toMatchObject({ code: 'EOPNOTSUPP' })
    await commit(other, own)
    expect(await other.listTables()).toMatchObject([{ name: 'app', flags, owner: other.portId }])
    expect(await refusal(other, (tx) => tx.add.table({ ...table, flags: ['persist'] }))).toMatchObject({ code: 'EOPNOTSUPP' })
  })

  it('keeps a flowtable that rules hand connections to', async () => {
    const open = await opener()
    await using nft = await open()
    await commit(nft, (tx) => {
      tx.add.table(table)
      tx.add.chain({ ...inTable, name: 'fast' })
    })
    const rule = { ...inTable, chain: 'fast', expressions: [{ type: 'flow_offload', flowtable: 'f' }] } as const
    expect(await refusal(nft, (tx) => tx.add.rule(rule))).toMatchObject({ code: 'ENOENT' })
    const make = (tx: Transaction): void => {
      tx.add.flowtable({ ...inTable, name: 'f', priority: 'filter', devices: ['lo'] })
      tx.add.rule(rule)
    }
    if (isReal && spawnSync('modprobe', ['--dry-run', '--quiet', 'nft_flow_offload']).status !== 0) {
      expect(await refusal(nft, make)).toMatchObject({ code: 'ENOENT' })
      return
    }
    await commit(nft, make)
    expect(await nft.listRules({ ...inTable, chain: 'fast' })).toMatchObject([{ expressions: rule.expressions }])
    expect(await nft.listFlowtables()).toMatchObject([{ name: 'f', devices: ['lo'], use: 1 }])
    expect(await refusal(nft, (tx) => tx.delete.flowtable({ ...inTable, name: 'f' }))).toMatchObject({ code: 'EBUSY' })
  })

  it('names what is missing when asked to list it', async () => {
    const open = await opener()
    await using nft = await open()
    await commit(nft, base)
    expect(await rejection(nft.list({ family: 'ip', table: 'absent' }))).toMatchObject({ code: 'ENOENT', operation: 'nftables.list' })
    expect(await rejection(nft.listRules({ ...inTable, chain: 'absent' }))).toMatchObject({ code: 'ENOENT' })
    expect(await rejection(nft.listElements({ ...addresses, name: 'absent' }))).toMatchObject({
      code: 'ENOENT',
      operation: 'nftables.listElements'
    })
    expect(await nft.listTables({ family: 'ip6' })).toEqual([])
    expect(await nft.listTables({ family: 'ip' })).toHaveLength(1)
  })

  it('reports changes as they happen', async () => {
    const open = await opener()
    await using nft = await open()
    const events: NftablesEvent[] = []
    const monitor = await nft.watch()
    await commit(nft, (tx) => {
      base(tx)
      tx.add.elements(addresses, [{ key: '10.0.0.1' }, { key: '10.0.0.2' }])
      tx.add.rule({ ...inChain, expressions: [accept] })
    })
    const generation = await commit(nft, (tx) => tx.delete.table(table))
    for await (const event of monitor) {
      events.push(event)
      if (event.type === 'generation' && event.id === generation) break
    }
    const names = events.map((event) => ('kind' in event ? `${event.type} ${event.kind}` : event.type))
    expect(names.slice(0, 6)).toEqual(['new table', 'new chain', 'new set', 'new elements', 'new rule', 'generation'])
    expect(names.slice(6)).toEqual(expect.arrayContaining(['delete rule', 'delete set', 'delete chain', 'delete table']))
    expect(names.at(-1)).toBe('generation')
    expect(events[1]).toMatchObject({ object: { name: 'web', table: 'app' } })
    expect(events[3]).toMatchObject({ table: 'app', set: 'addresses', columns: { rows: 2 } })
  })

  it('works without a change, and refuses work once it is closed', async () => {
    const open = await opener()
    const nft = await open()
    const generation = await commit(nft, base)
    expect(await commit(nft, (tx) => tx.add.table(table))).toBe(generation)
    const pending = nft.readGeneration()
    await Promise.all([nft.close(), nft.close()])
    expect((await pending).id).toBe(generation)
    expect(await rejection(nft.listTables())).toBeInstanceOf(ClosedError)
    expect(await rejection(nft.watch())).toBeInstanceOf(ClosedError)
    const tx = nft.transaction()
    tx.add.table(table)
    expect(await rejection(tx.commit())).toBeInstanceOf(ClosedError)
  })
})
