/**
 * A first proposal that is checked while the kernel already takes what was checked before.
 */
import { Slices } from '../../../core/slices.js'
import type { Service } from '../../model.js'
import { acceptService, checkKey } from '../accept/service.js'
import type { ServiceSource } from '../backend.js'
import type { ServiceChange } from './change.js'
import { frontendIdentities, type FrontendKey } from '../frontend.js'
import type { Quarantined } from './plan.js'
import { conflictOf, quarantineOf, type Unsupported } from './refusals.js'

/** All services where there were none. Of two claims to a frontend the first one holds; its outcome is that of a proposal that is checked at once. */
export class GradualProposal implements ServiceSource {
  /** Nobody else has it. */
  readonly candidates: Map<string, Service>
  /** Grow while services are checked. */
  readonly changes: ServiceChange[] = []
  readonly quarantined: Quarantined[] = []
  /** Whose frontend is whose. */
  readonly owners = new Map<FrontendKey, string>()
  /** Short ones: as soon as a transaction has ended the next one is to be sent. */
  readonly #slices = new Slices(1)
  readonly #rest: Iterable<[string, Service]>
  /** Of the service that is looked at; the list is used again for each. */
  readonly #keys: FrontendKey[] = []
  readonly #outcome = (): Iterable<Service> => this.candidates.values()
  #isBegun = false

  readonly #unsupported: Unsupported

  constructor(candidates: Map<string, Service>, unsupported: Unsupported) {
    this.candidates = candidates
    this.#unsupported = unsupported
    this.#rest = candidates.entries()
  }

  /** The accepted services, once all are checked. */
  get services(): Map<string, Service> {
    return this.quarantined.length === 0 ? this.candidates : new Map(this.changes.map(({ name, after }) => [name, after!]))
  }

  /** Whether services have been asked for. */
  get isBegun(): boolean {
    return this.#isBegun
  }

  async each(visit: (service: Service) => Promise<void> | undefined): Promise<void> {
    this.#isBegun = true
    // An iterator of a Map can be gone on with: it is not closed when a visit throws.
    for (const [name, service] of this.#rest) {
      if (this.#slices.isOver) await this.#slices.turn()
      const checking = this.#check(name, service)
      if (!(checking === undefined ? this.#claim(name, service) : await checking)) continue
      const visiting = visit(service)
      if (visiting !== undefined) await visiting
    }
  }

  /** Checks what was not checked yet. */
  async finish(): Promise<void> {
    await this.each(() => undefined)
  }

  /** Nothing where the service is accepted; a large or refused one says later whether it is proposed. */
  #check(name: string, service: Service): Promise<boolean> | undefined {
    try {
      checkKey(name, service)
      return acceptService(service, this.#slices)?.then(
        () => this.#claim(name, service),
        (error: unknown) => this.#refuse(name, error)
      )
    } catch (error) {
      return Promise.resolve(this.#refuse(name, error))
    }
  }

  #refuse(name: string, error: unknown): false {
    this.quarantined.push(quarantineOf(name, error))
    return false
  }

  /** Proposes a service that the plane can carry, unless one before it has one of its frontends. */
  #claim(name: string, service: Service): boolean {
    const unsupported = this.#unsupported(service, this.#outcome)
    if (unsupported !== undefined) {
      this.quarantined.push({ service: name, error: unsupported })
      return false
    }
    const { owners } = this
    const { protocol, frontends } = service
    let count = 0
    for (let index = 0; index < frontends.length; index++) {
      for (const key of frontendIdentities(protocol, frontends[index]!)) {
        const holder = owners.get(key)
        if (holder !== undefined) {
          this.quarantined.push(conflictOf(name, service, index, holder))
          return false
        }
        this.#keys[count++] = key
      }
    }
    for (let index = 0; index < count; index++) owners.set(this.#keys[index]!, name)
    this.changes.push({ name, before: undefined, after: service })
    return true
  }
}
