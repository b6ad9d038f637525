import { expect, it } from 'vitest'
import { NetlinkError } from '../../../src/core/errors.js'
import { Nftables, type Transaction } from '../../../src/index.js'
import { flowAdd, meta, numgen, queue, rule, type RuleStatement } from '../../../src/nftables.js'
import { makeNamespace } from '../../support/namespace.js'
import { rejection } from '../../support/rejection.js'

const inTable = { family: 'inet', table: 'a' } as const

interface Optional {
  /** The statement, in nft's words. */
  readonly text: string
  readonly statement: RuleStatement
  /** What is needed beside, in nft's words and in ours. */
  readonly needs?: { readonly text: string; readonly add: (tx: Transaction) => void }
  /** What an expression or object is refused with that the kernel was built without. */
  readonly hint: string
}

const lacksExpression = 'this kernel lacks the expression, or its module'

/** What kernels are often built without: CONFIG_NFT_QUEUE, CONFIG_NFT_FLOW_OFFLOAD, CONFIG_NFT_BRIDGE_META. */
const rows: readonly Optional[] = [
  { text: 'queue flags bypass to 3', statement: queue(3, { flags: ['bypass'] }), hint: lacksExpression },
  {
    text: 'queue flags bypass,fanout to 1-5',
    statement: queue({ from: 1, to: 5 }, { flags: ['bypass', 'fanout'] }),
    hint: lacksExpression
  },
  { text: 'queue to numgen inc mod 4', statement: queue(numgen.inc(4)), hint: lacksExpression },
  {
    text: 'flow add @fast',
    statement: flowAdd('fast'),
    needs: {
      text: 'add flowtable inet a fast { hook ingress priority filter; devices = { "lo" }; }',
      add: (tx) => tx.add.flowtable({ ...inTable, name: 'fast', priority: 'filter', devices: ['lo'] })
    },
    hint: 'this kernel has no flowtables for tables of this family (CONFIG_NF_FLOW_TABLE)'
  }
]

it.each(rows)(
  'where the kernel has it, it is as nft writes it, else the refusal says so: $text',
  async ({ text, statement, needs, hint }) => {
    const namespace = await makeNamespace()
    await using nft = await Nftables.open({ netns: namespace.path })
    const base = nft.transaction()
    base.add.table({ family: 'inet', name: 'a' })
    for (const name of ['theirs', 'ours']) base.add.chain({ ...inTable, name, hook: 'forward' })
    await base.commit()
    const { status } = await namespace.attempt('nft', ['-f', '-'], { input: `${needs?.text ?? ''}\nadd rule inet a theirs ${text}\n` })
    const tx = nft.transaction()
    needs?.add(tx)
    tx.add.rule({ ...inTable, chain: 'ours', ...rule(statement) })
    if (status !== 0) {
      const error = await rejection<NetlinkError>(tx.commit())
      expect(error).toBeInstanceOf(NetlinkError)
      expect(error).toMatchObject({ code: 'ENOENT' })
      expect(error.message).toContain(hint)
      return
    }
    await tx.commit()
    const [theirs, ours] = await Promise.all(['theirs', 'ours'].map((chain) => nft.listRules({ ...inTable, chain })))
    expect(ours![0]!.expressions).toEqual(theirs![0]!.expressions)
    expect(await namespace.nft('list', 'chain', 'inet', 'a', 'ours')).toContain(text)
  }
)

it('packets are sent to the network layer where the newest kernels can', async () => {
  const namespace = await makeNamespace()
  await using nft = await Nftables.open({ netns: namespace.path })
  const tx = nft.transaction()
  tx.add.table({ family: 'bridge', name: 'a' })
  tx.add.chain({ family: 'bridge', table: 'a', name: 'c', hook: 'prerouting' })
  tx.add.rule({ family: 'bridge', table: 'a', chain: 'c', ...rule(meta.broute.set(1)) })
  const outcome = await tx.commit().then(
    () => 'committed',
    (error: unknown) => (error as NetlinkError).code
  )
  // EOPNOTSUPP: before Linux 6.4, or without CONFIG_NFT_BRIDGE_META.
  expect(['committed', 'EOPNOTSUPP']).toContain(outcome)
  const rules = await nft.listRules().catch(() => [])
  expect(rules.length).toBe(outcome === 'committed' ? 1 : 0)
})
