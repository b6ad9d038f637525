import { beforeAll, describe, expect, it } from 'vitest'
import { TARGETS } from '../../../src/iptables/extensions/targets/index.js'
import { IPTABLES_TABLES, type IptablesFamily, type IptablesTableName } from '../../../src/iptables/types.js'
import { Nftables, type ListedRule } from '../../../src/nftables/index.js'
import {
  comparable,
  printOptions,
  protocolOf,
  readInfo,
  readOptions,
  wordsOf,
  writtenFor,
  type AnyExtension
} from '../../support/extension-lines.js'
import { makeNamespace } from '../../support/namespace.js'
import { run } from '../../support/run.js'
import { xtablesExpressions } from '../../support/xtables-expressions.js'
import { NATIVE_LINES, TARGET_LINES, type TargetLine } from './target-lines.js'

// iptables-nft writes each line. What the kernel then lists must say what iptables-nft-save prints; the words of the line must give the same structure.

const targets = TARGETS as unknown as readonly AnyExtension[]
const all = [...TARGET_LINES, ...NATIVE_LINES]
const commands = { ip: 'iptables-nft', ip6: 'ip6tables-nft' } as const

/** Where a line stands among those of its chain. */
function placeOf(line: TargetLine): number {
  return all.filter((each) => isSameChain(each, line)).indexOf(line)
}

function isSameChain(left: TargetLine, right: TargetLine): boolean {
  return left.family === right.family && left.table === right.table && left.chain === right.chain
}

let listed: readonly ListedRule[]
const saved = new Map<IptablesFamily, readonly string[]>()

/** In a namespace that is gone when all has been read. */
async function writeAndRead(name: string): Promise<void> {
  const inside = (program: string): readonly [string, string[]] => ['ip', ['netns', 'exec', name, program]]
  for (const family of ['ip', 'ip6'] as const) {
    const text = IPTABLES_TABLES.map((table) => {
      const lines = all.filter((line) => line.family === family && line.table === table)
      return `*${table}\n${lines.map(({ chain, conditions, target }) => `-A ${chain} ${conditions} -j ${target}\n`).join('')}COMMIT\n`
    })
    const [restore, restoreArgs] = inside(`${commands[family]}-restore`)
    await run(restore, restoreArgs, { input: text.join('') })
    const printed: string[] = []
    for (const table of IPTABLES_TABLES) {
      const [save, saveArgs] = inside(`${commands[family]}-save`)
      const lines = (await run(save, [...saveArgs, '-t', table])).split('\n').filter((line) => line.startsWith('-A '))
      printed.push(...lines.map((line) => `${table} ${line}`))
    }
    saved.set(family, printed)
  }
  await using client = await Nftables.open({ netns: name })
  listed = (await client.list({})).rules
}

beforeAll(async () => {
  const name = `np-targets-${process.pid}`
  await run('ip', ['netns', 'add', name])
  await writeAndRead(name).finally(() => run('ip', ['netns', 'delete', name]))
}, 60_000)

/** The rule that the kernel lists for a line. */
function ruleOf(line: TargetLine): ListedRule {
  return listed.filter(({ family, table, chain }) => isSameChain({ ...line, family, table, chain } as TargetLine, line))[placeOf(line)]!
}

/** What iptables-nft-save prints after `-j` of a line. */
function savedOf({ family, table, chain }: TargetLine, place: number): string {
  const line = saved.get(family)!.filter((each) => each.startsWith(`${table} -A ${chain} `))[place]!
  return line.slice(line.indexOf(' -j ') + 4)
}

const cases = TARGET_LINES.map((line) => [`${line.family} ${line.table} ${line.conditions} -j ${line.target}`, line] as const)

describe.each(cases)('%s', (_, line) => {
  const { family, table, target, printed } = line
  const context = { family, table, protocol: protocolOf(wordsOf(line.conditions)) }
  const expression = () => xtablesExpressions(ruleOf(line).expressions).find(({ kind }) => kind === 'target')!

  it('is printed as iptables-nft-save prints it', () => {
    expect(savedOf(line, placeOf(line))).toBe(printed)
    const { extension, options } = readInfo(targets, expression(), context)!
    expect(`${extension.alias ?? extension.name} ${printOptions(extension, options, context)}`.trim()).toBe(printed)
  })

  it('is written as iptables-nft writes it', () => {
    const { extension, options } = readInfo(targets, expression(), context)!
    expect(comparable(extension, extension.encode(options, context))).toEqual(comparable(extension, expression().info))
  })

  it.each([...new Set([target, printed])])('is read from %s', (text) => {
    const [name = '', ...words] = wordsOf(text)
    const extension = writtenFor(targets, name, family)
    const { revision, info } = expression()
    expect(extension.revision).toBe(revision)
    const written = extension.encode(readOptions(extension, words, context), context)
    if (text === target) expect(comparable(extension, written)).toEqual(comparable(extension, info))
    expect(printOptions(extension, readOptions(extension, words, context), context)).toBe(wordsAfterName(printed))
  })
})

/** The chains of each table. */
const CHAINS: Readonly<Record<IptablesTableName, readonly string[]>> = {
  raw: ['PREROUTING', 'OUTPUT'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  security: ['INPUT', 'FORWARD', 'OUTPUT']
}

/** One line for each target. */
const firstLines = new Map(
  TARGET_LINES.filter(({ family }) => family === 'ip')
    .map((line) => [line.target.split(' ')[0]!, line] as const)
    .toReversed()
)

describe.each([...firstLines])('the kernel takes %s', (name, { conditions, target, chain, table }) => {
  const { tables = IPTABLES_TABLES, protocols } = writtenFor(targets, name, 'ip')
  const command = async (other: IptablesTableName, ...words: string[]) => {
    const namespace = await makeNamespace()
    return await namespace.attempt('iptables-nft', ['-t', other, '-A', chain, ...words, '-j', ...wordsOf(target)])
  }
  const others = IPTABLES_TABLES.filter((other) => CHAINS[other].includes(chain))

  it.each(others)('in the table %s, or not', async (other) => {
    const { status } = await command(other, ...wordsOf(conditions))
    expect(status === 0).toBe(tables.includes(other))
  })

  it('without a protocol, or not', async () => {
    if (target.includes(':')) return
    const { status } = await command(table)
    expect(status === 0).toBe(protocols === undefined)
  })
})

function wordsAfterName(text: string): string {
  return text.replace(/^\w+ ?/, '')
}

it.each(NATIVE_LINES.map((line) => [`${line.family} -j ${line.target}`, line] as const))('%s has no expression of xtables', (_, line) => {
  expect(xtablesExpressions(ruleOf(line).expressions)).toEqual([])
  const [name = '', ...words] = wordsOf(line.target)
  const extension = writtenFor(targets, name, line.family)
  const context = { family: line.family }
  expect(`${name} ${printOptions(extension, readOptions(extension, words, context), context)}`.trim()).toBe(savedOf(line, placeOf(line)))
})
