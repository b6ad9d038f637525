import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { extensionOfWord } from '../../../src/iptables/extensions/registry.js'
import { MATCHES } from '../../../src/iptables/extensions/matches/index.js'
import { TARGETS } from '../../../src/iptables/extensions/targets/index.js'

const page = readFileSync(new URL('../../../docs/iptables.md', import.meta.url), 'utf8')

/** Names with words and without, of the row of a kind. */
function row(kind: 'matches' | 'targets'): string[][] {
  const [, ...cells] = new RegExp(`^\\| ${kind} +\\|(.*)\\|(.*)\\|$`, 'm').exec(page)!
  return cells.map((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name!))
}

describe.each([
  ['matches', 'match', MATCHES],
  ['targets', 'target', TARGETS]
] as const)('docs/iptables.md, of %s', (row_, kind, known) => {
  const [withWords = [], opaque = []] = row(row_)

  it('names those that there are words for', () => {
    const words = known.map((each) => ('alias' in each && typeof each.alias === 'string' ? each.alias : each.name))
    expect(withWords.toSorted()).toEqual([...new Set(words)].toSorted())
  })

  it('names as opaque none that there are words for', () => {
    expect(opaque.length).toBeGreaterThan(10)
    for (const family of ['ip', 'ip6'] as const)
      expect(opaque.filter((name) => extensionOfWord(kind, family, name) !== undefined)).toEqual([])
  })
})
