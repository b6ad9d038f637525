/**
 * The kernel compared with what services need.
 */
import { Slices } from '../../../core/slices.js'
import type { ObjectCounts } from '../../core/backend.js'
import type { IptablesRule, IptablesTableReference } from '../../../iptables/index.js'
import type { ChainSnapshot } from '../../../iptables/state/snapshot.js'
import { tableKey } from '../../../iptables/state/snapshot.js'
import { baseChain } from '../../../iptables/tables.js'
import type { ListedRule } from '../../../nftables/index.js'
import type { Edits, Filling, Removal, ServiceEdits } from '../edits.js'
import { calledChainOf, keyOf, keyOfListed, placeKey, saysTheSame, type Place } from '../rules.js'
import type { Wanted, WantedChain, WantedShared } from '../wanted.js'
import type { ChangedChain } from './clients.js'
import { serviceOfShared } from './comments.js'
import { endpointOf } from './endpoints.js'
import { PLACES, type KernelState } from './kernel.js'
import { neededByOthers } from './needed.js'
import { isOurChain, isOurJump } from './ours.js'

/** A service whose rules differ from what is wanted. */
export interface ServiceDifference {
  written: number
  deleted: number
  /** Endpoints that have no chain yet. */
  readonly comingEndpoints: string[]
  /** Endpoints whose chains lead nowhere, or elsewhere, though nobody has changed the service. */
  readonly changedEndpoints: string[]
  /** Rules that are missing in chains which services share. */
  readonly missing: IptablesRule[]
  /** Its own chains that are not as they are wanted. */
  readonly chains: ChangedChain[]
}

/** What is wrong, and what puts it right. */
export interface Comparison {
  readonly edits: Edits
  /** Rules for all services together that are written and deleted; those of single services are in the counts of the edits. */
  readonly frame: ObjectCounts
  /** What is wrong with what is there for all services, in words. */
  readonly faults: readonly string[]
  /** Rules to write and to delete, by service. Those of services that are known no more are in the counts alone. */
  readonly services: ReadonlyMap<string, ServiceDifference>
  /** Handles of the rules in chains that services share, by {@link placeKey} and {@link keyOf}. */
  readonly handles: ReadonlyMap<string, ReadonlyMap<string, readonly bigint[]>>
  /** Services of which a chain is there. */
  readonly present: ReadonlySet<string>
  /** Chains of services that are wanted no more. */
  readonly strays: readonly ChainSnapshot[]
  /** Rules in chains that services share which are wanted no more, by the services that they name. */
  readonly strayRules: ReadonlyMap<string, readonly ListedRule[]>
  /** What the kernel was compared with. */
  readonly wanted: Wanted
}

type Mutable<T> = { -readonly [Field in keyof T]: T[Field] extends readonly (infer Item)[] ? Item[] : T[Field] }

const describe = (place: Place): string => `chain ${placeKey(place)}`

/** One comparison. */
class Comparing {
  readonly faults: string[] = []
  readonly services = new Map<string, ServiceDifference>()
  readonly handles = new Map<string, Map<string, bigint[]>>()
  readonly strays: ChainSnapshot[] = []
  readonly present = new Set<string>()
  readonly strayRules = new Map<string, ListedRule[]>()
  readonly #kernel: KernelState
  readonly #wanted: Wanted
  readonly #slices = new Slices()
  readonly #edits: Mutable<Edits> = {
    tables: [],
    bases: [],
    made: [],
    fillings: [],
    additions: [],
    services: [],
    removals: [],
    gone: [],
    emptied: [],
    counts: { written: 0, deleted: 0 }
  }
  readonly #byService = new Map<string, Mutable<ServiceEdits>>()
  readonly #frame = { written: 0, deleted: 0 }

  constructor(kernel: KernelState, wanted: Wanted, taken: readonly Place[]) {
    this.#kernel = kernel
    this.#wanted = wanted
    for (const place of taken) this.#removeUnused(place)
  }

  async compare(): Promise<Comparison> {
    for (const place of PLACES) this.#compareTable(place)
    for (const chain of this.#wanted.chains.values()) {
      this.#compareChain(chain)
      if (this.#slices.isOver) await this.#slices.turn()
    }
    for (const chain of this.#wanted.shared.values()) await this.#compareShared(chain)
    for (const chain of this.#wanted.jumps.values()) this.#compareJumps(chain)
    await this.#removeStrays()
    const services = [...this.#byService.values()]
    const { faults, handles, present, strays, strayRules } = this
    const edits = { ...this.#edits, services, counts: this.#counts() }
    const [frame, wanted] = [this.#frame, this.#wanted]
    return { edits, frame, faults, services: this.services, handles, present, strays, strayRules, wanted }
  }

  /** Rules of services, those of strays included. */
  #counts(): ObjectCounts {
    const counts = { written: 0, deleted: 0 }
    for (const { written, deleted } of this.services.values()) {
      counts.written += written
      counts.deleted += deleted
    }
    counts.deleted += this.strays.reduce((sum, { rules }) => sum + rules.length, 0) + this.#strayRules
    return counts
  }

  #strayRules = 0

  #found({ family, table, chain }: Place): ChainSnapshot | undefined {
    return this.#kernel.tables.get(tableKey(family, table))?.chains.get(chain)
  }

  #compareTable({ family, table }: IptablesTableReference): void {
    const listed = this.#kernel.listed.get(tableKey(family, table))
    const isDormant = listed?.flags?.includes('dormant') === true
    if (listed !== undefined && !isDormant) return
    this.#edits.tables.push({ family, table, isNew: listed === undefined })
    this.faults.push(`table ${family} ${table} is ${isDormant ? 'dormant' : 'missing'}`)
  }

  #differs({ place, rules }: Pick<WantedChain, 'place' | 'rules'>, listed: readonly ListedRule[]): boolean {
    if (rules.length !== listed.length) return true
    return rules.some((rule, index) => !saysTheSame(listed[index]!, rule, place))
  }

  #compareChain(chain: WantedChain): void {
    const { place, service, rules } = chain
    const found = this.#found(place)
    if (found !== undefined && service !== undefined) this.present.add(service)
    if (found !== undefined && !this.#differs(chain, found.rules)) return
    const filling: Filling = { place, isNew: found === undefined, rules }
    if (service === undefined) {
      this.#edits.fillings.push(filling)
      this.#countFrame(rules.length, found?.rules.length ?? 0)
      this.faults.push(`${describe(place)} ${found === undefined ? 'is missing' : 'has other rules'}`)
    } else {
      this.#of(service).fillings.push(filling)
      const endpoint = endpointOf(place.chain, rules)
      const difference = this.#count(service, rules.length, found?.rules.length ?? 0)
      difference.chains.push({ chain: place.chain, listed: found?.rules, wanted: rules })
      if (endpoint !== undefined) (found === undefined ? difference.comingEndpoints : difference.changedEndpoints).push(endpoint)
    }
  }

  async #compareShared({ place, services, tail }: WantedShared): Promise<void> {
    const found = this.#found(place)
    if (found === undefined) {
      this.#edits.made.push(place)
      this.faults.push(`${describe(place)} is missing`)
    }
    const sorting = new SharedRules(place, services)
    for (const [service, rules] of services) {
      if (found !== undefined) sorting.claim(service, rules)
      if (this.#slices.isOver) await this.#slices.turn()
    }
    for (const rule of found?.rules ?? []) {
      sorting.take(rule)
      if (this.#slices.isOver) await this.#slices.turn()
    }
    this.handles.set(placeKey(place), sorting.handles)
    for (const [service, { rules, missing, remove }] of sorting.differences(tail)) {
      this.#of(service).additions.push({ place, rules, at: 'begin' })
      this.#edits.removals.push(...remove)
      this.#count(service, rules.length, remove.length).missing.push(...missing)
    }
    const { others } = sorting
    if (sorting.hasTail(tail)) return
    this.#edits.removals.push(...others.map(({ removal }) => removal))
    this.#strayRules += others.length
    if (tail.length > 0) this.#edits.additions.push({ place, rules: tail, at: 'end' })
    this.#countFrame(tail.length, 0)
    const isOwn = this.#areOfServices(sorting, tail)
    if (found !== undefined && tail.length > 0 && !isOwn) this.faults.push(`${describe(place)} has other rules`)
  }

  /** Whether all that is wrong is that rules of services are left. */
  #areOfServices(sorting: SharedRules, tail: readonly IptablesRule[]): boolean {
    const rest: OtherRule[] = []
    for (const other of sorting.others) {
      const service = serviceOfShared(other.listed)
      const left = service === undefined ? undefined : this.strayRules.get(service)
      if (service === undefined) rest.push(other)
      else if (left === undefined) this.strayRules.set(service, [other.listed])
      else left.push(other.listed)
    }
    return sorting.isTail(rest, tail)
  }

  #compareJumps({ place, rules }: WantedChain): void {
    const found = this.#found(place)
    const keys = rules.map((rule) => keyOf(rule, place))
    const listed = found?.rules ?? []
    const isOurs = (rule: ListedRule): boolean =>
      isOurJump(place.table, calledChainOf(rule)) || keys.includes(keyOfListed(rule, place) ?? '')
    const ours = listed.filter(isOurs)
    const isFirst = keys.every((key, index) => listed[index] !== undefined && keyOfListed(listed[index], place) === key)
    if (isFirst && ours.length === keys.length) return
    if (found === undefined) {
      if (baseChain(place.table, place.chain) === undefined) this.#edits.made.push(place)
      else this.#edits.bases.push(place)
    }
    this.#edits.removals.push(...ours.map(({ handle }) => ({ place, handle })))
    this.#edits.additions.push({ place, rules, at: 'begin' })
    this.#countFrame(rules.length, ours.length)
    this.faults.push(`${describe(place)} does not begin with what leads to services`)
  }

  /** Of a chain without rules. */
  #removeUnused(place: Place): void {
    this.#edits.gone.push(place)
    this.faults.push(`${describe(place)} is nobody's`)
  }

  /** Chains with names of ours that nobody wants, and rules of base chains that lead to ours. */
  async #removeStrays(): Promise<void> {
    const { chains, shared, jumps } = this.#wanted
    for (const tableSnapshot of this.#kernel.tables.values()) {
      const { family, name: table, chains: found } = tableSnapshot
      let needed: ReadonlySet<string> | undefined
      for (const [chain, snapshot] of found) {
        const place = { family, table, chain }
        const key = placeKey(place)
        if (this.#slices.isOver) await this.#slices.turn()
        if (chains.has(key) || shared.has(key) || jumps.has(key)) continue
        if (isOurChain(table, chain)) {
          this.strays.push(snapshot)
          needed ??= await neededByOthers(tableSnapshot, this.#slices)
          this.#removeStray(place, snapshot, needed.has(chain))
        } else if (snapshot.chain.hook !== undefined) this.#removeJumps(place, snapshot)
      }
    }
  }

  /** @param isNeeded Rules of other programs lead to it. */
  #removeStray(place: Place, { rules }: ChainSnapshot, isNeeded: boolean): void {
    // Those with rules are in the counts.
    if (rules.length > 0) this.#edits[isNeeded ? 'emptied' : 'gone'].push(place)
    else if (!isNeeded) this.#removeUnused(place)
  }

  #removeJumps(place: Place, { rules }: ChainSnapshot): void {
    const ours = rules.filter((rule) => isOurJump(place.table, calledChainOf(rule)))
    if (ours.length === 0) return
    this.#edits.removals.push(...ours.map(({ handle }) => ({ place, handle })))
    this.#countFrame(0, ours.length)
    this.faults.push(`${describe(place)} has rules that lead to services`)
  }

  #of(service: string): Mutable<ServiceEdits> {
    let edits = this.#byService.get(service)
    if (edits === undefined) this.#byService.set(service, (edits = { service, fillings: [], additions: [] }))
    return edits
  }

  #countFrame(written: number, deleted: number): void {
    this.#frame.written += written
    this.#frame.deleted += deleted
  }

  #count(service: string, written: number, deleted: number): ServiceDifference {
    const nothing = { written: 0, deleted: 0, comingEndpoints: [], changedEndpoints: [], missing: [], chains: [] }
    const difference = this.services.get(service) ?? nothing
    difference.written += written
    difference.deleted += deleted
    this.services.set(service, difference)
    return difference
  }
}

/** A wanted rule: of whom, and the how manieth. */
interface Claim {
  readonly service: string
  readonly index: number
}

/** A rule that no service wants, as it was listed, and what removes it. */
interface OtherRule {
  readonly listed: ListedRule
  readonly removal: Removal
}

/** What is to be done for one service in one chain. */
interface SharedDifference {
  readonly rules: readonly IptablesRule[]
  /** Those of the rules that are not there. */
  readonly missing: readonly IptablesRule[]
  readonly remove: readonly Removal[]
}

/** The rules of a chain that services share, by whom they are. */
class SharedRules {
  readonly handles = new Map<string, bigint[]>()
  /** Rules that no service wants. */
  readonly others: OtherRule[] = []
  readonly #place: Place
  readonly #services: ReadonlyMap<string, readonly IptablesRule[]>
  readonly #claims = new Map<string, Claim[]>()
  readonly #taken = new Map<string, { readonly index: number; readonly at: number; readonly removal: Removal }[]>()
  #count = 0
  #firstOther = Infinity

  constructor(place: Place, services: ReadonlyMap<string, readonly IptablesRule[]>) {
    this.#place = place
    this.#services = services
  }

  /** Notes what a service wants. */
  claim(service: string, rules: readonly IptablesRule[]): void {
    for (const [index, rule] of rules.entries()) {
      const key = keyOf(rule, this.#place)
      const claims = this.#claims.get(key)
      if (claims === undefined) this.#claims.set(key, [{ service, index }])
      else claims.push({ service, index })
    }
  }

  /** The next rule of the chain. */
  take(rule: ListedRule): void {
    const place = this.#place
    const { handle } = rule
    const key = keyOfListed(rule, place)
    const at = this.#count++
    const removal: Removal = { place, handle, key }
    if (key !== undefined) {
      const handles = this.handles.get(key)
      if (handles === undefined) this.handles.set(key, [handle])
      else handles.push(handle)
    }
    const claim = key === undefined ? undefined : this.#claims.get(key)?.shift()
    if (claim === undefined) {
      this.#firstOther = Math.min(this.#firstOther, at)
      this.others.push({ removal, listed: rule })
      return
    }
    const taken = this.#taken.get(claim.service) ?? []
    taken.push({ index: claim.index, at, removal })
    this.#taken.set(claim.service, taken)
  }

  /** Whether what no service wants is what is to stand behind the rules of all services. */
  hasTail(tail: readonly IptablesRule[]): boolean {
    return this.isTail(this.others, tail)
  }

  /** Whether rules are what is to stand behind the rules of all services. */
  isTail(others: readonly OtherRule[], tail: readonly IptablesRule[]): boolean {
    return others.length === tail.length && tail.every((rule, index) => keyOf(rule, this.#place) === others[index]!.removal.key)
  }

  /** Services whose rules are missing, or stand in another order or behind the others. Those that are there are written anew, so that the order is right. */
  *differences(tail: readonly IptablesRule[]): Generator<[string, SharedDifference]> {
    const first = this.hasTail(tail) ? this.#firstOther : Infinity
    for (const [service, rules] of this.#services) {
      const taken = this.#taken.get(service) ?? []
      const isRight = taken.length === rules.length && taken.every(({ index, at }, position) => index === position && at < first)
      if (isRight) continue
      const indexes = new Set(taken.map(({ index }) => index))
      const missing = rules.filter((_, index) => !indexes.has(index))
      yield [service, { rules, missing, remove: taken.map(({ removal }) => removal) }]
    }
  }
}

/** Compares. @param taken Chains without rules, in other tables, that are to go. */
export async function compare(kernel: KernelState, wanted: Wanted, taken: readonly Place[] = []): Promise<Comparison> {
  return await new Comparing(kernel, wanted, taken).compare()
}
