/**
 * What transactions take and give.
 */
import type { CallOptions } from '../core/options.js'
import type { Slices } from '../core/slices.js'
import type { NativeBatch, NativeKind, NativeListing, NativeListRequest, NativeOutcome, NativeRecord, NativeVerb } from '../native/index.js'
import type { ElementColumns } from './columns.js'
import type { ElementBuffer } from './element-buffer.js'
import type { SetElement } from './elements.js'
import type { Family } from './families.js'
import type { Rule } from './objects.js'
import type { RuleStatement } from './rule/index.js'
import type { SetForm, SetSpec } from './sets.js'
import type { ObjectReference } from './stateful-objects.js'
import type { OperationBytes } from './wire/operation.js'

/** Names an object of a table. */
export interface NameReference {
  readonly family: Family
  readonly table: string
  readonly name: string
}

/** Names a table. */
export interface TableReference {
  readonly family: Family
  readonly name: string
}

/** A rule that is written with the rule language: `rule(…)` of `netplane/nftables`. */
export interface BuiltRule extends Omit<Rule, 'expressions'> {
  readonly statements: readonly RuleStatement[]
}

/**
 * The set an element operation is about. For elements given as objects its declaration is needed (`key`, `data`, `flags`); for columns its name is enough. A set of ranges must
 * be declared with its flag `interval`, as a set without ranges must not be: `commit` asks the kernel, in one request for the set, and refuses with a ValidationError otherwise. Single keys may
 * be added to a set of concatenated ranges without the flag, but not removed.
 */
export type ElementTarget = NameReference & Partial<Pick<SetSpec, 'key' | 'data' | 'flags' | 'typeof' | 'id'>>

/** Options of {@link Transaction.commit}. */
export interface CommitOptions extends CallOptions {
  /**
   * Refuse with `ERESTART` when any process in the network namespace has committed since this generation ({@link Nftables.readGeneration}). Absent: commit
   * whatever happened in between.
   */
  readonly generation?: number | undefined
  /** Ask for the handles of what is added; costs a reply per object. */
  readonly echo?: boolean | undefined
  /** Keep the datagram that was sent: for benchmarks and tests. */
  readonly record?: boolean | undefined
}

/** Options of {@link Transaction.commitSync}: there is no signal, as nobody could give it. */
export type SyncCommitOptions = Omit<CommitOptions, 'signal'>

/** Key of {@link OrderedCommitOptions}. */
export const whenQueued = Symbol('when queued')

/** Key of {@link OrderedCommitOptions}. */
export const echoOf = Symbol('echo of')

/** Key of a method of transactions for the library's own use. */
export const queueEncoded = Symbol('queue encoded')

/** For the library's own use. */
export interface OrderedCommitOptions extends CommitOptions {
  /** Is called when the transaction stands in the client's queue: what is committed from then on is sent after it. */
  readonly [whenQueued]?: (() => void) | undefined
  /** Which operations the kernel is asked to say the handles of, by their indices, where `echo` is set. Absent: all. */
  readonly [echoOf]?: ((index: number) => boolean) | undefined
}

/** What a commit did. */
export interface CommitReport {
  /** Generation of the ruleset right after the commit. */
  readonly generation: number
  /** Operations in the transaction. */
  readonly operations: number
  /** Bytes of the datagram. */
  readonly bytes: number
  readonly systemCalls: number
  /** With `echo`: the kernel's handle for each operation that made an object, by the operation's index. */
  readonly handles: ReadonlyMap<number, bigint>
  /** With `record`. */
  readonly datagram?: Uint8Array | undefined
}

/** What is known of the elements of an operation, beside their columns. */
export interface QueuedElements {
  /** Absent where the set is known by name only. */
  readonly form: SetForm | undefined
  /** The caller knows what the set holds: it need not be read. */
  readonly isExclusive: boolean
  /** Every start is followed by its end, if it has one: the rows were made of objects. */
  readonly isPaired: boolean
  /** The rows are known to be well: those of a rule's own set. */
  readonly isChecked: boolean
  /** Where a row came from: `elements[3].key`, `rows[3]`. */
  readonly place: (row: number) => string
  /** The key or range that a row stands for, in words. */
  readonly range: (row: number) => string
}

/** Options of operations on elements. */
export interface ElementOptions {
  /**
   * The caller alone changes this set and knows what it holds, so that it need not be read before the commit. Default false.
   *
   * Of sets with ranges the kernel compares single rows: a range that is added may shrink or swallow one that is there, and one that is removed may take parts of others with
   * it. So the set is read first, in one dump, and the transaction refuses or leaves out what would do that. With `exclusive`, ranges are checked only against those of the
   * same transaction. Of other sets only the declaration is read, about 0.1 ms a commit, unless the same transaction declares them: whether there are ranges decides what an
   * element means ({@link ElementTarget}). With `exclusive` it is not read.
   */
  readonly exclusive?: boolean | undefined
}

/** One queued operation. */
export interface QueuedOperation {
  readonly verb: NativeVerb
  readonly kind: NativeKind | 'elements'
  readonly family: Family | 'unspec'
  /** Its object, as it was given or as it is decoded again. */
  readonly value: NativeRecord
  readonly wire: OperationBytes
  readonly columns?: ((slices: Slices) => ElementColumns | Promise<ElementColumns>) | undefined
  /** As `columns`, at once. */
  readonly columnsHere?: (() => ElementColumns) | undefined
  /** In the caller's terms; for elements, of one row. */
  readonly subject: (row?: number) => string
  /** The caller's own object, or element. */
  readonly object: (row?: number) => unknown
  /** Of operations on elements. */
  readonly elements?: QueuedElements | undefined
}

/** Whether an operation takes something away. */
export function isRemoval({ verb }: Pick<QueuedOperation, 'verb'>): boolean {
  return verb === 'delete' || verb === 'destroy'
}

/** What a transaction needs of its client. */
export interface TransactionHost {
  run<T>(operation: string, options: CallOptions, start: (deadlineMs: number) => Promise<T>): Promise<T>
  /** As `run`, on the thread that calls, which waits for it; refused while other calls are under way. */
  runHere<T>(operation: string, options: CallOptions, start: (deadlineMs: number) => T): T
  beginBatch(): NativeBatch
  /** Reads sets; for use within a job. */
  list(request: NativeListRequest): Promise<NativeOutcome<NativeListing>>
  /** As `list`, for use within a job that runs here. */
  listHere(request: NativeListRequest): NativeOutcome<NativeListing>
  /** Reads the generation; for use within a job. */
  generation(deadlineMs: number): Promise<NativeOutcome<NativeRecord>>
}

/** Elements as objects, as columns (copied), or as a buffer (handed over: it must not be pushed to afterwards). */
export type ElementSource = Iterable<SetElement> | ElementColumns | ElementBuffer

/** Verbs that exist for objects with a name. */
export interface NamedVerb {
  table(reference: TableReference): void
  chain(reference: NameReference): void
  set(reference: NameReference): void
  map(reference: NameReference): void
  elements(set: ElementTarget, elements: ElementSource, options?: ElementOptions): void
  counter(reference: NameReference): void
  object(reference: ObjectReference): void
  flowtable(reference: NameReference): void
}
