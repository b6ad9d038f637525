import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Iptables } from '../../../src/iptables/client.js'
import { parseSave, printSave } from '../../../src/iptables/text/save.js'
import { deleteEachOthers, restoreByIptables, ruleSteps, savedLines, savedRules } from '../../support/iptables.js'
import { makeNamespace } from '../../support/namespace.js'

/** What `iptables-save` and `ip6tables-save` printed on a node of Kubernetes, whose kube-proxy works with iptables. */
const FOLDER = new URL('goldens/', import.meta.url)

const goldens = readdirSync(FOLDER).map((file) => {
  const family = file.endsWith('.ip6.txt') ? ('ip6' as const) : ('ip' as const)
  return { file, family, text: readFileSync(new URL(file, FOLDER), 'utf8') }
})

/** Accounting objects (`nfacct`) would have to be made before, which needs a module that few kernels have. */
const NFACCT = / -m nfacct --nfacct-name +\S+/g
const writable = goldens.map(({ text, ...rest }) => ({ ...rest, text: text.replace(NFACCT, '') }))

function lines(text: string): string[] {
  // iptables prints two blanks before the name of an accounting object.
  const even = text.replaceAll('--nfacct-name  ', '--nfacct-name ')
  return even.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

describe('rules of kube-proxy', () => {
  it.each(goldens)('are read, and printed as they were: $file', ({ family, text }) => {
    expect(lines(printSave(parseSave(text, { family }), { family }))).toEqual(lines(text))
  })

  it.each(writable)('are restored, and saved and listed as they were: $file', async ({ family, text }) => {
    const namespace = await makeNamespace()
    await using iptables = await Iptables.open({ netns: namespace.path })
    const tx = iptables.transaction()
    tx.restore(family, text)
    const { operations } = await tx.commit()
    expect(operations).toBeGreaterThan(50)
    expect(await savedLines(namespace, family)).toEqual(lines(text))
    const listing = await iptables.list({ family })
    expect(lines(printSave(listing.tables, { family }))).toEqual(lines(text))
    const rules = listing.tables.flatMap(({ name, chains }) =>
      chains.flatMap((chain) => chain.rules.map((rule) => ({ table: name, rule })))
    )
    expect(rules.filter(({ rule }) => rule.foreign !== undefined || (rule.matches ?? []).some((match) => 'opaque' in match))).toEqual([])
    // What is listed can be looked for, and written again.
    for (const { table, rule } of rules.slice(0, 20)) expect(await iptables.check({ family, table, chain: rule.chain }, rule)).toBe(true)
  })

  it.each(writable)('are what iptables-nft writes: $file', async ({ family, text }) => {
    const [ours, theirs] = [await makeNamespace(), await makeNamespace()]
    await using iptables = await Iptables.open({ netns: ours.path })
    const tx = iptables.transaction()
    tx.restore(family, text)
    await tx.commit()
    await restoreByIptables(theirs, family, text)
    expect(await ruleSteps(ours, 'ruleset')).toEqual(await ruleSteps(theirs, 'ruleset'))
    const saved = await savedLines(ours, family)
    expect(await savedLines(theirs, family)).toEqual(saved)
    await using other = await Iptables.open({ netns: theirs.path })
    const [our, their] = [await iptables.list(), await other.list()]
    const withoutHandles = (value: unknown): unknown =>
      JSON.parse(
        JSON.stringify(value, (key, inner: unknown) => (key === 'handle' ? undefined : typeof inner === 'bigint' ? String(inner) : inner))
      )
    expect(withoutHandles(our.tables)).toEqual(withoutHandles(their.tables))

    // Each finds the rules of the other by what they say.
    await deleteEachOthers(family, saved, ours, other)
    for (const namespace of [ours, theirs]) expect(await savedRules(namespace, family)).toEqual([])
  })
})
