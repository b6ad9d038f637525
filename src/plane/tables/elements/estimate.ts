/**
 * How much there will be of services that are not checked yet: sets are made with their sizes before the services are. What cannot be counted will be refused, and is passed over.
 */
import { familyOf, type AddressFamily } from '../../../core/address.js'
import type { Slices } from '../../../core/slices.js'
import { SCHEDULERS } from '../../core/accept/service.js'
import { FRONTEND_KINDS, POLICIES, STATES } from '../../core/accept/entries.js'
import { FAMILIES, isAddressed, isOfFamily } from '../../core/frontend.js'
import { MAX_WEIGHT, slotCount } from '../../core/balance/weights.js'
import { MAX_AFFINITY_SECONDS, MAX_FRONTENDS, MAX_SLOTS, type Affinity, type Endpoint, type Frontend, type Service } from '../../model.js'
import { rowCounter, type Rows } from './contents.js'
import { visitFrontend, type CompileOptions, type FrontendSink, type ServiceView } from './frontends.js'
import { FIXED_SETS, type ElementSet } from '../layout/sets.js'
import { shapeOf } from './shapes.js'

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

/** Whether a candidate, which may be anything, can be counted. */
function isCountable({ frontends, endpoints, scheduler = 'random', affinity }: Service): boolean {
  if (!SCHEDULERS.includes(scheduler) || !isAffinity(affinity)) return false
  if (!Array.isArray(frontends) || frontends.length > MAX_FRONTENDS || !frontends.every(isFrontend)) return false
  return Array.isArray(endpoints) && areCountable(endpoints)
}

function isAffinity(affinity: Affinity | undefined): boolean {
  if (affinity === undefined) return true
  const { timeoutSeconds } = affinity
  return Number.isInteger(timeoutSeconds) && timeoutSeconds > 0 && timeoutSeconds <= MAX_AFFINITY_SECONDS
}

/** What a frontend that is served needs, but for its slots: what it takes counts an element more. */
class MarkCounter implements FrontendSink {
  readonly rows: Rows = new Map()
  readonly #views: Readonly<Record<AddressFamily, ServiceView>>

  constructor({ marks, relays }: Pick<CompileOptions, 'marks' | 'relays'>) {
    const view = (family: AddressFamily): ServiceView => ({
      family,
      selection: { family, cluster: 'ready', local: 'ready' },
      choice: 'random',
      stickiness: undefined,
      slotsOf: () => 1,
      isByIpvs: marks !== undefined,
      isByRelays: relays !== undefined
    })
    this.#views = { ip: view('ip'), ip6: view('ip6') }
  }

  count({ frontends, endpoints }: Service): void {
    for (const frontend of frontends)
      for (const family of FAMILIES) if (isOfFamily(frontend, family)) visitFrontend(frontend, this.#views[family], this)
    for (let index = 0; index < endpoints.length; index++) {
      const { address, local } = endpoints[index]!
      if (local === true) this.frontend(FIXED_SETS[familyOf(address)].hairpin)
    }
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

  balance(): void {
    // Sets of classes are counted with the rows.
  }

  mark(): void {
    // Maps of marks declare no size.
  }

  relay(): void {
    // Maps of ports declare no size.
  }
}

/** About how many elements there will be. */
export interface Estimate {
  /** In sets whose elements belong to one service each: exact where all candidates are well. */
  readonly rows: ReadonlyMap<ElementSet, number>
  /** In the sets that are always there, at most: frontends at one address, and endpoints of several services, share theirs. */
  readonly marks: ReadonlyMap<ElementSet, number>
}

/** Adds what one service needs, for so many of them. */
class ManyCounter {
  readonly rows: Rows = new Map()
  readonly marks: Rows = new Map()
  readonly #once: Rows = new Map()
  readonly #rowsCounter: ReturnType<typeof rowCounter>
  readonly #marksCounter: MarkCounter

  constructor(options: CompileOptions) {
    this.#rowsCounter = rowCounter(this.#once, options)
    this.#marksCounter = new MarkCounter(options)
  }

  /** What cannot be counted is passed over. */
  add(candidate: Service, times: number): void {
    try {
      if (!isCountable(candidate)) return
      this.#once.clear()
      this.#marksCounter.rows.clear()
      this.#rowsCounter.count(candidate)
      this.#marksCounter.count(candidate)
      addTimes(this.rows, this.#once, times)
      addTimes(this.marks, this.#marksCounter.rows, times)
    } catch {
      // A property that throws, or no object: the checks say what is wrong.
    }
  }
}

function addTimes(sum: Rows, rows: Rows, times: number): void {
  for (const [set, count] of rows) sum.set(set, (sum.get(set) ?? 0) + count * times)
}

/** As {@link shapeOf}, of what may be anything. */
function shapeOfCandidate(candidate: Service): string | undefined {
  try {
    return shapeOf(candidate)
  } catch {
    return undefined
  }
}

/** Counts what candidates need: of those that are alike, once. */
export async function estimate(candidates: Iterable<Service>, options: CompileOptions, slices: Slices): Promise<Estimate> {
  const counter = new ManyCounter(options)
  const alike = new Map<string, { readonly first: Service; times: number }>()
  await slices.each(candidates, (candidate) => {
    const shape = shapeOfCandidate(candidate)
    if (shape === undefined) return counter.add(candidate, 1)
    const known = alike.get(shape)
    if (known === undefined) alike.set(shape, { first: candidate, times: 1 })
    else known.times++
  })
  await slices.each(alike.values(), ({ first, times }) => counter.add(first, times))
  const { rows, marks } = counter
  return { rows, marks }
}
