/**
 * What a transaction has to know of the rules that are there: a rule that is put at the end of a chain asks for none of them.
 */
import { tableKey, type ChainsToRead, type Snapshot, type TableSnapshot } from '../state/snapshot.js'
import { Calls } from '../state/users.js'
import type { IptablesChainReference, IptablesTableReference, Operation, Step } from './operations.js'

/** The rules of the step's chain, or of its whole table. `users`: also those that go on in the chain, wherever they are. */
type Need = 'none' | 'chain' | 'users' | 'table'

type NeedOf<Verb extends Step['verb']> = (step: Extract<Step, { readonly verb: Verb }>) => Need

const ofPlace = ({ place }: { readonly place: { readonly chain?: string | undefined } }): Need =>
  place.chain === undefined ? 'table' : 'chain'

const NEEDS: { readonly [Verb in Step['verb']]: NeedOf<Verb> } = {
  append: () => 'none',
  insert: ({ position }) => (position === 1 ? 'none' : 'chain'),
  replace: () => 'chain',
  delete: () => 'chain',
  flush: ofPlace,
  zero: ofPlace,
  newChain: ({ ensure }) => (ensure === true ? 'chain' : 'none'),
  deleteChain: () => 'users',
  deleteChains: () => 'table',
  // Later steps know the chain by its new name, the kernel by its old one.
  renameChain: () => 'table',
  policy: () => 'none',
  clear: () => 'table'
}

/** What operations need. */
export class Needs {
  readonly #rulesOf = new Map<string, Set<string> | 'all'>()
  /** Chains that are to go, by tables. */
  readonly #deleted = new Map<string, Set<string>>()

  constructor(operations: Iterable<Operation>) {
    for (const { step } of operations) this.#add(step)
  }

  get rulesOf(): ChainsToRead {
    return this.#rulesOf
  }

  /**
   * Whether what was read is enough: the kernel counts the rules that go on in a chain, and those of chains that are to go must be known. Where it is not, the whole tables are needed from now on.
   */
  isMetBy({ tables }: Snapshot): boolean {
    let isMet = true
    for (const [key, chains] of this.#deleted) {
      const table = tables.get(key)
      if (this.#rulesOf.get(key) === 'all' || table === undefined || areUsersKnown(table, chains)) continue
      this.#rulesOf.set(key, 'all')
      isMet = false
    }
    return isMet
  }

  #add(step: Step): void {
    const { family, table, chain }: IptablesTableReference & Partial<IptablesChainReference> = step.place
    const key = tableKey(family, table)
    const need = (NEEDS[step.verb] as (step: Step) => Need)(step)
    if (need === 'none') return
    if (need === 'table' || chain === undefined) {
      this.#rulesOf.set(key, 'all')
      return
    }
    const known = this.#rulesOf.get(key)
    if (known !== 'all') this.#rulesOf.set(key, (known ?? new Set<string>()).add(chain))
    if (need === 'users') this.#deleted.set(key, (this.#deleted.get(key) ?? new Set<string>()).add(chain))
  }
}

/** Whether all rules were read that go on in chains. */
function areUsersKnown({ chains }: TableSnapshot, names: ReadonlySet<string>): boolean {
  const calls = new Calls()
  for (const { rules } of chains.values()) for (const rule of rules) calls.add(rule)
  return [...names].every((name) => {
    const found = chains.get(name)
    return found === undefined || !calls.areNotAll(found)
  })
}
