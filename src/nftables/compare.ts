/**
 * Whether a listed table is what it was declared to be, said in words.
 */
import { Buffer } from 'node:buffer'
import { isDeepStrictEqual } from 'node:util'
import { paddedLength } from './datatypes.js'
import { encodeElements, type SetElement } from './elements.js'
import type { Expression } from './expressions.js'
import type { Ruleset } from './listing.js'
import type { Chain, ListedChain, ListedRule } from './objects.js'
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
  const isNat = expression.type === 'nat' || expression.type === 'redir'
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

/** What is said of an object that should not be there. @param what `set`, `chain` or `object`. @param place Its family and table. */
export type DescribeStray = (what: string, place: string, name: string) => string

const foreign: DescribeStray = (what, place, name) => `foreign ${what} ${place} ${name}`

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
  isIgnored: (set: ListedSet) => boolean = () => false,
  describeStray: DescribeStray = foreign
): string[] {
  const place = `${family} ${name}`
  const faults: string[] = []
  const missing = new Set(expected.keys())
  for (const set of ruleset.sets) {
    if (isIgnored(set)) continue
    const declared = expected.get(set.name)
    missing.delete(set.name)
    const isSame = declared !== undefined && isDeepStrictEqual(formOf(declared), formOf(set))
    if (!isSame) faults.push(declared === undefined ? describeStray('set', place, set.name) : `changed set ${place} ${set.name}`)
  }
  for (const set of missing) faults.push(`missing set ${place} ${set}`)
  for (const object of [...ruleset.counters, ...ruleset.objects, ...ruleset.flowtables])
    faults.push(describeStray('object', place, object.name))
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

/** What is wrong with a chain. */
export interface ChainFault {
  readonly chain: string
  readonly words: string
  /** Whether the chain is there, asked by the hook that should ask it. */
  readonly isThere: boolean
  /** Rules that it should have and has not; those of a chain whose rules are compared in another way are not among them. */
  readonly lost: readonly (readonly Expression[])[]
}

/** What is wrong with the chains of a table. */
export interface ChainFaults {
  readonly chains: readonly ChainFault[]
  /** Chains that should not be there, in words. */
  readonly strays: readonly string[]
}

/**
 * Finds what is wrong with chains and rules.
 *
 * @param compareRules Compares the rules of a chain in another way; undefined: by their order and contents.
 */
export function compareChains(
  { family, name }: TableForm,
  ruleset: Ruleset,
  expected: readonly ChainForm[],
  compareRules: (chain: ChainForm, listed: readonly ListedRule[]) => readonly string[] | undefined = () => undefined,
  describeStray: DescribeStray = foreign
): ChainFaults {
  const place = `${family} ${name}`
  const faults: ChainFault[] = []
  const rules = rulesByChain(ruleset)
  const chains = new Map(ruleset.chains.map((chain) => [chain.name, chain]))
  for (const form of expected) {
    const { name: chain } = form.chain
    const listed = chains.get(chain)
    chains.delete(chain)
    if (listed === undefined || !isSameHook(form, listed)) {
      const words = `${listed === undefined ? 'missing' : 'changed'} chain ${place} ${chain}`
      faults.push({ chain, words, isThere: false, lost: form.rules })
      continue
    }
    const listedRules = rules.get(chain) ?? []
    const others = compareRules(form, listedRules)?.map((words) => ({ chain, words, isThere: true, lost: [] }))
    faults.push(...(others ?? compareInOrder(form, listedRules, place)))
  }
  return { chains: faults, strays: [...chains.keys()].map((chain) => describeStray('chain', place, chain)) }
}

function isSameHook({ chain }: ChainForm, listed: ListedChain): boolean {
  return listed.hook === chain.hook && listed.priority === chain.priority && listed.policy === chain.policy && listed.type === chain.type
}

function compareInOrder({ chain: { name: chain }, rules }: ChainForm, listed: readonly ListedRule[], place: string): ChainFault[] {
  const isSame = listed.length === rules.length && listed.every(({ expressions }, index) => isSameRule(expressions, rules[index]))
  if (isSame) return []
  const lost = rules.filter((rule) => !listed.some(({ expressions }) => isSameRule(expressions, rule)))
  const hasOthers = listed.some(({ expressions }) => !rules.some((rule) => isSameRule(expressions, rule)))
  const how = lost.length === 0 ? (hasOthers ? 'foreign' : 'changed') : hasOthers ? 'changed' : 'missing'
  return [{ chain, words: `${how} rules in chain ${place} ${chain}`, isThere: true, lost }]
}
