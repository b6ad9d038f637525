/**
 * Tables of nf_tables in the words of iptables.
 */
import type { Slices } from '../../core/slices.js'
import type { ListedChain, ListedRule } from '../../nftables/objects.js'
import { ruleOf, type IptablesContext } from '../rule/convert.js'
import { encodeExtension } from '../rule/extensions.js'
import { NO_COUNTERS } from '../rule/form.js'
import { countersOf, readExpressions, type ReadRule } from '../rule/read.js'
import { setsOfExpressions } from '../rule/sets.js'
import { BASE_CHAINS, baseChain, type BaseChain } from '../tables.js'
import type { IptablesTableName } from '../types.js'
import type { ChainSnapshot, TableSnapshot } from './snapshot.js'
import type { IptablesChain, IptablesTable, ListedIptablesRule } from './types.js'

/** A rule of nf_tables as one of iptables. iptables shows the comment that nft has beside a rule as a match. */
export function readListed({ expressions, comment }: ListedRule, context: IptablesContext): ReadRule {
  const read = readExpressions(expressions, context.family)
  if (read.form === undefined || comment === undefined) return read
  const remark = encodeExtension('comment', 'match', { match: 'comment', comment }, context)
  return { form: { ...read.form, matches: [...read.form.matches, remark] } }
}

/** Sets of ipset that the rules of tables have, by index. */
export async function setsOfTables(tables: Iterable<TableSnapshot>, slices: Slices): Promise<readonly (string | number)[]> {
  const found: (string | number)[] = []
  for (const { family, chains } of tables)
    await slices.each(rulesOf(chains.values()), ({ expressions }) => {
      for (const set of setsOfExpressions(expressions, family)) found.push(set)
    })
  return found
}

function* rulesOf(chains: Iterable<ChainSnapshot>): Generator<ListedRule> {
  for (const { rules } of chains) yield* rules
}

/** A rule in words. */
function listedRule(rule: ListedRule, context: IptablesContext): ListedIptablesRule {
  const { chain, handle } = rule
  const read = readListed(rule, context)
  if (read.form === undefined) return { chain, handle, counters: countersOf(rule.expressions), foreign: read.foreign }
  return { ...ruleOf(read.form, context), chain, handle }
}

function isSame(listed: ListedChain, base: BaseChain): boolean {
  return listed.hook === base.hook && listed.priority === base.priority && listed.type === base.type
}

/** Why iptables takes a chain for none of its own. */
function incompatibleChain(table: IptablesTableName, { chain }: ChainSnapshot): string | undefined {
  const base = baseChain(table, chain.name)
  if (base !== undefined && !isSame(chain, base)) return `chain ${chain.name} has another hook, priority or type than iptables gives it`
  return base === undefined && chain.hook !== undefined ? `base chain ${chain.name}, which iptables does not have` : undefined
}

/** Whether packets that reach the end of a base chain are dropped. */
export function isDropping({ policy }: Pick<ListedChain, 'policy'>): boolean {
  return policy === 'drop' || policy === 0
}

async function listedChain({ chain, rules }: ChainSnapshot, context: IptablesContext, slices: Slices): Promise<IptablesChain> {
  const { name, hook, counters = NO_COUNTERS } = chain
  const shown: ListedIptablesRule[] = []
  await slices.each(rules, (rule) => shown.push(listedRule(rule, context)))
  if (slices.isOver) await slices.turn()
  const policy = isDropping(chain) ? 'DROP' : 'ACCEPT'
  return { name, ...(hook === undefined ? {} : { policy }), counters, exists: true, rules: shown }
}

/** A base chain that nobody has made. */
function absentChain({ name }: BaseChain): IptablesChain {
  return { name, policy: 'ACCEPT', counters: NO_COUNTERS, exists: false, rules: [] }
}

/** Names in the order of their bytes, as iptables has them. */
function sortedByBytes(names: readonly string[]): string[] {
  // Those of ASCII are in the order of their letters, which is found much sooner.
  if (names.every((name) => /^[\x20-\x7e]*$/.test(name))) return names.toSorted()
  return names.toSorted((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)))
}

/**
 * A table in words.
 *
 * @param only The name of the one chain that is wanted; undefined: all.
 */
export async function listedTable(
  table: TableSnapshot,
  only: string | undefined,
  sets: IptablesContext['sets'],
  slices: Slices
): Promise<IptablesTable> {
  const { family, name, chains } = table
  const context: IptablesContext = { family, table: name, sets }
  const isWanted = (chain: string): boolean => only === undefined || chain === only
  const shown: IptablesChain[] = []
  for (const chain of BASE_CHAINS[name].filter((base) => isWanted(base.name))) {
    const found = chains.get(chain.name)
    shown.push(found === undefined ? absentChain(chain) : await listedChain(found, context, slices))
  }
  const users = [...chains.keys()].filter((chain) => baseChain(name, chain) === undefined && isWanted(chain))
  for (const chain of sortedByBytes(users)) shown.push(await listedChain(chains.get(chain)!, context, slices))
  const reason = [...chains.values()].map((chain) => incompatibleChain(name, chain)).find((why) => why !== undefined) ?? foreignRule(shown)
  return { family, name, ...(reason === undefined ? {} : { incompatible: reason }), chains: shown }
}

function foreignRule(chains: readonly IptablesChain[]): string | undefined {
  for (const { name, rules } of chains) {
    const index = rules.findIndex(({ foreign }) => foreign !== undefined)
    if (index >= 0) return `rule ${index + 1} of chain ${name} has ${rules[index]!.foreign ?? ''}`
  }
  return undefined
}
