import { setTimeout } from 'node:timers/promises'
import type { Plane, Service, SyncReport } from 'netplane'

/** What the keeper tells. */
export interface KeeperListener {
  readonly synced: (report: SyncReport) => void
  readonly failed: (error: Error, retryMs: number) => void
}

const FIRST_RETRY_MS = 100
const MAX_RETRY_MS = 30_000

/**
 * Keeps a plane at what is desired: the newest desired state is what counts, changes during a sync are taken together in the next one, and a failure is tried again with growing
 * pauses. No change is lost, because what is kept is the state and not the changes.
 */
export class Keeper {
  readonly #plane: Plane
  readonly #listener: KeeperListener
  readonly #stop = new AbortController()
  #desired: ReadonlyMap<string, Service> | undefined
  #running: Promise<void> | undefined
  /** When the oldest change came that the kernel does not have, by the clock that nobody sets. */
  #pendingSince: number | undefined
  /** When the oldest one came that the sync under way does not know. */
  #nextSince: number | undefined

  constructor(plane: Plane, listener: KeeperListener) {
    this.#plane = plane
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
    while (this.#desired !== undefined && !this.#stop.signal.aborted) {
      const desired = this.#desired
      this.#nextSince = undefined
      try {
        const report = await this.#plane.sync(desired)
        retryMs = FIRST_RETRY_MS
        this.#pendingSince = this.#nextSince
        this.#listener.synced(report)
        if (this.#desired === desired) this.#desired = undefined
      } catch (error) {
        this.#listener.failed(error as Error, retryMs)
        // Jitter, so that many nodes do not come back at one moment.
        await setTimeout(retryMs * (0.5 + Math.random() / 2), undefined, { signal: this.#stop.signal }).catch(() => undefined)
        retryMs = Math.min(retryMs * 2, MAX_RETRY_MS)
      }
    }
  }

  /** Stops after the sync under way. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }
}
