/**
 * A plan as operations of nf_tables.
 */
import type { Slices } from '../../core/slices.js'
import type { Expression } from '../../nftables/expressions.js'
import type { EncodedRule, ListedRule } from '../../nftables/objects.js'
import type { Transaction } from '../../nftables/transaction.js'
import { queueEncoded } from '../../nftables/transaction-types.js'
import { UNREAD, type ChainPlan, type Item, type WantedRule } from './chain-plan.js'
import type { Operation } from './operations.js'
import type { Plan, TablePlan } from './plan.js'

/** What is emitted a piece at a time, so that the event loop can turn in between. */
type Part = Generator<void, void>

/** Queues operations and notes where they came from. */
class Emitter {
  /** Which operation each operation of nf_tables came from. */
  readonly origins: Operation[] = []
  readonly #tx: Transaction

  constructor(tx: Transaction) {
    this.#tx = tx
  }

  put(origin: Operation, queue: (tx: Transaction) => void): void {
    queue(this.#tx)
    while (this.origins.length < this.#tx.size) this.origins.push(origin)
  }
}

/** A chain's place in nf_tables, by the name that the kernel knows. */
function placeOf({ place, kernelName }: ChainPlan): { family: 'ip' | 'ip6'; table: string; chain: string } {
  return { family: place.family, table: place.table, chain: kernelName }
}

function emitChain(emitter: Emitter, chain: ChainPlan): void {
  const { place, base, madeBy, policy, counters, kernelName: name } = chain
  if (madeBy === undefined || !chain.isThere) return
  const { family, table } = place
  const hook = base === undefined ? {} : { type: base.type, hook: base.hook, priority: base.priority, policy, counters }
  // The kernel keeps the policy of a chain that it has, where none is given.
  const initial = base !== undefined && chain.listed === undefined ? { policy: policy ?? ('accept' as const) } : {}
  emitter.put(madeBy, (tx) => tx.add.chain({ family, table, name, ...hook, ...initial }))
}

/** The rule of an item, with the names that the kernel has for chains. */
function ruleOf(table: TablePlan, { written }: WantedRule): Pick<EncodedRule, 'expressions' | 'compat'> {
  const { calledChain: called } = written
  const chain = called === undefined ? called : (table.chains.get(called)?.kernelName ?? called)
  const { expressions, compat } = chain === undefined || chain === called ? written : written.withCalledChain(chain)
  return { expressions, compat }
}

/** Whether a rule has counted: one that has not is not written anew, so that what else of it the kernel keeps count of stays, and a set that only it has. */
function hasCounted(expressions: readonly Expression[]): boolean {
  return expressions.some(
    (expression) => expression.type === 'counter' && ((expression.packets ?? 0n) > 0n || (expression.bytes ?? 0n) > 0n)
  )
}

function withoutCounts(expressions: readonly Expression[]): Expression[] {
  return expressions.map((expression) => (expression.type === 'counter' ? { type: 'counter', packets: 0n, bytes: 0n } : expression))
}

function emitKept(emitter: Emitter, table: TablePlan, chain: ChainPlan, item: Item, kept: ListedRule): void {
  const { wanted, zeroedBy } = item
  const place = placeOf(chain)
  if (wanted !== undefined) {
    const { expressions, compat } = ruleOf(table, wanted)
    emitter.put(wanted.by, (tx) => tx[queueEncoded]('replace', { ...place, expressions, compat, handle: kept.handle }))
  } else if (zeroedBy !== undefined && hasCounted(kept.expressions)) {
    const expressions = withoutCounts(kept.expressions)
    emitter.put(zeroedBy, (tx) => tx.replace.rule({ ...kept, expressions }))
  }
}

function emitNew(emitter: Emitter, table: TablePlan, chain: ChainPlan, wanted: WantedRule, where: 'end' | 'begin' | bigint): void {
  const { place, kernelName } = chain
  const { expressions, compat } = ruleOf(table, wanted)
  const rule: EncodedRule = {
    family: place.family,
    table: place.table,
    chain: kernelName,
    expressions,
    compat,
    position: typeof where === 'bigint' ? where : undefined
  }
  emitter.put(wanted.by, (tx) => tx[queueEncoded](where === 'begin' ? 'insert' : 'add', rule))
}

function emitRemoved(emitter: Emitter, chain: ChainPlan): void {
  const place = placeOf(chain)
  const isEmptied = chain.items.every(({ kept }) => kept === undefined)
  const [first] = chain.removed.values()
  if (first === undefined) return
  if (isEmptied) {
    const { family, table, chain: name } = place
    emitter.put(first, (tx) => tx.flush.chain({ family, table, name }))
    return
  }
  for (const [rule, by] of chain.removed) emitter.put(by, (tx) => tx.delete.rule({ ...place, handle: rule.handle }))
}

/** New rules that stand between two rules that stay, or before the first, or after the last. Where rules were not read, all of them stay. */
interface Run {
  readonly after: ListedRule | undefined
  readonly wanted: WantedRule[]
}

function runsOf(items: readonly Item[]): Run[] {
  const runs: Run[] = [{ after: undefined, wanted: [] }]
  for (const item of items) {
    const { kept, wanted } = item
    if (kept !== undefined || item === UNREAD) runs.push({ after: kept, wanted: [] })
    else if (wanted !== undefined) runs.at(-1)!.wanted.push(wanted)
  }
  return runs
}

function* emitRules(emitter: Emitter, table: TablePlan, chain: ChainPlan): Part {
  emitRemoved(emitter, chain)
  for (const item of chain.items) if (item.kept !== undefined) yield emitKept(emitter, table, chain, item, item.kept)
  const runs = runsOf(chain.items)
  for (const [index, { after, wanted }] of runs.entries()) {
    if (index === runs.length - 1) {
      for (const rule of wanted) yield emitNew(emitter, table, chain, rule, 'end')
    } else {
      // Each is put directly behind the rule that stays, or at the begin, so that the last one is written first.
      for (const rule of wanted.toReversed()) yield emitNew(emitter, table, chain, rule, after?.handle ?? 'begin')
    }
  }
}

function emitEnd(emitter: Emitter, { place, deletedBy, renamedBy, listed, kernelName, name }: ChainPlan): void {
  if (listed === undefined) return
  const { family, table } = place
  const { handle } = listed.chain
  if (deletedBy !== undefined) emitter.put(deletedBy, (tx) => tx.delete.chain({ family, table, name: kernelName }))
  else if (renamedBy !== undefined) emitter.put(renamedBy, (tx) => tx.rename.chain({ family, table, name, handle }))
}

function* emitTable(emitter: Emitter, table: TablePlan): Part {
  const { family, table: name } = table.reference
  const chains = [...table.chains.values()]
  const by = chains.find(({ madeBy }) => madeBy !== undefined)?.madeBy
  if (!table.exists && by !== undefined) emitter.put(by, (tx) => tx.add.table({ family, name }))
  for (const chain of chains) yield emitChain(emitter, chain)
  for (const chain of chains) yield* emitRules(emitter, table, chain)
  for (const chain of chains) yield emitEnd(emitter, chain)
}

/** Queues what makes the tables as the plan has them. @returns Where each operation of the transaction came from. */
export async function emit(plan: Plan, tx: Transaction, slices: Slices): Promise<readonly Operation[]> {
  const emitter = new Emitter(tx)
  for (const table of plan.tables.values()) await slices.each(emitTable(emitter, table), () => undefined)
  return emitter.origins
}
