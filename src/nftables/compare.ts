/**
 * Whether a listed table is what it was declared to be, said in words.
 */
import { Buffer } from 'node:buffer'
import { isDeepStrictEqual } from 'node:util'
import { paddedLength } from './datatypes.js'
import { encodeElements, type SetElement } from './elements.js'
import type { Expression } from './expressions.js'
import type { Ruleset } from './listing.js'
import type { Chain, ListedRule } from './objects.js'
import { setForm, type ListedSet, type SetSpec } from './sets.js'

/** A table as it should be. */
export interface TableForm {
  readonly family: 'ip' | 'ip6'
  readonly name: string
}

/** Fields that say something only where they differ from this: kernels list them or not. */
const DEFAULTS: Readonly<Record<string, unknown>> = { offset: 0, mode: 'jenkins', flags: [], timeoutMs: 0 }

/** What kernels add to NAT by themselves: the ends of ranges that are their starts, and flags that say what is given. */
const ADDED_TO_NAT = new Set(['addressMaxRegister', 'protoMaxRegister', 'flags'])

/** An expression in the form in which all kernels agree. */
function bare(expression: Expression): unknown {
  const isNat = expression.type === 'nat'
  return Object.fromEntries(
    Object.entries(expression).filter(([name, value]) => !isDeepStrictEqual(value, DEFAULTS[name]) && !(isNat && ADDED_TO_NAT.has(name)))
  )
}

/** Whether a rule is as it was written. */
export function isSameRule(listed: readonly Expression[], wanted: readonly Expression[] | undefined): boolean {
  return isDeepStrictEqual(listed.map(bare), wanted?.map(bare))
}

/** The rules of each chain, in order. */
export function rulesByChain(ruleset: Ruleset): Map<string, ListedRule[]> {
  const rules = new Map<string, ListedRule[]>(ruleset.chains.map((chain) => [chain.name, []]))
  for (const rule of ruleset.rules) rules.get(rule.chain)?.push(rule)
  return rules
}

/** What the kernel knows of a set's types: lengths. Which types they stand for is display. */
function formOf(set: Pick<SetSpec, 'key' | 'data' | 'flags'>): unknown {
  const { key, data, holds, isInterval } = setForm(set)
  const sum = (types: typeof key): number => types.reduce((bytes, { length }) => bytes + paddedLength(length), 0)
  return { key: sum(key), data: data === undefined ? 0 : sum(data), holds, isInterval }
}

/** What is wrong with the table itself: a dormant one has no hooks, so that nothing in it is ever asked. */
export function compareTable({ family, name }: TableForm, ruleset: Ruleset): string[] {
  const table = ruleset.tables.find((listed) => listed.family === family && listed.name === name)
  const flags = (table?.flags ?? []).filter((flag) => flag === 'dormant')
  return flags.map((flag) => `table ${family} ${name} is ${flag}`)
}

/**
 * What is wrong with sets and other objects that have names.
 *
 * @param expected By name.
 * @param isIgnored Names that are passed over.
 */
export function compareSets(
  { family, name }: TableForm,
  ruleset: Ruleset,
  expected: ReadonlyMap<string, Pick<SetSpec, 'key' | 'data' | 'flags'>>,
  isIgnored: (set: ListedSet) => boolean = () => false
): string[] {
  const faults: string[] = []
  const missing = new Set(expected.keys())
  for (const set of ruleset.sets) {
    if (isIgnored(set)) continue
    const declared = expected.get(set.name)
    missing.delete(set.name)
    const isSame = declared !== undefined && isDeepStrictEqual(formOf(declared), formOf(set))
    if (!isSame) faults.push(`${declared === undefined ? 'foreign' : 'changed'} set ${family} ${name} ${set.name}`)
  }
  for (const set of missing) faults.push(`missing set ${family} ${name} ${set}`)
  for (const object of [...ruleset.counters, ...ruleset.objects, ...ruleset.flowtables])
    faults.push(`foreign object ${family} ${name} ${object.name}`)
  return faults
}

/** Says of a set that it holds other elements than it should. */
export function changedElements({ family, name }: TableForm, set: string): string {
  return `changed elements of set ${family} ${name} ${set}`
}

/** What is wrong with the elements of a set that has nothing but these; nothing where they were not listed. */
export function compareElements(
  { family, name }: TableForm,
  ruleset: Ruleset,
  declared: Pick<SetSpec, 'name' | 'key' | 'flags'>,
  wanted: Iterable<SetElement>
): string[] {
  const listed = ruleset.elements.find(({ set }) => set.name === declared.name)
  const form = setForm(declared)
  const keys = (elements: Iterable<SetElement>): string[] =>
    encodeElements(elements, form)
      .rows.map(({ key, flags }) => `${flags} ${Buffer.from(key).toString('hex')}`)
      .sort()
  const isSame = listed === undefined || isDeepStrictEqual(keys(listed), keys(wanted))
  return isSame ? [] : [changedElements({ family, name }, declared.name)]
}

/** A chain with its rules. */
export interface ChainForm {
  readonly chain: Omit<Chain, 'family' | 'table'>
  readonly rules: readonly (readonly Expression[])[]
}

/**
 * What is wrong with chains and rules.
 *
 * @param compareRules Compares the rules of a chain in another way; undefined: by their order and contents.
 */
export function compareChains(
  { family, name }: TableForm,
  ruleset: Ruleset,
  expected: readonly ChainForm[],
  compareRules: (chain: ChainForm, listed: readonly ListedRule[]) => readonly string[] | undefined = () => undefined
): string[] {
  const faults: string[] = []
  const rules = rulesByChain(ruleset)
  const chains = new Map(ruleset.chains.map((chain) => [chain.name, chain]))
  for (const form of expected) {
    const { chain } = form
    const listed = chains.get(chain.name)
    chains.delete(chain.name)
    const listedRules = rules.get(chain.name) ?? []
    if (listed === undefined) faults.push(`missing chain ${family} ${name} ${chain.name}`)
    else if (
      listed.hook !== chain.hook ||
      listed.priority !== chain.priority ||
      listed.policy !== chain.policy ||
      listed.type !== chain.type
    )
      faults.push(`changed chain ${family} ${name} ${chain.name}`)
    else faults.push(...(compareRules(form, listedRules) ?? compareInOrder(form, listedRules, `${family} ${name}`)))
  }
  for (const foreign of chains.keys()) faults.push(`foreign chain ${family} ${name} ${foreign}`)
  return faults
}

function compareInOrder({ chain, rules }: ChainForm, listed: readonly ListedRule[], table: string): string[] {
  const isSame = listed.length === rules.length && listed.every(({ expressions }, index) => isSameRule(expressions, rules[index]))
  return isSame ? [] : [`changed rules in chain ${table} ${chain.name}`]
}
