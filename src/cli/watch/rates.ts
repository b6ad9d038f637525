/**
 * New connections a second, and which endpoints got them, from two looks.
 */
import type { ShownEndpoint, ShownFrontend } from '../show/model.js'
import type { CountedFlows } from './flows.js'
import { endpointId, frontendId } from './identity.js'

/** An endpoint, and what it got since the look before. */
export interface RatedEndpoint extends ShownEndpoint {
  /** New connections a second. Absent: not known. */
  readonly connectionsPerSecond?: number | undefined
  /** Its part of those that the frontend got, 0–1. Absent: not known, or there were none. */
  readonly spread?: number | undefined
}

/** A frontend, and what it got since the look before. */
export interface RatedFrontend extends ShownFrontend {
  readonly endpoints: readonly RatedEndpoint[]
  /** New connections a second, of all endpoints. Absent: not known. */
  readonly connectionsPerSecond?: number | undefined
}

/** New connections by endpoint: the same ones stand behind an endpoint for clients inside and outside. */
type Counts = ReadonlyMap<string, number>

/** What was counted of a frontend so far. */
type Totals = ReadonlyMap<string, bigint>

function totalsOf({ endpoints }: ShownFrontend): Totals {
  const totals = new Map<string, bigint>()
  for (const endpoint of endpoints) if (endpoint.connections !== undefined) totals.set(endpointId(endpoint), endpoint.connections)
  return totals
}

/** A counter that is lower than before began anew. */
function differences(before: Totals, now: Totals): Counts {
  return new Map(
    [...now].map(([id, count]) => {
      const known = before.get(id) ?? 0n
      return [id, Number(known <= count ? count - known : count)]
    })
  )
}

/** Destination of connections: an address with a port, or a port of this node. */
function destinationId(protocol: string | undefined, address: string | undefined, port: number | undefined): string {
  return `${protocol ?? ''} ${address ?? ''} ${port ?? ''}`
}

/** Connections by frontend and endpoint. What no frontend has by its address is one to a port of this node. */
function flowsByFrontend(frontends: readonly ShownFrontend[], flows: readonly CountedFlows[]): ReadonlyMap<string, Counts> {
  const addressed = new Set(frontends.map(({ protocol, address, port }) => destinationId(protocol, address, port)))
  const counts = new Map<string, Map<string, number>>()
  for (const { protocol, address, port, endpoint, endpointPort, count } of flows) {
    const own = destinationId(protocol, address, port)
    const id = addressed.has(own) ? own : destinationId(protocol, undefined, port)
    const of = counts.get(id) ?? new Map<string, number>()
    const key = endpointId({ address: endpoint, port: endpointPort })
    counts.set(id, of.set(key, (of.get(key) ?? 0) + count))
  }
  return counts
}

const NO_COUNTS: Counts = new Map()

function rated(frontend: ShownFrontend, counts: Counts | undefined, seconds: number): RatedFrontend {
  if (counts === undefined) return frontend
  const ids = new Set(frontend.endpoints.map(endpointId))
  const sum = [...ids].reduce((before, id) => before + (counts.get(id) ?? 0), 0)
  const told = new Set<string>()
  const endpoints = frontend.endpoints.map((endpoint): RatedEndpoint => {
    const id = endpointId(endpoint)
    // For clients inside and outside there is one number, which is told once.
    if (told.has(id)) return endpoint
    told.add(id)
    const count = counts.get(id) ?? 0
    return { ...endpoint, connectionsPerSecond: count / seconds, spread: sum === 0 ? undefined : count / sum }
  })
  return { ...frontend, endpoints, connectionsPerSecond: sum / seconds }
}

/** How many endpoints a frontend has: one may stand there for clients inside and outside. */
export function endpointCount({ endpoints }: ShownFrontend): number {
  return new Set(endpoints.map(endpointId)).size
}

/** Whether the kernel counts connections of a frontend by itself: rules of iptables count those to an endpoint by all frontends of its service. */
export function isCounted({ mode, endpoints }: ShownFrontend): boolean {
  return mode !== 'iptables' && endpoints.every(({ connections }) => connections !== undefined)
}

/**
 * Milliseconds over which connections to frontends of mode ipvs are counted, at least, where looks are closer together: IPVS adds up its counters every two seconds alone
 * (net/netfilter/ipvs/ip_vs_est.c), and what came within a shorter time would be nothing, or too much.
 */
const IPVS_MS = 6000

/** Totals by frontend, and when they were counted. */
interface Counted {
  readonly totals: ReadonlyMap<string, Totals>
  readonly at: number
}

/** Looks since a time, and the last one before it. */
function looksSince(looks: readonly Counted[], since: number): readonly Counted[] {
  const first = looks.findLastIndex(({ at }) => at <= since)
  return looks.slice(Math.max(first, 0))
}

/** Follows what frontends get, from look to look. */
export class Rates {
  /** The looks before, the newest last: those since the time that matters to mode ipvs. */
  #looks: readonly Counted[] = []
  /** Connections since the first look. */
  #sums: ReadonlyMap<string, number> = new Map()

  /**
   * Takes a look.
   *
   * @param flows Connections since the look before, for frontends of which the kernel counts none; undefined: they are not known.
   * @param now Milliseconds, by a clock that only goes on.
   * @returns The frontends, those first that had most connections since the first look. Rates are since the look before, and in mode ipvs since an earlier one where that was less
   *   than six seconds ago.
   */
  take(frontends: readonly ShownFrontend[], flows: readonly CountedFlows[] | undefined, now: number): RatedFrontend[] {
    const identified = frontends.map((frontend) => [frontendId(frontend), frontend] as const)
    const totals = new Map(identified.map(([id, frontend]) => [id, totalsOf(frontend)]))
    const looks = looksSince(this.#looks, now - IPVS_MS)
    const before = looks.at(-1)
    this.#looks = [...looks, { totals, at: now }]
    if (before === undefined) return [...frontends]
    const secondsSince = ({ at }: Counted): number => Math.max(now - at, 1) / 1000
    const byFlows = flows === undefined ? undefined : flowsByFrontend(frontends, flows)
    const rate = (id: string, frontend: ShownFrontend): RatedFrontend => {
      if (isCounted(frontend)) {
        const look = frontend.mode === 'ipvs' ? looks.find((one) => one.totals.has(id)) : before
        const known = look?.totals.get(id)
        return known === undefined ? frontend : rated(frontend, differences(known, totals.get(id)!), secondsSince(look!))
      }
      const counts = byFlows?.get(destinationId(frontend.protocol, frontend.address, frontend.port)) ?? (byFlows && NO_COUNTS)
      return rated(frontend, counts, secondsSince(before))
    }
    const all = identified.map(([id, frontend]) => [id, rate(id, frontend)] as const)
    return this.#busiestFirst(all, secondsSince(before))
  }

  #busiestFirst(all: readonly (readonly [id: string, frontend: RatedFrontend])[], seconds: number): RatedFrontend[] {
    const sums = new Map<string, number>()
    for (const [id, { connectionsPerSecond = 0 }] of all) {
      const sum = (this.#sums.get(id) ?? 0) + Math.round(connectionsPerSecond * seconds)
      if (sum > 0) sums.set(id, sum)
    }
    this.#sums = sums
    const sumOf = ([id]: readonly [string, RatedFrontend]): number => sums.get(id) ?? 0
    return all.toSorted((left, right) => sumOf(right) - sumOf(left)).map(([, frontend]) => frontend)
  }
}
