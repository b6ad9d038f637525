/**
 * Deletes flows that a change of services left stale: in the background, seldom enough, with a report.
 */
import type { Conntrack, FlowFilter } from '../../conntrack/index.js'
import type { AddressFamily } from '../../core/address.js'
import { asNetplaneError, UnsupportedError, type NetplaneError } from '../../core/errors.js'
import { Slices } from '../../core/slices.js'
import type { ServiceChange } from '../core/changes/change.js'
import { FAMILIES, frontendKeys, hasNodePort, type FrontendKey } from '../core/frontend.js'
import type { ChangeListener } from '../core/listener.js'
import { NO_ADDRESSES, type NodeAddressList } from '../core/node/addresses.js'
import type { Service, Services } from '../model.js'
import type { StaleFlowReport } from '../types.js'
import { filtersOf, triedOf } from './filters.js'
import type { StaleFlowSettings } from './options.js'
import { compareTargets, type FlowTarget } from './targets.js'

/** What is needed of connection tracking. */
export type FlowDeleter = Pick<Conntrack, 'count' | 'list' | 'removeWhere' | 'close'>

/** What was deleted where nothing can match. */
const NOTHING = { scanned: 0, deleted: 0, vanished: 0, kernelFiltered: true } as const

type Removal = Pick<StaleFlowReport, 'scanned' | 'deleted' | 'vanished' | 'kernelFiltered' | 'families'>

/** Who is told. */
export interface StaleFlowListener {
  readonly onReport: (report: StaleFlowReport) => void
  readonly onError: (error: NetplaneError) => void
}

/** Part of the time that looks may take: after each, nine times as long is waited. */
const REST = 9
/** Looks that fail are repeated this much later, each time twice as late, at most {@link MAX_RETRY_MS}. */
const FIRST_RETRY_MS = 250
const MAX_RETRY_MS = 60_000

/** Frontends of all services, whose untranslated flows alone are meant. They are found when it is known which of them have been tried. */
interface EveryService {
  readonly services: Services
}

/** The key of their entry: no frontend has it. */
const EVERY_SERVICE: FrontendKey = ''

interface Entry {
  target: FlowTarget | EveryService
  /** Not looked at yet. */
  isFresh: boolean
  /** Looks that are left. */
  looks: number
  dueAt: number
}

type Change = Pick<ServiceChange, 'before' | 'after'>

/** What is due, by how it is looked for. */
function apart(due: ReadonlyMap<FrontendKey, Entry>): {
  readonly changed: readonly FlowTarget[]
  readonly untranslated: readonly FlowTarget[]
  readonly services?: Services
} {
  const [changed, untranslated]: [FlowTarget[], FlowTarget[]] = [[], []]
  let every: EveryService | undefined
  for (const { target } of due.values())
    if ('services' in target) every = target
    else if (target.isUntranslatedOnly) untranslated.push(target)
    else changed.push(target)
  return { changed, untranslated, ...every }
}

/** Collects what changes ask for, in their order, and sees to it. */
export class StaleFlowCleaner implements ChangeListener {
  readonly #open: () => Promise<FlowDeleter>
  readonly #settings: StaleFlowSettings
  readonly #listener: StaleFlowListener
  readonly #nodeAddresses: () => NodeAddressList
  readonly #entries = new Map<FrontendKey, Entry>()
  #deleter: FlowDeleter | undefined
  #timer: NodeJS.Timeout | undefined
  #nextAt = 0
  /** Nobody waits for a rest: clients met nothing while the kernel did not hold the services, and would go on to. */
  #isUrgent = false
  /** When the first of the entries is due, or earlier; kept, as there may be tens of thousands. */
  #soonestAt = Infinity
  #retryMs = FIRST_RETRY_MS
  #inFlight: { readonly keys: ReadonlySet<FrontendKey>; readonly done: Promise<void> } | undefined
  /** Changes that were announced, or are being noted: until then it is not known where flows may lead. */
  #held = 0
  #noting: Promise<void> = Promise.resolve()
  #deleted = 0
  #isClosed = false

  /**
   * @param open Opens connection tracking when it is first needed, so that a machine without it can still balance.
   * @param nodeAddresses This node's addresses that serve ports of frontends, as they are now.
   */
  constructor(
    open: () => Promise<FlowDeleter>,
    settings: StaleFlowSettings,
    listener: StaleFlowListener,
    nodeAddresses: () => NodeAddressList = () => NO_ADDRESSES
  ) {
    this.#open = open
    this.#nodeAddresses = nodeAddresses
    this.#settings = settings
    this.#listener = listener
  }

  status(): { deleted: number; pending: number } {
    return { deleted: this.#deleted, pending: this.#entries.size }
  }

  /** Lets no look begin, and waits for one under way that goes by what is about to change: it would take the first flows of a new endpoint for stale ones. */
  async before(changes: readonly Change[]): Promise<void> {
    this.#held++
    const running = this.#inFlight
    if (running === undefined) return
    const touches = changes.some(({ before, after }) =>
      [before, after].some((service) => service !== undefined && frontendKeys(service).some((key) => running.keys.has(key)))
    )
    if (touches) await running.done
  }

  done(): void {
    this.#held--
    this.#schedule()
  }

  after(changes: readonly Change[]): void {
    this.#note(() => changes)
  }

  /** Looks at the flows of all services: it is not known what was there before. */
  reset(services: Services, changes: readonly Change[]): void {
    this.#isUrgent = true
    const isMeant = (service: Service | undefined): boolean => service !== undefined && !this.#isUntranslatedOnly(service)
    this.#note(() => changes.filter(({ before, after }) => isMeant(before) || isMeant(after)))
    this.#lookAt(services, [...services.values()])
  }

  /** Looks at the flows of ports of the node: clients may have tried an address before it served. */
  nodeAddressesChanged(services: Services): void {
    this.#lookAt(services, [...services.values()].filter(hasNodePort))
  }

  #isUntranslatedOnly({ protocol }: Service): boolean {
    return this.#settings.policies[protocol] === 'untranslated'
  }

  /** Looks at flows of some of the services, as these are now: they may have changed when it is their turn. Untranslated flows are looked for all at once. */
  #lookAt(services: Services, some: readonly Service[]): void {
    const byFrontend = some.filter((service) => !this.#isUntranslatedOnly(service)).map((after) => ({ after }))
    this.#note(() => byFrontend)
    if (byFrontend.length < some.length) this.#add(EVERY_SERVICE, { services })
  }

  /** Looks at what was not looked at yet, once; second looks are left out. */
  async close(): Promise<void> {
    await this.#noting
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#inFlight?.done
    const fresh = new Map([...this.#entries].filter(([, { isFresh }]) => isFresh))
    if (fresh.size > 0) await this.#look(fresh)
    this.#entries.clear()
    await this.#deleter?.close()
  }

  #note(changes: () => readonly Change[]): void {
    this.#held++
    this.#noting = this.#noting.then(async () => {
      const { stale, current } = await compareTargets(changes(), this.#settings.policies, new Slices())
      for (const [key, target] of current) {
        const entry = this.#entries.get(key)
        if (entry !== undefined) entry.target = target
      }
      for (const [key, target] of stale) this.#add(key, target)
      this.done()
    })
  }

  #add(key: FrontendKey, target: FlowTarget | EveryService): void {
    const looks = this.#settings.secondLookMs > 0 ? 2 : 1
    const dueAt = performance.now()
    this.#entries.set(key, { target, isFresh: true, looks, dueAt })
    this.#soonestAt = Math.min(this.#soonestAt, dueAt)
  }

  #schedule(): void {
    if (this.#isClosed || this.#held > 0 || this.#inFlight !== undefined) return
    clearTimeout(this.#timer)
    if (this.#entries.size === 0) return
    const restedAt = this.#isUrgent ? 0 : this.#nextAt
    const delay = Math.max(0, Math.max(this.#soonestAt, restedAt) - performance.now())
    this.#timer = setTimeout(() => this.#start(), delay)
    // Stale flows do not keep a process alive that has nothing else to do.
    this.#timer.unref()
  }

  #start(): void {
    if (this.#held > 0 || this.#isClosed) return
    const now = performance.now()
    const due = new Map([...this.#entries].filter(([, entry]) => entry.dueAt <= now))
    if (due.size === 0) {
      this.#findSoonest()
      return this.#schedule()
    }
    this.#isUrgent = false
    const done = this.#look(due).then(() => {
      this.#inFlight = undefined
      this.#schedule()
    })
    // What is translated is none of those flows that lead past a service.
    const keys = [...due].flatMap(([key, { target }]) => ('services' in target || target.isUntranslatedOnly ? [] : [key]))
    this.#inFlight = { keys: new Set(keys), done }
  }

  async #look(due: ReadonlyMap<FrontendKey, Entry>): Promise<void> {
    const startedAt = performance.now()
    try {
      this.#deleter ??= await this.#open()
      const slices = new Slices()
      const { changed, untranslated, services } = apart(due)
      const tried = await triedOf(this.#deleter, { targets: untranslated, services, policies: this.#settings.policies }, slices)
      const filters = await filtersOf(
        [...changed, ...tried],
        { nodeAddresses: this.#nodeAddresses(), leadsTo: this.#settings.leadsTo },
        slices
      )
      const removal = await this.#remove(this.#deleter, filters)
      const durationMs = performance.now() - startedAt
      this.#nextAt = performance.now() + Math.max(this.#settings.minIntervalMs, REST * durationMs)
      this.#retryMs = FIRST_RETRY_MS
      this.#settle(due)
      const frontends = changed.length + Math.max(untranslated.length, tried.length)
      this.#listener.onReport({ frontends, ...removal, durationMs })
    } catch (error) {
      this.#failed(error)
    }
  }

  /** Deletes flows, one family after the other: the kernel leaves out those of the other one. */
  async #remove(deleter: FlowDeleter, filters: readonly FlowFilter[]): Promise<Removal> {
    let sum: Omit<Removal, 'families'> = NOTHING
    const families: { -readonly [Family in AddressFamily]?: NonNullable<StaleFlowReport['families'][Family]> } = {}
    for (const family of FAMILIES) {
      const own = filters.filter((filter) => filter.family === family)
      if (own.length === 0) continue
      const startedAt = performance.now()
      const { scanned, removed, vanished, kernelFiltered } = await deleter.removeWhere(own)
      this.#deleted += removed
      families[family] = { deleted: removed, durationMs: performance.now() - startedAt }
      sum = {
        scanned: sum.scanned + scanned,
        deleted: sum.deleted + removed,
        vanished: sum.vanished + vanished,
        kernelFiltered: sum.kernelFiltered && kernelFiltered
      }
    }
    return { ...sum, families }
  }

  /** One look less is left for what was seen to; what was noted anew meanwhile is due again. */
  #settle(due: ReadonlyMap<FrontendKey, Entry>): void {
    for (const [key, entry] of due) {
      if (this.#entries.get(key) !== entry) continue
      entry.isFresh = false
      entry.looks--
      entry.dueAt = performance.now() + this.#settings.secondLookMs
      if (entry.looks === 0) this.#entries.delete(key)
    }
    this.#findSoonest()
  }

  #findSoonest(): void {
    this.#soonestAt = Infinity
    for (const { dueAt } of this.#entries.values()) this.#soonestAt = Math.min(this.#soonestAt, dueAt)
  }

  #failed(error: unknown): void {
    // What a machine lacks it will lack at the next look too.
    if (error instanceof UnsupportedError) this.#entries.clear()
    this.#nextAt = performance.now() + this.#retryMs
    this.#retryMs = Math.min(2 * this.#retryMs, MAX_RETRY_MS)
    this.#listener.onError(asNetplaneError(error))
  }
}
