import { describe, expect, it } from 'vitest'
import { Iptables } from '../../../src/iptables/client.js'
import { parseRule } from '../../../src/iptables/text/line.js'
import type { IptablesChainReference } from '../../../src/iptables/transaction/operations.js'
import type { IptablesTransaction } from '../../../src/iptables/transaction/transaction.js'
import { iptablesNft, restoreByIptables, savedLines } from '../../support/iptables.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'
import { readLog, type ReadLog } from '../../support/read-log.js'
import { rejection } from '../../support/rejection.js'

const FILTER = { family: 'ip', table: 'filter' } as const
const INPUT = { ...FILTER, chain: 'INPUT' } as const
const inChain = (chain: string): IptablesChainReference => ({ ...FILTER, chain })
const rule = (text: string): ReturnType<typeof parseRule> => parseRule(text, { family: 'ip' })

/** Chains `c0` to `c29`, each of three rules; `c1` is gone on in from `c0` alone, and `c2` from INPUT. */
const saved = [
  '*filter',
  ':INPUT ACCEPT [0:0]',
  ...Array.from({ length: 30 }, (_, index) => `:c${index} - [0:0]`),
  '-A INPUT -s 10.0.0.1/32 -j ACCEPT',
  '-A INPUT -j c2',
  ...Array.from({ length: 30 }, (_, index) => [
    `-A c${index} -s 10.1.${index}.1/32 -j ACCEPT`,
    `-A c${index} -s 10.1.${index}.2/32 -j ${index === 0 ? 'c1' : 'DROP'}`,
    `-A c${index} -s 10.1.${index}.3/32 -j RETURN`
  ]).flat(),
  'COMMIT',
  ''
].join('\n')

interface Opened extends AsyncDisposable {
  readonly namespace: TestNamespace
  readonly iptables: Iptables
  readonly log: ReadLog
}

async function open(): Promise<Opened> {
  const namespace = await makeNamespace()
  await restoreByIptables(namespace, 'ip', saved)
  const log = readLog()
  const iptables = await Iptables.open({ netns: namespace.path, kernel: log.kernel })
  return { namespace, iptables, log, [Symbol.asyncDispose]: () => iptables.close() }
}

type Queue = (tx: IptablesTransaction) => void

/** What is called, how many rules that reads, list by list, and the same in the words of iptables. */
const calls: readonly (readonly [string, Queue, readonly number[], readonly (readonly string[])[]])[] = [
  [
    'rules at the ends of chains',
    (tx) => {
      tx.append(INPUT, rule('-s 10.2.0.1 -j DROP'))
      tx.insert(INPUT, rule('-s 10.2.0.2 -j DROP'))
      tx.append(INPUT, rule('-s 10.2.0.3 -j c1'))
      tx.insert(INPUT, rule('-s 10.2.0.4 -j DROP'))
      tx.append(inChain('OUTPUT'), rule('-s 10.2.0.5 -j DROP'))
    },
    [],
    [
      ['-A', 'INPUT', '-s', '10.2.0.1', '-j', 'DROP'],
      ['-I', 'INPUT', '-s', '10.2.0.2', '-j', 'DROP'],
      ['-A', 'INPUT', '-s', '10.2.0.3', '-j', 'c1'],
      ['-I', 'INPUT', '-s', '10.2.0.4', '-j', 'DROP'],
      ['-A', 'OUTPUT', '-s', '10.2.0.5', '-j', 'DROP']
    ]
  ],
  [
    'positions of one chain, and the end of another',
    (tx) => {
      tx.insert(inChain('c3'), rule('-s 10.2.0.1 -j DROP'), 2)
      tx.delete(inChain('c3'), rule('-s 10.1.3.3 -j RETURN'))
      tx.replace(inChain('c3'), 1, rule('-s 10.2.0.2 -j DROP'))
      tx.append(inChain('c4'), rule('-s 10.2.0.3 -j DROP'))
    },
    [3],
    [
      ['-I', 'c3', '2', '-s', '10.2.0.1', '-j', 'DROP'],
      ['-D', 'c3', '-s', '10.1.3.3', '-j', 'RETURN'],
      ['-R', 'c3', '1', '-s', '10.2.0.2', '-j', 'DROP'],
      ['-A', 'c4', '-s', '10.2.0.3', '-j', 'DROP']
    ]
  ],
  [
    'chains that go with the rules that go on in them',
    (tx) => {
      tx.delete(INPUT, rule('-j c2'))
      for (const chain of ['c2', 'c5']) {
        tx.flush(inChain(chain))
        tx.deleteChain(inChain(chain))
      }
    },
    [2, 3, 3],
    [
      ['-D', 'INPUT', '-j', 'c2'],
      ['-F', 'c2'],
      ['-X', 'c2'],
      ['-F', 'c5'],
      ['-X', 'c5']
    ]
  ],
  [
    'a new chain, and a policy',
    (tx) => {
      tx.newChain(inChain('new'))
      tx.append(inChain('new'), rule('-j c6'))
      tx.insert(inChain('c7'), rule('-j new'))
      tx.policy(inChain('FORWARD'), 'DROP')
    },
    [],
    [
      ['-N', 'new'],
      ['-A', 'new', '-j', 'c6'],
      ['-I', 'c7', '-j', 'new'],
      ['-P', 'FORWARD', 'DROP']
    ]
  ],
  [
    'a chain with another name',
    (tx) => {
      tx.renameChain(inChain('c1'), 'other')
      tx.insert(inChain('other'), rule('-s 10.2.0.1 -j DROP'), 2)
    },
    [92],
    [
      ['-E', 'c1', 'other'],
      ['-I', 'other', '2', '-s', '10.2.0.1', '-j', 'DROP']
    ]
  ],
  [
    'many chains',
    (tx) => {
      for (let index = 0; index < 17; index++) tx.delete(inChain(`c${index}`), 1)
    },
    [92],
    Array.from({ length: 17 }, (_, index) => ['-D', `c${index}`, '1'])
  ]
]

describe('a transaction reads the rules that it depends on, and no others', () => {
  it.each(calls)('%s', async (_, queue, read, words) => {
    await using opened = await open()
    const { namespace, iptables, log } = opened
    const tx = iptables.transaction()
    queue(tx)
    await tx.commit()
    expect(log.rules).toEqual(read)
    const other = await makeNamespace()
    await restoreByIptables(other, 'ip', saved)
    for (const line of words) await iptablesNft(other, 'ip', ...line)
    expect(await savedLines(namespace, 'ip')).toEqual(await savedLines(other, 'ip'))
  })

  it('a chain that rules go on in which were not read is refused as it was, with the rule', async () => {
    await using opened = await open()
    const { namespace, iptables, log } = opened
    const before = await savedLines(namespace, 'ip')
    const tx = iptables.transaction()
    tx.flush(inChain('c1'))
    tx.deleteChain(inChain('c1'))
    const error = await rejection(tx.commit())
    expect(error).toMatchObject({ code: 'EBUSY', index: 1, hint: expect.stringContaining('chain ip filter c0 goes on in it') as string })
    expect(log.rules).toEqual([3, 92])
    expect(await savedLines(namespace, 'ip')).toEqual(before)
  })

  it('one chain is listed, and looked through, alone', async () => {
    await using opened = await open()
    const { iptables, log } = opened
    const { tables } = await iptables.list({ ...FILTER, chain: 'c9' })
    expect(tables.flatMap(({ chains }) => chains.map(({ name, rules }) => [name, rules.length]))).toEqual([['c9', 3]])
    expect(await iptables.check(inChain('c9'), rule('-s 10.1.9.2 -j DROP'))).toBe(true)
    expect(await iptables.check(inChain('c9'), rule('-s 10.1.8.2 -j DROP'))).toBe(false)
    expect(log.rules).toEqual([3, 3, 3])
  })
})
