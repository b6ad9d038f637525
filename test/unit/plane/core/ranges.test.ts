import { expect, it } from 'vitest'
import { isIn, prefixesOf, requireRanges } from '../../../../src/plane/core/ranges.js'
import { Random } from '../../../support/random.js'

it.each([
  [['10.0.0.0/8'], ['10.0.0.0/8'], []],
  [['10.0.0.0/24', '10.0.1.0/24'], ['10.0.0.0/23'], []],
  [['10.0.1.0/24', '10.0.2.0/24'], ['10.0.1.0/24', '10.0.2.0/24'], []],
  [['10.0.0.3', '10.0.0.4/30', '10.0.0.8'], ['10.0.0.3/32', '10.0.0.4/30', '10.0.0.8/32'], []],
  [['0.0.0.0/1', '128.0.0.0/1', '::/0'], ['0.0.0.0/0'], ['::/0']],
  [['255.255.255.255', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'], ['255.255.255.255/32'], ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128']],
  [['fd00::/64', 'fd00:0:0:1::/64', 'fd00:0:0:2::/64'], [], ['fd00::/63', 'fd00:0:0:2::/64']],
  [[], [], []]
])('makes prefixes of %j', (given, ip, ip6) => {
  const ranges = requireRanges('', given)
  expect(prefixesOf(ranges.ip)).toEqual(ip)
  expect(prefixesOf(ranges.ip6)).toEqual(ip6)
})

it('makes prefixes that have the same addresses, whatever the ranges', () => {
  const random = new Random(7)
  for (let round = 0; round < 200; round++) {
    const lengths = Array.from({ length: 1 + random.below(5) }, () => 24 + random.below(9))
    const given = lengths.map((length) => `10.0.0.${random.below(256) & (0xff << (32 - length)) & 0xff}/${length}`)
    const ranges = requireRanges('', given)
    const prefixes = prefixesOf(ranges.ip)
    const again = requireRanges('', prefixes)
    expect(again).toEqual(ranges)
    for (let host = 0; host < 256; host++) expect(isIn(`10.0.0.${host}`, again)).toBe(isIn(`10.0.0.${host}`, ranges))
  }
})
