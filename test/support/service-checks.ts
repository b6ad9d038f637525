/** What packets meet that go to the services of `kubernetes-services.ts`. */
import { expect } from 'vitest'
import type { Event } from '../contract/behaviour/agent.js'
import { addressOf, moreClients, nodeAddress, type Asked, type Network } from '../contract/behaviour/network.js'
import { clusterAddress, externalAddress } from './kubernetes-services.js'

/** The prefixes of the node's addresses that have node ports. */
export const NODE_PORTS = [`${nodeAddress.primary.ip.replace(/\d+$/, '0')}/24`, 'fd00:250::/64']

type From = 'outside' | 'far-d' | 'node' | 'pod-a'
/** Connections from one place to one address, and what must come of them. */
export interface Check {
  readonly from: From
  readonly to: readonly [address: string, port: number, protocol?: 'udp']
  /** The servers that answer, and whose address they see; or why nobody does. */
  readonly gives: string
  /** The client's address, where it is not its first one. */
  readonly source?: string
}

const sourceOf = ({ from, to, source }: Check): string => {
  const family = to[0].includes(':') ? 'ip6' : 'ip'
  return source ?? (from === 'node' ? nodeAddress.other[family] : addressOf[from][family])
}

/** As many connections as it takes to hear every server, at most 60: then one of three is not heard in 1 of 10^10 runs. */
function asked(check: Check, index: number): Asked {
  const { from: host, to, gives } = check
  const [address, port, protocol = 'tcp'] = to
  const want = gives.includes(':') ? gives.split(':')[0]!.split(' ') : []
  const least = want.length === 0 ? 1 : 12
  return {
    id: String(index),
    host,
    protocol,
    address,
    port,
    sources: [sourceOf(check)],
    least,
    most: want.length === 0 ? 1 : 60,
    want,
    pauseMs: 0
  }
}

/** In the words of {@link Check.gives}. */
function summarize(events: readonly Event[]): string {
  const servers = new Set<string>()
  const seen = new Set<string>()
  const failures = new Set<string>()
  for (const event of events) {
    if (event[0] !== 'answer') {
      failures.add(event[0] === 'icmp' || event[0] === 'reset' ? 'refused' : event[0])
      continue
    }
    const [server, address] = event[1].split(' ') as [string, string]
    servers.add(server)
    seen.add(address === event[2] ? 'client' : 'node')
  }
  const answers = servers.size === 0 ? [] : [`${[...servers].sort().join(' ')}: ${[...seen].sort().join(' ')}`]
  return [...answers, ...failures].join(', ')
}

/** What comes of the connections of one check, in the words of {@link Check.gives}. */
export async function answerTo(network: Network, check: Check): Promise<string> {
  return summarize([...(await network.ask([asked(check, 0)])).values()].flat())
}

/** Expects of each check what it says. */
export async function runChecks(network: Network, checks: readonly Check[]): Promise<void> {
  const answers = await network.ask(checks.map(asked))
  const words = ({ from, source, to }: Check): string => `${from}${source === undefined ? '' : ` (${source})`} -> ${to.join(' ')}`
  const came = checks.map((check, index) => `${words(check)}: ${summarize(answers.get(String(index)) ?? [])}`)
  expect(came).toEqual(checks.map((check) => `${words(check)}: ${check.gives}`))
}

/** All servers, and those of this node. */
export const ALL = 'far-c pod-a pod-b'
export const HERE = 'pod-a pod-b'
const SECOND_CLIENT = moreClients.ip[0]!
const { primary, other } = nodeAddress

/** Of all services at once, with the node ports at {@link NODE_PORTS} and the ranges of the cluster known. */
export const SERVICE_CHECKS: readonly Check[] = [
  // Cluster addresses: masqueraded for clients from outside, and for a pod that meets itself.
  { from: 'outside', to: [clusterAddress.ip(1), 80], gives: `${ALL}: node` },
  { from: 'far-d', to: [clusterAddress.ip(1), 80], gives: `${ALL}: client` },
  { from: 'pod-a', to: [clusterAddress.ip(1), 80], gives: `${ALL}: client node` },
  { from: 'node', to: [clusterAddress.ip(1), 80], gives: `${ALL}: node` },
  { from: 'far-d', to: [clusterAddress.ip6(1), 80], gives: `${ALL}: client` },
  { from: 'far-d', to: [clusterAddress.ip(1), 53, 'udp'], gives: `${ALL}: client` },
  { from: 'outside', to: [clusterAddress.ip6(1), 53, 'udp'], gives: `${ALL}: node` },
  // Ports that they do not have, and addresses that no service has.
  { from: 'outside', to: [clusterAddress.ip(1), 81], gives: 'refused' },
  { from: 'far-d', to: [clusterAddress.ip6(1), 81], gives: 'refused' },
  { from: 'node', to: [clusterAddress.ip(1), 81], gives: 'refused' },
  { from: 'far-d', to: [clusterAddress.ip(99), 80], gives: 'silence' },
  // Node ports, at the addresses that the option names.
  { from: 'outside', to: [primary.ip, 30_080], gives: `${ALL}: node` },
  { from: 'outside', to: [primary.ip6, 30_080], gives: `${ALL}: node` },
  { from: 'outside', to: [primary.ip, 30_053, 'udp'], gives: `${ALL}: node` },
  { from: 'node', to: [primary.ip, 30_080], gives: `${ALL}: node` },
  { from: 'far-d', to: [primary.ip6, 30_080], gives: `${ALL}: node` },
  { from: 'outside', to: [other.ip, 30_080], gives: 'refused' },
  { from: 'outside', to: [primary.ip6, 30_103], gives: 'refused' },
  // A load balancer with source ranges: they do not hold for its node port and its cluster address.
  { from: 'outside', to: [externalAddress(3), 80], gives: `${ALL}: node` },
  { from: 'outside', to: [externalAddress(3), 80], source: SECOND_CLIENT, gives: 'silence' },
  { from: 'far-d', to: [externalAddress(3), 80], gives: 'silence' },
  { from: 'node', to: [externalAddress(3), 80], gives: 'silence' },
  { from: 'outside', to: [primary.ip, 30_103], source: SECOND_CLIENT, gives: `${ALL}: node` },
  { from: 'far-d', to: [clusterAddress.ip(3), 80], gives: `${ALL}: client` },
  // External policy Local: the endpoints here for clients from outside, whose addresses these see.
  { from: 'outside', to: [externalAddress(4), 80], gives: `${HERE}: client` },
  { from: 'outside', to: [primary.ip, 30_104], gives: `${HERE}: client` },
  { from: 'far-d', to: [externalAddress(4), 80], gives: `${ALL}: client` },
  { from: 'node', to: [externalAddress(4), 80], gives: `${ALL}: node` },
  { from: 'outside', to: [clusterAddress.ip(4), 80], gives: `${ALL}: node` },
  { from: 'outside', to: [primary.ip, 30_105], gives: 'silence' },
  { from: 'far-d', to: [primary.ip, 30_105], gives: 'far-c: client' },
  // Internal policy Local.
  { from: 'far-d', to: [clusterAddress.ip(6), 80], gives: `${HERE}: client` },
  { from: 'far-d', to: [clusterAddress.ip(7), 80], gives: 'silence' },
  // External addresses, and nobody behind.
  { from: 'outside', to: [externalAddress(10), 80], gives: `${ALL}: node` },
  { from: 'far-d', to: [clusterAddress.ip(11), 80], gives: 'refused' },
  { from: 'outside', to: [externalAddress(11), 80], gives: 'refused' },
  { from: 'outside', to: [primary.ip, 30_111], gives: 'refused' },
  // Hints.
  { from: 'far-d', to: [clusterAddress.ip(13), 80], gives: 'pod-a: client' },
  { from: 'outside', to: [externalAddress(13), 80], gives: `${HERE}: client` },
  { from: 'far-d', to: [clusterAddress.ip(14), 80], gives: `${ALL}: client` },
  // Endpoints that terminate serve where nobody else does.
  { from: 'far-d', to: [clusterAddress.ip(15), 80], gives: 'pod-a: client' },
  { from: 'far-d', to: [clusterAddress.ip(16), 80], gives: 'far-c: client' },
  // What is none of ours: who answers is behind the node.
  { from: 'outside', to: [externalAddress(12), 80], gives: 'uplink: client' },
  { from: 'outside', to: [externalAddress(17), 80], gives: 'uplink: client' },
  { from: 'outside', to: [externalAddress(18), 80], gives: 'uplink: client' },
  { from: 'outside', to: [externalAddress(19), 80], gives: 'uplink: client' },
  // A node port with policy Local and endpoints here.
  { from: 'outside', to: [primary.ip, 30_125], gives: `${HERE}: client` },
  // One port of several protocols.
  { from: 'far-d', to: [clusterAddress.ip(20), 5060], gives: `${ALL}: client` },
  { from: 'far-d', to: [clusterAddress.ip(20), 5060, 'udp'], gives: `${ALL}: client` },
  // Several slices.
  { from: 'far-d', to: [clusterAddress.ip(22), 80], gives: 'far-c pod-a: client' },
  { from: 'far-d', to: [clusterAddress.ip(23), 80], gives: 'pod-a: client' },
  { from: 'far-d', to: [clusterAddress.ip(24), 80], gives: 'refused' }
]
