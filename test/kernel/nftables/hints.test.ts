import { Buffer } from 'node:buffer'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import type { NetlinkError } from '../../../src/core/errors.js'
import { Nftables } from '../../../src/nftables/client.js'
import type { Expression } from '../../../src/nftables/expressions.js'
import { jump, rule } from '../../../src/nftables/rule/index.js'
import type { SetSpec } from '../../../src/nftables/sets.js'
import type { Transaction } from '../../../src/nftables/transaction.js'
import { isOlderThan } from '../../support/kernel-version.js'
import { makeNamespace } from '../../support/namespace.js'
import { rejection } from '../../support/rejection.js'

const inTable = { family: 'ip', table: 'app' } as const
const inChain = { ...inTable, chain: 'web' } as const
const input = { ...inTable, name: 'input', hook: 'input', priority: 0 } as const
const small: SetSpec = { ...inTable, name: 'small', key: 'mark', size: 1 }
const fixed: SetSpec = { ...inTable, name: 'fixed', key: 'mark', flags: ['constant'] }
const targets: SetSpec = { ...inTable, name: 'targets', key: 'mark', data: 'verdict' }
const absent: SetSpec = { ...inTable, name: 'absent', key: 'mark' }
const loadMark: Expression = { type: 'meta', key: 'mark', destinationRegister: 1 }

function expressions(...list: Expression[]): { readonly expressions: readonly Expression[] } {
  return { expressions: list }
}

/** NFTA_MATCH_NAME "absent", NFTA_MATCH_REV 0, NFTA_MATCH_INFO of no bytes. */
const absentMatch = Buffer.concat([
  Buffer.from('0b000100', 'hex'),
  Buffer.from('absent\0\0'),
  Buffer.from('0800020000000000' + '04000300', 'hex')
])
/** NFTA_SECMARK_CTX "label". */
const label = Buffer.concat([Buffer.from('0a000100', 'hex'), Buffer.from('label\0\0\0')])

function setUp(tx: Transaction): void {
  tx.add.table({ family: 'ip', name: 'app' })
  tx.add.chain({ ...inTable, name: 'web' })
  tx.add.chain(input)
  tx.add.set(small)
  tx.add.set(fixed)
  tx.add.map(targets)
  tx.add.elements(small, [{ key: 1 }])
  tx.add.rule({ ...inChain, ...expressions(loadMark, { type: 'lookup', set: 'fixed', sourceRegister: 1 }) })
  tx.add.rule({ ...inTable, chain: 'input', ...rule(jump([rule(jump('web'))])) })
}

/** The chain of a rule, by the name that the kernel gave it. */
let own = ''

/** What the hint says, the code, and what provokes it. What proves that it is the cause: the same is taken once the cause is gone (`cure`). */
const rows: readonly [hint: string, code: string, provoke: (tx: Transaction) => void, cure?: (tx: Transaction) => void][] = [
  [
    'a table that exists neither gets nor loses its owner',
    'EOPNOTSUPP',
    (tx) => tx.add.table({ family: 'ip', name: 'app', flags: ['owner'] }),
    (tx) => tx.add.table({ family: 'ip', name: 'fresh', flags: ['owner'] })
  ],
  [
    'address translation comes after connection tracking: chains of type nat have a priority above -200',
    'EOPNOTSUPP',
    (tx) => tx.add.chain({ ...inTable, name: 'early', type: 'nat', hook: 'prerouting', priority: -200 }),
    (tx) => tx.add.chain({ ...inTable, name: 'early', type: 'nat', hook: 'prerouting', priority: -199 })
  ],
  [
    'the chain exists with another hook, priority or type, or without any, and these cannot be changed: delete it first',
    isOlderThan('6.12') ? 'EEXIST' : 'EOPNOTSUPP',
    (tx) => tx.add.chain({ ...input, priority: 5 }),
    (tx) => tx.add.chain({ ...input, name: 'another', priority: 5 })
  ],
  [
    'the chain exists with another hook, priority or type, or without any, and these cannot be changed: delete it first',
    'EEXIST',
    (tx) => tx.add.chain({ ...input, name: 'web' })
  ],
  [
    'this kernel has no chains of this type in tables of this family',
    'ENOENT',
    (tx) => tx.add.chain({ ...input, name: 'x', type: 'absent' }),
    (tx) => tx.add.chain({ ...input, name: 'x', type: 'filter' })
  ],
  [
    'the chain belongs to a rule that jumps to it, and changes with that rule only',
    'EOPNOTSUPP',
    (tx) => tx.flush.chain({ ...inTable, name: own })
  ],
  ['the chain belongs to the rule that jumps to it, and no other can', 'EINVAL', (tx) => tx.add.rule({ ...inChain, ...rule(jump(own)) })],
  [
    'chains with a hook cannot be jumped to',
    'EOPNOTSUPP',
    (tx) => tx.add.rule({ ...inTable, chain: 'input', ...rule(jump('input')) }),
    (tx) => tx.add.rule({ ...inTable, chain: 'input', ...rule(jump('web')) })
  ],
  ['there is no such table', 'ENOENT', (tx) => tx.add.chain({ ...inTable, table: 'absent', name: 'x' })],
  ['there is no such table', 'ENOENT', (tx) => tx.delete.table({ family: 'ip', name: 'absent' })],
  ['there is no such chain', 'ENOENT', (tx) => tx.add.rule({ ...inTable, chain: 'absent', ...expressions() })],
  ['there is no such set', 'ENOENT', (tx) => tx.add.elements(absent, [{ key: 1 }])],
  ['nothing has this handle', 'ENOENT', (tx) => tx.delete.rule({ ...inChain, handle: 999n })],
  ['the chain has no rule with this handle', 'ENOENT', (tx) => tx.add.rule({ ...inChain, after: 999n, ...expressions() })],
  ['nothing has this name', 'ENOENT', (tx) => tx.delete.set({ ...inTable, name: 'absent' })],
  [
    'there is no such set in the table',
    'ENOENT',
    (tx) => tx.add.rule({ ...inChain, ...expressions(loadMark, { type: 'lookup', set: 'absent', sourceRegister: 1 }) }),
    (tx) => {
      tx.add.set(absent)
      tx.add.rule({ ...inChain, ...expressions(loadMark, { type: 'lookup', set: 'absent', sourceRegister: 1 }) })
    }
  ],
  [
    'there is no such object of this kind in the table',
    'ENOENT',
    (tx) => tx.add.rule({ ...inChain, ...expressions({ type: 'objref', objectType: 'counter', name: 'hits' }) }),
    (tx) => {
      tx.add.counter({ ...inTable, name: 'hits' })
      tx.add.rule({ ...inChain, ...expressions({ type: 'objref', objectType: 'counter', name: 'hits' }) })
    }
  ],
  ['there is no such chain in the table', 'ENOENT', (tx) => tx.add.rule({ ...inChain, ...rule(jump('absent')) })],
  [
    'this kernel lacks the extension of xtables, in this revision, or its module nft_compat',
    'ENOENT',
    (tx) => tx.add.rule({ ...inChain, ...expressions({ type: 'opaque', name: 'match', data: absentMatch }) })
  ],
  [
    'this kernel lacks the expression, or its module',
    'ENOENT',
    (tx) => tx.add.rule({ ...inChain, ...expressions({ type: 'opaque', name: 'absent', data: new Uint8Array(0) }) })
  ],
  [
    'this kernel has no security module that knows the label',
    'ENOENT',
    (tx) => tx.add.object({ ...inTable, name: 'labelled', objectType: 8, data: label })
  ],
  [
    'this kernel has no objects of this kind in tables of this family, or lacks what the object refers to (a helper)',
    'ENOENT',
    (tx) => tx.add.object({ ...inTable, name: 'x', objectType: 99, data: new Uint8Array(0) })
  ],
  ['the set has no such element', 'ENOENT', (tx) => tx.delete.elements(small, [{ key: 9 }])],
  [
    'the table lacks the chain or the object that the element refers to',
    'ENOENT',
    (tx) => tx.add.elements(targets, [{ key: 1, verdict: 'jump', chain: 'absent' }]),
    (tx) => tx.add.elements(targets, [{ key: 1, verdict: 'jump', chain: 'web' }])
  ],
  [
    'an element with this key, or a range that overlaps it, is there already',
    'EEXIST',
    (tx) => tx.create.elements(small, [{ key: 1 }]),
    (tx) => tx.create.elements({ ...targets }, [{ key: 2, verdict: 'accept' }])
  ],
  ['it exists already', 'EEXIST', (tx) => tx.create.chain({ ...inTable, name: 'web' })],
  ['it exists, and differs in what cannot be changed', 'EEXIST', (tx) => tx.add.set({ ...small, key: 'ipv4_addr' })],
  ['something still refers to the object', 'EBUSY', (tx) => tx.delete.set({ ...inTable, name: 'fixed' })],
  ['the set is constant, and a rule uses it', 'EBUSY', (tx) => tx.add.elements(fixed, [{ key: 1 }])],
  [
    'the set is constant',
    'EBUSY',
    (tx) => {
      const constant: SetSpec = { ...inTable, name: 'constant', key: 'mark', flags: ['constant', 'eval'] }
      tx.add.set(constant)
      tx.add.rule({ ...inChain, ...expressions(loadMark, { type: 'dynset', set: 'constant', op: 'add', keyRegister: 1 }) })
    }
  ],
  ['the set has as many elements as its declared size', 'ENFILE', (tx) => tx.add.elements(small, [{ key: 2 }])],
  [
    'chains go round in circles, or jump more than 16 deep',
    'EMLINK',
    (tx) => {
      tx.add.chain({ ...inTable, name: 'deep0' })
      for (let depth = 1; depth < 20; depth += 1) {
        tx.add.chain({ ...inTable, name: `deep${depth}` })
        tx.add.rule({ ...inTable, chain: `deep${depth - 1}`, ...rule(jump(`deep${depth}`)) })
      }
      tx.add.rule({ ...inTable, chain: 'input', ...rule(jump('deep0')) })
    }
  ]
]

/** Where the others are provoked. */
const elsewhere: Readonly<Record<string, string>> = {
  'this kernel has no flowtables for tables of this family (CONFIG_NF_FLOW_TABLE)': 'test/kernel/nftables/optional-expressions.test.ts',
  'destroy needs Linux 6.3': 'test/contract/nftables/client.test.ts, on older kernels',
  'owner needs Linux 5.12': 'test/contract/nftables/client.test.ts, on older kernels',
  'persist needs Linux 6.9': 'test/kernel/nftables/refusals.test.ts, on older kernels',
  'the table is owned by another socket (flag owner)': 'test/contract/nftables/client.test.ts',
  'another process changed the ruleset: read the generation and the objects again': 'test/kernel/nftables/refusals.test.ts',
  'a transaction is one datagram: raise net.core.wmem_max, run with CAP_NET_ADMIN in the initial user namespace, or commit in parts':
    'test/kernel/nftables/refusals.test.ts',
  'chains go round in circles': 'test/contract/nftables/client.test.ts, on older kernels'
}

describe('the hint of a refusal', () => {
  const seen = new Set<string>()

  it.each(rows)('is "%s" (%s) for its cause', async (hint, code, provoke, cure) => {
    const { path: netns } = await makeNamespace()
    await using nft = await Nftables.open({ netns })
    const prepared = nft.transaction()
    setUp(prepared)
    await prepared.commit()
    own = (await nft.listChains()).find(({ flags }) => flags?.includes('binding') === true)!.name
    const before = (await nft.readGeneration()).id
    const tx = nft.transaction()
    provoke(tx)
    const error = await rejection<NetlinkError>(tx.commit())
    expect({ code: error.code, hint: error.hint }).toEqual({ code, hint })
    seen.add(hint)
    expect((await nft.readGeneration()).id).toBe(before)
    if (cure === undefined) return
    const cured = nft.transaction()
    cure(cured)
    await cured.commit()
  })

  it('was provoked for every hint there is', () => {
    const source = readFileSync(path.resolve(import.meta.dirname, '../../../src/nftables/hints.ts'), 'utf8')
    const hints = [...source.matchAll(/(?:hint|^ {2}E[A-Z]+): *\n? *'([^']+)'/gm)].map(([, hint]) => hint!)
    expect(hints.length).toBeGreaterThan(30)
    expect(hints.filter((hint) => !seen.has(hint) && elsewhere[hint] === undefined)).toEqual([])
  })
})
