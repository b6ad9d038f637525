/**
 * What leads to a chain. The kernel counts it together with the chain's own rules: rules that go on there, and elements of maps.
 */
import { calledBy } from '../rule/written.js'
import type { ListedRule } from '../../nftables/objects.js'
import type { ChainSnapshot } from './snapshot.js'

/** How often rules go on in a chain, by its name. */
export class Calls {
  readonly #counts = new Map<string, number>()

  /** Counts a rule, too. */
  add({ expressions }: ListedRule): void {
    for (const chain of calledBy(expressions)) this.#counts.set(chain, (this.#counts.get(chain) ?? 0) + 1)
  }

  /** Whether something else than the rules that were counted leads to a chain whose rules were read. */
  areNotAll({ chain: { name, use }, rules }: ChainSnapshot): boolean {
    return use > rules.length + (this.#counts.get(name) ?? 0)
  }
}
