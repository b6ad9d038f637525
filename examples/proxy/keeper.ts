import { setTimeout } from 'node:timers/promises'
import type { Plane, Service, SyncReport } from 'netplane'

/** What the keeper tells. */
export interface KeeperListener {
  /** @param isWhole Whether all services were looked at, or changes alone. */
  readonly synced: (report: SyncReport, isWhole: boolean) => void
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
/** A timer takes no more, 24.8 days; more would make it ring at once. */
const MAX_TIMER_MS = 2 ** 31 - 1
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
  #desired: ReadonlyMap<string, Service> = new Map()
  /** The services that the kernel may not have as desired: names, or all of them. */
  #changed: Set<string> | 'all' = 'all'
  #isWanted = false
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

  /**
   * Makes this the desired state. The map is read again until the kernel holds it: it may change, if each change is told by another call.
   *
   * @param changed The names that differ from the desired state before: they alone are looked at. Absent: all are.
   */
  want(desired: ReadonlyMap<string, Service>, changed?: Iterable<string>): void {
    this.#desired = desired
    this.#isWanted = true
    if (changed === undefined) this.#changed = 'all'
    else if (this.#changed !== 'all') for (const name of changed) this.#changed.add(name)
    this.#nextSince ??= performance.now()
    this.#pendingSince ??= this.#nextSince
    this.#running ??= this.#run()
  }

  async #run(): Promise<void> {
    let retryMs = FIRST_RETRY_MS
    for (;;) {
      await this.#wait(this.#endedAt + this.#pace.minSyncMs - performance.now())
      if (!this.#isWanted || this.#stop.signal.aborted) break
      this.#nextSince = undefined
      this.#isWanted = false
      try {
        const isWhole = this.#changed === 'all'
        const report = await this.#write()
        retryMs = FIRST_RETRY_MS
        this.#pendingSince = this.#nextSince
        this.#listener.synced(report, isWhole)
        this.#endedAt = performance.now()
      } catch (error) {
        this.#isWanted = true
        // Which of the changes the kernel has, nobody knows.
        this.#changed = 'all'
        this.#listener.failed(error as Error, retryMs)
        // Jitter, so that many nodes do not come back at one moment.
        await this.#wait(retryMs * (0.5 + Math.random() / 2))
        retryMs = Math.min(retryMs * 2, this.#pace.maxRetryMs)
      }
    }
    // At once: what is wanted a moment later must begin anew.
    this.#running = undefined
  }

  /** Writes what has changed; by the time it is done, more may have. */
  #write(): Promise<SyncReport> {
    const changed = this.#changed
    this.#changed = new Set()
    if (changed === 'all') return this.#plane.sync(this.#desired)
    // What was refused may be possible now: another service may have given up an address.
    for (const { service } of this.#plane.status().quarantined) changed.add(service)
    return this.#plane.update({
      set: [...changed].flatMap((name) => this.#desired.get(name) ?? []),
      delete: [...changed].filter((name) => !this.#desired.has(name))
    })
  }

  /** Waits, but not for who is asked to stop. */
  async #wait(ms: number): Promise<void> {
    const { signal } = this.#stop
    for (let left = ms; left > 0 && !signal.aborted; left -= MAX_TIMER_MS)
      await setTimeout(Math.min(left, MAX_TIMER_MS), undefined, { signal }).catch(() => undefined)
  }

  /** Stops after the sync under way. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }
}
