/** The nf_tables part of what crosses between TypeScript and C++ (`native/addon/nftables_*`). */
import type {
  NativeColumns,
  NativeFailure,
  NativeMonitorOptions,
  NativeInvalid,
  NativeItemError,
  NativeOutcome,
  NativeRecord,
  NativeSocket
} from './common.js'

export type NativeFamily = 'inet' | 'ip' | 'arp' | 'netdev' | 'bridge' | 'ip6'
export type NativeVerb = 'add' | 'create' | 'insert' | 'replace' | 'delete' | 'destroy' | 'flush'
export type NativeKind = 'table' | 'chain' | 'rule' | 'set' | 'object' | 'flowtable'

/** An operation that was not taken; `index` counts from the first of the run. */
export type NativeRefusedOperation = NativeInvalid & { readonly index?: number }

export interface NativeBatch {
  /**
   * Queues operations, which lie one behind the other (native/nftables/operation.h; copied at once). Returns what one of them lacks, or undefined.
   *
   * @param echoes Whether those that make something ask for it back.
   */
  add(run: Uint8Array, echoes: boolean): NativeRefusedOperation | undefined
  /** Queues one operation on elements; the columns are copied at once. Without columns: all elements (flush). */
  addElements(operation: Uint8Array, columns: NativeColumns | undefined): NativeRefusedOperation | undefined
  /** Commits off the main thread; a batch can be committed again (after a dry run, or a lost race of generations). */
  commit(request: NativeCommitRequest): Promise<NativeCommitResult>
  /** As `commit`, on the thread that calls, which waits for it. */
  commitHere(request: NativeCommitRequest): NativeCommitResult
}

export interface NativeCommitRequest {
  readonly generation?: number
  readonly dryRun?: boolean
  readonly deadlineMs: number
  readonly record?: boolean
}

export interface NativeCommitResult {
  readonly applied: boolean
  readonly generation: number
  readonly failure?: NativeFailure
  readonly errors: readonly NativeItemError[]
  readonly echoes: readonly { readonly index: number; readonly value: NativeRecord }[]
  readonly bytes: number
  readonly systemCalls: number
  /** The datagram sent, when asked to record. */
  readonly datagram?: Uint8Array
}

export interface NativeListRequest {
  readonly family?: NativeFamily | 'unspec'
  readonly table?: string
  readonly chain?: string
  readonly name?: string
  readonly tables?: boolean
  readonly chains?: boolean
  readonly rules?: boolean
  readonly sets?: boolean
  readonly objects?: boolean
  /** Of `objects`: only those of this type (NFT_OBJECT_*). */
  readonly objectType?: number
  /** Of `objects`: none of this type. */
  readonly otherThanType?: number
  readonly flowtables?: boolean
  readonly elements?: boolean
  /** Of `elements`: not those of sets with flag `eval`. */
  readonly staticElements?: boolean
  readonly reset?: boolean
  readonly deadlineMs: number
}

export interface NativeListed {
  readonly family: NativeFamily
  readonly value: NativeRecord
}

export interface NativeListedElements {
  readonly family: NativeFamily
  readonly table: string
  readonly set: string
  readonly chunks: readonly NativeColumns[]
}

/** The kinds of records in a listing. */
export type NativeListedKind = 'tables' | 'chains' | 'rules' | 'sets' | 'objects' | 'flowtables'

export interface NativeListing {
  readonly generation: number
  /** Records found, by kind; `elements` counts sets. */
  readonly counts: Readonly<Record<NativeListedKind | 'elements', number>>
  /**
   * Records [from, from + count) of a kind, each at most once, as operations that would add them (native/nftables/operation.h): taken a page at a time, a large ruleset does
   * not hold the event loop.
   */
  take(kind: NativeListedKind, from: number, count: number): Uint8Array
  /** The elements of sets [from, from + count), likewise. */
  takeElements(from: number, count: number): NativeListedElements[]
}

/** Asks for the generation now and then, on the event loop and without running JavaScript (`native/addon/generation_watch.h`). It never keeps the process alive. */
export interface NativeGenerationWatch {
  /** Asks every so often, until the generation is not this one, or cannot be had: then the callback is called, and nothing is asked any more. */
  arm(generation: number, intervalMs: number): void
  disarm(): void
  /** Idempotent. */
  close(): void
}

export interface NativeNftablesSocket extends NativeSocket {
  beginBatch(): NativeBatch
  list(request: NativeListRequest): Promise<NativeOutcome<NativeListing>>
  /** As `list`, on the thread that calls, which waits for it. */
  listHere(request: NativeListRequest): NativeOutcome<NativeListing>
  getElements(request: {
    family: NativeFamily
    table: string
    set: string
    keys: NativeColumns
    deadlineMs: number
  }): Promise<NativeOutcome<NativeListedElements>>
  /** `{ id, processId, processName }` of NFT_MSG_GETGEN. */
  generation(deadlineMs: number): Promise<NativeOutcome<NativeRecord>>
  /** As `generation`, on the thread that calls, which waits for it. */
  generationHere(deadlineMs: number): NativeOutcome<NativeRecord>
  /** The callback runs on this environment's loop, once after each `arm`. */
  watchGeneration(callback: () => void): NativeGenerationWatch
}

/** One decoded multicast message, or several element messages of one set and direction merged. */
export interface NativeEvent {
  /** `newtable`, `deltable` … `newgen`, `trace`, as the kernel's message names in lower case. */
  readonly type: string
  readonly family: NativeFamily | 'unspec'
  /** Port id of the socket that caused it; 0 is the kernel itself. */
  readonly portId: number
  readonly sequence: number
  readonly value: NativeRecord
  readonly elements?: NativeColumns
}

/** What a monitor hands over in one turn of the event loop, in order; `'lost'` stands where events are missing. */
export type NativeEventBatch = readonly (NativeEvent | 'lost')[]

/** What a monitor tells of: changes of the ruleset, or steps of packets that are traced. */
export interface NativeNftablesMonitorOptions extends NativeMonitorOptions {
  /** NFNLGRP_NFTRACE in the place of NFNLGRP_NFTABLES. */
  readonly traces?: boolean
}

export type NativeMonitorCallback = (events: NativeEventBatch, failure: NativeFailure | undefined) => void
