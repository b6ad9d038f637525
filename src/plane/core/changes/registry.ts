/**
 * The services that the kernel holds, and whose frontend is whose. Knows nothing of how a kernel holds them.
 */
import { Slices } from '../../../core/slices.js'
import type { Service, Services } from '../../model.js'
import { acceptService, checkKey } from '../accept/service.js'
import type { CheckedUpdate } from './desired.js'
import type { Refusal } from '../backend.js'
import type { ServiceChange } from './change.js'
import { frontendIdentities, frontendKeys, type FrontendKey } from '../frontend.js'
import { GradualProposal } from './gradual.js'
import type { Quarantined } from './plan.js'
import { conflictOf, quarantineOf, type Outcome, type Unsupported } from './refusals.js'
import type { Withdrawal } from '../run.js'

/** A change of services, checked and ready to be applied. */
export interface Proposal {
  readonly changes: readonly ServiceChange[]
  readonly quarantined: readonly Quarantined[]
}

/** Who is about to have which frontend. */
type Claims = Map<FrontendKey, string>

/** The committed services. */
export class Registry {
  readonly #unsupported: Unsupported
  #services = new Map<string, Service>()
  /** Frontend to the name of its service. */
  #owners = new Map<FrontendKey, string>()
  /** The last proposal of {@link Registry.proposeGradually}, until it is accepted. */
  #gradual: GradualProposal | undefined

  /** @param unsupported Why a plane cannot carry a service. */
  constructor(unsupported: Unsupported = () => undefined) {
    this.#unsupported = unsupported
  }

  /** By name; not to be changed by others. */
  get services(): ReadonlyMap<string, Service> {
    return this.#services
  }

  /** The service that has a frontend, by one of its {@link frontendIdentities}. */
  ownerOf(frontend: FrontendKey): string | undefined {
    return this.#owners.get(frontend)
  }

  /** A proposal of all services: those that are not among them go. */
  async proposeAll(services: Services): Promise<Proposal> {
    const slices = new Slices()
    const gone: string[] = []
    await slices.each(this.#services.keys(), (name) => {
      if (!services.has(name)) gone.push(name)
    })
    return await this.#propose(services, gone, slices, { isKeyed: true, outcome: () => services.values() })
  }

  /** As {@link Registry.proposeAll} where there are no services yet: the services are checked when they are asked for. */
  proposeGradually(services: Map<string, Service>): GradualProposal {
    return (this.#gradual = new GradualProposal(services, this.#unsupported))
  }

  /** A proposal of single services. */
  async proposeUpdate({ set, gone }: CheckedUpdate): Promise<Proposal> {
    const there = gone.filter((name) => this.#services.has(name))
    const outcome = (): Service[] => {
      const leaving = new Set(there)
      return [...set.values(), ...[...this.#services.values()].filter(({ name }) => !set.has(name) && !leaving.has(name))]
    }
    return await this.#propose(set, there, new Slices(), { isKeyed: false, outcome })
  }

  /** The services there are once changes are in. */
  after(changes: readonly ServiceChange[]): ReadonlyMap<string, Service> {
    const services = new Map(this.#services)
    for (const { name, after } of changes) {
      if (after === undefined) services.delete(name)
      else services.set(name, after)
    }
    return services
  }

  /** Takes changes over: they are in the kernel. */
  async accept(changes: readonly ServiceChange[]): Promise<void> {
    const gradual = this.#gradual
    this.#gradual = undefined
    if (gradual?.changes === changes && this.#services.size === 0) {
      this.#services = gradual.services
      this.#owners = gradual.owners
      return
    }
    const slices = new Slices()
    await slices.each(changes, ({ name, before }) => {
      if (before === undefined) return
      for (const key of frontendKeys(before)) if (this.#owners.get(key) === name) this.#owners.delete(key)
    })
    await slices.each(changes, ({ name, after }) => {
      if (after === undefined) {
        this.#services.delete(name)
        return
      }
      this.#services.set(name, after)
      for (const key of frontendKeys(after)) this.#owners.set(key, name)
    })
  }

  /** Which changes stay when the kernel refuses some services: not those that need a frontend which a refused service keeps. */
  async withdraw(changes: readonly ServiceChange[], refusals: readonly Refusal[]): Promise<Withdrawal> {
    const refused = new Map(refusals.map(({ service, error }) => [service, error]))
    const kept = new Map(changes.filter(({ name }) => !refused.has(name)).map((change) => [change.name, change]))
    for (const { service, error } of await this.#refuseConflicts(kept, new Slices())) refused.set(service, error)
    return {
      kept: [...kept.values()],
      withdrawn: changes.filter(({ name }) => !kept.has(name)),
      refusals: [...refused].map(([service, error]) => ({ service, error }))
    }
  }

  async #propose(
    candidates: Iterable<readonly [string, Service]>,
    gone: readonly string[],
    slices: Slices,
    { isKeyed, outcome }: { readonly isKeyed: boolean; readonly outcome: Outcome }
  ): Promise<Proposal> {
    const changes = new Map<string, ServiceChange>()
    const quarantined: Quarantined[] = []
    for (const [name, service] of candidates) {
      if (slices.isOver) await slices.turn()
      const before = this.#services.get(name)
      if (before !== undefined && before === service) continue
      try {
        if (isKeyed) checkKey(name, service)
        const checking = acceptService(service, slices)
        if (checking !== undefined) await checking
        const unsupported = this.#unsupported(service, outcome)
        if (unsupported !== undefined) {
          quarantined.push({ service: name, error: unsupported })
          continue
        }
        changes.set(name, { name, before, after: service })
      } catch (error) {
        quarantined.push(quarantineOf(name, error))
      }
    }
    for (const name of gone) changes.set(name, { name, before: this.#services.get(name) })
    if (slices.isOver) await slices.turn()
    quarantined.push(...(await this.#refuseConflicts(changes, slices)))
    return { changes: [...changes.values()], quarantined }
  }

  /**
   * Takes out of `changes` what would take a frontend from a service that stays as it is, again and again, because who is taken out stays as he is too. Then, among new claims, the first one
   * holds.
   */
  async #refuseConflicts(changes: Map<string, ServiceChange>, slices: Slices): Promise<Refusal[]> {
    const refusals: Refusal[] = []
    const refuse = (found: readonly Refusal[]): boolean => {
      for (const { service } of found) changes.delete(service)
      refusals.push(...found)
      return found.length > 0
    }
    do {
      // Where nobody has a frontend yet, nobody can keep one.
      while (this.#owners.size > 0 && refuse(await this.#findConflicts(changes, undefined, slices)));
    } while (refuse(await this.#findConflicts(changes, new Map(), slices)))
    return refusals
  }

  /** @param claims Collects new claims, which then count too. */
  async #findConflicts(changes: ReadonlyMap<string, ServiceChange>, claims: Claims | undefined, slices: Slices): Promise<Refusal[]> {
    const refusals: Refusal[] = []
    await slices.each(changes.values(), ({ name, after }) => {
      if (after === undefined) return
      const keys = frontendKeys(after)
      const taken = keys.find((key) => this.#holderOf(key, name, changes, claims) !== undefined)
      if (taken === undefined) {
        if (claims !== undefined) for (const key of keys) claims.set(key, name)
        return
      }
      const index = after.frontends.findIndex((frontend) => frontendIdentities(after.protocol, frontend).includes(taken))
      refusals.push(conflictOf(name, after, index, this.#holderOf(taken, name, changes, claims)!))
    })
    return refusals
  }

  /** Another service that has a frontend once the changes are in: one that has it already and does not let go, or one that claimed it first. */
  #holderOf(key: FrontendKey, name: string, changes: ReadonlyMap<string, ServiceChange>, claims: Claims | undefined): string | undefined {
    const owner = this.#owners.get(key)
    if (owner !== undefined && owner !== name) {
      const change = changes.get(owner)
      if (change === undefined || (change.after !== undefined && frontendKeys(change.after).includes(key))) return owner
    }
    const claimant = claims?.get(key)
    return claimant === name ? undefined : claimant
  }
}
