/**
 * A plane and its carriers, as one plane.
 */
import { Slices } from '../../core/slices.js'
import { acceptService } from '../core/accept/service.js'
import type { Backend } from '../core/backend.js'
import type { CheckedUpdate, TakenServices } from '../core/changes/desired.js'
import type { Plan } from '../core/changes/plan.js'
import type { PlaneCounters } from '../core/counters.js'
import type { Holding } from '../core/parts.js'
import type { ModePlane } from '../core/mode-plane.js'
import type { ServicePlane } from '../core/plane.js'
import { CallQueue } from '../core/queue.js'
import type { Explanation, ExplainRequest } from '../explanation.js'
import type { Service } from '../model.js'
import type { PlaneEvent, PlaneStatus, SyncOptions, SyncReport } from '../types.js'
import type { Assignment, CarrierDuty } from './assignment.js'
import { CarriedCall, type CarriedState } from './call.js'
import { carrierError } from './failures.js'
import { MergedCounters, mergePlans, mergeReports, mergeStatus, type OfCarrier } from './merge.js'

/** A carrier that is open. */
export interface OpenCarrier extends CarrierDuty {
  readonly plane: ServicePlane
}

/** What {@link CarriedPlane} is made of. */
export interface CarriedParts {
  readonly own: ServicePlane
  readonly carriers: readonly OpenCarrier[]
  readonly assignment: Assignment
}

/** What a call is about, as the plane is to have it in the end. */
export interface Wanted {
  /** Services that are well, with their carriers; others as they were given. */
  readonly set: ReadonlyMap<string, Service>
  /** Those that are well. */
  readonly accepted: ReadonlyMap<string, Service>
  /** Names of services to delete; undefined: all that are not set. */
  readonly gone: readonly string[] | undefined
}

/** Made by {@link openPlane} where there are carriers. */
export class CarriedPlane implements ModePlane {
  readonly #parts: CarriedParts
  readonly #queue = new CallQueue()
  readonly #state: CarriedState

  constructor(parts: CarriedParts) {
    this.#parts = parts
    this.#state = { held: new Map(), behind: new Set(parts.carriers) }
  }

  async plan(taken: TakenServices): Promise<Plan> {
    return await this.#queue.run(async () => {
      const { set, accepted } = await this.#want(taken, undefined)
      const own = await this.#parts.own.plan(new Map(set))
      const { assignment } = this.#parts
      return mergePlans(own, await this.#each(async (carrier) => await carrier.plane.plan(assignment.viewsOf(carrier, accepted))))
    })
  }

  async sync(taken: TakenServices, options: SyncOptions): Promise<SyncReport> {
    return await this.#apply(taken, undefined, options)
  }

  async update({ set, gone }: CheckedUpdate, options: SyncOptions): Promise<SyncReport> {
    return await this.#apply(set, gone, options)
  }

  /** Who meets rules of a carrier meets no others: each frontend has one who carries it. */
  async explain(request: ExplainRequest): Promise<Explanation> {
    const asked = { ...request }
    return await this.#queue.run(async () => {
      for (const { name, plane } of this.#parts.carriers) {
        const explanation = await plane.explain(asked)
        if (explanation.outcome.type === 'untouched') continue
        const [head, ...rest] = String(explanation).split('\n')
        return { ...explanation, carrier: name, toString: () => [head, `Carrier ${name} decides, of mode userspace.`, ...rest].join('\n') }
      }
      return await this.#parts.own.explain(asked)
    })
  }

  watch(options?: { readonly signal?: AbortSignal | undefined }): AsyncIterableIterator<PlaneEvent> {
    return this.#parts.own.watch(options)
  }

  async counters(): Promise<PlaneCounters> {
    return await this.#queue.run(async () => {
      const own = await this.#parts.own.counters()
      const carriers = await this.#each(async ({ plane }) => await plane.counters())
      return new MergedCounters(
        own,
        carriers.map(({ said }) => said)
      )
    })
  }

  status(): PlaneStatus {
    const { own, carriers } = this.#parts
    return mergeStatus(
      own.status(),
      carriers.map(({ name, plane }) => ({ name, said: plane.status() }))
    )
  }

  async close(options: { readonly cleanup?: boolean | undefined } = {}): Promise<void> {
    await this.#queue.idle()
    const { own, carriers } = this.#parts
    const ends = await Promise.allSettled(carriers.map(({ plane }) => plane.close(options)))
    await own.close(options)
    for (const [index, end] of ends.entries()) if (end.status === 'rejected') throw carrierError(carriers[index]!.name, end.reason)
  }

  async holding(): Promise<Holding> {
    return await this.#parts.own.holding()
  }

  async succeed(holding: Pick<Holding, 'quarantined' | 'postponed'>): Promise<void> {
    await this.#parts.own.succeed(holding)
  }

  async release(cleanup: boolean): Promise<Backend> {
    await this.#queue.idle()
    for (const { plane } of this.#parts.carriers) await plane.close({ cleanup })
    return await this.#parts.own.release(cleanup)
  }

  async #apply(set: ReadonlyMap<string, Service>, gone: readonly string[] | undefined, options: SyncOptions): Promise<SyncReport> {
    return await this.#queue.run(async () => {
      const startedAt = performance.now()
      const { own, carriers } = await new CarriedCall(this.#parts, await this.#want(set, gone), this.#state, options).run()
      return mergeReports(own, carriers, performance.now() - startedAt)
    })
  }

  /** Checks services before they are seen in parts: what is wrong with them the plane itself says. */
  async #want(services: ReadonlyMap<string, Service>, gone: readonly string[] | undefined): Promise<Wanted> {
    const { assignment } = this.#parts
    const slices = new Slices()
    const set = new Map<string, Service>()
    const accepted = new Map<string, Service>()
    for (const [name, service] of services) {
      if (slices.isOver) await slices.turn()
      set.set(name, service)
      try {
        // Nearly all are checked at once: there is nothing to wait for.
        const checking = acceptService(service, slices)
        if (checking !== undefined) await checking
      } catch {
        continue
      }
      if (service.name !== name || assignment.refusal(service) !== undefined) continue
      const marked = assignment.marked(service)
      set.set(name, marked)
      accepted.set(name, marked)
    }
    return { set, accepted, gone }
  }

  async #each<T>(ask: (carrier: OpenCarrier) => Promise<T>): Promise<OfCarrier<T>[]> {
    const all: OfCarrier<T>[] = []
    for (const carrier of this.#parts.carriers) {
      try {
        all.push({ name: carrier.name, said: await ask(carrier) })
      } catch (error) {
        throw carrierError(carrier.name, error)
      }
    }
    return all
  }
}
