import { expect, it } from 'vitest'
import { Nftables, type ListedRule } from '../../../src/index.js'
import { makeNamespace } from '../../support/namespace.js'

const CHAINS = 1_500

const ruleText = ({ family, table, chain, handle, comment }: ListedRule): string => `${family} ${table} ${chain} ${handle} ${comment ?? ''}`

it('lists the rules of many chains, in their order, as those of few', async () => {
  const namespace = await makeNamespace()
  const chain = (number: number): string => `chain c${number} { accept comment "first ${number}"; drop comment "second ${number}"; }`
  const chains = Array.from({ length: CHAINS }, (_, number) => chain(number)).join('\n')
  await namespace.nftScript(`table ip many {\n${chains}\n}\ntable ip6 many {\n${chain(7)}\n}\ntable ip few {\n${chain(8)}\n}`)
  await using nft = await Nftables.open({ netns: namespace.path })
  // Rules by themselves are listed as the kernel walks them, whatever chains there are.
  const rules = (await nft.listRules()).map(ruleText)
  expect(rules).toHaveLength(2 * CHAINS + 4)
  expect((await nft.list()).rules.map(ruleText)).toEqual(rules)
  const ofTable = (await nft.list({ family: 'ip', table: 'many' })).rules.map(ruleText)
  expect(ofTable).toEqual(rules.filter((rule) => rule.startsWith('ip many ')))
  expect((await nft.list({ table: 'many' })).rules.map(ruleText).sort()).toEqual(rules.filter((rule) => rule.includes(' many ')).sort())
})
