/**
 * Cuts flows that a change of services left astray: in the background, seldom enough, with a report.
 */
import type { Conntrack, DeleteFlowsReport } from '../../conntrack/index.js'
import { asNetplaneError, UnsupportedError, type NetplaneError } from '../../errors.js'
import type { Service } from '../model.js'
import type { StaleFlowSettings } from './options.js'
import { compareTargets, filterOf, type FlowTarget, type FlowTransition } from './targets.js'

/** One look at the flows. */
export interface StaleFlowReport extends Pick<DeleteFlowsReport, 'scanned' | 'deleted' | 'vanished' | 'kernelFiltered'> {
  /** Frontends whose flows were looked at. */
  readonly frontends: number
  readonly durationMs: number
}

/** What the engine needs of connection tracking. */
export type FlowCutter = Pick<Conntrack, 'deleteWhere' | 'close'>

/** Who is told. */
export interface StaleFlowListener {
  readonly onReport: (report: StaleFlowReport) => void
  readonly onError: (error: NetplaneError) => void
}

/** Part of the time that looks may take: after each, nine times as long is waited. */
const REST = 9
/** Looks that fail are repeated this much later, each time twice as late, at most {@link MOST_RETRY_MS}. */
const FIRST_RETRY_MS = 250
const MOST_RETRY_MS = 60_000

interface Entry {
  target: FlowTarget
  /** Not looked at yet. */
  isFresh: boolean
  /** Looks that are left. */
  looks: number
  dueAt: number
}

/** Collects what changes ask for, and sees to it. */
export class StaleFlows {
  readonly #open: () => Promise<FlowCutter>
  readonly #settings: StaleFlowSettings
  readonly #listener: StaleFlowListener
  readonly #entries = new Map<string, Entry>()
  #cutter: FlowCutter | undefined
  #timer: NodeJS.Timeout | undefined
  #nextAt = 0
  #retryMs = FIRST_RETRY_MS
  #inFlight: { readonly keys: ReadonlySet<string>; readonly done: Promise<void> } | undefined
  #isClosed = false

  /** @param open Opens connection tracking when it is first needed, so that a machine without it can still balance. */
  constructor(open: () => Promise<FlowCutter>, settings: StaleFlowSettings, listener: StaleFlowListener) {
    this.#open = open
    this.#settings = settings
    this.#listener = listener
  }

  /** Frontends whose flows are still to be looked at. */
  get pending(): number {
    return this.#entries.size
  }

  /** A look is under way. */
  get isLooking(): boolean {
    return this.#inFlight !== undefined
  }

  /** Takes over what was committed: from now on flows lead where `after` says. */
  note(transitions: Iterable<FlowTransition>): void {
    const { stale, current } = compareTargets(transitions, this.#settings.policies)
    for (const [key, target] of current) {
      const entry = this.#entries.get(key)
      if (entry !== undefined) entry.target = target
    }
    for (const [key, target] of stale) this.#add(key, target)
    this.#schedule()
  }

  /** Looks at the flows of all these services: it is not known what was there before. */
  noteAll(services: Iterable<Service>): void {
    this.note([...services].map((after) => ({ after })))
  }

  /**
   * Waits for a look under way that goes by what is about to change: it would take the first flows of a new endpoint for stale ones. Returns at once where none is.
   */
  async settle(transitions: Iterable<FlowTransition>): Promise<void> {
    const running = this.#inFlight
    if (running === undefined) return
    const { stale, current } = compareTargets(transitions, this.#settings.policies)
    for (const key of [...stale.keys(), ...current.keys()]) if (running.keys.has(key)) return await running.done
  }

  /** Opens what looks, where something waits for a look: it takes its namespace from the plane, which is closed before {@link StaleFlows.close}. */
  async prepareToClose(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#inFlight?.done
    // Where it cannot be opened, the last look says why.
    if (this.#entries.size > 0) this.#cutter ??= await this.#open().catch(() => undefined)
  }

  /** Looks at what was not looked at yet, once; second looks are left out. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#inFlight?.done
    const fresh = new Map([...this.#entries].filter(([, { isFresh }]) => isFresh))
    if (fresh.size > 0) await this.#look(fresh)
    this.#entries.clear()
    await this.#cutter?.close()
  }

  #add(key: string, target: FlowTarget): void {
    const looks = this.#settings.secondLookMs > 0 ? 2 : 1
    this.#entries.set(key, { target, isFresh: true, looks, dueAt: performance.now() })
  }

  #schedule(): void {
    if (this.#isClosed || this.#inFlight !== undefined) return
    clearTimeout(this.#timer)
    if (this.#entries.size === 0) return
    let dueAt = Infinity
    for (const entry of this.#entries.values()) dueAt = Math.min(dueAt, entry.dueAt)
    const delay = Math.max(0, Math.max(dueAt, this.#nextAt) - performance.now())
    this.#timer = setTimeout(() => this.#start(), delay)
    // Flows that are astray do not keep a process alive that has nothing else to do.
    this.#timer.unref()
  }

  #start(): void {
    const now = performance.now()
    const due = new Map([...this.#entries].filter(([, entry]) => entry.dueAt <= now))
    if (due.size === 0) return this.#schedule()
    const done = this.#look(due).then(() => {
      this.#inFlight = undefined
      this.#schedule()
    })
    this.#inFlight = { keys: new Set(due.keys()), done }
  }

  async #look(due: ReadonlyMap<string, Entry>): Promise<void> {
    const startedAt = performance.now()
    try {
      this.#cutter ??= await this.#open()
      const report = await this.#cutter.deleteWhere([...due.values()].map(({ target }) => filterOf(target)))
      const durationMs = performance.now() - startedAt
      this.#nextAt = performance.now() + Math.max(this.#settings.minIntervalMs, REST * durationMs)
      this.#retryMs = FIRST_RETRY_MS
      this.#settle(due)
      const { scanned, deleted, vanished, kernelFiltered } = report
      this.#listener.onReport({ frontends: due.size, scanned, deleted, vanished, kernelFiltered, durationMs })
    } catch (error) {
      this.#failed(error)
    }
  }

  /** One look less is left for what was seen to; what was noted anew meanwhile is due again. */
  #settle(due: ReadonlyMap<string, Entry>): void {
    for (const [key, entry] of due) {
      if (this.#entries.get(key) !== entry) continue
      entry.isFresh = false
      entry.looks--
      entry.dueAt = performance.now() + this.#settings.secondLookMs
      if (entry.looks === 0) this.#entries.delete(key)
    }
  }

  #failed(error: unknown): void {
    // What a machine lacks it will lack at the next look too.
    if (error instanceof UnsupportedError) this.#entries.clear()
    this.#nextAt = performance.now() + this.#retryMs
    this.#retryMs = Math.min(2 * this.#retryMs, MOST_RETRY_MS)
    this.#listener.onError(asNetplaneError(error))
  }
}
