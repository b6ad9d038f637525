import { setTimeout } from 'node:timers/promises'
import type { Plane, Service, SyncReport } from 'netplane'

/** What the keeper tells. */
export interface KeeperListener {
  readonly synced: (report: SyncReport) => void
  readonly failed: (error: Error, retryMs: number) => void
}

/** How fast a keeper works. */
export interface Pace {
  /** Milliseconds from the end of a sync to the beginning of the next one at least: changes come together meanwhile. */
  readonly minSyncMs: number
  /** Milliseconds between two attempts at most. */
  readonly maxRetryMs: number
}

const FIRST_RETRY_MS = 100
const USUAL_PACE: Pace = { minSyncMs: 0, maxRetryMs: 30_000 }

/**
 * Keeps a plane at what is desired: the newest desired state is what counts, changes during a sync are taken together in the next one, and a failure is tried again with growing
 * pauses. No change is lost, because what is kept is the state and not the changes.
 */
export class Keeper {
  readonly #plane: Plane
  readonly #listener: KeeperListener
  readonly #pace: Pace
  readonly #stop = new AbortController()
  #desired: ReadonlyMap<string, Service> | undefined
  #running: Promise<void> | undefined
  /** When the oldest change came that the kernel does not have, by the clock that nobody sets. */
  #pendingSince: number | undefined
  /** When the oldest one came that the sync under way does not know. */
  #nextSince: number | undefined

  /** When the last sync ended, by the same clock. */
  #endedAt = -Infinity

  constructor(plane: Plane, listener: KeeperListener, pace: Pace = USUAL_PACE) {
    this.#plane = plane
    this.#pace = pace
    this.#listener = listener
  }

  /** Milliseconds since the oldest change that is not in the kernel; 0 where all are. */
  get lagMs(): number {
    return this.#pendingSince === undefined ? 0 : Math.round(performance.now() - this.#pendingSince)
  }

  /** Makes this the desired state. */
  want(desired: ReadonlyMap<string, Service>): void {
    this.#desired = desired
    this.#nextSince ??= performance.now()
    this.#pendingSince ??= this.#nextSince
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  async #run(): Promise<void> {
    let retryMs = FIRST_RETRY_MS
    await this.#wait(this.#endedAt + this.#pace.minSyncMs - performance.now())
    while (this.#desired !== undefined && !this.#stop.signal.aborted) {
      const desired = this.#desired
      this.#nextSince = undefined
      try {
        const report = await this.#plane.sync(desired)
        retryMs = FIRST_RETRY_MS
        this.#pendingSince = this.#nextSince
        this.#listener.synced(report)
        this.#endedAt = performance.now()
        if (this.#desired === desired) this.#desired = undefined
        else await this.#wait(this.#pace.minSyncMs)
      } catch (error) {
        this.#listener.failed(error as Error, retryMs)
        // Jitter, so that many nodes do not come back at one moment.
        await this.#wait(retryMs * (0.5 + Math.random() / 2))
        retryMs = Math.min(retryMs * 2, this.#pace.maxRetryMs)
      }
    }
  }

  /** Waits, but not for who is asked to stop. */
  async #wait(ms: number): Promise<void> {
    if (ms > 0) await setTimeout(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined)
  }

  /** Stops after the sync under way. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }
}
