import { describe, expect, it } from 'vitest'
import { contextOf, printMatch, readMatches, wordsOf } from '../../../../support/iptables-matches.js'
import { MATCH_LINES } from '../../../../support/iptables-match-lines.js'

const cases = MATCH_LINES.flatMap(({ match, family, lines }) =>
  lines.map(([given, printed = given]) => [match, family, given, printed] as const)
)

describe('matches of a line', () => {
  it.each(cases)('%s of %s: %s', (_, family, given, printed) => {
    const words = wordsOf(given)
    const context = contextOf(words, family)
    const read = readMatches(words, context)
    const head = words[0] === '-p' ? `-p ${words[1]} ` : ''
    expect(head + read.map((match) => printMatch(match, context)).join(' ')).toBe(printed)
    for (const { known, options } of read) {
      const info = known.encode(options, context)
      expect(info).toHaveLength(known.size)
      const decoded = known.decode(info, context)!
      expect(decoded).toBeDefined()
      expect(printMatch({ known, options: decoded }, context)).toBe(printMatch({ known, options }, context))
      expect(known.encode(decoded, context)).toEqual(info)
    }
  })
})
