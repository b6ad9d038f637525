/** The types of what crosses between TypeScript and C++ (`native/addon`), as far as all families share them. Nothing here is public. */

/** Why a job as a whole failed; becomes an error class in the client that asked. `errno` is positive here. */
export interface NativeFailure {
  readonly errno: number
  /** What was being done: `socket(AF_NETLINK)`, `setns`, `commit`. */
  readonly operation: string
  readonly message: string
  /** The kernel may have applied what was sent although no proof arrived. */
  readonly outcomeUnknown: boolean
}

/** One operation that the kernel refused. */
export interface NativeItemError {
  readonly index: number
  readonly errno: number
  readonly message: string
  /** Field path inside the operation's object (`expressions[2].set`), or empty. */
  readonly field: string
  /** Row of the operation's columns at fault. */
  readonly row?: number
}

/** A value that does not fit its field, found before anything was sent. */
export interface NativeInvalid {
  /** Path of the field inside the value: `expressions[1].op`. */
  readonly path: string
  readonly value: unknown
  /** What would have been allowed, for people. */
  readonly allowed: string
}

/** An object as a native attribute table describes it: plain data, names as in native/nftables/schema_*.cc. */
export type NativeRecord = { readonly [field: string]: unknown }

/** Columns by name (native/netlink/columns.h); every array has one entry a row. */
export interface NativeColumns {
  readonly rows: number
  readonly [column: string]: unknown
}

export type NativeOutcome<T> = { readonly failure: NativeFailure } | { readonly failure?: undefined; readonly value: T }

/** A network namespace that a socket is in (native/addon/socket_handle.h). Of use until that socket is closed; opening by it is EBADF then. */
export interface NativeNamespace {
  /** Never there: it keeps other objects from being taken for one. */
  readonly nativeNamespace: never
}

/** A netlink socket and the queue of jobs on it (one at a time; the caller keeps the order). */
export interface NativeSocket {
  readonly portId: number
  /** Closes the descriptor; resolves when that is done, or when there is nothing to do: the job in flight closes it when it ends. Idempotent. */
  close(): Promise<void>
  /** Bytes granted, for messages that explain what would be needed. */
  readonly maxSendBytes: number
  /** Where it is; absent for the process's own namespace, and for fakes. */
  readonly namespace?: NativeNamespace | undefined
}

export interface NativeMonitor {
  readonly portId: number
  /** Stops reading: events queue in the kernel, and are lost there when its buffer is full. */
  pause(): void
  resume(): void
  /** Keeps the process alive or not. */
  ref(): void
  unref(): void
  close(): void
}

export interface NativeOpenOptions {
  /** A network namespace by its path, or that of an open socket; absent: the process's own. */
  readonly netns?: string | NativeNamespace
  readonly sendBufferBytes?: number
  readonly receiveBufferBytes?: number
  readonly deadlineMs: number
}

export interface NativeMonitorOptions {
  readonly netns?: string | NativeNamespace
  readonly receiveBufferBytes?: number
  readonly deadlineMs: number
}

/** What became of a change: every row is applied, refused, or in the unknown range, or was not sent. */
export interface NativeBatchReport {
  /** Columns `index` (u32, the row), `errno` (u32), `message` and `field` (symbols), by ascending row. */
  readonly errors: NativeColumns
  /** Rows [0, sent) were handed to the kernel; those from `unknownFrom` on may or may not have been applied. */
  readonly sent: number
  readonly unknownFrom: number
  /** Why it stopped early. */
  readonly stopped?: NativeFailure
  readonly systemCalls: number
}
