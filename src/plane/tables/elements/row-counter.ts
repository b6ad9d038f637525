/**
 * How many elements services need, without putting them together.
 */
import type { AddressFamily } from '../../../core/address.js'
import { tableSize } from '../../core/balance/consistent.js'
import { FAMILIES, isOfFamily } from '../../core/frontend.js'
import { isChosen, selectionOf, type Selection } from '../../core/balance/selection.js'
import { slotCount } from '../../core/balance/weights.js'
import type { Endpoint, ModelScheduler, Service, TrafficPolicy } from '../../model.js'
import { classSetsOf, hasFamily, viewOf, visitFrontend, type CompileOptions, type FrontendSink, type ServiceView } from './frontends.js'
import { FIXED_SETS, type Audience, type ElementSet, type RangeKind, type Scope } from '../layout/sets.js'

/** Takes how many elements of a set a service needs. */
export type CountVisitor = (set: ElementSet, elements: number) => void

/** Counts what services need, without putting it together; shared elements aside. One object for many services. */
export class ElementCounter implements FrontendSink {
  readonly #visit: CountVisitor
  readonly #options: CompileOptions
  readonly #slots = { cluster: -1, local: -1 }
  readonly #slotsOf = (policy: TrafficPolicy): number => {
    const slots = this.#slots
    if (slots[policy] < 0) slots[policy] = countSlots(this.#service!, this.#scheduler, this.#view!.selection, policy)
    return slots[policy]
  }
  #service: Service | undefined
  #scheduler: ModelScheduler = 'random'
  #view: ServiceView | undefined

  constructor(options: CompileOptions, visit: CountVisitor) {
    this.#options = options
    this.#visit = visit
  }

  count(service: Service): void {
    this.#service = service
    this.#scheduler = this.#options.schedulerOf(service)
    for (const family of FAMILIES) if (hasFamily(service, family)) this.#countFamily(service, family)
  }

  address(): void {
    // Of several services, perhaps.
  }

  frontend(set: ElementSet): void {
    this.#visit(set, 1)
  }

  ranges(kind: RangeKind, prefixes: readonly string[]): void {
    this.#visit(FIXED_SETS[this.#view!.family][kind], prefixes.length)
  }

  balance(scope: Scope, audience: Audience, policy: TrafficPolicy): void {
    const { members, endpoints } = classSetsOf(this.#view!, scope, audience, policy)
    this.#visit(members, 1)
    this.#visit(endpoints, this.#slotsOf(policy))
  }

  mark(set: ElementSet): void {
    this.#visit(set, 1)
  }

  relay(set: ElementSet): void {
    this.#visit(set, 1)
  }

  #countFamily(service: Service, family: AddressFamily): void {
    this.#slots.cluster = this.#slots.local = -1
    const view = viewOf(service, this.#options, selectionOf(service, family), this.#slotsOf)
    this.#view = view
    const { frontends } = service
    for (let index = 0; index < frontends.length; index++)
      if (isOfFamily(frontends[index]!, family)) visitFrontend(frontends[index]!, view, this)
  }
}

/** Whether a service has elements in a set that is not shared. */
export function needsSet(service: Service, options: CompileOptions, set: ElementSet): boolean {
  let isNeeded = false
  new ElementCounter(options, (counted) => (isNeeded ||= counted === set)).count(service)
  return isNeeded
}

function countSlots({ endpoints }: Service, scheduler: ModelScheduler, selection: Selection, policy: TrafficPolicy): number {
  const isWanted = (endpoint: Endpoint): boolean => isChosen(selection, policy, endpoint)
  return scheduler === 'consistent' ? tableSize(endpoints.filter(isWanted).length) : slotCount(endpoints, isWanted)
}
