/**
 * What several planes say, as one.
 */
import { sumOf } from '../core/backend.js'
import { sumOfTraffic, type Counts, type EndpointCounts, type PlaneCounters, type ServiceCounts } from '../core/counters.js'
import { makePlan, type Plan, type Quarantined } from '../core/changes/plan.js'
import { endpointKey } from '../core/frontend.js'
import type { PlaneStatus, SyncDurations, SyncReport } from '../types.js'

/** What a carrier said. */
export interface OfCarrier<T> {
  readonly name: string
  readonly said: T
}

const named = (quarantined: readonly Quarantined[], carrier: string): Quarantined[] => quarantined.map((entry) => ({ ...entry, carrier }))

function sumOfDurations(all: readonly SyncDurations[], total: number): SyncDurations {
  const sum = (field: keyof SyncDurations): number => all.reduce((so, durations) => so + durations[field], 0)
  return { total, accept: sum('accept'), inspect: sum('inspect'), apply: sum('apply') }
}

/** Both reports of one plane, of two calls one after the other, whose services the first one counts. */
export function joinReports(first: SyncReport, second: SyncReport): SyncReport {
  return {
    ...second,
    services: first.services,
    objects: sumOf(first.objects, second.objects),
    requests: first.requests + second.requests,
    durationMs: sumOfDurations([first.durationMs, second.durationMs], first.durationMs.total + second.durationMs.total),
    quarantined: [...first.quarantined, ...second.quarantined]
  }
}

/** The report of a plane and its carriers. */
export function mergeReports(own: SyncReport, carriers: readonly OfCarrier<SyncReport>[], total: number): SyncReport {
  const all = [own, ...carriers.map(({ said }) => said)]
  return {
    ...own,
    objects: all.map(({ objects }) => objects).reduce(sumOf),
    requests: all.reduce((sum, { requests }) => sum + requests, 0),
    durationMs: sumOfDurations(
      all.map(({ durationMs }) => durationMs),
      total
    ),
    quarantined: [...own.quarantined, ...carriers.flatMap(({ name, said }) => named(said.quarantined, name))],
    carriers: carriers.map(({ name, said }) => ({ carrier: name, report: said }))
  }
}

/** The plan of a plane and its carriers. */
export function mergePlans(own: Plan, carriers: readonly OfCarrier<Plan>[]): Plan {
  const all = [own, ...carriers.map(({ said }) => said)]
  return makePlan({
    entries: [...own.entries, ...carriers.flatMap(({ name, said }) => said.entries.map((entry) => ({ ...entry, carrier: name })))],
    drift: [...own.drift, ...carriers.flatMap(({ name, said }) => said.drift.map((words) => `carrier ${name}: ${words}`))],
    quarantined: [...own.quarantined, ...carriers.flatMap(({ name, said }) => named(said.quarantined, name))],
    objects: all.map(({ objects }) => objects).reduce(sumOf),
    isMadeAnew: all.some(({ isMadeAnew }) => isMadeAnew)
  })
}

function mergeFlows(all: readonly PlaneStatus[]): Pick<PlaneStatus, 'flows'> {
  const flows = all.map((status) => status.flows).filter((one) => one !== undefined)
  const sum = (field: 'deleted' | 'pending'): number => flows.reduce((so, one) => so + one[field], 0)
  return flows.length === 0 ? {} : { flows: { deleted: sum('deleted'), pending: sum('pending') } }
}

/** The status of a plane and its carriers. */
export function mergeStatus(own: PlaneStatus, carriers: readonly OfCarrier<PlaneStatus>[]): PlaneStatus {
  const all = [own, ...carriers.map(({ said }) => said)]
  const joined = <T>(lists: readonly (readonly T[] | undefined)[], keyOf: (entry: T) => string): T[] => [
    ...new Map(lists.flatMap((list) => list ?? []).map((entry) => [keyOf(entry), entry])).values()
  ]
  const takenPorts = joined(
    all.map((status) => status.takenPorts),
    ({ protocol, address, port }) => `${protocol} ${address} ${port}`
  )
  const nodeAddresses = joined(
    all.map((status) => status.nodeAddresses),
    (address) => address
  )
  return {
    ...own,
    quarantined: [...own.quarantined, ...carriers.flatMap(({ name, said }) => named(said.quarantined, name))],
    drifts: all.reduce((sum, { drifts }) => sum + drifts, 0),
    ...(all.some((status) => status.takenPorts !== undefined) && { takenPorts }),
    ...(all.some((status) => status.nodeAddresses !== undefined) && { nodeAddresses }),
    ...mergeFlows(all),
    carriers: carriers.map(({ name, said }) => ({ carrier: name, services: said.services, details: said.details }))
  }
}

/** Traffic is there where all have counted it. */
function sumOfCounts(all: readonly Counts[]): Counts {
  const connections = all.reduce((sum, counts) => sum + counts.connections, 0n)
  const traffic = all.map((counts) => counts.traffic).filter((one) => one !== undefined)
  return traffic.length < all.length ? { connections } : { connections, traffic: traffic.reduce(sumOfTraffic) }
}

/** What was counted of the services of a plane, by itself and by its carriers. */
export class MergedCounters implements PlaneCounters {
  readonly #own: PlaneCounters
  readonly #carriers: readonly PlaneCounters[]

  constructor(own: PlaneCounters, carriers: readonly PlaneCounters[]) {
    this.#own = own
    this.#carriers = carriers
  }

  get size(): number {
    return this.#own.size
  }

  get isComplete(): boolean {
    return [this.#own, ...this.#carriers].every(({ isComplete }) => isComplete)
  }

  get(service: string): ServiceCounts | undefined {
    const own = this.#own.get(service)
    return own === undefined ? undefined : this.#with(own)
  }

  *[Symbol.iterator](): Generator<ServiceCounts> {
    for (const own of this.#own) yield this.#with(own)
  }

  #with(own: ServiceCounts): ServiceCounts {
    const others = this.#carriers.map((counters) => counters.get(own.service)).filter((one) => one !== undefined)
    if (others.length === 0) return own
    const byKey = others.map(({ endpoints }) => new Map(endpoints.map((counts) => [endpointKey(counts.endpoint), counts])))
    const endpoints = own.endpoints.map((counts): EndpointCounts => {
      const key = endpointKey(counts.endpoint)
      const all = [counts, ...byKey.map((one) => one.get(key)).filter((one) => one !== undefined)]
      return { endpoint: counts.endpoint, ...sumOfCounts(all) }
    })
    return { service: own.service, ...sumOfCounts([own, ...others]), endpoints }
  }
}
