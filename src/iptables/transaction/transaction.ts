/**
 * A transaction over the rules of iptables: queue what should change, then commit all of it or nothing.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { requireOptions } from '../../core/checks.js'
import { ERESTART } from '../../core/errno.js'
import { ClosedError, NetlinkError, ValidationError } from '../../core/errors.js'
import type { CallOptions } from '../../core/options.js'
import { Slices } from '../../core/slices.js'
import type { Nftables } from '../../nftables/client.js'
import type { RepeatedColumns, RepeatedRow } from '../../nftables/repeat/columns.js'
import { AttributeBuffer } from '../../nftables/wire/buffer.js'
import { requireChainName, requireCounters } from '../rule/convert.js'
import type { IptablesCounters, IptablesRule } from '../rule/model.js'
import type { SetResolver } from '../state/set-names.js'
import { readSnapshot, type Snapshot, type SnapshotFilter } from '../state/snapshot.js'
import type { IptablesPolicy } from '../state/types.js'
import { parseSave } from '../text/save.js'
import type { IptablesFamily } from '../types.js'
import { Call, RowCall, type AnyCall } from './calls.js'
import { emit } from './emit.js'
import {
  checkRule,
  queueRule,
  requireBaseChain,
  requireChainReference,
  requireFreeName,
  requirePolicy,
  requirePosition,
  requireTableReference,
  requireUserChain,
  ruleOfStep,
  stepWithSets,
  type IptablesChainReference,
  type IptablesTableReference,
  type Operation,
  type Step
} from './operations.js'
import { Needs } from './needs.js'
import { Plan } from './plan.js'
import { refusalOf } from './refusals.js'
import { callRows, type RowOrigin } from './repeat.js'
import { restoreSteps, type RestoreOptions } from './restore.js'
import type { SavedTable } from '../text/saved.js'

/** How often a transaction is put together anew after another process committed. */
const MAX_ATTEMPTS = 16

/** The longest wait before that: at random, so that two who are in each other's way do not stay so. */
const MAX_WAIT_MS = 64

/** What a commit did. */
export interface IptablesCommitReport {
  /** The generation right after the commit; where nothing was to be done, that of what was read. */
  readonly generation: number
  /** Operations of nf_tables that were sent. */
  readonly operations: number
}

/** What queues operations: a transaction, but for what sends it. */
export type IptablesVerbs = Pick<
  IptablesTransaction,
  'append' | 'insert' | 'replace' | 'delete' | 'flush' | 'zero' | 'newChain' | 'deleteChain' | 'renameChain' | 'policy'
>

/**
 * Operations to be committed together, over all tables and both families; {@link Iptables.transaction} begins one. Each sees what those before it did: positions count accordingly. Nothing is
 * sent before {@link IptablesTransaction.commit}. What is malformed is refused at once.
 */
export class IptablesTransaction {
  readonly #nft: Nftables
  readonly #sets: SetResolver
  readonly #operations: AnyCall[] = []
  /** The rules. */
  readonly #out = new AttributeBuffer()
  #calls = 0
  /** What is called is part of one call. */
  #isRepeating = false
  #isSpent = false

  private constructor(nft: Nftables, sets: SetResolver) {
    this.#nft = nft
    this.#sets = sets
  }

  /** @internal */
  static begin(nft: Nftables, sets: SetResolver): IptablesTransaction {
    return new IptablesTransaction(nft, sets)
  }

  /** Calls so far: the index of the next one in errors. */
  get size(): number {
    return this.#calls
  }

  /** Puts a rule at the end of a chain (`-A`). A base chain is made where there is none. @throws {ValidationError} */
  append(place: IptablesChainReference, rule: IptablesRule): void {
    const checked = requireChainReference('place', place)
    this.#put({ verb: 'append', place: checked, rule: queueRule(rule, checked, this.#out) }, rule)
  }

  /** Puts a rule at a position, from 1 on, of a chain (`-I`). @param position Default 1: the begin. @throws {ValidationError} */
  insert(place: IptablesChainReference, rule: IptablesRule, position = 1): void {
    const checked = requireChainReference('place', place)
    const queued = queueRule(rule, checked, this.#out)
    this.#put({ verb: 'insert', place: checked, rule: queued, position: requirePosition('position', position) }, rule)
  }

  /** Puts a rule in the place of another one (`-R`). @throws {ValidationError} */
  replace(place: IptablesChainReference, position: number, rule: IptablesRule): void {
    const checked = requireChainReference('place', place)
    const queued = queueRule(rule, checked, this.#out)
    this.#put({ verb: 'replace', place: checked, rule: queued, position: requirePosition('position', position) }, rule)
  }

  /** Takes a rule away (`-D`): that at a position, or the first one that is like the given one; counters are not compared. @throws {ValidationError} */
  delete(place: IptablesChainReference, which: number | IptablesRule): void {
    const checked = requireChainReference('place', place)
    if (typeof which === 'object') this.#put({ verb: 'delete', place: checked, which: checkRule(which, checked) }, which)
    else this.#put({ verb: 'delete', place: checked, which: requirePosition('which', which) }, place)
  }

  /** Takes all rules of a chain away, or of all chains of a table (`-F`). @throws {ValidationError} */
  flush(place: IptablesTableReference & { readonly chain?: string | undefined }): void {
    this.#put({ verb: 'flush', place: requirePlace(place) }, place)
  }

  /** Sets counters to zero: of all rules and the policies of a table or chain, or of one rule (`-Z`). @throws {ValidationError} */
  zero(place: IptablesTableReference & { readonly chain?: string | undefined; readonly position?: number | undefined }): void {
    const checked = requirePlace(place)
    const { position } = place
    if (position !== undefined && checked.chain === undefined)
      throw new ValidationError('place.chain', undefined, 'the chain that the position is in')
    this.#put({ verb: 'zero', place: checked, position: position === undefined ? undefined : requirePosition('position', position) }, place)
  }

  /** Makes a chain of the user (`-N`). @throws {ValidationError} */
  newChain(place: IptablesChainReference): void {
    this.#put({ verb: 'newChain', place: requireFreeName('place.chain', requireChainReference('place', place)) }, place)
  }

  /** Removes a chain of the user, which must have no rules, and no rule may go on in it (`-X`). @throws {ValidationError} */
  deleteChain(place: IptablesChainReference): void {
    this.#put({ verb: 'deleteChain', place: requireUserChain('place.chain', requireChainReference('place', place)) }, place)
  }

  /** Gives a chain of the user another name; rules that go on in it go on there (`-E`). @throws {ValidationError} */
  renameChain(place: IptablesChainReference, to: string): void {
    const checked = requireUserChain('place.chain', requireChainReference('place', place))
    const named = requireFreeName('to', { ...checked, chain: requireChainName('to', to) })
    this.#put({ verb: 'renameChain', place: checked, to: named.chain }, place)
  }

  /** Sets what happens to packets that reach the end of a base chain (`-P`). @param counters Absent: they are left as they are. @throws {ValidationError} */
  policy(place: IptablesChainReference, policy: IptablesPolicy, counters?: IptablesCounters): void {
    const checked = requireChainReference('place', place)
    requireBaseChain('place.chain', checked)
    requirePolicy('policy', policy)
    const counted = counters === undefined ? undefined : requireCounters('counters', counters)
    this.#put({ verb: 'policy', place: checked, policy, counters: counted }, place)
  }

  /**
   * Calls the same for many rows, which differ by their values alone: what `build` calls for each row, in a fraction of the time. As {@link Transaction.repeat}. An address that is a column of bytes becomes text by
   * {@link formatAddress}. The whole counts as one call.
   *
   * @param rows How many.
   * @param columns What differs, by names: of texts, numbers and counters a value a row, and of bytes as many for each row.
   * @throws {ValidationError} The columns are malformed, or what `build` calls.
   */
  repeat<Columns extends RepeatedColumns>(
    rows: number,
    columns: Columns,
    build: (tx: IptablesVerbs, row: RepeatedRow<Columns>) => void
  ): void {
    const run = (tx: IptablesTransaction, row: unknown): void => build(tx.#verbs(), row as RepeatedRow<Columns>)
    const record = (row: unknown): readonly Operation[] => {
      const own = new IptablesTransaction(this.#nft, this.#sets)
      run(own, row)
      return own.#operations
    }
    const add = (step: Step, origin: RowOrigin): void => {
      this.#operations.push(new RowCall(step, this.#calls, origin))
    }
    this.#isRepeating = true
    try {
      callRows({ out: this.#out, run: (row) => run(this, row), record, add }, rows, columns)
    } finally {
      this.#isRepeating = false
      this.#calls += 1
    }
  }

  /**
   * Does what a file of iptables-save says, as `iptables-restore` does.
   *
   * @param file Its text, or what {@link parseSave} read.
   * @throws {ValidationError} A line is malformed: `IptablesSyntaxError` says which.
   */
  restore(family: IptablesFamily, file: string | readonly SavedTable[], options: RestoreOptions = {}): void {
    const tables = typeof file === 'string' ? parseSave(file, { family }) : file
    const steps = restoreSteps(family, tables, options, this.#out)
    for (const { step, object, line } of steps) this.#add(step, object, line)
    this.#calls += 1
  }

  /**
   * Commits everything, or nothing. What is there is read first, of rules those alone that the calls depend on, and where another process commits in between, that is done again.
   *
   * @throws {NetlinkError} It cannot be done as things stand, or the kernel refused: `operation` is `iptables.commit`, `index` and `object` are those of the call on this transaction. `ENOENT`: a
   *   chain, rule, match or target does not exist; the hint says which, and names the module. `EEXIST`, `EBUSY`: of chains. `ERESTART`: other processes committed 16 times in a row. `EPERM`.
   * @throws {UnsupportedError} A rule names a set of ipset, which this kernel has not.
   * @throws {ValidationError} A rule names a set that is not there.
   * @throws {ClosedError} The transaction was committed already, or the client is closed.
   */
  async commit(options: CallOptions = {}): Promise<IptablesCommitReport> {
    requireOptions(options)
    if (this.#isSpent) throw new ClosedError('the transaction was committed and')
    for (let attempt = 1; ; attempt++) {
      try {
        const report = await this.#attempt(options)
        this.#isSpent = true
        return report
      } catch (error) {
        if (!(error instanceof NetlinkError) || error.errno !== -ERESTART || attempt === MAX_ATTEMPTS) throw error
        await pause(Math.random() * Math.min(MAX_WAIT_MS, 2 ** attempt))
        options.signal?.throwIfAborted()
      }
    }
  }

  async #attempt(options: CallOptions): Promise<IptablesCommitReport> {
    const families = new Set(this.#operations.map(({ step }) => step.place.family))
    const tables = new Set(this.#operations.map(({ step }) => step.place.table))
    const filter = { family: families.size === 1 ? [...families][0] : undefined, table: tables.size === 1 ? [...tables][0] : undefined }
    const snapshot = await this.#read(filter, options)
    const slices = new Slices()
    const plan = new Plan(snapshot, slices)
    await plan.apply(await this.#withSets(options, slices))
    await plan.check()
    const tx = this.#nft.transaction()
    const origins = await emit(plan, tx, slices)
    if (tx.size === 0) return { generation: snapshot.generation, operations: 0 }
    try {
      const { generation, operations } = await tx.commit({ ...options, generation: snapshot.generation })
      return { generation, operations }
    } catch (error) {
      throw error instanceof NetlinkError ? refusalOf(error, origins) : error
    }
  }

  /** Reads what the operations need to know. */
  async #read(filter: SnapshotFilter, options: CallOptions): Promise<Snapshot> {
    const needs = new Needs(this.#operations)
    const { rulesOf } = needs
    const snapshot = await readSnapshot(this.#nft, { ...filter, rulesOf }, options)
    return needs.isMetBy(snapshot) ? snapshot : await readSnapshot(this.#nft, { ...filter, rulesOf }, options)
  }

  /** The operations with the indices of the sets that their rules name. */
  async #withSets(options: CallOptions, slices: Slices): Promise<readonly Operation[]> {
    const names: string[] = []
    await slices.each(this.#operations, ({ step }) => {
      for (const name of ruleOfStep(step)?.setNames ?? []) names.push(name)
    })
    if (names.length === 0) return this.#operations
    const sets = await this.#sets.resolve(names, options)
    const known: Operation[] = []
    await slices.each(this.#operations, (operation) => known.push(operation.with(stepWithSets(operation.step, sets, this.#out))))
    return known
  }

  #verbs(): IptablesVerbs {
    return {
      append: (place, rule) => this.append(place, rule),
      insert: (place, rule, position) => this.insert(place, rule, position),
      replace: (place, position, rule) => this.replace(place, position, rule),
      delete: (place, which) => this.delete(place, which),
      flush: (place) => this.flush(place),
      zero: (place) => this.zero(place),
      newChain: (place) => this.newChain(place),
      deleteChain: (place) => this.deleteChain(place),
      renameChain: (place, to) => this.renameChain(place, to),
      policy: (place, policy, counters) => this.policy(place, policy, counters)
    }
  }

  #put(step: Step, object: unknown): void {
    this.#add(step, object)
    if (!this.#isRepeating) this.#calls += 1
  }

  #add(step: Step, object: unknown, line?: number): void {
    this.#operations.push(new Call({ step, index: this.#calls, object, line }))
  }
}

function requirePlace(
  place: IptablesTableReference & { readonly chain?: string | undefined }
): Partial<IptablesChainReference> & IptablesTableReference {
  const checked = requireTableReference('place', place)
  return place.chain === undefined ? checked : { ...checked, chain: requireChainName('place.chain', place.chain) }
}
