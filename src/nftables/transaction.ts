/**
 * A transaction over nf_tables: queue what should change, then commit all of it or nothing.
 */
import { requireConfirmation, requireOptions } from '../core/checks.js'
import { ClosedError, NetplaneError, ValidationError } from '../core/errors.js'
import type { CallOptions } from '../core/options.js'
import { traceCommit } from '../core/tracing.js'
import type { NativeCommitResult, NativeKind, NativeRecord, NativeVerb } from '../native/index.js'
import { BoundChains } from './bound-chains.js'
import { describeNamed, describeRule, placeOf } from './describe.js'
import { describeTarget, elementOperation, wordOf } from './element-operation.js'
import { family } from './families.js'
import { checkFields, findMisnamed, type DeclaredKind } from './fields.js'
import {
  toNativeChain,
  toNativeCounter,
  toNativeFlowtable,
  toNativeObject,
  toNativeRenaming,
  toNativeRule,
  toNativeTable,
  type Chain,
  type ChainReference,
  type Counter,
  type EncodedRule,
  type Flowtable,
  type Rule,
  type Table
} from './objects.js'
import { compileQueued, type StatedRule } from './queued-rule.js'
import { refusalOf } from './refusals.js'
import { ownColumns, type OwnColumn, type RepeatedColumns, type RepeatedRow } from './repeat/columns.js'
import { queueRows } from './repeat/operations.js'
import { verbsOf, type OperationVerbs } from './repeat/verbs.js'
import { checkNoOwnChain } from './rule/checks.js'
import { QueuedObject, type EncodedHead } from './queued-object.js'
import { commitReport, locateOperation, Sending } from './sending.js'
import { sendHere } from './sending-here.js'
import { toNativeSet, type SetSpec } from './sets.js'
import { COUNTER_TYPE, objectTypeNumber, type StatefulObject } from './stateful-objects.js'
import {
  queueEncoded,
  type BuiltRule,
  type CommitOptions,
  type CommitReport,
  type ElementOptions,
  type ElementSource,
  type ElementTarget,
  type NameReference,
  type NamedVerb,
  type QueuedOperation,
  type SyncCommitOptions,
  type TableReference,
  type TransactionHost
} from './transaction-types.js'
import { AttributeBuffer } from './wire/buffer.js'

/**
 * Operations to be committed together; {@link Nftables.transaction} begins one. Nothing is sent before {@link Transaction.commit}, and building never throws: the first operation that is malformed is kept and makes
 * `commit` and `check` reject with its ValidationError. What is passed in is copied, but for elements as objects beyond 256: lists of them are read, in short slices, when the
 * transaction is sent first.
 */
export class Transaction {
  readonly #host: TransactionHost
  readonly #operations: QueuedOperation[] = []
  readonly #out = new AttributeBuffer()
  #fault: unknown
  #isSpent = false
  /** How often it is being sent, or checked. */
  #sendings = 0
  #nextSetId = 1
  readonly #boundChains = new BoundChains()

  private constructor(host: TransactionHost) {
    this.#host = host
  }

  /** @internal */
  static begin(host: TransactionHost): Transaction {
    return new Transaction(host)
  }

  /** Operations queued so far. */
  get size(): number {
    return this.#operations.length
  }

  /** Ensures that objects exist. One that exists and is the same is left as it is; one that differs is refused with EEXIST (or updated where the kernel can). */
  readonly add = {
    table: (table: Table): void => this.#put('add', 'table', table, () => toNativeTable(table)),
    chain: (chain: Chain): void => this.#put('add', 'chain', chain, () => toNativeChain(chain, this.#boundChains.declare(chain))),
    /** Appends a rule, or puts it behind the one whose handle is `after`. */
    rule: (rule: Rule | BuiltRule): void => this.#rule('add', rule),
    set: (set: SetSpec): void => this.#set('add', set),
    map: (map: SetSpec): void => this.#set('add', map),
    /**
     * A range must not overlap another one of the set; the same range may be there already, and touching ranges stay two. `commit` refuses others: ValidationError where both
     * are in the transaction, `EEXIST` where one is there.
     */
    elements: (set: ElementTarget, elements: ElementSource, options?: ElementOptions): void =>
      this.#elements('add', set, elements, options),
    counter: (counter: Counter): void => this.#put('add', 'object', counter, () => toNativeCounter(counter), 'counter'),
    object: (object: StatefulObject): void => this.#put('add', 'object', object, () => toNativeObject(object)),
    flowtable: (flowtable: Flowtable): void => this.#put('add', 'flowtable', flowtable, () => toNativeFlowtable(flowtable))
  }

  /** As `add`, refusing with EEXIST what exists already. */
  readonly create = {
    table: (table: Table): void => this.#put('create', 'table', table, () => toNativeTable(table)),
    chain: (chain: Chain): void => this.#put('create', 'chain', chain, () => toNativeChain(chain, this.#boundChains.declare(chain))),
    set: (set: SetSpec): void => this.#set('create', set),
    map: (map: SetSpec): void => this.#set('create', map),
    elements: (set: ElementTarget, elements: ElementSource, options?: ElementOptions): void =>
      this.#elements('create', set, elements, options),
    counter: (counter: Counter): void => this.#put('create', 'object', counter, () => toNativeCounter(counter), 'counter'),
    object: (object: StatefulObject): void => this.#put('create', 'object', object, () => toNativeObject(object)),
    flowtable: (flowtable: Flowtable): void => this.#put('create', 'flowtable', flowtable, () => toNativeFlowtable(flowtable))
  }

  /** Puts a rule at the beginning of its chain, or before the one whose handle is `before`. */
  readonly insert = { rule: (rule: Rule | BuiltRule): void => this.#rule('insert', rule) }

  /** Replaces the rule whose handle is `handle`; the new one keeps the handle. */
  readonly replace = { rule: (rule: (Rule | BuiltRule) & { readonly handle: bigint }): void => this.#rule('replace', rule) }

  /**
   * Removes what must exist: ENOENT where it does not, EBUSY where something refers to it. A chain's rules go with it. A range must be there exactly: parts of ranges are
   * not removed, nor several by one.
   */
  readonly delete: NamedVerb & { rule(reference: ChainReference & { readonly handle: bigint }): void } = {
    ...this.#named('delete'),
    rule: (reference) => this.#ruleByHandle('delete', reference)
  }

  /**
   * Ensures that objects do not exist (Linux 6.3; EINVAL or EOPNOTSUPP on older kernels). A range that is not there exactly is passed over, whatever it overlaps.
   */
  readonly destroy: NamedVerb & { rule(reference: ChainReference & { readonly handle: bigint }): void } = {
    ...this.#named('destroy'),
    rule: (reference) => this.#ruleByHandle('destroy', reference)
  }

  /** Gives what there is another name. */
  readonly rename = {
    /** The chain whose handle is `handle` is called `name` from the commit on; within the transaction it still has its old name. Jumps to it stay. */
    chain: (chain: NameReference & { readonly handle: bigint }): void => this.#put('add', 'chain', chain, () => toNativeRenaming(chain))
  }

  /** Empties objects that stay. */
  readonly flush = {
    /** Removes every table of every family, whoever made it, but those that other sockets own. `{ allTables: true }` says that this is meant. */
    ruleset: (confirmation: { readonly allTables: true }): void => {
      requireConfirmation(confirmation, 'allTables', 'every table goes, whoever made it')
      this.#queue({ verb: 'flush', kind: 'table', family: 'unspec' }, {}, () => 'the ruleset', undefined)
    },
    /** Removes the rules of all chains of a table. */
    table: (table: TableReference): void => this.#put('flush', 'table', table, () => ({ name: table.name })),
    /** Removes the rules of a chain. */
    chain: (chain: NameReference): void => this.#put('flush', 'chain', chain, () => ({ table: chain.table, name: chain.name })),
    /** Removes the elements of a set or map. */
    set: (set: NameReference): void => this.#put('flush', 'set', set, () => ({ table: set.table, name: set.name }))
  }

  /**
   * Queues the same operations for many rows, in a fraction of the time that single calls take: `build` is called for made-up rows to find out where values go, and the operations of most rows are copied.
   *
   * `build` must do nothing but queue, the same for all rows but for their values, and must not be async. What it throws for a row is thrown. Where it decides by values, such as ports below 1024, rows may be
   * copied wrongly: it is asked for some rows again, and a ValidationError is thrown where that is noticed.
   *
   * @param rows How many.
   * @param columns What differs, by names: of texts, numbers and counters a value a row, and of bytes as many for each row.
   */
  repeat<Columns extends RepeatedColumns>(
    rows: number,
    columns: Columns,
    build: (tx: OperationVerbs, row: RepeatedRow<Columns>) => void
  ): void {
    const run = (tx: Transaction, row: unknown): void => build(verbsOf(tx), row as RepeatedRow<Columns>)
    const record = (row: unknown): readonly QueuedOperation[] | undefined => {
      const own = new Transaction(this.#host)
      run(own, row)
      return own.#fault === undefined ? own.#operations : undefined
    }
    let own: readonly OwnColumn[] | undefined
    this.#guard(
      {},
      () => 'repeated',
      () => (own = ownColumns(rows, columns))
    )
    if (own === undefined) return
    const dependsOnOthers = !this.#boundChains.isEmpty
    queueRows({ operations: this.#operations, out: this.#out, record, dependsOnOthers, run: (row) => run(this, row) }, rows, own)
  }

  /**
   * Commits everything, or nothing.
   *
   * @throws {ValidationError} An operation is malformed; nothing was sent.
   * @throws {NetlinkError} The kernel refused: `operation` is `nftables.commit`, `index`, `subject`, `object` and `field` say what it refused; `others` are further
   *   refusals. `ERESTART`: another process committed since `generation`; the transaction may be committed again. `EPERM`, `ENOMEM`, `EMSGSIZE`:
   *   the whole. `outcomeUnknown` says that the verdict was lost.
   * @throws {ClosedError} The transaction was committed already, or the client is closed.
   */
  async commit(options: CommitOptions = {}): Promise<CommitReport> {
    const result = await this.#send('nftables.commit', options, false)
    this.#isSpent = true
    return commitReport(result, this.#operations.length)
  }

  /**
   * Commits everything, or nothing, while the thread waits: for scripts and tools that have nothing else to do. A small transaction takes less than half of what {@link Transaction.commit} takes until its promise
   * is resolved. The event loop stands still meanwhile, for as long as other processes commit and for as long as the kernel takes, `deadlineMs` at most.
   *
   * Elements are those of sets without ranges: only `commit` checks ranges.
   *
   * @throws {ValidationError} An operation is malformed, or about ranges; nothing was sent.
   * @throws {NetlinkError} As of {@link Transaction.commit}; `operation` is `nftables.commitSync`.
   * @throws {NetplaneError} `ERR_NETPLANE_BUSY`: other calls of this client are under way; nothing was sent.
   * @throws {ClosedError} The transaction was committed already, or the client is closed.
   */
  commitSync(options: SyncCommitOptions = {}): CommitReport {
    this.#requireUnspent()
    const { signal } = requireOptions<CommitOptions>(options)
    if (signal !== undefined)
      throw new ValidationError('options.signal', signal, 'nothing: a call for which the thread waits cannot be cancelled')
    if (this.#sendings > 0) throw new NetplaneError('ERR_NETPLANE_BUSY', 'nftables.commitSync: the transaction is being sent')
    const startedAt = performance.now()
    const result = sendHere(this.#host, this.#operations, options)
    this.#conclude('nftables.commitSync', result, startedAt)
    this.#isSpent = true
    return commitReport(result, this.#operations.length)
  }

  /**
   * Asks the kernel whether it would commit, without changing anything (about 8 ms: an RCU grace period). Rejects as {@link Transaction.commit}
   * does.
   */
  async check(options: CallOptions & Pick<CommitOptions, 'generation'> = {}): Promise<void> {
    await this.#send('nftables.check', options, true)
  }

  #requireUnspent(): void {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- an iterable of the caller's may have thrown anything
    if (this.#fault !== undefined) throw this.#fault
    if (this.#isSpent) throw new ClosedError('the transaction was committed and')
  }

  async #send(operation: string, options: CommitOptions, dryRun: boolean): Promise<NativeCommitResult> {
    this.#requireUnspent()
    requireOptions(options)
    const sending = new Sending(this.#host, this.#operations, operation, options, dryRun)
    this.#sendings++
    try {
      const { result, startedAt } = await sending.send()
      this.#conclude(operation, result, startedAt)
      return result
    } finally {
      this.#sendings--
    }
  }

  /** Tells what was done; throws what the kernel refused. */
  #conclude(operation: string, result: NativeCommitResult, startedAt: number): void {
    traceCommit({
      operation,
      operations: this.#operations.length,
      bytes: result.bytes,
      applied: result.applied,
      durationMs: performance.now() - startedAt
    })
    if (!result.applied) throw refusalOf(operation, result, this.#operations)
  }

  #queue(head: EncodedHead, value: NativeRecord, subject: (object: unknown) => string, object: unknown): void {
    this.#operations.push(new QueuedObject(head, value, subject, object, this.#out))
  }

  /** Runs what may find the caller's object malformed; the first fault is kept. */
  #guard(object: unknown, describe: () => string, work: () => void): void {
    if (this.#fault !== undefined) return
    this.#fault = findMisnamed(`operations[${this.#operations.length}]`, object)
    if (this.#fault !== undefined) return
    try {
      if (this.#isSpent) throw new ClosedError('the transaction was committed and')
      work()
    } catch (error) {
      this.#fault = locateOperation(placeOf({ subject: describe }, this.#operations.length), object, error)
    }
  }

  #put(
    verb: NativeVerb,
    kind: NativeKind,
    object: TableReference | NameReference,
    toNative: () => NativeRecord,
    word: DeclaredKind | 'map' = kind
  ): void {
    this.#guard(
      object,
      () => describeNamed(word, object),
      () => {
        if (verb === 'add' || verb === 'create') checkFields(word === 'map' ? 'set' : word, object)
        // What the caller may change later.
        const named = { family: family('family', object.family), name: object.name, table: 'table' in object ? object.table : undefined }
        this.#queue({ verb, kind, family: named.family }, toNative(), () => describeNamed(word, named), object)
      }
    )
  }

  #named(verb: 'delete' | 'destroy'): NamedVerb {
    const put = (kind: NativeKind, reference: NameReference, more: () => NativeRecord = () => ({}), word?: DeclaredKind): void =>
      this.#put(verb, kind, reference, () => ({ table: reference.table, name: reference.name, ...more() }), word)
    const set = (reference: NameReference): void => put('set', reference)
    return {
      table: (reference) => this.#put(verb, 'table', reference, () => ({ name: reference.name })),
      chain: (reference) => put('chain', reference),
      set,
      map: set,
      elements: (target, elements, options) => this.#elements(verb, target, elements, options),
      counter: (reference) => put('object', reference, () => ({ objectType: COUNTER_TYPE }), 'counter'),
      object: (reference) => put('object', reference, () => ({ objectType: objectTypeNumber('objectType', reference.objectType) })),
      flowtable: (reference) => put('flowtable', reference)
    }
  }

  #ruleByHandle(verb: 'delete' | 'destroy', rule: ChainReference & { readonly handle: bigint }): void {
    const describe = ({ family: inFamily, table, chain, handle }: typeof rule): string =>
      `rule with handle ${handle} of chain ${inFamily} ${table} ${chain}`
    this.#guard(
      rule,
      () => describe(rule),
      () => {
        // Without a handle the kernel would delete all rules of the chain.
        if (typeof rule.handle !== 'bigint') throw new ValidationError('handle', rule.handle, 'a bigint, as listed')
        const value = { table: rule.table, chain: rule.chain, handle: rule.handle }
        const inFamily = family('family', rule.family)
        this.#queue({ verb, kind: 'rule', family: inFamily }, value, () => describe({ family: inFamily, ...value }), rule)
      }
    )
  }

  /** @internal Queues a rule whose expressions were encoded before, and name no chain that belongs to a rule. Whatever else is in it is known to be well. */
  [queueEncoded](verb: 'add' | 'insert' | 'replace', rule: EncodedRule): void {
    const { table, chain, expressions, compat, handle, position } = rule
    const value = { table, chain, expressions, compat, handle, position }
    this.#queue({ verb, kind: 'rule', family: rule.family }, value, describeRule as (rule: unknown) => string, rule)
  }

  #rule(verb: 'add' | 'insert' | 'replace', rule: Rule | BuiltRule): void {
    this.#guard(
      rule,
      () => describeRule(rule),
      () => {
        checkFields('rule', rule)
        const inFamily = family('family', rule.family)
        const { table, chain, comment } = rule
        const chainId = this.#boundChains.chainIdOf(rule)
        if (chainId !== undefined && 'statements' in rule) checkNoOwnChain(rule.statements)
        const expressions = this.#boundChains.bind(rule, 'statements' in rule ? this.#compile(rule) : rule.expressions)
        this.#queue(
          { verb, kind: 'rule', family: inFamily },
          toNativeRule(rule, expressions, verb, chainId),
          () => describeRule({ family: inFamily, table, chain, comment }),
          rule
        )
      }
    )
  }

  /** Compiles a built rule; the sets and chains of its own are queued before it. */
  #compile(rule: StatedRule): Rule['expressions'] {
    return compileQueued(rule, {
      nextSetId: () => this.#nextSetId++,
      nextChainId: () => this.#boundChains.takeId(),
      addSet: ({ set, elements }) => {
        this.#set('add', set)
        this.#elements('add', set, elements, {}, true)
      },
      add: (kind, family, value, subject, object) => this.#queue({ verb: 'add', kind, family }, value, subject, object)
    })
  }

  #set(verb: 'add' | 'create', set: SetSpec): void {
    this.#put(verb, 'set', set, () => toNativeSet(set, this.#nextSetId++), wordOf(set))
  }

  #elements(verb: NativeVerb, target: ElementTarget, elements: ElementSource, options: ElementOptions = {}, isChecked = false): void {
    this.#guard(
      target,
      () => `elements of ${describeTarget(target)}`,
      () => this.#operations.push(elementOperation(verb, target, elements, options, isChecked, this.#out))
    )
  }
}
