/**
 * How much there will be of services that are not checked yet: sets are made with their sizes before the services are. What cannot be counted will be refused, and is passed over.
 */
import { familyOf, type AddressFamily } from '../../core/address.js'
import type { Slices } from '../../core/slices.js'
import { SCHEDULERS } from '../core/accept.js'
import { FRONTEND_KINDS, POLICIES, STATES } from '../core/accept-entries.js'
import { FAMILIES, isAddressed, isOfFamily } from '../core/frontend.js'
import { MAX_WEIGHT, slotCount } from '../core/weights.js'
import { MAX_AFFINITY_SECONDS, MAX_FRONTENDS, MAX_SLOTS, type Affinity, type Endpoint, type Frontend, type Service } from '../model.js'
import { countRows, type Rows } from './contents.js'
import { visitFrontend, type CompileOptions, type FrontendSink, type ServiceView } from './frontends.js'
import { FIXED_SETS, type ElementSet } from './sets.js'

/** Whether a value is absent or one of some words. */
const isOneOf = (value: unknown, words: readonly unknown[]): boolean => value === undefined || words.includes(value)

function isEndpoint({ address, weight, state, side }: Endpoint): boolean {
  if (typeof (address as unknown) !== 'string' || !isOneOf(state, STATES) || !isOneOf(side, POLICIES)) return false
  return weight === undefined || (Number.isInteger(weight) && weight >= 0 && weight <= MAX_WEIGHT)
}

function isFrontend(frontend: Frontend): boolean {
  if (!FRONTEND_KINDS.includes(frontend.kind) || !isOneOf(frontend.trafficPolicy, POLICIES)) return false
  return !isAddressed(frontend) || typeof (frontend.address as unknown) === 'string'
}

function areCountable(endpoints: readonly Endpoint[]): boolean {
  for (let index = 0; index < endpoints.length; index++) if (!isEndpoint(endpoints[index]!)) return false
  return slotCount(endpoints) <= MAX_SLOTS
}

function isAffinity(affinity: Affinity | undefined): boolean {
  if (affinity === undefined) return true
  const { timeoutSeconds } = affinity
  return Number.isInteger(timeoutSeconds) && timeoutSeconds > 0 && timeoutSeconds <= MAX_AFFINITY_SECONDS
}

/** Counts what a candidate needs; it may be anything. */
function countCandidate(rows: Rows, service: Service, options: CompileOptions): void {
  try {
    const { frontends, endpoints, scheduler = 'random', affinity } = service
    if (!SCHEDULERS.includes(scheduler) || !isAffinity(affinity)) return
    if (!Array.isArray(frontends) || frontends.length > MAX_FRONTENDS || !frontends.every(isFrontend)) return
    if (Array.isArray(endpoints) && areCountable(endpoints)) countRows(rows, service, options, 1)
  } catch {
    // A property that throws, or no object: the checks say what is wrong.
  }
}

/** About how many elements each set will hold, of sets whose elements belong to one service each: exact where all candidates are well. */
export async function estimateRows(
  candidates: Iterable<Service>,
  options: CompileOptions,
  slices: Slices
): Promise<ReadonlyMap<ElementSet, number>> {
  const rows: Rows = new Map()
  await slices.each(candidates, (service) => countCandidate(rows, service, options))
  return rows
}

/** What a frontend that is served needs, but for its slots: what it takes counts an element more. */
class MarkCounter implements FrontendSink {
  readonly rows: Rows = new Map()
  readonly #views: Readonly<Record<AddressFamily, ServiceView>>

  constructor() {
    const view = (family: AddressFamily): ServiceView => ({
      family,
      selection: { family, cluster: 'ready', local: 'ready' },
      choice: 'random',
      stickiness: undefined,
      slotsOf: () => 1
    })
    this.#views = { ip: view('ip'), ip6: view('ip6') }
  }

  count({ frontends, endpoints }: Service): void {
    for (const frontend of frontends) {
      if (!isFrontend(frontend)) continue
      for (const family of FAMILIES) if (isOfFamily(frontend, family)) visitFrontend(frontend, this.#views[family], this)
    }
    for (const { address, local } of endpoints) if (local === true) this.frontend(FIXED_SETS[familyOf(address)].hairpin)
  }

  address(set: ElementSet): void {
    this.frontend(set)
  }

  frontend(set: ElementSet): void {
    this.rows.set(set, (this.rows.get(set) ?? 0) + 1)
  }

  ranges(): void {
    // Ranges declare no size.
  }

  slots(): void {
    // Sets of classes are made later.
  }
}

/** How many elements the sets that are always there will have, at most: frontends at one address, and endpoints of several services, share theirs. */
export async function estimateMarks(candidates: Iterable<Service>, slices: Slices): Promise<ReadonlyMap<ElementSet, number>> {
  const counter = new MarkCounter()
  await slices.each(candidates, (service) => {
    try {
      counter.count(service)
    } catch {
      // As above.
    }
  })
  return counter.rows
}
