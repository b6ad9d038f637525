/**
 * What relays have counted.
 */
import { formatSocketAddress } from '../../core/address.js'
import { ReadCounters, sumOfCounts, type PlaneCounters, type ServiceCounts, type TrafficCounts } from '../core/counters.js'
import type { Service, Services } from '../model.js'
import { serviceOfRelay } from './places.js'
import type { RelayCounts, Relays, RelayStatus } from './relays/types.js'

function countsIn(counts: RelayCounts | undefined): TrafficCounts | undefined {
  if (counts === undefined) return undefined
  return {
    connections: BigInt(counts.connections),
    traffic: {
      incomingPackets: BigInt(counts.packetsFromClients),
      outgoingPackets: BigInt(counts.packetsToClients),
      incomingBytes: BigInt(counts.bytesFromClients),
      outgoingBytes: BigInt(counts.bytesToClients)
    }
  }
}

function countsOf({ name, endpoints }: Service, relays: readonly RelayStatus[]): ServiceCounts {
  const ofEndpoints = endpoints.map((endpoint) => {
    const key = formatSocketAddress(endpoint.address, endpoint.port)
    return { endpoint, ...sumOfCounts(relays.map((relay) => countsIn(relay.endpoints.get(key)))) }
  })
  return { service: name, ...sumOfCounts(relays.map(countsIn)), endpoints: ofEndpoints }
}

/** Reads what relays count, those that still drain among them. */
export function readCounters(relays: Pick<Relays, 'status'>, services: Services): PlaneCounters {
  const byService = new Map<string, RelayStatus[]>()
  for (const status of relays.status()) {
    const name = serviceOfRelay(status.id)
    const own = byService.get(name)
    if (own === undefined) byService.set(name, [status])
    else own.push(status)
  }
  return new ReadCounters(services, (service) => countsOf(service, byService.get(service.name) ?? []), true)
}
