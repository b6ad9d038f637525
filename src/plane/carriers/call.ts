/**
 * One `sync` or `update` of a plane and its carriers.
 */
import type { ServicePlane } from '../core/plane.js'
import type { Service } from '../model.js'
import type { SyncOptions, SyncReport } from '../types.js'
import type { CarriedParts, OpenCarrier, Wanted } from './carried-plane.js'
import { failureOf, Former, type Failure } from './failures.js'
import { joinReports, type OfCarrier } from './merge.js'

/** What was known before a call. */
export interface CarriedState {
  /** What the plane holds, with the carriers that frontends are to have. Only calls change it. */
  held: Map<string, Service>
  /** Carriers of which it is not known that they hold their part. */
  readonly behind: Set<OpenCarrier>
}

/** What a call has done. */
export interface CarriedOutcome {
  readonly own: SyncReport
  readonly carriers: readonly OfCarrier<SyncReport>[]
}

/** Make before break: carriers have what they take over before the plane gives it up, and the plane has what it takes over before carriers do. */
export class CarriedCall {
  readonly #parts: CarriedParts
  readonly #wanted: Wanted
  readonly #state: CarriedState
  readonly #options: SyncOptions
  readonly #reports = new Map<OpenCarrier, SyncReport>()
  readonly #failures: Failure[] = []
  /** What those held before that have done their part; undefined: nobody knows. */
  readonly #done = new Map<ServicePlane, { readonly carrier: string | undefined; readonly former: Former | undefined }>()
  #own: SyncReport | undefined
  /** What the plane held before of the services that the call is about. */
  readonly #before: ReadonlyMap<string, Service | undefined>

  constructor(parts: CarriedParts, wanted: Wanted, state: CarriedState, options: SyncOptions) {
    this.#parts = parts
    this.#wanted = wanted
    this.#state = state
    this.#options = options
    const { set, gone } = wanted
    this.#before = gone === undefined ? state.held : new Map([...set.keys(), ...gone].map((name) => [name, state.held.get(name)]))
  }

  /** @throws {NetplaneError} What one of them has thrown, or a `TransactionError` that says what others have done. */
  async run(): Promise<CarriedOutcome> {
    try {
      await this.#steps()
    } catch (error) {
      throw await this.#givenUp(error)
    }
    if (this.#failures.length > 0) throw failureOf(this.#failures, { applied: this.#whoDid(), undone: [] })
    const carriers = [...this.#reports].map(([{ name }, said]) => ({ name, said }))
    return { own: this.#own!, carriers }
  }

  async #steps(): Promise<void> {
    const { own } = this.#parts
    const { hasSynced } = await own.holding()
    const isFirst = !hasSynced && this.#wanted.gone === undefined
    // Relays of an earlier process ended with it. What its plane carried, carriers have before this one gives it up.
    if (isFirst) await this.#carry(this.#wanted.accepted)
    await this.#sendOwn(hasSynced)
    this.#takeHeld()
    if (!isFirst || this.#own!.quarantined.length > 0) await this.#carry(this.#state.held)
    await this.#giveUp()
  }

  /** What the plane carries by itself it goes on carrying until carriers do. */
  async #sendOwn(hasSynced: boolean): Promise<void> {
    const { own, assignment } = this.#parts
    const { set, accepted, gone } = this.#wanted
    const names = gone === undefined ? undefined : [...set.keys(), ...gone]
    const former = hasSynced ? new Former(own, names) : undefined
    const kept = new Map<string, Service>()
    for (const [name, service] of set) kept.set(name, accepted.has(name) ? assignment.kept(service, own.services.get(name)) : service)
    this.#own = await this.#try(undefined, () =>
      gone === undefined ? own.sync(kept, this.#options) : own.update({ set: kept, gone }, this.#options)
    )
    this.#done.set(own, { carrier: undefined, former })
  }

  /** What it refused is as it was before. */
  #takeHeld(): void {
    const { own, assignment } = this.#parts
    const { set, accepted, gone } = this.#wanted
    const all = gone === undefined ? new Map<string, Service>() : this.#state.held
    for (const name of gone ?? []) all.delete(name)
    for (const [name, service] of set) {
      const held = own.services.get(name)
      const isTaken = accepted.has(name) && held !== undefined && assignment.original(held) === assignment.original(service)
      const now = isTaken ? service : this.#state.held.get(name)
      if (held !== undefined && now !== undefined) all.set(name, now)
      else all.delete(name)
    }
    this.#state.held = all
  }

  /** Makes carriers carry their part. With `atomic` what fails ends the call; else the others go on. */
  async #carry(services: ReadonlyMap<string, Service>): Promise<void> {
    for (const carrier of this.#parts.carriers) {
      if (this.#failures.some((failure) => failure.carrier === carrier.name)) continue
      const { plane } = carrier
      const { hasSynced } = await plane.holding()
      const isWhole = this.#wanted.gone === undefined || this.#state.behind.has(carrier)
      const update = isWhole ? undefined : this.#changesOf(carrier, services)
      if (update !== undefined && update.set.size + update.gone.length === 0) continue
      const names = update === undefined ? undefined : [...update.set.keys(), ...update.gone]
      const former = this.#done.get(plane)?.former ?? (hasSynced ? new Former(plane, names) : undefined)
      this.#state.behind.add(carrier)
      const said = await this.#try(carrier.name, () =>
        update === undefined
          ? plane.sync(this.#parts.assignment.viewsOf(carrier, services), this.#options)
          : plane.update(update, this.#options)
      ).catch((error: unknown) => {
        if (this.#options.onError === 'atomic' || this.#options.signal?.aborted === true) throw error
      })
      if (said === undefined) continue
      this.#state.behind.delete(carrier)
      this.#done.set(plane, { carrier: carrier.name, former })
      const before = this.#reports.get(carrier)
      this.#reports.set(carrier, before === undefined ? said : { ...joinReports(before, said), quarantined: said.quarantined })
    }
  }

  /** What a carrier has to change of the services that the call names. */
  #changesOf(
    carrier: OpenCarrier,
    services: ReadonlyMap<string, Service>
  ): { readonly set: Map<string, Service>; readonly gone: string[] } {
    const { set, gone = [] } = this.#wanted
    const changes = { set: new Map<string, Service>(), gone: [] as string[] }
    for (const name of [...set.keys(), ...gone]) {
      const service = services.get(name)
      const view = service && this.#parts.assignment.viewOf(carrier, service)
      const held = carrier.plane.services.get(name)
      if (view !== undefined && view !== held) changes.set.set(name, view)
      if (view === undefined && held !== undefined) changes.gone.push(name)
    }
    return changes
  }

  /** The plane gives up what it has carried so far, where carriers carry it by now. */
  async #giveUp(): Promise<void> {
    const { own } = this.#parts
    const moved = new Map<string, Service>()
    for (const name of this.#wanted.set.keys()) {
      const service = this.#state.held.get(name)
      if (service !== undefined && own.services.get(name) !== service && this.#isCarried(service)) moved.set(name, service)
    }
    if (moved.size === 0) return
    const said = await this.#try(undefined, () => own.update({ set: moved, gone: [] }, this.#options))
    this.#own = joinReports(this.#own!, said)
  }

  /** Whether carriers carry all that they are to carry of a service. */
  #isCarried(service: Service): boolean {
    return this.#parts.carriers.every((carrier) => {
      const view = this.#parts.assignment.viewOf(carrier, service)
      return view === undefined || carrier.plane.services.get(view.name) === view
    })
  }

  async #try<T>(carrier: string | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      this.#failures.push({ carrier, error })
      throw error
    }
  }

  #whoDid(): (string | undefined)[] {
    return [...this.#done.values()].map(({ carrier }) => carrier)
  }

  /** With `atomic`, what others have done is taken back, as far as it is known what they held before. */
  async #givenUp(error: unknown): Promise<unknown> {
    if (this.#failures.length === 0) return error
    const undone: (string | undefined)[] = []
    for (const [plane, { carrier, former }] of [...this.#done].reverse()) {
      if (this.#options.onError !== 'atomic' || former === undefined) continue
      try {
        await former.restore()
        undone.push(carrier)
        if (carrier === undefined) this.#restoreHeld()
      } catch (reason) {
        this.#failures.push({ carrier, error: reason })
      }
      this.#done.delete(plane)
    }
    return failureOf(this.#failures, { applied: this.#whoDid(), undone })
  }

  #restoreHeld(): void {
    const all = this.#wanted.gone === undefined ? new Map<string, Service>() : this.#state.held
    for (const [name, service] of this.#before) {
      if (service === undefined) all.delete(name)
      else all.set(name, service)
    }
    this.#state.held = all
  }
}
