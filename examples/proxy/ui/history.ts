import type { SyncReport } from 'netplane'

/** One sync that changed something, or that was refused something. */
export interface SyncNote {
  /** When it ended, in milliseconds since 1970. */
  readonly at: number
  readonly milliseconds: number
  /** Objects of the kernel. */
  readonly written: number
  readonly deleted: number
  readonly quarantined: number
}

/** Syncs that are remembered. */
const LENGTH = 60

/** The last syncs, the newest one last. */
export class SyncHistory {
  readonly #notes: SyncNote[] = []

  /** Notes a sync. One that found nothing to do, and refused nothing, is not worth a note. */
  add({ requests, objects, quarantined, durationMs }: SyncReport): void {
    if (requests === 0 && quarantined.length === 0) return
    const { written, deleted } = objects
    this.#notes.push({ at: Date.now(), milliseconds: durationMs.total, written, deleted, quarantined: quarantined.length })
    if (this.#notes.length > LENGTH) this.#notes.shift()
  }

  get notes(): readonly SyncNote[] {
    return this.#notes
  }
}
