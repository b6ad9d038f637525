/**
 * What rules have counted.
 */
import { familyOf } from '../../core/address.js'
import { Slices } from '../../core/slices.js'
import type { ListedRule, Nftables } from '../../nftables/index.js'
import { ReadCounters, type PlaneCounters, type ServiceCounts } from '../core/counters.js'
import { FAMILIES } from '../core/frontend.js'
import type { Endpoint, Service, Services } from '../model.js'
import { endpointText, isChainOf, serviceChain } from './layout/names.js'

/** Packets by chain of an endpoint: `ip KUBE-SEP-…`. */
type Packets = ReadonlyMap<string, bigint>

function packetsOf({ expressions }: ListedRule): bigint {
  for (const expression of expressions) if (expression.type === 'counter') return expression.packets ?? 0n
  return 0n
}

/** The last rule of an endpoint's chain translates: tables `nat` meet first packets alone. */
async function readPackets(nft: Pick<Nftables, 'list'>): Promise<Packets> {
  const packets = new Map<string, bigint>()
  const slices = new Slices()
  for (const family of FAMILIES) {
    const { rules } = await nft.list({ family, table: 'nat' })
    await slices.each(rules, (rule) => {
      if (isChainOf('endpoint', rule.chain)) packets.set(`${family} ${rule.chain}`, packetsOf(rule))
    })
  }
  return packets
}

function countsOf(service: Service, packets: Packets): ServiceCounts {
  const chainOf = (endpoint: Endpoint): string => serviceChain('endpoint', service, endpointText(endpoint))
  const endpoints = service.endpoints.map((endpoint) => ({
    endpoint,
    connections: packets.get(`${familyOf(endpoint.address)} ${chainOf(endpoint)}`) ?? 0n
  }))
  const connections = endpoints.reduce((sum, each) => sum + each.connections, 0n)
  return { service: service.name, connections, endpoints }
}

/** Reads the numbers. @throws {NetlinkError} `ENOENT`: the tables are not there. */
export async function readCounters(nft: Pick<Nftables, 'list'>, services: Services): Promise<PlaneCounters> {
  const packets = await readPackets(nft)
  return new ReadCounters(services, (service) => countsOf(service, packets), true)
}
