// What is asked in a case: every address and port of its Services, and some that they do not have, from every kind of client.
import { addressOf, moreClients, nodeAddress, type Asked, type Both, type Family, type Host } from '../../../contract/behaviour/network.js'
import { endpointsOf, servicesOf, type Case } from './cases.js'
import type { KubernetesService } from '../../../../examples/proxy/kubernetes/types.js'
import type { Protocol } from '../../../../src/core/protocols.js'

/** Where packets go to. */
export interface Target {
  readonly kind: 'cluster' | 'external' | 'load balancer' | 'node'
  readonly address: string
  readonly protocol: Protocol
  readonly port: number
  /** Whether the service has this port. */
  readonly isServed: boolean
  /** Absent: no service has the address. */
  readonly service?: KubernetesService
}

/** Who asks. */
export interface Client {
  readonly name:
    'outside' | 'outside, another address' | 'many outside' | 'node' | 'node, loopback' | 'pod here' | 'pod elsewhere' | 'itself'
  readonly host: Host | 'node'
  readonly sources: Both<readonly string[]>
}

/** One client and one target. */
export interface Probe {
  /** Names it in messages. */
  readonly id: string
  readonly case: string
  readonly client: Client
  readonly target: Target
  /** Whether the service keeps its clients: each meets one endpoint, whichever it is. */
  readonly isSticky: boolean
  /** Hosts at which endpoints of the service are, whether they are ready or not. */
  readonly endpoints: readonly Host[]
}

const both = ({ ip, ip6 }: Both<string>): Both<readonly string[]> => ({ ip: [ip], ip6: [ip6] })

/** The first address outside is in the ranges that a case allows, those of many others are not. */
const CLIENTS: readonly Client[] = [
  { name: 'outside', host: 'outside', sources: both(addressOf.outside) },
  { name: 'outside, another address', host: 'outside', sources: { ip: moreClients.ip.slice(0, 1), ip6: moreClients.ip6.slice(0, 1) } },
  { name: 'node', host: 'node', sources: both(nodeAddress.other) },
  { name: 'pod here', host: 'pod-b', sources: both(addressOf['pod-b']) },
  { name: 'pod elsewhere', host: 'far-d', sources: both(addressOf['far-d']) },
  { name: 'itself', host: 'pod-a', sources: both(addressOf['pod-a']) }
]
const LOOPBACK: Client = { name: 'node, loopback', host: 'node', sources: both(nodeAddress.loopback) }
const MANY: Client = { name: 'many outside', host: 'outside', sources: moreClients }

/** In the ranges of cluster addresses; no service has them. */
const FREE: Both<string> = { ip: '10.96.1.250', ip6: 'fd00:10:96::250' }
const UNUSED_PORT = 81
const UNUSED_NODE_PORT = 30_999

const familyOf = (address: string): Family => (address.includes(':') ? 'ip6' : 'ip')
const NODE_ADDRESSES = Object.values(nodeAddress).flatMap(({ ip, ip6 }) => [ip, ip6])

/** The addresses of a Service by their kind. */
function addressesOf({ spec, status }: KubernetesService): (readonly [Target['kind'], string])[] {
  const cluster = (spec?.clusterIPs ?? []).filter((address) => address !== 'None')
  const ingress = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? [])
  return [
    ...cluster.map((address) => ['cluster', address] as const),
    ...(spec?.externalIPs ?? []).map((address) => ['external', address] as const),
    ...ingress.map((address) => ['load balancer', address] as const)
  ]
}

const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const

/** Its ports at one address, these ports over other protocols, and a port that it does not have there. */
function targetsAt(service: KubernetesService, kind: Target['kind'], address: string): Target[] {
  const served = portsOf(service, kind)
  const asked = [...served.map(({ port }) => port), ...(kind === 'node' ? [] : [UNUSED_PORT])]
  return [...new Set(asked)].flatMap((port) =>
    PROTOCOLS.map((protocol) => {
      const isServed = served.some((one) => one.port === port && one.protocol === protocol)
      return { kind, address, protocol, port, isServed, service }
    })
  )
}

function portsOf({ spec }: KubernetesService, kind: Target['kind']): { readonly port: number; readonly protocol: string }[] {
  return (spec?.ports ?? []).flatMap(({ port, nodePort, protocol }) => {
    const number = kind === 'node' ? nodePort : port
    return number ? [{ port: number, protocol: (protocol ?? 'TCP').toLowerCase() }] : []
  })
}

function targetsOf(service: KubernetesService): Target[] {
  const own = addressesOf(service).flatMap(([kind, address]) => targetsAt(service, kind, address))
  return [...own, ...NODE_ADDRESSES.flatMap((address) => targetsAt(service, 'node', address))]
}

const ofNobody = (kind: Target['kind'], address: string, port: number): Target[] =>
  PROTOCOLS.map((protocol) => ({ kind, address, protocol, port, isServed: false }))

/** What no service has. */
const OTHERS = [
  ...[FREE.ip, FREE.ip6].flatMap((address) => ofNobody('cluster', address, 80)),
  ...NODE_ADDRESSES.flatMap((address) => ofNobody('node', address, UNUSED_NODE_PORT))
]

const isLoopback = (address: string): boolean => address === nodeAddress.loopback.ip || address === nodeAddress.loopback.ip6

/** Who can ask there. */
function clientsFor({ address }: Target, isSticky: boolean): readonly Client[] {
  if (isLoopback(address)) return [LOOPBACK]
  // Endpoints are clients, too, and which of them a client of one address meets is left to chance.
  return isSticky ? [MANY, ...CLIENTS.filter(({ name }) => name === 'node' || name === 'pod elsewhere')] : CLIENTS
}

/** All that is asked in a case. */
export function probesOf(one: Case): readonly Probe[] {
  const targets = [...servicesOf(one).flatMap(targetsOf), ...OTHERS]
  return targets.flatMap((target) => {
    const isSticky = target.isServed && target.service?.spec?.sessionAffinity === 'ClientIP'
    const { address, port, protocol, kind, service } = target
    const endpoints = service === undefined ? [] : endpointsOf(one, service)
    return clientsFor(target, isSticky).map((client) => {
      const id = `${one.name}: ${client.name} to ${kind} ${protocol} ${address} ${port}`
      return { id, case: one.name, client, target, isSticky, endpoints }
    })
  })
}

/** Until which all endpoints have answered: of three, one is missed in one run of 10^10. */
const UNTIL = 60
/** How often each of many clients asks. */
const ROUNDS = 2

/** How a probe is asked: until all endpoints have answered, though not all of them may be chosen. */
export function askedOf({ id, client, target, isSticky, endpoints }: Probe): Asked {
  const { address, port, protocol } = target
  const sources = client.sources[familyOf(address)]
  const times = isSticky ? ROUNDS * sources.length : undefined
  return { id, host: client.host, protocol, address, port, sources, least: times ?? 1, most: times ?? UNTIL, want: endpoints, pauseMs: 0 }
}
