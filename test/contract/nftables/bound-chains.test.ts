import { describe, expect, it } from 'vitest'
import { type NetlinkError, ValidationError } from '../../../src/core/errors.js'
import { Nftables } from '../../../src/nftables/client.js'
import { accept, counter, drop, goto, ip, jump, rule, tcp } from '../../../src/nftables/rule/index.js'
import type { Transaction } from '../../../src/nftables/transaction.js'
import { FakeNftablesKernel } from '../../../src/testing/nftables/kernel.js'
import { kernelsHere } from '../../support/lab.js'
import { makeNamespace } from '../../support/namespace.js'
import { rejection } from '../../support/rejection.js'
import { writeRuleset } from '../../support/ruleset-copy.js'

const kernels = [
  {
    kernel: 'the fake',
    open: () => new FakeNftablesKernel().open()
  },
  {
    kernel: 'the kernel',
    open: async () => Nftables.open({ netns: (await makeNamespace()).path })
  }
]

const inTable = { family: 'ip', table: 'app' } as const
const inChain = { ...inTable, chain: 'in' } as const
const bound = { ...inTable, name: 'own', flags: ['binding'] } as const

async function commit(nft: Nftables, build: (tx: Transaction) => void): Promise<void> {
  const tx = nft.transaction()
  build(tx)
  await tx.commit()
}

async function refusal<T = NetlinkError>(nft: Nftables, build: (tx: Transaction) => void): Promise<T> {
  const tx = nft.transaction()
  build(tx)
  return await rejection<T & Error>(tx.commit())
}

/** A base chain, and in it a rule with a chain of its own. */
function begin(tx: Transaction): void {
  tx.add.table({ family: 'ip', name: 'app' })
  tx.add.chain({ ...inTable, name: 'in', hook: 'input' })
  tx.add.chain({ ...inTable, name: 'web' })
  const inner = [{ ...rule(ip.saddr.in(['10.0.0.1', '10.0.0.2']), accept()), comment: 'friends' }, rule(drop())]
  tx.add.rule({ ...inChain, ...rule(tcp.dport.eq(22), jump(inner)) })
  tx.add.rule({ ...inChain, ...rule(tcp.dport.eq(80), goto([rule(counter(), jump('web'))])) })
}

describe.each(kernelsHere(kernels))('chains that belong to a rule, on $kernel', ({ open }) => {
  it('are made, filled and bound in one transaction', async () => {
    await using nft = await open()
    await commit(nft, begin)
    const { chains, rules } = await nft.list()
    const own = chains.filter(({ flags }) => flags?.includes('binding') === true)
    expect(own.map(({ name, use, flags }) => ({ isNamed: name.startsWith('__chain'), use, flags }))).toEqual([
      { isNamed: true, use: 4, flags: ['binding'] },
      { isNamed: true, use: 3, flags: ['binding'] }
    ])
    expect(rules.map(({ chain, comment }) => [chain, comment])).toEqual([
      [own[0]!.name, 'friends'],
      [own[0]!.name, undefined],
      [own[1]!.name, undefined],
      ['in', undefined],
      ['in', undefined]
    ])
    const verdicts = rules.map(({ expressions }) => expressions.at(-1))
    expect(verdicts.at(-2)).toMatchObject({ data: { verdict: 'jump', chain: own[0]!.name } })
    expect(verdicts.at(-1)).toMatchObject({ data: { verdict: 'goto', chain: own[1]!.name } })
    expect((await nft.listRules()).map(({ chain }) => chain)).toEqual(rules.map(({ chain }) => chain))
  })

  it('stay bound when they are listed and written again, and go with their rule', async () => {
    await using from = await open()
    await using to = await open()
    await commit(from, begin)
    const listed = await from.list({ elements: true })
    await commit(to, (tx) => writeRuleset(tx, listed))
    const written = await to.list({ elements: true })
    const shape = ({ chains, rules }: typeof written): unknown => [
      chains.map(({ name, flags, use }) => [name.replace(/\d+$/, ''), flags, use]),
      rules.map(({ chain, expressions, comment }) => [chain.replace(/\d+$/, ''), expressions.length, comment])
    ]
    expect(shape(written)).toEqual(shape(listed))
    for (const outer of written.rules.filter(({ chain }) => chain === 'in')) await commit(to, (tx) => tx.delete.rule(outer))
    expect((await to.list()).chains.map(({ name }) => name)).toEqual(['in', 'web'])
    expect((await to.list()).sets).toEqual([])
  })

  it('are made for rules that are inserted and that replace others', async () => {
    await using nft = await open()
    await commit(nft, begin)
    await commit(nft, (tx) => tx.insert.rule({ ...inChain, ...rule(jump([rule(counter())])) }))
    const [first] = await nft.listRules({ chain: 'in' })
    await commit(nft, (tx) => tx.replace.rule({ ...first!, expressions: [] as never, ...rule(goto([rule(drop()), rule(accept())])) }))
    const { chains } = await nft.list()
    expect(chains.filter(({ flags }) => flags?.includes('binding') === true).map(({ use }) => use)).toEqual([4, 3, 4])
  })

  it.each<[string, string, string | undefined, (tx: Transaction, own: string) => void]>([
    ['a rule in it', 'EOPNOTSUPP', undefined, (tx, own) => tx.add.rule({ ...inTable, chain: own, expressions: [] })],
    ['its deletion', 'EOPNOTSUPP', undefined, (tx, own) => tx.delete.chain({ ...inTable, name: own })],
    ['its emptying', 'EOPNOTSUPP', undefined, (tx, own) => tx.flush.chain({ ...inTable, name: own })],
    ['another jump to it', 'EINVAL', 'expressions[0]', (tx, own) => tx.add.rule({ ...inChain, ...rule(jump(own)) })]
  ])('is closed: the kernel refuses %s', async (_what, code, field, build) => {
    await using nft = await open()
    await commit(nft, begin)
    const own = (await nft.listChains()).find(({ flags }) => flags?.includes('binding') === true)!.name
    const error = await refusal(nft, (tx) => build(tx, own))
    expect(error).toMatchObject({ code, field })
    expect(error.hint).toMatch(/belongs to (the|a) rule/)
  })

  it('must be bound by the transaction that makes it', async () => {
    await using nft = await open()
    await commit(nft, begin)
    const error = await refusal(nft, (tx) => tx.add.chain(bound))
    expect(error).toMatchObject({ code: 'EINVAL', subject: '1 operations' })
  })

  it.each<[string, string, (tx: Transaction) => void]>([
    [
      'a rule that comes after the one that it belongs to',
      'chain',
      (tx) => {
        tx.add.rule({ ...inChain, ...rule(jump('own')) })
        tx.add.rule({ ...inTable, chain: 'own', ...rule(drop()) })
      }
    ],
    [
      'a second rule that jumps to it',
      'expressions[0].data.chain',
      (tx) => {
        tx.add.rule({ ...inChain, ...rule(jump('own')) })
        tx.add.rule({ ...inChain, ...rule(jump('own')) })
      }
    ],
    [
      'a chain of its own inside',
      'expressions[0].data.chain',
      (tx) => {
        tx.add.chain({ ...bound, name: 'other' })
        tx.add.rule({ ...inTable, chain: 'own', ...rule(jump('other')) })
      }
    ],
    [
      'a chain of its own inside, by the builder',
      'statements[0]',
      (tx) => tx.add.rule({ ...inTable, chain: 'own', ...rule(jump([rule(drop())])) })
    ]
  ])('refuses %s before anything is sent', async (_what, path, build) => {
    await using nft = await open()
    await commit(nft, begin)
    const error = await refusal<ValidationError>(nft, (tx) => {
      tx.add.chain(bound)
      build(tx)
    })
    expect(error).toBeInstanceOf(ValidationError)
    expect(error.path).toMatch(new RegExp(`^operations\\[\\d\\] \\(.*\\)\\.${path.replaceAll(/[[\]().]/g, '\\$&')}$`))
  })
})

describe('the rules of a chain of a rule', () => {
  it.each<[string, unknown, string]>([
    ['none', [], 'rules'],
    ['no rule', [accept()], 'rules[0]'],
    ['nothing', [undefined], 'rules[0]'],
    ['a chain of its own', [rule(accept()), rule(counter(), jump([rule(drop())]))], 'rules[1].statements[1]']
  ])('cannot be %s', (_what, rules, path) => {
    let caught: unknown
    try {
      jump(rules as never)
    } catch (error) {
      caught = error
    }
    expect(caught).toBeInstanceOf(ValidationError)
    expect((caught as ValidationError).path).toBe(path)
  })
})
