/**
 * Services that could not be applied, and who is told about it.
 */
import type { Broadcast } from '../../../core/events/broadcast.js'
import type { PlaneEvent } from '../../types.js'
import type { Services } from '../../model.js'
import type { Quarantined } from './plan.js'
import { Postponed } from './postponed.js'

const NONE: Services = new Map()

/** The services in quarantine. */
export class Quarantine {
  readonly #events: Broadcast<PlaneEvent>
  readonly #entries = new Map<string, Quarantined>()
  /** What those are to become that are there for what may pass by itself. */
  readonly postponed = new Postponed()

  constructor(events: Broadcast<PlaneEvent>) {
    this.#events = events
  }

  list(): Quarantined[] {
    return [...this.#entries.values()]
  }

  /** Takes over from another plane what is not known here: its events have told it. @param postponed Of these, what is to be tried again. */
  inherit(quarantined: readonly Quarantined[], postponed: Services): void {
    this.postponed.inherit(postponed)
    for (const entry of quarantined) if (!this.#entries.has(entry.service)) this.#entries.set(entry.service, entry)
  }

  /**
   * Takes over what became of a call.
   *
   * @param quarantined The services that could not be applied.
   * @param named The services that the call was about; absent: all.
   * @param postponed Of those in `quarantined`, what is to be tried again.
   */
  update(quarantined: readonly Quarantined[], named: ReadonlySet<string> | undefined, postponed = NONE): void {
    this.postponed.update(postponed, named)
    const now = new Map(quarantined.map((entry) => [entry.service, entry]))
    for (const [service, entry] of now) {
      if (this.#entries.get(service)?.error.message !== entry.error.message)
        this.#events.push({ type: 'quarantined', service, error: entry.error })
    }
    for (const service of [...this.#entries.keys()]) {
      if (now.has(service) || named?.has(service) === false) continue
      this.#events.push({ type: 'released', service })
      this.#entries.delete(service)
    }
    for (const [service, entry] of now) this.#entries.set(service, entry)
  }
}
