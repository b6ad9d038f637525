/**
 * A rule that was written with the rule language, as operations: those of the sets and chains of its own go before it.
 */
import { locate } from '../core/errors.js'
import type { NativeRecord } from '../native/index.js'
import type { Family } from './families.js'
import { toNativeChain, toNativeRule, type Rule } from './objects.js'
import type { AnonymousSet } from './rule/anonymous-sets.js'
import { compileRule, type OwnChain, type RuleContext } from './rule/compile.js'
import type { BuiltRule } from './transaction-types.js'

/** What of a rule is compiled. */
export type StatedRule = Pick<BuiltRule, 'family' | 'table' | 'statements'>

/** The transaction that the rule is queued in. */
export interface RuleQueue extends Pick<RuleContext, 'nextSetId' | 'nextChainId'> {
  addSet(set: AnonymousSet): void
  add(kind: 'chain' | 'rule', family: Family, value: NativeRecord, subject: () => string, object: unknown): void
}

/** Queues the sets and chains of a rule. @returns Its expressions. @throws {ValidationError} */
export function compileQueued({ family, table, statements }: StatedRule, queue: RuleQueue): Rule['expressions'] {
  const { nextSetId, nextChainId } = queue
  const { expressions, anonymousSets, ownChains } = compileRule(statements, { family, table, nextSetId, nextChainId })
  for (const set of anonymousSets) queue.addSet(set)
  for (const chain of ownChains) queueChain(family, table, chain, queue)
  return expressions
}

function queueChain(family: Family, table: string, { id, rules }: OwnChain, queue: RuleQueue): void {
  const chain = { family, table, name: '', flags: ['binding'] } as const
  queue.add('chain', family, toNativeChain(chain, id), () => `chain of a rule of table ${family} ${table}`, rules)
  for (const [index, inner] of rules.entries()) {
    try {
      const expressions = compileQueued({ ...chain, ...inner }, queue)
      const value = toNativeRule({ table, chain: '', comment: inner.comment }, expressions, 'add', id)
      queue.add('rule', family, value, () => `rule ${index} of a rule's chain of table ${family} ${table}`, inner)
    } catch (error) {
      throw locate(error, `rules[${index}].`)
    }
  }
}
