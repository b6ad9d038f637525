/**
 * What makes two frontends, or two endpoints, the same one, and how they are written.
 */
import { canonicalAddress, formatSocketAddress, ipv4Number, looksLikeIPv6 } from '../../core/address.js'
import type { AddressFamily } from '../../core/address.js'
import type { Protocol } from '../../core/protocols.js'
import type { Frontend, LoadBalancerFrontend, NodeFrontend, Service, SourceRanges } from '../model.js'

/** Both families of addresses. */
export const FAMILIES: readonly AddressFamily[] = ['ip', 'ip6']

/** An address with a port. */
export interface Target {
  readonly address: string
  readonly port: number
}

/** A frontend that has an address of its own. */
export type AddressedFrontend = Exclude<Frontend, NodeFrontend>

/** Whether a frontend has an address of its own: all but those of kind `node`. */
export function isAddressed(frontend: Frontend): frontend is AddressedFrontend {
  return frontend.kind !== 'node'
}

/** Whether clients from outside are balanced over other endpoints than all others. */
export function isSplit({ kind, trafficPolicy }: Frontend): boolean {
  return kind !== 'cluster' && trafficPolicy === 'local'
}

/** A frontend that does not take everybody. */
export type RestrictedFrontend = LoadBalancerFrontend & { readonly sourceRanges: SourceRanges }

/** Whether a frontend does not take everybody. */
export function isRestricted(frontend: Frontend): frontend is RestrictedFrontend {
  if (frontend.kind !== 'loadBalancer' || frontend.sourceRanges === undefined) return false
  const { allow, deny } = frontend.sourceRanges
  return allow !== undefined || (deny !== undefined && deny.length > 0)
}

/** Whether a service has a frontend at a port of this node. */
export function hasNodePort(service: Service | undefined): boolean {
  return service?.frontends.some(({ kind }) => kind === 'node') === true
}

/** The families in which a frontend takes connections. */
export function familiesOf(frontend: Frontend): readonly AddressFamily[] {
  if (isAddressed(frontend)) return looksLikeIPv6(frontend.address) ? ['ip6'] : ['ip']
  return frontend.family === undefined ? FAMILIES : [frontend.family]
}

/** Whether a frontend takes connections in a family. */
export function isOfFamily(frontend: Frontend, family: AddressFamily): boolean {
  if (isAddressed(frontend)) return looksLikeIPv6(frontend.address) === (family === 'ip6')
  return frontend.family === undefined || frontend.family === family
}

/** The identity of an endpoint within a service, equal for all spellings of its address. */
export function endpointKey({ address, port }: Target): string {
  return `${canonicalAddress(address)} ${port}`
}

/** What makes a frontend the same one: a number, as a table of a hundred thousand numbers is made in half the time of one of texts, or a text where there is an IPv6 address. */
export type FrontendKey = number | string

const PROTOCOL_INDEX: Readonly<Record<Protocol, number>> = { tcp: 1, udp: 2, sctp: 3 }
const PORTS = 0x1_0000
const IPV4_ADDRESSES = 0x1_0000_0000

function addressedKey(protocol: Protocol, frontend: AddressedFrontend): FrontendKey {
  if (looksLikeIPv6(frontend.address)) return `${protocol} ${endpointKey(frontend)}`
  return (PROTOCOL_INDEX[protocol] * IPV4_ADDRESSES + ipv4Number(frontend.address)) * PORTS + frontend.port
}

/** Below 0, where no address is. */
function nodeKey(protocol: Protocol, family: AddressFamily, port: number): FrontendKey {
  return -((PROTOCOL_INDEX[protocol] * FAMILIES.length + FAMILIES.indexOf(family)) * PORTS + port)
}

/** The identities of a frontend, equal for all spellings of its address: what two services may not both have. A port of the node's has one for each family. */
export function frontendIdentities(protocol: Protocol, frontend: Frontend): readonly FrontendKey[] {
  if (isAddressed(frontend)) return [addressedKey(protocol, frontend)]
  return familiesOf(frontend).map((family) => nodeKey(protocol, family, frontend.port))
}

const keys = new WeakMap<Service, readonly FrontendKey[]>()

/** The identities of all frontends of an accepted service, in their order. They are put together once. */
export function frontendKeys(service: Service): readonly FrontendKey[] {
  let made = keys.get(service)
  if (made === undefined) {
    made = service.frontends.flatMap((frontend) => frontendIdentities(service.protocol, frontend))
    keys.set(service, made)
  }
  return made
}

/** An address and port as people write them: `10.0.0.1:80`, `[fd00::1]:80`. */
export function formatTarget({ address, port }: Target): string {
  return formatSocketAddress(address, port)
}

/** What packets to a frontend say. */
interface PacketWords {
  readonly protocol: string | undefined
  /** Absent: that of this node. */
  readonly address: string | undefined
  readonly port: number
}

/** A frontend by what packets say of it, as people write it: `tcp 10.96.0.1:80`, or `tcp node port 30080 (ip)`. */
export function frontendLabel(family: AddressFamily, { protocol, address, port }: PacketWords): string {
  return `${protocol} ${formatFrontend(address === undefined ? { kind: 'node', port, family } : { kind: 'external', address, port })}`
}

/** A frontend as people write it: as {@link formatTarget}, or `node port 30080`. */
export function formatFrontend(frontend: Frontend): string {
  if (isAddressed(frontend)) return formatTarget(frontend)
  return frontend.family === undefined ? `node port ${frontend.port}` : `node port ${frontend.port} (${frontend.family})`
}
