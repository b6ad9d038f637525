/**
 * What IPVS has counted.
 */
import type { Ipvs, IpvsStatistics } from '../../ipvs/index.js'
import { ReadCounters, sumOfCounts, type PlaneCounters, type ServiceCounts, type TrafficCounts } from '../core/counters.js'
import { endpointKey } from '../core/frontend.js'
import type { Service, Services } from '../model.js'
import { virtualServiceName, type VirtualServices } from './compile.js'

/** Statistics of a virtual service and of its real servers, by address and port. */
interface Counted {
  readonly statistics: IpvsStatistics | undefined
  readonly servers: ReadonlyMap<string, IpvsStatistics | undefined>
}

function countsIn(statistics: IpvsStatistics | undefined): TrafficCounts | undefined {
  if (statistics === undefined) return undefined
  const { connections, incomingPackets, outgoingPackets, incomingBytes, outgoingBytes } = statistics
  return { connections, traffic: { incomingPackets, outgoingPackets, incomingBytes, outgoingBytes } }
}

function countsOf(service: Service, virtual: VirtualServices, counted: ReadonlyMap<string, Counted>): ServiceCounts {
  const own = virtual.of(service).map((one) => counted.get(virtualServiceName(one)))
  const endpoints = service.endpoints.map((endpoint) => {
    const key = endpointKey(endpoint)
    return { endpoint, ...sumOfCounts(own.map((virtual) => countsIn(virtual?.servers.get(key)))) }
  })
  return { service: service.name, ...sumOfCounts(own.map((virtual) => countsIn(virtual?.statistics))), endpoints }
}

/** Reads the statistics. @throws {NetlinkError} */
export async function readCounters(ipvs: Pick<Ipvs, 'list'>, services: Services, virtual: VirtualServices): Promise<PlaneCounters> {
  const counted = new Map<string, Counted>()
  for (const { statistics, realServers, ...service } of await ipvs.list()) {
    const servers = new Map(realServers.map((server) => [endpointKey(server), server.statistics]))
    counted.set(virtualServiceName(service), { statistics, servers })
  }
  return new ReadCounters(services, (service) => countsOf(service, virtual, counted), true)
}
