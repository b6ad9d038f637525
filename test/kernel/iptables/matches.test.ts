import { describe, expect, it } from 'vitest'
import { Nftables } from '../../../src/nftables/client.js'
import type { OpaqueExpression } from '../../../src/nftables/expressions.js'
import type { ExtensionContext } from '../../../src/iptables/extensions/extension.js'
import {
  comparable,
  contextOf,
  decodeMatch,
  fromMatchExpression,
  matchNamed,
  printMatch,
  readMatches,
  toMatchExpression,
  wordsOf,
  type ReadMatch
} from '../../support/iptables-matches.js'
import { MATCH_LINES, type MatchLines } from '../../support/iptables-match-lines.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'

const nfacct = new URL('../../support/nfacct.py', import.meta.url).pathname

/** What iptables-nft writes as native expressions where these can say it. */
const NATIVE = ['tcp', 'udp', 'mark', 'limit']

const title = ({ match, family, table, chain }: MatchLines): string => `${match} of ${family} in ${chain} of ${table}`

const program = (family: MatchLines['family'], name: string): string => `${family === 'ip' ? 'iptables' : 'ip6tables'}-nft${name}`

/** Lets iptables-nft write lines into a chain. */
async function restore(namespace: TestNamespace, { family, table, chain }: MatchLines, lines: readonly string[]): Promise<void> {
  const rules = lines.map((line) => `-A ${chain} ${line}\n`).join('')
  await namespace.run(program(family, '-restore'), [], { input: `*${table}\n${rules}COMMIT\n` })
}

/** Makes the table with its chains, and no rules. */
async function makeChain(namespace: TestNamespace, { family, table, chain }: MatchLines): Promise<void> {
  for (const command of ['-A', '-F']) await namespace.run(program(family, ''), ['-t', table, command, chain])
}

/** Whether this kernel has not the match. */
async function isLacking(namespace: TestNamespace, { family, table, chain, lines: [first] }: MatchLines): Promise<boolean> {
  const words = wordsOf(first![0])
  const { stderr } = await namespace.attempt(program(family, ''), ['-t', table, '-A', chain, ...words])
  await namespace.run(program(family, ''), ['-t', table, '-F', chain])
  return stderr.includes('missing kernel module')
}

/** What iptables-nft-save prints of the rules of a chain. */
async function saved(namespace: TestNamespace, { family, table, chain }: MatchLines): Promise<string[]> {
  const text = await namespace.run(program(family, '-save'), ['-t', table])
  const begin = `-A ${chain} `
  return text.split('\n').flatMap((line) => (line.startsWith(begin) ? [line.slice(begin.length).replace(/ -j .*$/, '')] : []))
}

/** The structures of each rule of a chain. */
async function structures(namespace: TestNamespace, { family, table, chain }: MatchLines) {
  await using nft = await Nftables.open({ netns: namespace.path })
  const rules = await nft.listRules({ family, table, chain })
  return rules.map(({ expressions }) =>
    expressions
      .filter((expression): expression is OpaqueExpression => expression.type === 'opaque' && expression.name === 'match')
      .map(fromMatchExpression)
  )
}

/** Adds rules with matches by the client of nf_tables. */
async function add(
  namespace: TestNamespace,
  { family, table, chain }: MatchLines,
  rules: readonly (readonly [ReadMatch[], ExtensionContext])[]
) {
  await using nft = await Nftables.open({ netns: namespace.path })
  const transaction = nft.transaction()
  for (const [matches, context] of rules) {
    const { protocol } = context
    transaction.add.rule({
      family,
      table,
      chain,
      ...(protocol === undefined ? {} : { compat: { protocol, flags: 0 } }),
      expressions: [
        ...(protocol === undefined
          ? []
          : [
              { type: 'meta', key: 'l4proto', destinationRegister: 1 } as const,
              { type: 'cmp', sourceRegister: 1, op: 'eq', data: Uint8Array.of(protocol) } as const
            ]),
        ...matches.map(({ known, options }) => toMatchExpression(known.name, known.revision, known.encode(options, context))),
        { type: 'counter' } as const
      ]
    })
  }
  await transaction.commit()
}

describe('what iptables-nft writes', () => {
  it.each(MATCH_LINES.filter(({ match }) => !NATIVE.includes(match)).map((group) => [title(group), group] as const))(
    'is read, printed and written again: %s',
    async (_, group) => {
      const namespace = await makeNamespace()
      // What a kernel lacks says nothing about this package.
      if (await isLacking(namespace, group)) return
      await restore(
        namespace,
        group,
        group.lines.map(([given]) => given)
      )
      const printed = await saved(namespace, group)
      expect(printed).toEqual(group.lines.map(([given, other = given]) => other))
      const listed = await structures(namespace, group)
      for (const [index, [given]] of group.lines.entries()) {
        const words = wordsOf(given)
        const context = contextOf(words, group.family)
        const read = listed[index]!.map(({ name, revision, info }) => ({ info, ...decodeMatch(name, revision, info, context)! }))
        const head = words[0] === '-p' ? `-p ${words[1]} ` : ''
        expect(head + read.map((match) => printMatch(match, context)).join(' ')).toBe(printed[index])
        for (const { known, options, info } of read)
          expect(comparable(known, known.encode(options, context)), given).toEqual(comparable(known, info))
        const own = readMatches(words, context)
        expect(own.map(({ known, options }) => comparable(known, known.encode(options, context)))).toEqual(
          read.map(({ known, info }) => comparable(known, info))
        )
      }
    }
  )
})

describe('what is written', () => {
  it.each(MATCH_LINES.map((group) => [title(group), group] as const))('is what iptables-nft prints: %s', async (_, group) => {
    const namespace = await makeNamespace()
    await makeChain(namespace, group)
    const rules = group.lines.map(([given]) => {
      const words = wordsOf(given)
      const context = contextOf(words, group.family)
      return [readMatches(words, context), context] as const
    })
    if (await isLacking(namespace, group)) {
      await expect(add(namespace, group, rules)).rejects.toMatchObject({ code: 'ENOENT' })
      return
    }
    await add(namespace, group, rules)
    expect(await saved(namespace, group)).toEqual(group.lines.map(([given, printed = given]) => printed))
  })

  it('is what iptables-nft prints: nfacct, which counts in an object that is there', async () => {
    const namespace = await makeNamespace()
    for (const name of ['web', 'with spaces']) await namespace.run('python3', [nfacct, name])
    const group: MatchLines = { match: 'nfacct', family: 'ip', table: 'filter', chain: 'INPUT', lines: [] }
    await makeChain(namespace, group)
    const context = { family: 'ip' } as const
    const written = ['web', 'with spaces'].map((name) => ({ known: matchNamed('nfacct', 'ip'), options: { name } }))
    await add(
      namespace,
      group,
      written.map((match) => [[match], context] as const)
    )
    await namespace.run('iptables-nft', ['-A', 'INPUT', '-m', 'nfacct', '--nfacct-name', 'web'])
    // iptables-save has two spaces there.
    expect(await saved(namespace, group)).toEqual(['web', '"with spaces"', 'web'].map((name) => `-m nfacct --nfacct-name  ${name}`))
    const listed = (await structures(namespace, group)).map(([structure]) => structure!)
    const read = listed.map(({ name, revision, info }) => decodeMatch(name, revision, info, context)!)
    expect(read.map((match) => printMatch(match, context))).toEqual(
      ['web', '"with spaces"', 'web'].map((name) => `-m nfacct --nfacct-name ${name}`)
    )
    const { known, options } = written[0]!
    expect(listed.map(({ revision }) => revision)).toEqual([1, 1, 1])
    expect(comparable(known, listed[2]!.info)).toEqual(known.encode(options, context))
  })

  const older: readonly (readonly [line: string, revision: number])[] = [
    ['-m addrtype ! --src-type LOCAL --dst-type UNICAST', 0],
    ['-m conntrack --ctstate NEW ! --ctorigsrc 10.0.0.0/8 --ctorigdstport 80', 1],
    ['-m conntrack --ctstate UNTRACKED --ctstatus NONE --ctdir REPLY', 2],
    ['-m hashlimit --hashlimit-upto 3/sec --hashlimit-burst 5 --hashlimit-name old1', 1],
    ['-m hashlimit --hashlimit-above 4kb/s --hashlimit-burst 400kb --hashlimit-mode srcip --hashlimit-name old2', 2],
    ['-m recent --rcheck --seconds 5 --name old3 --rsource', 0],
    ['-m bpf --bytecode "2,48 0 0 9,6 0 0 1"', 0],
    ['-m state --state NEW,UNTRACKED', 0]
  ]

  it.each(older)('is taken by the kernel in older revisions, and read again: %s', async (line, revision) => {
    const namespace = await makeNamespace()
    const group: MatchLines = { match: '', family: 'ip', table: 'filter', chain: 'INPUT', lines: [] }
    await makeChain(namespace, group)
    const words = wordsOf(line)
    const context = contextOf(words, 'ip')
    const matches = readMatches(words, context, revision)
    await add(namespace, group, [[matches, context]])
    const [listed] = await structures(namespace, group)
    const read = listed!.map(({ name, info }) => decodeMatch(name, revision, info, context)!)
    expect(listed!.map((structure) => structure.revision)).toEqual([revision])
    expect(read.map((match) => printMatch(match, context)).join(' ')).toBe(line)
    expect(matchNamed(words[words.indexOf('-m') + 1]!, 'ip', revision).revision).toBe(revision)
  })
})
