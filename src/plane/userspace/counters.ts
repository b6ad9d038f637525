/**
 * What relays have counted.
 */
import { formatSocketAddress } from '../../core/address.js'
import {
  NO_TRAFFIC,
  ReadCounters,
  sumOfTraffic,
  type Counts,
  type PlaneCounters,
  type ServiceCounts,
  type Traffic
} from '../core/counters.js'
import type { Service, Services } from '../model.js'
import { serviceOfRelay } from './places.js'
import type { RelayCounts, Relays, RelayStatus } from './relays/types.js'

const trafficOf = ({ packetsFromClients, packetsToClients, bytesFromClients, bytesToClients }: RelayCounts): Traffic => ({
  incomingPackets: BigInt(packetsFromClients),
  outgoingPackets: BigInt(packetsToClients),
  incomingBytes: BigInt(bytesFromClients),
  outgoingBytes: BigInt(bytesToClients)
})

function sum(all: readonly (RelayCounts | undefined)[]): Counts {
  let connections = 0n
  let traffic = NO_TRAFFIC
  for (const counts of all) {
    if (counts === undefined) continue
    connections += BigInt(counts.connections)
    traffic = sumOfTraffic(traffic, trafficOf(counts))
  }
  return { connections, traffic }
}

function countsOf({ name, endpoints }: Service, relays: readonly RelayStatus[]): ServiceCounts {
  const ofEndpoints = endpoints.map((endpoint) => {
    const key = formatSocketAddress(endpoint.address, endpoint.port)
    return { endpoint, ...sum(relays.map((relay) => relay.endpoints.get(key))) }
  })
  return { service: name, ...sum(relays), endpoints: ofEndpoints }
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
