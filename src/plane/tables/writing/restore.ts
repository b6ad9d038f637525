/**
 * The rules of tables whose sets are as they were left: a flush by another process takes the rules alone, and writing these again costs a fraction of making the tables anew.
 */
import { FAMILIES } from '../../core/frontend.js'
import type { Step } from '../../../nftables/steps.js'
import { ruleChain, ruleFor } from '../layout/balancing.js'
import { layoutChains, type TableOptions } from '../layout/table.js'
import { RULE_BYTES, type ServiceObjects } from './objects.js'

/** Puts all rules of our chains in place of what is there, in one transaction. The kernel refuses it where a chain is missing, or a set that a rule asks. */
export function restoreRulesStep(options: TableOptions, objects: ServiceObjects): Step {
  const rules = FAMILIES.flatMap((family) => {
    const fixed = layoutChains(family, options, [...objects.classes[family].values()], objects.hasSticky(family))
    const asking = [...objects.rules[family].keys()].map((set) => ({ chain: ruleChain(set), expressions: ruleFor(set, options.name) }))
    return [...fixed.flatMap(({ chain, rules: of }) => of.map((expressions) => ({ chain: chain.name, expressions }))), ...asking].map(
      (rule) => ({
        family,
        ...rule
      })
    )
  })
  return {
    bytes: rules.length * RULE_BYTES,
    queue: (tx) => {
      for (const family of FAMILIES) tx.flush.table({ family, name: options.name })
      for (const { family, chain, expressions } of rules) tx.add.rule({ family, table: options.name, chain, expressions })
    }
  }
}
