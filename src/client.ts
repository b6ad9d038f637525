/**
 * What all clients share: options, the queue of jobs on one socket, and how a native failure becomes an error.
 */
import { requireOptions } from './checks.js'
import { ClosedError, errnoName, NetlinkError, NetplaneError, UnsupportedError, ValidationError } from './errors.js'
import type { NativeFailure, NativeInvalid, NativeNamespace, NativeOpenOptions, NativeOutcome } from './native.js'
import { traceRequest, tracesRequests } from './tracing.js'

/** Options of every call. */
export interface CallOptions {
  /** Cancels what has not been handed to the kernel yet; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /**
   * Milliseconds until the promise rejects with `ERR_NETPLANE_DEADLINE`: then it is unknown whether the kernel did what was asked, and the client refuses
   * further calls until the job has returned. Default: the client's.
   */
  readonly deadlineMs?: number | undefined
}

/** The key under which a client says where it works. */
export const networkNamespace: unique symbol = Symbol('netplane.networkNamespace')

/** What works in one network namespace: any open client or plane of this package. */
export interface InNetworkNamespace {
  /** Of use inside the package only. */
  readonly [networkNamespace]: NativeNamespace | undefined
}

/** Options of every `open`. */
export interface OpenOptions extends CallOptions {
  /**
   * The network namespace to work in: a path (`/proc/42/ns/net`), a name of one path component (as `ip netns` has it, in `/run/netns`), the id of a process in it, or
   * an open client: the namespace that one works in. Entering one needs CAP_SYS_ADMIN. Default: the process's own.
   *
   * A path, a name and a process id are looked up once, by `open`: what the client opens later (monitors, settings) is in the same namespace, even if they stand for
   * another one by then.
   */
  readonly netns?: string | number | InNetworkNamespace | undefined
  /** Send buffer in bytes, 4096–1073741824; default 1 MiB. It grows when a message needs more, as far as the kernel permits. */
  readonly sendBufferBytes?: number | undefined
  /** Receive buffer in bytes, 4096–1073741824; default 1 MiB. What does not fit is lost: replies of large batches, events of a monitor. */
  readonly receiveBufferBytes?: number | undefined
}

/** Default deadline of a call. */
export const DEFAULT_DEADLINE_MS = 60_000
const MAX_DEADLINE_MS = 86_400_000
const MIN_BUFFER_BYTES = 4096
const MAX_BUFFER_BYTES = 2 ** 30

/** The path of a network namespace, or an open one, from what a caller may say. */
export function resolveNamespace(netns: unknown): string | NativeNamespace | undefined {
  if (typeof netns === 'object' && netns !== null && networkNamespace in netns) return (netns as InNetworkNamespace)[networkNamespace]
  if (netns === undefined) return undefined
  if (typeof netns === 'number' && Number.isInteger(netns) && netns > 0) return `/proc/${netns}/ns/net`
  if (typeof netns === 'string' && netns !== '' && !netns.includes('\0') && netns !== '.' && netns !== '..')
    return netns.includes('/') ? netns : `/run/netns/${netns}`
  throw new ValidationError('netns', netns, 'a path, a name in /run/netns, a process id, or an open client')
}

/** Checks a deadline; `fallback` where none is given. */
export function resolveDeadline(deadlineMs: unknown, fallback: number): number {
  if (deadlineMs === undefined) return fallback
  if (typeof deadlineMs === 'number' && deadlineMs > 0 && deadlineMs <= MAX_DEADLINE_MS) return deadlineMs
  throw new ValidationError('deadlineMs', deadlineMs, `more than 0 and at most ${MAX_DEADLINE_MS} milliseconds`)
}

function resolveBuffer(path: string, bytes: unknown): number | undefined {
  if (bytes === undefined) return undefined
  if (typeof bytes === 'number' && Number.isInteger(bytes) && bytes >= MIN_BUFFER_BYTES && bytes <= MAX_BUFFER_BYTES) return bytes
  throw new ValidationError(path, bytes, `an integer from ${MIN_BUFFER_BYTES} to ${MAX_BUFFER_BYTES}`)
}

/** A namespace in words, for an error. */
export function describeNamespace(netns: NativeOpenOptions['netns']): string | undefined {
  return typeof netns === 'string' ? `network namespace ${netns}` : undefined
}

/** Checks the options of an `open` and brings them into the native form. */
export function nativeOpenOptions(options: OpenOptions): NativeOpenOptions {
  requireOptions(options)
  const netns = resolveNamespace(options.netns)
  const sendBufferBytes = resolveBuffer('sendBufferBytes', options.sendBufferBytes)
  const receiveBufferBytes = resolveBuffer('receiveBufferBytes', options.receiveBufferBytes)
  return {
    deadlineMs: resolveDeadline(options.deadlineMs, DEFAULT_DEADLINE_MS),
    ...(netns === undefined ? {} : { netns }),
    ...(sendBufferBytes === undefined ? {} : { sendBufferBytes }),
    ...(receiveBufferBytes === undefined ? {} : { receiveBufferBytes })
  }
}

/** Further words for an error: what was being done, to what, and what usually helps. */
export interface FailureContext {
  readonly operation: string
  readonly subject?: string | undefined
  readonly hint?: string | undefined
}

/** What helps against EPERM of a request, whatever the subsystem. */
export const PERMISSION_HINT =
  'CAP_NET_ADMIN is needed in the user namespace that owns the network namespace (in a container: --cap-add NET_ADMIN)'
const OPEN_FILES_HINT = 'the process has too many open files (ulimit -n)'

/** Calls that use up a file of the process, as native errors name them. */
const OPENS_FILE = /^(open |socket\()/

/** The hint for a failure. A kernel that answers EMFILE to a request means something of its own by it; setns asks for CAP_SYS_ADMIN, and its message says so. */
function commonHint({ errno, operation }: NativeFailure): string | undefined {
  const code = errnoName(errno)
  if (code === 'EMFILE' && OPENS_FILE.test(operation)) return OPEN_FILES_HINT
  return code === 'EPERM' && operation !== 'setns' ? PERMISSION_HINT : undefined
}

/** The error for a job that failed as a whole. */
export function failureError(failure: NativeFailure, context: FailureContext): NetlinkError {
  return new NetlinkError({
    errno: failure.errno,
    operation: context.operation,
    subject: context.subject,
    kernelMessage: failure.message === '' ? failure.operation : `${failure.operation}: ${failure.message}`,
    outcomeUnknown: failure.outcomeUnknown,
    hint: context.hint ?? commonHint(failure)
  })
}

/** The value of an outcome; throws its failure. */
export function unwrapOutcome<T>(outcome: NativeOutcome<T>, context: FailureContext): T {
  if (outcome.failure !== undefined) throw failureError(outcome.failure, context)
  return outcome.value
}

/** The error for a value the native side refused. `prefix` is where the value stands in what the caller gave. */
export function invalidError(prefix: string, { path, value, allowed }: NativeInvalid): ValidationError {
  return new ValidationError([prefix, path].filter((part) => part !== '').join('.'), value, allowed)
}

/** EPROTONOSUPPORT of `socket()`: the kernel was built without the protocol. */
export function unsupportedProtocol(failure: NativeFailure, missing: string, remedy: string): UnsupportedError | undefined {
  const EPROTONOSUPPORT = 93
  return failure.errno === EPROTONOSUPPORT ? new UnsupportedError(missing, `this kernel has no ${missing}: ${remedy}`) : undefined
}

/** How long past its deadline a job may still say by itself how it ended, rather than "outcome unknown". */
const GRACE_MS = 250

/**
 * Jobs on one socket: one at a time, in call order. The clients' only way to the native side.
 */
export class JobQueue {
  readonly #what: string
  readonly #deadlineMs: number
  #tail: Promise<void> = Promise.resolve()
  #overdue: string | undefined
  #closing: Promise<void> | undefined

  /**
   * @param what Names the client in errors: `Nftables client`.
   * @param deadlineMs Of calls that give none.
   */
  constructor(what: string, deadlineMs: number) {
    this.#what = what
    this.#deadlineMs = deadlineMs
  }

  get isClosed(): boolean {
    return this.#closing !== undefined
  }

  /**
   * Runs `start` once all jobs before it have ended.
   *
   * @throws {ClosedError} After `close()`.
   * @throws {NetplaneError} `ERR_NETPLANE_DEADLINE`: outcome unknown. `ERR_NETPLANE_BUSY`: an earlier job is overdue and has not returned, or those before took
   *   longer than the deadline; nothing was sent.
   */
  async run<T>(operation: string, options: CallOptions, start: (deadlineMs: number) => Promise<T>): Promise<T> {
    if (this.isClosed) throw new ClosedError(this.#what)
    if (this.#overdue !== undefined)
      throw new NetplaneError('ERR_NETPLANE_BUSY', `${operation}: ${this.#overdue} passed its deadline and has not returned yet`)
    requireOptions(options)
    const deadlineMs = resolveDeadline(options.deadlineMs, this.#deadlineMs)
    options.signal?.throwIfAborted()
    const queuedAt = performance.now()
    const previous = this.#tail
    let leave = (): void => undefined
    // Not with the result, which the queue would keep until the next call.
    this.#tail = new Promise((resolve) => (leave = () => resolve()))
    try {
      await this.#turn(operation, previous, options.signal, deadlineMs)
    } catch (error) {
      // Those behind still wait for those before.
      void previous.then(leave)
      throw error
    }
    const startedAt = performance.now()
    const job = (async () => await start(deadlineMs))()
    job.then(leave, leave)
    return await traced(operation, startedAt, startedAt - queuedAt, this.#withDeadline(operation, job, deadlineMs))
  }

  /** Waits for the calls before; not longer than the deadline, and not after the signal: nothing has been sent then. */
  async #turn(operation: string, previous: Promise<void>, signal: AbortSignal | undefined, deadlineMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    let abort = (): void => undefined
    const givenUp = new Promise<never>((_, reject) => {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a signal's reason may be anything
      abort = () => reject(signal?.reason)
      signal?.addEventListener('abort', abort, { once: true })
      const why = `${operation} was not sent: the calls before it had not ended after ${deadlineMs} ms`
      timer = setTimeout(() => reject(new NetplaneError('ERR_NETPLANE_BUSY', why)), deadlineMs)
    })
    try {
      await Promise.race([previous, givenUp])
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
  }

  async #withDeadline<T>(operation: string, job: Promise<T>, deadlineMs: number): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.#overdue = operation
        const clear = (): void => {
          this.#overdue = undefined
        }
        job.then(clear, clear)
        reject(
          new NetplaneError(
            'ERR_NETPLANE_DEADLINE',
            `${operation} did not end within ${deadlineMs} ms; its outcome is unknown: read the state again`
          )
        )
      }, deadlineMs + GRACE_MS)
    })
    try {
      return await Promise.race([job, late])
    } finally {
      clearTimeout(timer)
    }
  }

  /** Refuses further jobs, waits for those queued, then runs `release`. Idempotent. */
  close(release: () => Promise<void>): Promise<void> {
    this.#closing ??= this.#tail.then(release)
    return this.#closing
  }
}

async function traced<T>(operation: string, startedAt: number, waitedMs: number, job: Promise<T>): Promise<T> {
  if (!tracesRequests()) return await job
  try {
    const value = await job
    traceRequest({ operation, durationMs: performance.now() - startedAt, waitedMs })
    return value
  } catch (error) {
    traceRequest({ operation, durationMs: performance.now() - startedAt, waitedMs, error })
    throw error
  }
}
