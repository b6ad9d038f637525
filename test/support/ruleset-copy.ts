/**
 * A ruleset that is listed by the client and written into another namespace, seen by nft in both.
 */
import { expect } from 'vitest'
import { Nftables } from '../../src/nftables/client.js'
import type { Ruleset } from '../../src/nftables/listing.js'
import type { Transaction } from '../../src/nftables/transaction.js'
import { makeNamespace, type TestNamespace } from './namespace.js'

/** Writes all of a listing again. */
export function writeRuleset(tx: Transaction, ruleset: Ruleset): void {
  for (const table of ruleset.tables) tx.create.table(table)
  for (const chain of ruleset.chains) tx.create.chain(chain)
  for (const counter of ruleset.counters) tx.create.counter(counter)
  for (const object of ruleset.objects) tx.create.object(object)
  for (const flowtable of ruleset.flowtables) tx.create.flowtable(flowtable)
  for (const set of ruleset.sets) tx.create.set(set)
  for (const elements of ruleset.elements) tx.create.elements(elements.set, elements)
  for (const rule of ruleset.rules) tx.add.rule(rule)
}

/** What a namespace holds, by the client. */
export async function listRuleset(namespace: TestNamespace): Promise<Ruleset> {
  await using nft = await Nftables.open({ netns: namespace.path })
  return await nft.list({ elements: true })
}

/** Lists what a namespace holds and writes it into a fresh one. */
export async function copyRuleset(from: TestNamespace): Promise<{ readonly to: TestNamespace; readonly listed: Ruleset }> {
  const listed = await listRuleset(from)
  const to = await makeNamespace()
  await using nft = await Nftables.open({ netns: to.path })
  const tx = nft.transaction()
  writeRuleset(tx, listed)
  await tx.commit()
  return { to, listed }
}

/** Objects of a printed ruleset; counters are listed apart from other objects, so their order is not kept. */
function blocks(text: string): string[] {
  return text
    .split(/\n+(?=\t?[a-z]+ [^\n]*\{\n)/)
    .map((block) => block.replace(/\n\}\n?$/, ''))
    .sort()
}

/** What libnftnl decodes: expressions in order, elements in any (hash tables have none). An end at 0, which nft writes before the first range, ends nothing. */
function bytecode(text: string): string[] {
  const lines = text.split('\n')
  const elements = lines.filter((line) => line.startsWith('\telement ') && line !== '\telement 00000000  : 1 [end]')
  // The kernel numbers the chains that belong to rules.
  const rules = lines.filter((line) => line.startsWith('  [ ')).map((line) => line.replace(/__chain\d+/, '__chain'))
  return [...elements.sort(), ...rules]
}

/** Expects nft to print the same of both, and to decode the same. */
export async function expectSamePrinted(from: TestNamespace, to: TestNamespace): Promise<void> {
  expect(blocks(await to.nft('list', 'ruleset'))).toEqual(blocks(await from.nft('list', 'ruleset')))
  expect(bytecode(await to.nft('--debug=netlink', 'list', 'ruleset'))).toEqual(
    bytecode(await from.nft('--debug=netlink', 'list', 'ruleset'))
  )
  const json = async (namespace: TestNamespace): Promise<string[]> => {
    const { nftables } = JSON.parse(await namespace.nft('-j', 'list', 'ruleset')) as { nftables: object[] }
    return nftables.map((object) => JSON.stringify(object).replaceAll(/"handle":\d+/g, '"handle":0')).sort()
  }
  expect(await json(to)).toEqual(await json(from))
}
