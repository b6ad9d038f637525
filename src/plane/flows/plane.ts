/**
 * Any plane, with stale flows cut behind its back.
 */
import { Broadcast } from '../../event-broadcast.js'
import type { Service, Services } from '../model.js'
import type { Plan } from '../plan.js'
import type { Plane, PlaneEvent, PlaneStatus, ServiceUpdate, SyncOptions, SyncReport } from '../types.js'
import { StaleFlows, type FlowCutter } from './engine.js'
import type { StaleFlowSettings } from './options.js'
import type { FlowTransition } from './targets.js'

/**
 * Follows what a plane commits, and has the flows cut that are astray since. The first sync, and every repair, look at the flows of all services: what was there before is not known.
 */
export class StaleFlowPlane implements Plane {
  readonly #plane: Plane
  readonly #flows: StaleFlows
  readonly #events = new Broadcast<PlaneEvent>()
  /** What the plane holds; absent before the first sync. */
  #services: Map<string, Service> | undefined
  #deleted = 0
  #closing: Promise<void> | undefined

  constructor(plane: Plane, settings: StaleFlowSettings, open: () => Promise<FlowCutter>) {
    this.#plane = plane
    this.#flows = new StaleFlows(open, settings, {
      onReport: (report) => {
        this.#deleted += report.deleted
        this.#events.push({ type: 'flows', report })
      },
      onError: (error) => this.#events.push({ type: 'error', error })
    })
    void this.#follow(plane.events())
  }

  async plan(services: Services): Promise<Plan> {
    return await this.#plane.plan(services)
  }

  async sync(services: Services, options?: SyncOptions): Promise<SyncReport> {
    if (this.#flows.isLooking) await this.#flows.settle(differences(this.#services ?? new Map<string, Service>(), services))
    const report = await this.#plane.sync(services, options)
    const isFirst = this.#services === undefined
    const held = withoutRefused(this.#services, services, report)
    const changed = differences(this.#services ?? new Map<string, Service>(), held)
    this.#services = held
    if (isFirst) this.#flows.noteAll(held.values())
    else this.#flows.note(changed)
    return report
  }

  async update(update: ServiceUpdate, options?: SyncOptions): Promise<SyncReport> {
    const set = new Map([...(update.set ?? [])].map((service) => [service.name, service]))
    const remove = [...(update.delete ?? [])]
    const held = this.#services
    const transition = (name: string, after: Service | undefined): FlowTransition => ({ before: held?.get(name), after })
    const all = [
      ...remove.filter((name) => !set.has(name)).map((name) => transition(name, undefined)),
      ...[...set].map(([name, after]) => transition(name, after))
    ]
    await this.#flows.settle(all)
    const report = await this.#plane.update({ set: set.values(), delete: remove }, options)
    if (held === undefined) return report
    const refused = new Set(report.quarantined.map(({ service }) => service))
    const done = all.filter(({ before, after }) => !refused.has((after ?? before)?.name ?? ''))
    for (const { before, after } of done) {
      if (after !== undefined) held.set(after.name, after)
      else if (before !== undefined) held.delete(before.name)
    }
    this.#flows.note(done)
    return report
  }

  events(options: { readonly signal?: AbortSignal } = {}): AsyncIterableIterator<PlaneEvent> {
    return this.#events.open(options.signal)
  }

  status(): PlaneStatus {
    return { ...this.#plane.status(), flows: { deleted: this.#deleted, pending: this.#flows.pending } }
  }

  close(options?: { readonly cleanup?: boolean }): Promise<void> {
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(options?: { readonly cleanup?: boolean }): Promise<void> {
    await this.#flows.prepareToClose()
    try {
      await this.#plane.close(options)
    } finally {
      await this.#flows.close()
      this.#events.end()
    }
  }

  async #follow(events: AsyncIterable<PlaneEvent>): Promise<void> {
    for await (const event of events) {
      this.#events.push(event)
      // While rules were missing, flows went past them.
      if (event.type === 'repaired' && this.#services !== undefined) this.#flows.noteAll(this.#services.values())
    }
  }
}

function differences(before: Services, after: Services): FlowTransition[] {
  const transitions: FlowTransition[] = []
  for (const [name, service] of after) if (before.get(name) !== service) transitions.push({ before: before.get(name), after: service })
  for (const [name, service] of before) if (!after.has(name)) transitions.push({ before: service })
  return transitions
}

/** What a plane holds after a sync: of services that were refused, what was there before. */
function withoutRefused(before: Services | undefined, services: Services, { quarantined }: SyncReport): Map<string, Service> {
  const held = new Map(services)
  for (const { service } of quarantined) {
    const old = before?.get(service)
    if (old === undefined) held.delete(service)
    else held.set(service, old)
  }
  return held
}
