import { endianness } from 'node:os'
import { describe, expect, it } from 'vitest'
import type { ExtensionContext, SetNames } from '../../../../../src/iptables/extensions/extension.js'
import { ALL_MATCHES, contextOf, decodeMatch, matchNamed, printMatch, readMatches, wordsOf } from '../../../../support/iptables-matches.js'

const names: SetNames = {
  indexOf: (name) => ({ first: 0, other: 258 })[name],
  nameOf: (index) =>
    new Map([
      [0, 'first'],
      [258, 'other']
    ]).get(index)
}

/** What iptables-nft 1.8.9 wrote on a machine with the lowest byte first, without padding. */
const written: readonly (readonly [line: string, info: string])[] = [
  ['-m ipvs --vaddr 1.2.3.4/24', '01020304000000000000000000000000ffffff000000000000000000000000000000000000000005'],
  ['-m ipvs ! --vmethod IPIP', '00000000000000000000000000000000000000000000000000000000000000000000000200002021'],
  [
    '-m ipvs --vproto 6 --vport 22 --vdir REPLY ! --vportctl 21',
    '00000000000000000000000000000000000000000000000000000000000000000016060000' + '15505b'
  ],
  ['-m ipvs ! --ipvs', '0000000000000000000000000000000000000000000000000000000000000000000000000000' + '0101'],
  ['-m ipvs --vmethod GATE', '00000000000000000000000000000000000000000000000000000000000000000000000300000021'],
  ['-m set --match-set first src', '000001020000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'],
  [
    '-m set ! --match-set first dst,src,dst --return-nomatch ! --update-counters ! --update-subcounters --packets-gt 5 ! --bytes-eq 18446744073709551615',
    '000003050000000005000000000000000400000000000000ffffffffffffffff02000000000000009800000000000000'
  ],
  [
    '-m set --match-set first src --packets-lt 16 --bytes-lt 7',
    '000001020000000010000000000000000300000000000000070000000000000003000000000000000000000000000000'
  ]
]

describe.runIf(endianness() === 'LE')('structures that iptables writes', () => {
  it.each(written)('%s', (line, info) => {
    const context: ExtensionContext = { family: 'ip', sets: names }
    const [match] = readMatches(wordsOf(line), context)
    const { known, options } = match!
    const bytes = Buffer.from(info, 'hex')
    expect(Buffer.from(known.encode(options, context)).toString('hex')).toBe(info)
    const decoded = known.decode(bytes, context)
    expect(decoded).toEqual(options)
    expect(printMatch({ known, options: decoded! }, context)).toBe(line)
  })
})

describe('sets', () => {
  const known = matchNamed('set', 'ip')

  it('are by index where names cannot be asked for', () => {
    const context: ExtensionContext = { family: 'ip' }
    const info = known.encode({ set: { not: 258 }, sides: ['src', 'dst'] }, context)
    expect(known.decode(info, context)).toEqual({ set: { not: 258 }, sides: ['src', 'dst'] })
    expect(known.print({ set: { not: 258 }, sides: ['src', 'dst'] }, context)).toEqual(['!', '--match-set', '258', 'src,dst'])
    expect(known.print({ set: 258, sides: ['src'] }, { family: 'ip', sets: names })).toEqual(['--match-set', 'other', 'src'])
    expect(known.decode(info, { family: 'ip', sets: names })).toEqual({ set: { not: 'other' }, sides: ['src', 'dst'] })
    expect(known.setsOf?.({ set: { not: 258 }, sides: [] })).toEqual([258])
    expect(known.setsOf?.({ set: 'other', sides: [] })).toEqual(['other'])
  })

  it('must be there', () => {
    expect(() => known.encode({ set: 'other', sides: ['src'] }, { family: 'ip' })).toThrow('names cannot be asked for here')
    expect(() => known.encode({ set: 'gone', sides: ['src'] }, { family: 'ip', sets: names })).toThrow('a set that is there')
  })
})

describe('structures that options cannot say', () => {
  /** A structure of the line with some bytes changed. */
  function changed(line: string, changes: Readonly<Record<number, number>>): ReturnType<typeof decodeMatch> {
    const words = wordsOf(line)
    const context = contextOf(words, 'ip')
    const { known, options } = readMatches(words, context)[0]!
    const info = known.encode(options, context)
    for (const [offset, byte] of Object.entries(changes)) info[Number(offset)] = byte
    return decodeMatch(known.name, known.revision, info, context)
  }

  it.each<readonly [string, Readonly<Record<number, number>>]>([
    ['-m addrtype --src-type LOCAL', { 4: 0xff }],
    ['-m addrtype --src-type LOCAL', { 1: 0xff }],
    ['-m conntrack --ctproto 6', { 0: 1 }],
    ['-m conntrack --ctproto 6', { 147: 0xff }],
    ['-m state --state NEW', { 0: 1 }],
    ['-m connmark --mark 1', { 8: 2 }],
    ['-m statistic --mode nth --every 5 --packet 2', { 8: 9 }],
    ['-m statistic --mode nth --every 5 --packet 2', { 0: 7 }],
    ['-m recent --set', { 8: 3 }],
    ['-m recent --set', { 210: 2 }],
    ['-m recent --set', { 10: 0xff }],
    ['-p tcp -m multiport --dports 5:6', { 1: 1 }],
    ['-p tcp -m multiport --dports 5:6', { 1: 16 }],
    ['-p tcp -m multiport --dports 5:6', { 0: 3 }],
    ['-m hashlimit --hashlimit-upto 5/sec --hashlimit-name a', { 272: 0x80 }],
    ['-m hashlimit --hashlimit-upto 5/sec --hashlimit-name a', { 263: 0xff }],
    ['-m hashlimit --hashlimit-upto 5/sec --hashlimit-name a', { 100: 1 }],
    ['-m physdev --physdev-in lo', { 16: 0 }],
    ['-m owner --uid-owner 1', { 16: 0 }],
    ['-m length --length 5:9', { 2: 1, 3: 0 }],
    ['-m ttl --ttl-eq 5', { 0: 4 }],
    ['-m ipvs --vport 5', { 39: 0x88 }],
    ['-p icmp -m icmp --icmp-type 3/1', { 2: 3 }],
    ['-p sctp -m sctp --chunk-types all DATA', { 9: 0xff }],
    ['-p sctp -m sctp --chunk-types all DATA:B', { 280: 5 }],
    ['-p tcp -m tcp --tcp-option 5', { 9: 0xc0 }],
    ['-m limit --limit 5/sec', { 0: 0, 1: 0, 2: 0, 3: 0 }]
  ])('stay as they are: %s with bytes %o', (line, changes) => {
    expect(changed(line, changes)).toBeUndefined()
  })

  it.each<readonly [string, Readonly<Record<number, number>>, string]>([
    ['-m statistic --mode nth --every 5 --packet 2', { 12: 0 }, '-m statistic --mode nth --every 5 --packet 2'],
    ['-m statistic --mode nth --every 5 --packet 2', { 16: 0xff }, '-m statistic --mode nth --every 5 --packet 2'],
    ['-m recent --set --name foo', { 14: 0, 15: 0, 16: 0 }, '-m recent --set --name foo --mask 255.255.255.255 --rsource'],
    ['-m limit --limit 5/sec', { 39: 0xff }, '-m limit --limit 5/sec']
  ])('but what says nothing may be anything: %s with bytes %o', (line, changes, printed) => {
    expect(printMatch(changed(line, changes)!, { family: 'ip' })).toBe(printed)
  })

  it.each(ALL_MATCHES.map((known) => [`${known.alias ?? known.name} ${known.revision}`, known] as const))(
    'of another length: %s',
    (_, known) => {
      const context: ExtensionContext = { family: known.families[0]! }
      for (const length of [0, known.size - 1, known.size + 9]) expect(known.decode(new Uint8Array(length), context)).toBeUndefined()
    }
  )

  it.each(ALL_MATCHES.map((known) => [`${known.alias ?? known.name} ${known.revision}`, known] as const))('never throw: %s', (_, known) => {
    const context: ExtensionContext = { family: known.families[0]! }
    let seed = 1
    const random = (): number => (seed = (seed * 48271) % 0x7fff_ffff) & 0xff
    for (let round = 0; round < 200; round++) {
      const info = Uint8Array.from({ length: known.size }, () => (random() < 200 ? 0 : random()))
      const options = known.decode(info, context)
      if (options === undefined) continue
      known.print(options, context)
      expect(known.encode(options, context)).toHaveLength(known.size)
    }
  })
})
