/**
 * What transactions take, and how it is noted until it is committed.
 */
import { requireInteger, requireObject } from '../../core/checks.js'
import { locate, ValidationError } from '../../core/errors.js'
import type { AttributeBuffer } from '../../nftables/wire/buffer.js'
import type { SetNames } from '../extensions/extension.js'
import { extensionOfWord } from '../extensions/registry.js'
import { formOf, isVerdict, requireChainName, requireLinksOf } from '../rule/convert.js'
import type { RuleForm } from '../rule/form.js'
import type { IptablesCounters, IptablesRule } from '../rule/model.js'
import { ANY_SET, setsOfRule } from '../rule/sets.js'
import { WrittenRule } from '../rule/written.js'
import type { IptablesPolicy } from '../state/types.js'
import { baseChain, requireFamily, requireTable } from '../tables.js'
import type { IptablesFamily, IptablesTableName } from '../types.js'

/** Names a table of a family. */
export interface IptablesTableReference {
  readonly family: IptablesFamily
  readonly table: IptablesTableName
}

/** Names a chain. */
export interface IptablesChainReference extends IptablesTableReference {
  readonly chain: string
}

/** A rule of the caller's. */
interface GivenRule {
  readonly rule: IptablesRule
  /** Sets of ipset that it names by their names; their indices are asked for before the commit, and it has others until then. */
  readonly setNames: readonly string[]
}

/** A rule that was checked, as it is looked for. */
export interface CheckedRule extends GivenRule {
  readonly form: RuleForm
}

/** A rule that was checked, as it is written. */
export interface QueuedRule extends GivenRule {
  readonly written: WrittenRule
}

/** One thing to do, checked as far as it can be without the kernel. */
export type Step =
  | { readonly verb: 'append'; readonly place: IptablesChainReference; readonly rule: QueuedRule }
  | { readonly verb: 'insert'; readonly place: IptablesChainReference; readonly rule: QueuedRule; readonly position: number }
  | { readonly verb: 'replace'; readonly place: IptablesChainReference; readonly rule: QueuedRule; readonly position: number }
  | { readonly verb: 'delete'; readonly place: IptablesChainReference; readonly which: number | CheckedRule }
  | { readonly verb: 'flush'; readonly place: Partial<IptablesChainReference> & IptablesTableReference }
  | {
      readonly verb: 'zero'
      readonly place: Partial<IptablesChainReference> & IptablesTableReference
      readonly position: number | undefined
    }
  /** `ensure`: one that exists is emptied instead, as restoring wants it. */
  | { readonly verb: 'newChain'; readonly place: IptablesChainReference; readonly ensure?: boolean }
  | { readonly verb: 'deleteChain'; readonly place: IptablesChainReference }
  /** All chains of the user. */
  | { readonly verb: 'deleteChains'; readonly place: IptablesTableReference }
  | { readonly verb: 'renameChain'; readonly place: IptablesChainReference; readonly to: string }
  | {
      readonly verb: 'policy'
      readonly place: IptablesChainReference
      readonly policy: IptablesPolicy | undefined
      /** `zero`: those that the kernel has begin anew. */
      readonly counters: IptablesCounters | 'zero' | undefined
    }
  /** All rules and all chains of the user go but those that are kept, which are emptied; base chains have the policy ACCEPT. */
  | { readonly verb: 'clear'; readonly place: IptablesTableReference; readonly keep: ReadonlySet<string> }

/** A step with what the caller knows it by. */
export interface Operation {
  readonly step: Step
  /** Which call on the transaction it came from, from 0 on. */
  readonly index: number
  /** The caller's own object. */
  readonly object: unknown
  /** In words: `append to chain ip nat KUBE-SERVICES`. */
  readonly subject: string
}

/** Names a chain or table in words. */
export function describePlace(place: IptablesTableReference & { readonly chain?: string | undefined }): string {
  const { family, table, chain } = place
  return chain === undefined ? `table ${family} ${table}` : `chain ${family} ${table} ${chain}`
}

/** A table, checked. @throws {ValidationError} */
export function requireTableReference(path: string, place: IptablesTableReference): IptablesTableReference {
  const { family, table } = requireObject(path, place, '{ family, table }')
  return { family: requireFamily(`${path}.family`, family), table: requireTable(`${path}.table`, table) }
}

/** A chain, checked. @throws {ValidationError} */
export function requireChainReference(path: string, place: IptablesChainReference): IptablesChainReference {
  const { family, table, chain } = requireObject(path, place, '{ family, table, chain }')
  return {
    family: requireFamily(`${path}.family`, family),
    table: requireTable(`${path}.table`, table),
    chain: requireChainName(`${path}.chain`, chain)
  }
}

/** Targets that iptables has, and netplane no words for. */
const OTHER_TARGETS: readonly string[] = [
  'AUDIT',
  'CLUSTERIP',
  'DNPT',
  'ECN',
  'IDLETIMER',
  'LED',
  'NETMAP',
  'RATEEST',
  'SNPT',
  'SYNPROXY',
  'TCPOPTSTRIP',
  'TEE',
  'ULOG'
]

/** A chain that packets do not enter from a hook. @throws {ValidationError} */
export function requireUserChain(path: string, place: IptablesChainReference): IptablesChainReference {
  const { table, chain } = place
  if (baseChain(table, chain) === undefined) return place
  throw new ValidationError(path, chain, `a chain of the user: this is a base chain of table ${table}`)
}

/** A chain that has a policy. @throws {ValidationError} */
export function requireBaseChain(path: string, { table, chain }: IptablesChainReference): void {
  if (baseChain(table, chain) === undefined) throw new ValidationError(path, chain, `a base chain of table ${table}`)
}

/** A chain of the user with a name that it may be given: a line `-j NAME` must not say something else, to iptables or to us. @throws {ValidationError} */
export function requireFreeName(path: string, place: IptablesChainReference): IptablesChainReference {
  const { family, chain } = requireUserChain(path, place)
  if (isVerdict(chain) || OTHER_TARGETS.includes(chain) || extensionOfWord('target', family, chain) !== undefined)
    throw new ValidationError(path, chain, 'a name that is not that of a target of iptables')
  return place
}

/** A rule, checked for the chain that it is meant for. @throws {ValidationError} It is malformed, or cannot stand there. */
export function checkRule(rule: IptablesRule, { family, table, chain }: IptablesChainReference): CheckedRule {
  try {
    const { chain: own } = requireObject('', rule, 'a rule')
    if (own !== undefined && own !== chain) throw new ValidationError('chain', own, `${chain}, or nothing`)
    requireLinksOf(chain, rule)
    const form = formOf(rule, { family, table, sets: ANY_SET })
    return { rule, form, setNames: setsOfRule(rule, family).filter((set) => typeof set === 'string') }
  } catch (error) {
    throw locate(error, 'rule.')
  }
}

/** A rule, checked and encoded. @param out Where its bytes go. @throws {ValidationError} As of {@link checkRule}. */
export function queueRule(rule: IptablesRule, place: IptablesChainReference, out: AttributeBuffer): QueuedRule {
  const { form, setNames } = checkRule(rule, place)
  return { rule, written: WrittenRule.of(form, place.family, out), setNames }
}

/** More rules than any chain has. */
const MAX_POSITION = 2 ** 31 - 1

/** A position in a chain, from 1 on. @throws {ValidationError} */
export function requirePosition(path: string, position: unknown): number {
  return requireInteger(path, position, 1, MAX_POSITION)
}

/** A policy. @throws {ValidationError} */
export function requirePolicy(path: string, policy: unknown): IptablesPolicy {
  if (policy === 'ACCEPT' || policy === 'DROP') return policy
  throw new ValidationError(path, policy, "'ACCEPT' or 'DROP'")
}

/** A rule with the indices of the sets that it names. @throws {ValidationError} There is no such set. */
export function formWithSets({ rule }: GivenRule, { family, table }: IptablesTableReference, sets: SetNames): RuleForm {
  try {
    return formOf(rule, { family, table, sets })
  } catch (error) {
    throw locate(error, 'rule.')
  }
}

/** The rule of a step; undefined: it has none. */
export function ruleOfStep(step: Step): GivenRule | undefined {
  if ('rule' in step) return step.rule
  return step.verb === 'delete' && typeof step.which === 'object' ? step.which : undefined
}

/** A step with the indices of the sets that its rule names. @throws {ValidationError} There is no such set. */
export function stepWithSets(step: Step, sets: SetNames, out: AttributeBuffer): Step {
  const { place } = step
  if ((ruleOfStep(step)?.setNames.length ?? 0) === 0) return step
  if ('rule' in step) {
    const written = WrittenRule.of(formWithSets(step.rule, place, sets), place.family, out)
    return { ...step, rule: { ...step.rule, written } }
  }
  return step.verb === 'delete' && typeof step.which === 'object'
    ? { ...step, which: { ...step.which, form: formWithSets(step.which, place, sets) } }
    : step
}
