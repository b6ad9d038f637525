/**
 * Which relays a service needs.
 */
import { familyOf, type AddressFamily } from '../../core/address.js'
import { POLICIES } from '../core/accept/entries.js'
import { reachOf, selectionOf, isChosen, type Selection } from '../core/balance/selection.js'
import { FAMILIES, isAddressed, isOfFamily } from '../core/frontend.js'
import type { Frontend, ModelScheduler, Service, TrafficPolicy } from '../model.js'
import type { RelayEndpoint, RelaySpec } from './relays/types.js'

/** What decides what a relay does, beside its service. */
export interface PlaceOptions {
  readonly schedulerOf: (service: Service) => ModelScheduler
  /** Where relays listen. */
  readonly listenAddress: Readonly<Record<AddressFamily, string>>
  /** Whether endpoints are told of the client: then each frontend has relays of its own, as they say what the client asked for. */
  readonly proxyProtocol: boolean
  readonly drainSeconds: number | undefined
}

/** A relay that a service needs. */
export interface Place {
  /** What makes it the same one, whatever its endpoints are. */
  readonly key: string
  readonly service: string
  readonly family: AddressFamily
  readonly policy: TrafficPolicy
  /** But for its id. */
  readonly spec: Omit<RelaySpec, 'id'>
}

const ANY_ADDRESS: Readonly<Record<AddressFamily, string>> = { ip: '0.0.0.0', ip6: '::' }

/** The policies under which connections of a frontend are balanced: a relay of each has a port of its own. */
export function policiesOf(frontend: Frontend, selection: Selection): readonly TrafficPolicy[] {
  const { inside, outside } = reachOf(frontend, selection)
  return POLICIES.filter((policy) => inside === policy || outside === policy)
}

/** What a relay of a frontend is known by. All frontends of a service have the same one, unless it says what they are. */
export function placeKey(
  { name, protocol }: Pick<Service, 'name' | 'protocol'>,
  frontend: Frontend,
  { family, policy }: Pick<Place, 'family' | 'policy'>,
  { proxyProtocol }: Pick<PlaceOptions, 'proxyProtocol'>
): string {
  const key = `${name} ${protocol} ${family} ${policy}`
  if (!proxyProtocol) return key
  return `${key} ${isAddressed(frontend) ? frontend.address : 'node'}:${frontend.port}`
}

/** The endpoints of a relay. Those that take no new connections keep the ones that they have: their weight is 0. */
function endpointsOf({ endpoints }: Service, selection: Selection, policy: TrafficPolicy): RelayEndpoint[] {
  return endpoints
    .filter(({ address, local }) => familyOf(address) === selection.family && (policy === 'cluster' || local === true))
    .map((endpoint) => {
      const { address, port, weight = 1 } = endpoint
      return { address, port, weight: isChosen(selection, policy, endpoint) ? weight : 0 }
    })
}

/** What the header of the PROXY protocol says that the client asked for. Of a port of this node the address is not known. */
function askedFor(frontend: Frontend, family: AddressFamily): NonNullable<RelaySpec['proxyProtocol']> {
  return { address: isAddressed(frontend) ? frontend.address : ANY_ADDRESS[family], port: frontend.port }
}

/** The relays of a service, by their keys: one for each family and policy of which it has frontends and endpoints. */
export function placesOf(service: Service, options: PlaceOptions): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>()
  const { protocol, frontends, affinity } = service
  if (protocol === 'sctp') return places
  for (const family of FAMILIES) {
    const selection = selectionOf(service, family)
    for (const frontend of frontends) {
      if (!isOfFamily(frontend, family)) continue
      for (const policy of policiesOf(frontend, selection)) {
        const key = placeKey(service, frontend, { family, policy }, options)
        if (places.has(key)) continue
        const spec = {
          protocol,
          listenAddress: options.listenAddress[family],
          listenPort: 0,
          endpoints: endpointsOf(service, selection, policy),
          scheduler: options.schedulerOf(service) === 'random' ? ('random' as const) : ('hash' as const),
          affinity,
          drainSeconds: options.drainSeconds,
          ...(options.proxyProtocol && { proxyProtocol: askedFor(frontend, family) })
        }
        places.set(key, { key, service: service.name, family, policy, spec })
      }
    }
  }
  return places
}

/** What follows the service's name in a key, or in an id made of it. */
const AFTER_NAME = / (?:tcp|udp) ip6? (?:cluster|local)(?: \S+:\d+)?(?: \(\d+\))?$/

/** The service whose relay an id names. */
export function serviceOfRelay(id: string): string {
  return id.replace(AFTER_NAME, '')
}
