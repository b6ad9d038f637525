/**
 * Services in quarantine for what may pass by itself, which are tried again now and then.
 */
import type { Service, Services } from '../../model.js'

/** Milliseconds from one try to the next one, doubled each time. */
const FIRST_PAUSE_MS = 1000
const MAX_PAUSE_MS = 60_000

/** What they are to become, and when that is tried. */
export class Postponed {
  readonly #services = new Map<string, Service>()
  #pauseMs = FIRST_PAUSE_MS
  /** On the clock of `performance.now()`. */
  #nextAt = 0

  /** By name; not to be changed by others. */
  get services(): Services {
    return this.#services
  }

  /** Takes over those of another plane that are not known here. */
  inherit(services: Services): void {
    for (const [name, service] of services) this.#add(name, this.#services.get(name) ?? service)
  }

  /**
   * Takes over what became of a call.
   *
   * @param postponed The services that it could not apply for now.
   * @param named The services that the call was about; absent: all.
   */
  update(postponed: Services, named: ReadonlySet<string> | undefined): void {
    for (const name of [...this.#services.keys()]) if (named?.has(name) !== false && !postponed.has(name)) this.#services.delete(name)
    for (const [name, service] of postponed) this.#add(name, service)
  }

  /** Those that are to be tried now, which is not so often again each time. */
  takeDue(): Services {
    const now = performance.now()
    if (this.#services.size === 0 || now < this.#nextAt) return new Map()
    this.#pauseMs = Math.min(this.#pauseMs * 2, MAX_PAUSE_MS)
    this.#nextAt = now + this.#pauseMs
    return new Map(this.#services)
  }

  /** A service that was not among them has a pause of its own: the first one. */
  #add(name: string, service: Service): void {
    if (!this.#services.has(name)) {
      this.#pauseMs = FIRST_PAUSE_MS
      this.#nextAt = performance.now() + FIRST_PAUSE_MS
    }
    this.#services.set(name, service)
  }
}
