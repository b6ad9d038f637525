/** The ctnetlink part of what crosses between TypeScript and C++ (`native/addon/conntrack_*`). */
import type {
  NativeBatchReport,
  NativeColumns,
  NativeFailure,
  NativeItemError,
  NativeMonitorOptions,
  NativeOutcome,
  NativeRecord,
  NativeSocket
} from './common.js'

/** Rare attributes (native/conntrack/schemas.cc, kDetailSchema) of a row. */
export interface NativeFlowDetails {
  readonly row: number
  readonly value: NativeRecord
}

/** Flows as columns (native/conntrack/flow_columns.h). */
export interface NativeFlowPiece {
  readonly columns: NativeColumns
  readonly details: readonly NativeFlowDetails[]
}

/** Which flows: a compiled filter (native/conntrack/filter.h; absent: all) over one of the kernel's lists. `zero` reads the table and zeroes its counters. */
export interface NativeFlowQuery {
  readonly filter?: Uint8Array
  readonly source: 'table' | 'zero' | 'dying' | 'unconfirmed'
  readonly deadlineMs: number
}

export interface NativeFlowChange {
  readonly verb: 'create' | 'update' | 'delete'
  readonly columns: NativeColumns
  readonly details?: readonly NativeFlowDetails[]
  readonly deadlineMs: number
}

/** What a delete by filter did (struct RemovalReport, native/conntrack/flows.h). */
export interface NativeRemovalReport {
  readonly scanned: number
  readonly matched: number
  readonly deleted: number
  readonly vanished: number
  readonly refused: number
  readonly unknown: number
  readonly kernelFiltered: boolean
  readonly refusal?: NativeItemError
  readonly stopped?: NativeFailure
  readonly systemCalls: number
}

/** An expectation or the statistics of a processor, with what the message's header says beside it. */
export interface NativeHeaderedRecord {
  readonly family: number
  readonly resource: number
  readonly value: NativeRecord
}

export interface NativeConntrackSocket extends NativeSocket {
  list(query: NativeFlowQuery): Promise<NativeOutcome<readonly NativeFlowPiece[]>>
  /** Goes on with the dump that the first call began, until `rows` or more are together or nothing is left. For a socket of its own. */
  readStream(
    query: NativeFlowQuery & { readonly rows: number }
  ): Promise<NativeOutcome<{ readonly piece: NativeFlowPiece; readonly scanned: number; readonly done: boolean }>>
  count(query: NativeFlowQuery): Promise<NativeOutcome<{ readonly matched: number; readonly scanned: number }>>
  get(request: NativeFlowChange & { readonly byReply: boolean }): Promise<NativeOutcome<NativeFlowPiece>>
  change(change: NativeFlowChange): Promise<NativeOutcome<NativeBatchReport>>
  removeMatching(query: NativeFlowQuery): Promise<NativeOutcome<NativeRemovalReport>>
  /** Stops the removal in flight before its next system call. */
  cancel(): void
  flush(request: { readonly deadlineMs: number }): Promise<NativeOutcome<undefined>>
  listExpectations(request: { readonly deadlineMs: number }): Promise<NativeOutcome<readonly NativeHeaderedRecord[]>>
  /** `update` changes the time-out of the one that the tuple meets; `delete` without a tuple means all of them. */
  changeExpectation(request: {
    readonly verb: 'create' | 'update' | 'delete'
    readonly family: number
    readonly value: NativeRecord
    readonly deadlineMs: number
  }): Promise<NativeOutcome<undefined>>
  processorStatistics(request: {
    readonly expectations: boolean
    readonly deadlineMs: number
  }): Promise<NativeOutcome<readonly NativeHeaderedRecord[]>>
  globalStatistics(request: { readonly deadlineMs: number }): Promise<NativeOutcome<NativeRecord>>
  /** A file of /proc/sys/net/netfilter in the socket's namespace. */
  readSetting(request: { readonly name: string; readonly deadlineMs: number }): Promise<NativeOutcome<string>>
  writeSetting(request: { readonly name: string; readonly value: string; readonly deadlineMs: number }): Promise<NativeOutcome<undefined>>
}

/** Consecutive events of one type and cause. */
export interface NativeFlowEvents extends NativeFlowPiece {
  readonly type: 'new' | 'update' | 'destroy'
  readonly portId: number
}

export type NativeConntrackMonitorCallback = (events: readonly (NativeFlowEvents | 'lost')[], failure: NativeFailure | undefined) => void

export interface NativeConntrackMonitorOptions extends NativeMonitorOptions {
  readonly created: boolean
  readonly updated: boolean
  readonly destroyed: boolean
  readonly filter?: Uint8Array
}
