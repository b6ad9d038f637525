/**
 * Planes that another one has replaced, until nothing is left of them.
 */
import type { NetplaneError } from '../../core/errors.js'
import type { Backend } from '../core/backend.js'
import type { LeavingPlane } from '../types.js'
import { formatIdentity, type PlaneIdentity } from './identity.js'
import { Retirement } from './retirement.js'

/** What {@link LeavingPlanes} needs. */
export interface LeavingParts {
  /** One is gone, or belongs to a plane that goes on: what is left must be noted. */
  readonly note: () => Promise<void>
  readonly onLeft: (plane: PlaneIdentity) => void
  readonly onError: (error: NetplaneError) => void
}

/** All of them. */
export class LeavingPlanes {
  readonly #parts: LeavingParts
  readonly #all = new Set<Retirement>()
  /** Those of {@link #all} whose objects are gone, or another plane's, which is still to be noted. */
  readonly #gone = new Set<Retirement>()

  constructor(parts: LeavingParts) {
    this.#parts = parts
  }

  /** Whose objects are still there. */
  get planes(): readonly PlaneIdentity[] {
    return [...this.#all].filter((one) => !this.#gone.has(one)).map(({ identity }) => identity)
  }

  /** Absent: there are none. */
  status(): { readonly leaving?: readonly LeavingPlane[] } {
    return this.#all.size === 0 ? {} : { leaving: [...this.#all].map((one) => one.status()) }
  }

  /** Lets one leave, and resolves when it leads no new connections. What fails is told, and tried again. */
  async add(identity: PlaneIdentity, open: () => Promise<Backend | undefined>, drainSeconds: number): Promise<void> {
    const retirement: Retirement = new Retirement({
      ...{ identity, open, drainSeconds, onError: this.#parts.onError },
      onGone: async (isHandedOver) => {
        this.#gone.add(retirement)
        await this.#parts.note()
        this.#gone.delete(retirement)
        this.#all.delete(retirement)
        if (!isHandedOver) this.#parts.onLeft(identity)
      }
    })
    this.#all.add(retirement)
    await retirement.begin()
  }

  /** A plane of this mode and name goes on: what is there is its own. */
  async handOver(plane: PlaneIdentity): Promise<void> {
    for (const one of this.#all) {
      if (formatIdentity(one.identity) !== formatIdentity(plane)) continue
      await one.handOver()
      if (one.isEnded) this.#all.delete(one)
    }
  }

  /** Ends all of them now. @param cleanup Their objects go with them. */
  async finish(cleanup: boolean): Promise<void> {
    const ends = await Promise.allSettled([...this.#all].map((one) => one.finish(cleanup)))
    const failed = ends.find((end) => end.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    this.#all.clear()
  }
}
