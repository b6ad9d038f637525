/**
 * What was counted of services: the same form for every plane.
 */
import type { Endpoint, Service, Services } from '../model.js'

/** Packets and bytes of connections, both ways. */
export interface Traffic {
  readonly incomingPackets: bigint
  readonly outgoingPackets: bigint
  readonly incomingBytes: bigint
  readonly outgoingBytes: bigint
}

/** What was counted. */
export interface Counts {
  /** New connections, of UDP: new flows, that were sent to an endpoint. */
  readonly connections: bigint
  /** In modes `ipvs` and `userspace` alone, where packets of TCP stay 0 in the latter: rules of nf_tables see the first packet of a connection only. */
  readonly traffic?: Traffic | undefined
}

/** What was counted of an endpoint, through all frontends of its service. */
export interface EndpointCounts extends Counts {
  readonly endpoint: Endpoint
}

/** What was counted of a service, through all its frontends. */
export interface ServiceCounts extends Counts {
  readonly service: string
  /** In the order of the service's own list. Those of endpoints that are gone are in the service's number alone. */
  readonly endpoints: readonly EndpointCounts[]
}

/** What was counted of all services at one moment. Iterating makes objects, one service at a time. */
export interface PlaneCounters extends Iterable<ServiceCounts> {
  /** How many services there are. */
  readonly size: number
  /** False where the kernel had no room to count further frontends or endpoints: some numbers are too small then. */
  readonly isComplete: boolean
  /** Of one service; undefined where there is none of that name. */
  get(service: string): ServiceCounts | undefined
}

/** Nothing was counted. */
const NO_TRAFFIC: Traffic = { incomingPackets: 0n, outgoingPackets: 0n, incomingBytes: 0n, outgoingBytes: 0n }

/** Both together. */
export function sumOfTraffic(left: Traffic, right: Traffic): Traffic {
  return {
    incomingPackets: left.incomingPackets + right.incomingPackets,
    outgoingPackets: left.outgoingPackets + right.outgoingPackets,
    incomingBytes: left.incomingBytes + right.incomingBytes,
    outgoingBytes: left.outgoingBytes + right.outgoingBytes
  }
}

/** What a subsystem has counted that counts traffic, too. */
export interface TrafficCounts extends Counts {
  readonly traffic: Traffic
}

/** All together; what nothing was counted of is undefined. */
export function sumOfCounts(all: readonly (TrafficCounts | undefined)[]): TrafficCounts {
  let connections = 0n
  let traffic = NO_TRAFFIC
  for (const counts of all) {
    if (counts === undefined) continue
    connections += counts.connections
    traffic = sumOfTraffic(traffic, counts.traffic)
  }
  return { connections, traffic }
}

/** Made by back ends, of numbers that were read, and the services as they were then. */
export class ReadCounters implements PlaneCounters {
  readonly isComplete: boolean
  readonly #services: Services
  readonly #count: (service: Service) => ServiceCounts

  constructor(services: Services, count: (service: Service) => ServiceCounts, isComplete: boolean) {
    this.#services = new Map(services)
    this.#count = count
    this.isComplete = isComplete
  }

  get size(): number {
    return this.#services.size
  }

  get(name: string): ServiceCounts | undefined {
    const service = this.#services.get(name)
    return service === undefined ? undefined : this.#count(service)
  }

  *[Symbol.iterator](): Generator<ServiceCounts> {
    for (const service of this.#services.values()) yield this.#count(service)
  }
}
