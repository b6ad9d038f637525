import type { DrainingEndpoint, Endpoint, Frontend, PlaneCounters, PlaneStatus, Service, ServiceCounts } from 'netplane'
import { joinEndpoint } from '../endpoint.js'
import type { SyncNote } from './history.js'

/** What the page is made of. */
export interface UiSources {
  readonly nodeName: string
  /** What should be served, by name. */
  readonly services: () => ReadonlyMap<string, Service>
  readonly status: () => PlaneStatus
  /** Rejects where the plane does not count. */
  readonly counters: () => Promise<PlaneCounters>
  readonly health: () => { readonly isHealthy: boolean; readonly body: Readonly<Record<string, unknown>> }
  readonly syncs: () => readonly SyncNote[]
}

/** Entries of a list that are told: a browser shows no more of them, either. */
const MAX_LISTED = 100
/** Services in one answer, at most. */
export const MAX_ROWS = 200

const first = <Item>(items: readonly Item[]): readonly Item[] => items.slice(0, MAX_LISTED)

/** How a frontend is written. */
function frontendText(frontend: Frontend): string {
  const { kind, port } = frontend
  const place = frontend.kind === 'node' ? `port ${port} of this node` : joinEndpoint({ host: frontend.address, port })
  return `${kind} ${place}${frontend.trafficPolicy === 'local' ? ', local' : ''}`
}

/** Without a deadline the endpoint waits for its last connection. */
function drainingRow({
  service,
  virtualService,
  address,
  port,
  activeConnections,
  inactiveConnections,
  remainingMs
}: DrainingEndpoint): object {
  return {
    service: service ?? virtualService,
    address: joinEndpoint({ host: address, port }),
    activeConnections,
    inactiveConnections,
    ...(remainingMs === Infinity ? {} : { remainingSeconds: Math.ceil(remainingMs / 1000) })
  }
}

/** What is told of the whole, again and again. */
export function overviewOf({ nodeName, services, status, health, syncs }: UiSources): object {
  const { quarantined, drifts, leaving = [], takenPorts = [], details } = status()
  const { isHealthy, body } = health()
  const isIpvs = details.mode === 'ipvs'
  return {
    node: nodeName,
    mode: details.mode,
    healthy: isHealthy,
    lagMs: body['lagMs'],
    services: services().size,
    drifts,
    quarantined: { count: quarantined.length, first: first(quarantined).map(({ service, error }) => ({ service, reason: error.message })) },
    draining: { count: isIpvs ? details.draining : 0, first: isIpvs ? first(details.drainingEndpoints).map(drainingRow) : [] },
    leaving,
    takenPorts: takenPorts.length,
    syncs: syncs()
  }
}

/** What the kernel counted may be of a state before this one. */
function endpointRow({ address, port, weight = 1, state = 'ready', local = false }: Endpoint, counts: ServiceCounts | undefined): object {
  const connections = counts?.endpoints.find(({ endpoint }) => endpoint.address === address && endpoint.port === port)?.connections
  return {
    address: joinEndpoint({ host: address, port }),
    weight,
    state,
    local,
    ...(connections === undefined ? {} : { connections: Number(connections) })
  }
}

function serviceRow(service: Service, counts: ServiceCounts | undefined, reasons: ReadonlyMap<string, string>): object {
  const { name, protocol, frontends, endpoints, scheduler = 'random', affinity } = service
  const reason = reasons.get(name)
  return {
    name,
    protocol,
    scheduler,
    ...(affinity === undefined ? {} : { affinitySeconds: affinity.timeoutSeconds }),
    ...(reason === undefined ? {} : { reason }),
    ...(counts === undefined ? {} : { connections: Number(counts.connections) }),
    frontends: first(frontends).map(frontendText),
    more: Math.max(0, endpoints.length - MAX_LISTED),
    endpoints: first(endpoints).map((endpoint) => endpointRow(endpoint, counts))
  }
}

/** Which services are wanted. */
export interface RowQuery {
  /** Number of the first one, of those that are found. */
  readonly from: number
  /** 1–{@link MAX_ROWS}. */
  readonly count: number
  /** What the name, an address or a port has in it; empty: anything. */
  readonly find: string
}

function isFound({ name, frontends, endpoints }: Service, find: string): boolean {
  if (name.includes(find)) return true
  return frontends.some((frontend) => frontendText(frontend).includes(find)) || endpoints.some(({ address }) => address.includes(find))
}

/** Some services by their names' order, and how many there are. @param counters undefined: nothing is counted. */
export function rowsOf({ services, status }: UiSources, { from, count, find }: RowQuery, counters: PlaneCounters | undefined): object {
  const all = services()
  const names = [...all.keys()].filter((name) => find === '' || isFound(all.get(name)!, find)).sort()
  const reasons = new Map(status().quarantined.map(({ service, error }) => [service, error.message]))
  const rows = names.slice(from, from + count).map((name) => serviceRow(all.get(name)!, counters?.get(name), reasons))
  return { total: names.length, from, isCounted: counters !== undefined, rows }
}
