/**
 * What the tables will be like after a transaction.
 */
import { EBUSY, EEXIST, ENOENT, EOPNOTSUPP } from '../../core/errno.js'
import { calledBy } from '../rule/written.js'
import type { Snapshot } from '../state/snapshot.js'
import { tableKey } from '../state/snapshot.js'
import type { Slices } from '../../core/slices.js'
import { baseChain } from '../tables.js'
import { ChainPlan, refuse, type Item } from './chain-plan.js'
import { describePlace, type IptablesChainReference, type IptablesTableReference, type Operation, type Step } from './operations.js'

type StepOf<Verb extends Step['verb']> = Extract<Step, { readonly verb: Verb }>

/** One table. */
export class TablePlan {
  readonly reference: IptablesTableReference
  readonly exists: boolean
  /** By the names after the transaction. Those that are deleted stay, so that it is known. */
  readonly chains = new Map<string, ChainPlan>()
  /** Names that the kernel has until the commit for chains that are renamed. */
  readonly oldNames = new Set<string>()

  constructor(reference: IptablesTableReference, snapshot: Snapshot) {
    this.reference = reference
    const found = snapshot.tables.get(tableKey(reference.family, reference.table))
    this.exists = found !== undefined
    for (const [chain, listed] of found?.chains ?? []) {
      this.chains.set(chain, new ChainPlan({ ...reference, chain }, baseChain(reference.table, chain), listed))
    }
  }

  /** A chain that is to be used: base chains are made. */
  use(chain: string, by: Operation): ChainPlan {
    const found = this.chains.get(chain)
    if (found?.isThere === true) return found
    const base = baseChain(this.reference.table, chain)
    if (base === undefined) return refuse(by, ENOENT, `there is no ${describePlace({ ...this.reference, chain })}`)
    return this.make(chain, by)
  }

  /** Makes a chain. */
  make(chain: string, by: Operation): ChainPlan {
    const made = this.chains.get(chain) ?? new ChainPlan({ ...this.reference, chain }, baseChain(this.reference.table, chain), undefined)
    made.deletedBy = undefined
    made.madeBy = by
    this.chains.set(chain, made)
    return made
  }

  /** All chains that will be there. */
  there(): ChainPlan[] {
    return [...this.chains.values()].filter(({ isThere }) => isThere)
  }
}

/** Most operations take a few microseconds. */
const OPERATIONS_BETWEEN_LOOKS = 64

const NAME_IS_HELD = 'a chain that is renamed has this name until the transaction is committed'

/** Names of chains that a rule goes on in. */
function calls({ kept, wanted }: Item): string[] {
  if (wanted === undefined) return calledBy(kept?.expressions ?? [])
  const { calledChain: chain } = wanted.written
  return chain === undefined ? [] : [chain]
}

/** All tables that operations touch. */
export class Plan {
  readonly tables = new Map<string, TablePlan>()
  readonly #snapshot: Snapshot
  readonly #slices: Slices
  readonly #verbs: { readonly [Verb in Step['verb']]: (step: StepOf<Verb>, by: Operation) => Promise<void> | void } = {
    append: ({ place, rule }, by) => this.#use(place, by).add(rule, undefined, by),
    insert: ({ place, rule, position }, by) => this.#use(place, by).add(rule, position, by),
    replace: ({ place, rule, position }, by) => this.#use(place, by).replace(rule, position, by),
    delete: ({ place, which }, by) => {
      const chain = this.#use(place, by)
      return typeof which === 'number' ? chain.remove(which, by) : chain.removeAlike(which, by, this.#slices)
    },
    flush: ({ place }, by) => {
      for (const chain of this.#some(place, by)) chain.flush(by)
    },
    zero: ({ place, position }, by) => {
      for (const chain of this.#some(place, by)) chain.zero(position, by)
    },
    newChain: ({ place, ensure = false }, by) => this.#newChain(place, ensure, by),
    deleteChain: ({ place }, by) => this.#deleteChain(place, by),
    deleteChains: ({ place }, by) => this.#deleteChains(place, by),
    renameChain: ({ place, to }, by) => this.#renameChain(place, to, by),
    policy: (step, by) => this.#policy(step, by),
    clear: ({ place, keep }, by) => this.#clear(place, keep, by)
  }

  constructor(snapshot: Snapshot, slices: Slices) {
    this.#snapshot = snapshot
    this.#slices = slices
  }

  /**
   * Notes operations, each of which sees what those before it did.
   *
   * @throws {NetlinkError} One cannot be done as things stand: `ENOENT`, `EEXIST`, `EBUSY`.
   */
  async apply(operations: readonly Operation[]): Promise<void> {
    for (const [index, by] of operations.entries()) {
      if (index % OPERATIONS_BETWEEN_LOOKS === 0 && this.#slices.isOver) await this.#slices.turn()
      const run = this.#verbs[by.step.verb] as (step: Step, by: Operation) => Promise<void> | undefined
      const running = run(by.step, by)
      if (running !== undefined) await running
    }
  }

  /** Checks what holds for the whole. @throws {NetlinkError} `ENOENT`: a rule goes on in a chain that will not be there. `EBUSY`: a chain that goes is gone on in. */
  async check(): Promise<void> {
    await this.#slices.each(this.#items(), ({ table, chain, item }) => {
      for (const name of calls(item)) checkCall(table.chains.get(name), name, chain, item)
    })
  }

  *#items(): Generator<{ readonly table: TablePlan; readonly chain: ChainPlan; readonly item: Item }> {
    for (const table of this.tables.values())
      for (const chain of table.there()) for (const item of chain.items) yield { table, chain, item }
  }

  #table(reference: IptablesTableReference): TablePlan {
    const key = tableKey(reference.family, reference.table)
    const found = this.tables.get(key)
    if (found !== undefined) return found
    const { family, table } = reference
    const made = new TablePlan({ family, table }, this.#snapshot)
    this.tables.set(key, made)
    return made
  }

  #use(place: IptablesChainReference, by: Operation): ChainPlan {
    return this.#table(place).use(place.chain, by)
  }

  /** The chain that is named, or all there are. A base chain that nobody made has nothing to take away. */
  #some(place: Partial<IptablesChainReference> & IptablesTableReference, by: Operation): ChainPlan[] {
    const table = this.#table(place)
    const { chain } = place
    if (chain === undefined) return table.there()
    const found = table.chains.get(chain)
    if (found?.isThere === true) return [found]
    return baseChain(place.table, chain) === undefined ? [table.use(chain, by)] : []
  }

  #newChain(place: IptablesChainReference, ensure: boolean, by: Operation): void {
    const table = this.#table(place)
    const found = table.chains.get(place.chain)
    if (found?.isThere !== true) {
      if (table.oldNames.has(place.chain)) refuse(by, EBUSY, NAME_IS_HELD)
      table.make(place.chain, by)
    } else if (ensure) found.flush(by)
    else refuse(by, EEXIST, `there is ${describePlace(place)} already`)
  }

  #deleteChain(place: IptablesChainReference, by: Operation): void {
    const chain = this.#table(place).chains.get(place.chain)
    if (chain?.isThere !== true) return refuse(by, ENOENT, `there is no ${describePlace(place)}`)
    if (chain.items.length > 0) refuse(by, EBUSY, `it has ${chain.items.length} rules: flush it before`)
    if (chain.renamedBy !== undefined) refuse(by, EBUSY, 'it is renamed by the same transaction')
    chain.deletedBy = by
  }

  /** All chains of the user. */
  #deleteChains(place: IptablesTableReference, by: Operation): void {
    for (const { name: chain, base, listed } of this.#table(place).there())
      if (base === undefined && listed?.chain.hook === undefined) this.#deleteChain({ ...place, chain }, by)
  }

  #renameChain(place: IptablesChainReference, to: string, by: Operation): void {
    const table = this.#table(place)
    const chain = table.chains.get(place.chain)
    if (chain?.isThere !== true) return refuse(by, ENOENT, `there is no ${describePlace(place)}`)
    if (table.chains.get(to)?.isThere === true) refuse(by, EEXIST, `there is ${describePlace({ ...place, chain: to })} already`)
    if (chain.listed === undefined) refuse(by, EBUSY, 'it is made by the same transaction: make it under its last name')
    if (table.chains.has(to)) refuse(by, EBUSY, 'a chain of this name goes by the same transaction')
    const isUndone = to === chain.kernelName
    if (table.oldNames.has(to) && !isUndone) refuse(by, EBUSY, NAME_IS_HELD)
    chain.renamedBy = isUndone ? undefined : by
    chain.name = to
    if (isUndone) table.oldNames.delete(to)
    else table.oldNames.add(chain.kernelName)
    table.chains.delete(place.chain)
    table.chains.set(to, chain)
    for (const other of table.chains.values()) other.renameCalled(place.chain, to)
  }

  #policy({ place, policy, counters }: StepOf<'policy'>, by: Operation): void {
    const chain = this.#use(place, by)
    chain.madeBy = by
    if (policy !== undefined) chain.policy = policy === 'DROP' ? 'drop' : 'accept'
    if (counters === 'zero') chain.zeroPolicy(by)
    else if (counters !== undefined) chain.counters = counters
  }

  #clear(place: IptablesTableReference, keep: ReadonlySet<string>, by: Operation): void {
    for (const chain of this.#table(place).there()) {
      chain.reset(by)
      if (chain.base === undefined && !keep.has(chain.name)) chain.deletedBy = by
    }
  }
}

function checkCall(called: ChainPlan | undefined, name: string, chain: ChainPlan, { kept, wanted }: Item): void {
  const isGone = called?.isThere !== true
  const isBase = baseChain(chain.place.table, name) !== undefined
  if (!isGone && !isBase) return
  if (wanted !== undefined) {
    if (!isBase) refuse(wanted.by, ENOENT, `${name}: there is no chain of this name, and no target that there are words for`)
    refuse(wanted.by, EOPNOTSUPP, `${name}: no rule may go on in a base chain`)
  }
  // Of a rule that stays: its chain was there, under its old name if it is renamed.
  if (kept !== undefined && called?.deletedBy !== undefined)
    refuse(
      called.deletedBy,
      EBUSY,
      `rule with handle ${kept.handle} of ${describePlace({ ...chain.place, chain: chain.name })} goes on in it`
    )
}
