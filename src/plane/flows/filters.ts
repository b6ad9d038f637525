/**
 * From what was found stale to filters of connection tracking.
 */
import type { FlowEndpoint, FlowFilter, NumberRange } from '../../conntrack/index.js'
import type { AddressFamily } from '../../core/address.js'
import type { Protocol } from '../../core/protocols.js'
import type { Slices } from '../../core/slices.js'
import type { NodeAddressList } from '../core/node/addresses.js'
import type { FlowTarget } from './targets.js'

/** A client tried, connection tracking led it nowhere else, and nobody has answered. */
const UNTRANSLATED: FlowFilter = { status: { 'destination-nat': false, 'seen-reply': false } }

/** As many endpoints in a filter as are compiled in one slice of time. */
const ENDPOINTS_AT_ONCE = 1000

/** Frontends of one protocol and family of which untranslated flows alone are meant. */
interface Untranslated {
  readonly protocol: Protocol
  readonly family: AddressFamily
  readonly endpoints: FlowEndpoint[]
  /** Of this node's addresses. */
  readonly ports: number[]
}

/** The flows of a target to delete, all of them; undefined: there can be none. */
function filterOf(target: FlowTarget, nodeAddresses: NodeAddressList): FlowFilter | undefined {
  const { protocol, family, address, port, allowed, isGone } = target
  const addresses = address === undefined ? nodeAddresses[family] : [address]
  if (addresses.length === 0) return undefined
  return {
    protocol,
    family,
    originalDestination: addresses,
    originalDestinationPort: port,
    ...(allowed.size === 0 ? {} : { replySourceNotIn: allowed.values() }),
    ...(isGone ? { nat: 'destination' as const } : {})
  }
}

function addUntranslated(to: Map<string, Untranslated>, { protocol, family, address, port }: FlowTarget): void {
  const key = `${protocol} ${family}`
  let group = to.get(key)
  if (group === undefined) to.set(key, (group = { protocol, family, endpoints: [], ports: [] }))
  if (address === undefined) group.ports.push(port)
  else group.endpoints.push({ address, port })
}

/** Ports as ranges, of which there are few where ports are close. */
function rangesOf(ports: readonly number[]): NumberRange[] {
  const ranges: { first: number; last: number }[] = []
  for (const port of ports.toSorted((one, other) => one - other)) {
    const range = ranges.at(-1)
    if (range !== undefined && port <= range.last + 1) range.last = port
    else ranges.push({ first: port, last: port })
  }
  return ranges
}

/** Few filters for many frontends: a flow is compared with each filter. */
function untranslatedFilters({ protocol, family, endpoints, ports }: Untranslated, nodeAddresses: NodeAddressList): FlowFilter[] {
  const filters: FlowFilter[] = []
  const common = { ...UNTRANSLATED, protocol, family }
  for (let from = 0; from < endpoints.length; from += ENDPOINTS_AT_ONCE)
    filters.push({ ...common, originalDestinationIn: endpoints.slice(from, from + ENDPOINTS_AT_ONCE) })
  const addresses = nodeAddresses[family]
  if (ports.length > 0 && addresses.length > 0)
    filters.push({ ...common, originalDestination: addresses, originalDestinationPort: rangesOf(ports) })
  return filters
}

/**
 * The flows of targets to delete.
 *
 * @param nodeAddresses Those that serve ports of the node.
 */
export async function filtersOf(targets: Iterable<FlowTarget>, nodeAddresses: NodeAddressList, slices: Slices): Promise<FlowFilter[]> {
  const filters: FlowFilter[] = []
  const untranslated = new Map<string, Untranslated>()
  await slices.each(targets, (target) => {
    if (target.isUntranslatedOnly) return addUntranslated(untranslated, target)
    const filter = filterOf(target, nodeAddresses)
    if (filter !== undefined) filters.push(filter)
  })
  for (const group of untranslated.values()) filters.push(...untranslatedFilters(group, nodeAddresses))
  return filters
}
