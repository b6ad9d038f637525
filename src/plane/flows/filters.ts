/**
 * From what was found stale to filters of connection tracking.
 */
import type { Conntrack, FlowEndpoint, FlowFilter, FlowProtocol, NumberRange } from '../../conntrack/index.js'
import type { AddressFamily } from '../../core/address.js'
import { SERVICE_PROTOCOLS, type Protocol } from '../../core/protocols.js'
import type { Slices } from '../../core/slices.js'
import type { NodeAddressList } from '../core/node/addresses.js'
import type { Services } from '../model.js'
import type { FlowDestination } from './options.js'
import { targetsOf, type FlowTarget, type Policies } from './targets.js'

/** A client tried, connection tracking led it nowhere else, and nobody has answered. */
const UNTRANSLATED: FlowFilter = { status: { 'destination-nat': false, 'seen-reply': false } }

/** As many untranslated flows are listed. Of more, the filter decides, which costs the more the more frontends there are. */
const MAX_LISTED = 1000

/** As many endpoints in a filter as are compiled in one slice of time. */
const ENDPOINTS_AT_ONCE = 1000

/** Where flows begin and end. */
export interface FlowPlaces {
  readonly nodeAddresses: NodeAddressList
  readonly leadsTo: FlowDestination
}

/** Frontends of one protocol and family of which untranslated flows alone are meant. */
interface Untranslated {
  readonly protocol: Protocol
  readonly family: AddressFamily
  readonly endpoints: FlowEndpoint[]
  /** Of this node's addresses. */
  readonly ports: number[]
}

const MAX_PORT = 65_535

/** All other ports. */
function portsBeside(ports: readonly number[]): NumberRange[] {
  let first = 0
  const beside: NumberRange[] = []
  for (const port of ports.toSorted((one, other) => one - other)) {
    if (port > first) beside.push({ first, last: port - 1 })
    first = port + 1
  }
  return first > MAX_PORT ? beside : [...beside, { first, last: MAX_PORT }]
}

/** What does not lead to those who may answer. */
function away(allowed: FlowTarget['allowed'], leadsTo: FlowDestination): FlowFilter {
  if (allowed.size === 0) return {}
  if (leadsTo === 'endpoints') return { replySourceNotIn: allowed.values() }
  return { replySourcePort: portsBeside([...allowed.values()].map(({ port = 0 }) => port)) }
}

/** The flows of a target to delete, all of them; undefined: there can be none. */
function filterOf(target: FlowTarget, nodeAddresses: NodeAddressList, leadsTo: FlowDestination): FlowFilter | undefined {
  const { protocol, family, address, port, allowed, isGone } = target
  const addresses = address === undefined ? nodeAddresses[family] : [address]
  if (addresses.length === 0) return undefined
  return {
    protocol,
    family,
    originalDestination: addresses,
    originalDestinationPort: port,
    ...away(allowed, leadsTo),
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
export async function filtersOf(
  targets: Iterable<FlowTarget>,
  { nodeAddresses, leadsTo }: FlowPlaces,
  slices: Slices
): Promise<FlowFilter[]> {
  const filters: FlowFilter[] = []
  const untranslated = new Map<string, Untranslated>()
  await slices.each(targets, (target) => {
    if (target.isUntranslatedOnly) return addUntranslated(untranslated, target)
    const filter = filterOf(target, nodeAddresses, leadsTo)
    if (filter !== undefined) filters.push(filter)
  })
  for (const group of untranslated.values()) filters.push(...untranslatedFilters(group, nodeAddresses))
  return filters
}

const keyOf = (protocol: FlowProtocol, place: string, port: number): string => `${protocol} ${place} ${port}`

/** Where clients have sent untranslated flows: keys, and the ports in them. */
interface Tried {
  readonly keys: ReadonlySet<string>
  readonly ports: ReadonlySet<number>
}

const NOTHING_TRIED: Tried = { keys: new Set(), ports: new Set() }

/** Undefined: there are too many. */
async function listTried(conntrack: FlowFinder, protocols: Iterable<Protocol>): Promise<Tried | undefined> {
  const filter = [...protocols].map((protocol) => ({ ...UNTRANSLATED, protocol }))
  const count = filter.length === 0 ? 0 : await conntrack.count({ filter })
  if (count > MAX_LISTED) return undefined
  if (count === 0) return NOTHING_TRIED
  const [keys, ports] = [new Set<string>(), new Set<number>()]
  for (const { protocol, family, original } of await conntrack.list({ filter })) {
    ports.add(original.destinationPort!)
    for (const place of [original.destination, family]) keys.add(keyOf(protocol, place, original.destinationPort!))
  }
  return { keys, ports }
}

/** What is needed of connection tracking to find them. */
export type FlowFinder = Pick<Conntrack, 'count' | 'list'>

/** Whose untranslated flows are meant: of these targets, and of all services that there are. */
export interface MaybeTried {
  readonly targets: readonly FlowTarget[]
  readonly services?: Services | undefined
  readonly policies: Policies
}

/** The targets of services whose untranslated flows alone are meant. @param ports Those that are asked about; undefined: all. */
async function untranslatedOf(
  services: Services,
  policies: Policies,
  ports: ReadonlySet<number> | undefined,
  slices: Slices
): Promise<FlowTarget[]> {
  const found: FlowTarget[] = []
  await slices.each(services.values(), (service) => {
    if (policies[service.protocol] !== 'untranslated') return
    if (ports !== undefined && !service.frontends.some(({ port }) => ports.has(port))) return
    for (const target of targetsOf(service, policies).values()) if (target.allowed.size > 0) found.push(target)
  })
  return found
}

/** Those whose untranslated flows there are, as far as that can be told by listing them: few or none, as a rule, however many services there are. */
export async function triedOf(
  conntrack: FlowFinder,
  { targets, services, policies }: MaybeTried,
  slices: Slices
): Promise<readonly FlowTarget[]> {
  const protocols = new Set(targets.map(({ protocol }) => protocol))
  if (services !== undefined) for (const protocol of SERVICE_PROTOCOLS) if (policies[protocol] === 'untranslated') protocols.add(protocol)
  const tried = await listTried(conntrack, protocols)
  if (tried?.ports.size === 0) return []
  const all = services === undefined ? targets : [...targets, ...(await untranslatedOf(services, policies, tried?.ports, slices))]
  if (tried === undefined) return all
  return all.filter(({ protocol, family, address = family, port }) => tried.keys.has(keyOf(protocol, address, port)))
}
