/**
 * The queue of jobs on one socket.
 */
import { requireOptions } from './checks.js'
import { ClosedError, NetplaneError } from './errors.js'
import { resolveDeadline, type CallOptions } from './options.js'
import { traceRequest, tracesRequests } from './tracing.js'

/** How long past its deadline a job may still say by itself how it ended, rather than "outcome unknown". */
const GRACE_MS = 250

/**
 * Jobs on one socket: one at a time, in call order. The clients' only way to the native side.
 */
export class JobQueue {
  readonly #what: string
  readonly #deadlineMs: number
  #tail: Promise<void> = Promise.resolve()
  /** Calls that have not ended. */
  #pending = 0
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
    this.#pending++
    this.#tail = new Promise((resolve) => {
      leave = () => {
        this.#pending--
        resolve()
      }
    })
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

  /**
   * Runs `start` here, where the thread waits for it.
   *
   * @throws {ClosedError} After `close()`.
   * @throws {NetplaneError} `ERR_NETPLANE_BUSY`: an earlier call has not ended; nothing was sent.
   */
  runHere<T>(operation: string, options: CallOptions, start: (deadlineMs: number) => T): T {
    if (this.isClosed) throw new ClosedError(this.#what)
    requireOptions(options)
    const deadlineMs = resolveDeadline(options.deadlineMs, this.#deadlineMs)
    if (this.#pending > 0) throw new NetplaneError('ERR_NETPLANE_BUSY', `${operation}: an earlier call of ${this.#what} has not ended`)
    const startedAt = performance.now()
    try {
      const value = start(deadlineMs)
      traceRequest({ operation, durationMs: performance.now() - startedAt, waitedMs: 0 })
      return value
    } catch (error) {
      traceRequest({ operation, durationMs: performance.now() - startedAt, waitedMs: 0, error })
      throw error
    }
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
