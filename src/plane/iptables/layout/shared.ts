/**
 * Rules in chains that several have.
 */
import type { IptablesRule, IptablesTableName } from '../../../iptables/index.js'
import type { ChainRules } from './types.js'

/** Rules by chain, in the order in which they were added. */
export class SharedRules {
  readonly #chains = new Map<string, { readonly table: IptablesTableName; readonly chain: string; readonly rules: IptablesRule[] }>()

  add(table: IptablesTableName, chain: string, ...rules: readonly IptablesRule[]): void {
    const key = `${table} ${chain}`
    const known = this.#chains.get(key) ?? { table, chain, rules: [] }
    this.#chains.set(key, known)
    known.rules.push(...rules)
  }

  /** Chains with rules. */
  list(): readonly ChainRules[] {
    return [...this.#chains.values()].filter(({ rules }) => rules.length > 0)
  }
}
