/**
 * Chains that belong to a rule: `jump { … }` of nft (NFT_CHAIN_BINDING, Linux 5.9). The kernel gives them their names and removes them with the rule; a transaction knows
 * them by ids (NFTA_CHAIN_ID, NFTA_VERDICT_CHAIN_ID).
 */
import { ValidationError } from '../core/errors.js'
import type { Expression, ImmediateExpression } from './expressions.js'
import type { Family } from './families.js'
import type { Chain, ChainReference } from './objects.js'

function keyOf(family: Family, table: string, name: string): string {
  return `${family} ${table} ${name}`
}

/** Whether a chain belongs to a rule. */
function isBoundChain({ flags }: Pick<Chain, 'flags'>): boolean {
  return Array.isArray(flags) && flags.includes('binding')
}

/** Rules in an order in which they can be added: those of bound chains first, as the kernel takes none once a rule jumps to the chain. */
export function inWritableOrder<T extends ChainReference>(rules: readonly T[], chains: readonly Chain[]): readonly T[] {
  const bound = new Set(chains.filter(isBoundChain).map(({ family, table, name }) => keyOf(family, table, name)))
  if (bound.size === 0) return rules
  const isInner = ({ family, table, chain }: T): boolean => bound.has(keyOf(family, table, chain))
  return [...rules.filter(isInner), ...rules.filter((rule) => !isInner(rule))]
}

function jumpOf(expression: Expression): ImmediateExpression | undefined {
  return expression.type === 'immediate' && 'verdict' in expression.data && typeof expression.data.chain === 'string'
    ? expression
    : undefined
}

/** The bound chains of one transaction. */
export class BoundChains {
  readonly #ids = new Map<string, number>()
  /** Those that a rule of the transaction jumps to. */
  readonly #closed = new Set<number>()
  #nextId = 1

  /** Whether none was declared. */
  get isEmpty(): boolean {
    return this.#ids.size === 0
  }

  /** An id that no other chain of the transaction has. */
  takeId(): number {
    return this.#nextId++
  }

  /** The id of a chain that is declared; undefined for a chain of its own, which has its name. */
  declare(chain: Chain): number | undefined {
    if (!isBoundChain(chain)) return undefined
    const id = this.takeId()
    this.#ids.set(keyOf(chain.family, chain.table, chain.name), id)
    return id
  }

  /**
   * The id of the chain that a rule goes into; undefined where the chain has a name.
   *
   * @throws {ValidationError} A rule jumps to the chain already (nf_tables_newrule refuses: EOPNOTSUPP).
   */
  chainIdOf({ family, table, chain }: ChainReference): number | undefined {
    const id = this.#ids.get(keyOf(family, table, chain))
    if (id !== undefined && this.#closed.has(id))
      throw new ValidationError(
        'chain',
        chain,
        'a chain that no rule of the transaction jumps to yet: a chain that belongs to a rule is filled first'
      )
    return id
  }

  /**
   * Expressions that jump to bound chains of the transaction by id.
   *
   * @throws {ValidationError} Another rule jumps to the chain already, or the rule itself is in a bound chain (nf_tables_bind_chain refuses both).
   */
  bind(rule: ChainReference, expressions: readonly Expression[]): readonly Expression[] {
    if (this.#ids.size === 0 || !Array.isArray(expressions)) return expressions
    return expressions.map((expression: Expression, index) => {
      const jump = jumpOf(expression)
      const chain = jump === undefined ? undefined : (jump.data as { readonly chain: string }).chain
      const id = chain === undefined ? undefined : this.#ids.get(keyOf(rule.family, rule.table, chain))
      if (id === undefined) return expression
      this.#close(id, `expressions[${index}].data.chain`, rule, chain!)
      return { ...jump!, data: { verdict: (jump!.data as { readonly verdict: number }).verdict, chainId: id } }
    })
  }

  #close(id: number, path: string, rule: ChainReference, chain: string): void {
    if (this.#closed.has(id)) throw new ValidationError(path, chain, 'a chain that no other rule jumps to: it belongs to one rule')
    if (this.chainIdOf(rule) !== undefined)
      throw new ValidationError(path, chain, 'a chain with a name of its own, as the rule is itself in a chain that belongs to a rule')
    this.#closed.add(id)
  }
}
