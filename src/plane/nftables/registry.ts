/**
 * What the plane knows of services: which are in the kernel, which frontend belongs to whom, how many services need each shared element.
 */
import { ValidationError } from '../../errors.js'
import { Slices } from '../../slices.js'
import { acceptService, checkKey } from '../accept.js'
import type { AddressFamily } from '../../address.js'
import type { Service, Services } from '../model.js'
import { formatTarget, type Quarantined } from '../plan.js'
import type { ServiceUpdate } from '../types.js'
import { addService, type Changes, type Contents, diffShared, diffTables, SetTables, SharedCounts } from './changes.js'
import { ElementBuffer } from '../../nftables/element-buffer.js'
import { commentUserdata } from './comment.js'
import { sizeOf } from './layout.js'
import {
  endpointsOf,
  frontendKeys,
  isEndpoints,
  isNamed,
  isShared,
  membershipOf,
  membershipSetOf,
  visitElements,
  visitMemberships,
  widthsOf,
  type ElementSet
} from './compile.js'

/** A change of services, checked and ready to be committed. */
export interface Proposal {
  /** New and changed services. */
  readonly set: ReadonlyMap<string, Service>
  /** Names that go. */
  readonly remove: ReadonlySet<string>
  readonly quarantined: readonly Quarantined[]
}

/** Counts the shared elements of a service. */
function countShared(shared: SharedCounts, service: Service): void {
  visitElements(service, (family, set, key) => {
    if (isShared(set)) shared.add(family, set, key, 1)
  })
}

/** The services in the kernel. */
export class Registry implements Contents {
  readonly services = new Map<string, Service>()
  /** Frontend (frontendKeys) to the name of its service. */
  readonly #frontends = new Map<string, string>()
  shared = new SharedCounts()
  /** Rows by set: frontends of membership sets, slots of endpoints maps. */
  readonly #members = new Map<string, number>()

  /** A registry of services that were accepted before. */
  static async of(services: ReadonlyMap<string, Service>): Promise<Registry> {
    const registry = new Registry()
    const slices = new Slices()
    for (const [name, service] of services) {
      registry.take(name, service)
      countShared(registry.shared, service)
      if (slices.isOver) await slices.turn()
    }
    return registry
  }

  /** The service that has a frontend. */
  ownerOf(frontend: string): string | undefined {
    return this.#frontends.get(frontend)
  }

  /** Whether no frontend has this size. */
  isEmpty(family: AddressFamily, set: ElementSet): boolean {
    return this.rows(family, set) === 0
  }

  /**
   * Checks new and changed services: each by itself, then that no two claim one frontend. A frontend stays with the service that has it, unless that one lets go.
   */
  async propose(candidates: Iterable<readonly [string, Service]>, remove: ReadonlySet<string>, desired?: Services): Promise<Proposal> {
    const set = new Map<string, Service>()
    const quarantined: Quarantined[] = []
    const slices = new Slices()
    for (const [name, service] of candidates) {
      if (slices.isOver) await slices.turn()
      if (this.services.get(name) === service) continue
      try {
        if (desired !== undefined) checkKey(name, service)
        acceptService(service)
        set.set(name, service)
      } catch (error) {
        if (!(error instanceof ValidationError)) throw error
        quarantined.push({
          service: name,
          error: new ValidationError(`services[${JSON.stringify(name)}]${error.path}`, error.value, error.allowed)
        })
      }
    }
    const proposal = { set, remove, quarantined }
    await this.#refuseConflicts(proposal, quarantined, slices)
    return proposal
  }

  /** A proposal of all services: those that are not among them go. */
  async proposeAll(services: Services): Promise<Proposal> {
    return await this.propose(services, new Set([...this.services.keys()].filter((name) => !services.has(name))), services)
  }

  /** A proposal of single services, and their names. One that is set and deleted is set. */
  async proposeUpdate(update: ServiceUpdate): Promise<{ readonly proposal: Proposal; readonly named: ReadonlySet<string> }> {
    const set = new Map([...(update.set ?? [])].map((service) => [service.name, service] as const))
    const remove = new Set([...(update.delete ?? [])].filter((name) => !set.has(name)))
    return { proposal: await this.propose(set, remove), named: new Set([...set.keys(), ...remove]) }
  }

  /** The services there are once a proposal is in. */
  after({ set, remove }: Proposal): ReadonlyMap<string, Service> {
    if (this.services.size === 0) return set
    const services = new Map(this.services)
    for (const name of remove) services.delete(name)
    for (const [name, service] of set) services.set(name, service)
    return services
  }

  async #refuseConflicts(
    { set, remove }: { set: Map<string, Service>; remove: ReadonlySet<string> },
    quarantined: Quarantined[],
    slices: Slices
  ): Promise<void> {
    const claims = new Map<string, string>()
    const letsGo = (owner: string): boolean => remove.has(owner) || set.has(owner)
    // Those that are in the kernel already come first.
    for (const isTenured of this.services.size > 0 ? [true, false] : [false]) {
      for (const [name, service] of set) {
        if (slices.isOver) await slices.turn()
        if (this.services.has(name) !== isTenured) continue
        const error = this.#findConflict(name, service, claims, letsGo)
        if (error === undefined) continue
        quarantined.push({ service: name, error })
        set.delete(name)
      }
    }
  }

  /** Claims the frontends of a service, or says who has one of them. `letsGo` tells whether an owner gives its frontends up with this change. */
  #findConflict(
    name: string,
    service: Service,
    claims: Map<string, string>,
    letsGo: (owner: string) => boolean
  ): ValidationError | undefined {
    const keys = frontendKeys(service)
    for (const [index, key] of keys.entries()) {
      const owner = claims.get(key) ?? this.#frontends.get(key)
      if (owner === undefined || owner === name || (!claims.has(key) && letsGo(owner))) continue
      const path = `services[${JSON.stringify(name)}].frontends[${index}]`
      return new ValidationError(
        path,
        formatTarget(service.frontends[index]!),
        `a ${service.protocol} frontend that no other service has: ${JSON.stringify(owner)} has it`
      )
    }
    for (const key of keys) claims.set(key, name)
    return undefined
  }

  /** What the kernel must change for a proposal. */
  changesFor({ set, remove }: Proposal): { readonly changes: Changes; readonly shared: SharedCounts } {
    const before = new SetTables()
    const after = new SetTables()
    const shared = new SharedCounts()
    for (const name of [...set.keys(), ...remove]) {
      const service = this.services.get(name)
      if (service !== undefined) addService(before, shared, service, -1)
    }
    for (const service of set.values()) addService(after, shared, service, 1)
    const changes = diffTables(before, after)
    diffShared(changes, this.shared, shared)
    return { changes, shared }
  }

  /** How many elements a set has. */
  rows(family: AddressFamily, set: ElementSet): number {
    return isShared(set) ? this.shared.size(family, set) : (this.#members.get(`${family} ${set}`) ?? 0)
  }

  /** The elements of a set. */
  async elements(family: AddressFamily, set: ElementSet): Promise<ElementBuffer> {
    const { key, data } = widthsOf(set, family)
    const buffer = new ElementBuffer(key, data, this.rows(family, set) + 1)
    if (isShared(set)) {
      for (const entry of this.shared.entries())
        if (entry.family === family && entry.set === set) buffer.push(Buffer.from(entry.key, 'latin1'), undefined)
      return buffer
    }
    const membership = isEndpoints(set) ? membershipSetOf(set) : set
    const slices = new Slices()
    for (const service of this.services.values()) {
      if (slices.isOver) await slices.turn()
      if (membershipOf(service, family) !== membership) continue
      const userdata = isNamed(set) ? commentUserdata(service.name) : undefined
      visitElements(service, (inFamily, inSet, bytes, value) => {
        if (inFamily === family && inSet === set) buffer.push(bytes, value, userdata)
      })
    }
    return buffer
  }

  /** The elements of all services. */
  tables(): SetTables {
    const tables = new SetTables()
    const shared = new SharedCounts()
    for (const service of this.services.values()) addService(tables, shared, service, 1)
    for (const { family, set, key } of shared.entries()) tables.of(family, set).put(Buffer.from(key, 'latin1'), undefined)
    return tables
  }

  /** Takes a proposal over: it is in the kernel. `shared` is what {@link changesFor} said. */
  accept({ set, remove }: Proposal, shared: SharedCounts): void {
    for (const name of remove) this.#forget(name)
    for (const name of set.keys()) this.#forget(name)
    for (const [name, service] of set) this.take(name, service)
    this.shared.apply(shared)
  }

  /** Takes over a service that is not here yet, but for what it adds to `shared`. */
  take(name: string, service: Service): void {
    this.services.set(name, service)
    for (const key of frontendKeys(service)) this.#frontends.set(key, name)
    this.#countMembers(service, 1)
  }

  #forget(name: string): void {
    const service = this.services.get(name)
    if (service === undefined) return
    this.services.delete(name)
    for (const key of frontendKeys(service)) if (this.#frontends.get(key) === name) this.#frontends.delete(key)
    this.#countMembers(service, -1)
  }

  #countMembers(service: Service, by: 1 | -1): void {
    const count = (name: string, rows: number): void => {
      this.#members.set(name, (this.#members.get(name) ?? 0) + by * rows)
    }
    visitMemberships(service, (family, set, frontends) => {
      count(`${family} ${set}`, frontends)
      if (set !== 'unserved') count(`${family} ${endpointsOf(set)}`, frontends * sizeOf(set)!.slots)
    })
  }

  /** How many elements each set (`ip random-3`) must have, known without putting them together. */
  rowCounts(): ReadonlyMap<string, number> {
    return new Map([...this.#members, ...this.shared.sizes()])
  }
}
