// Where the example proxy does something else with packets than kube-proxy, and why.
import { nodeAddress } from '../../../contract/behaviour/network.js'
import { AS_AT_CLUSTER_ADDRESS } from './outcomes.js'
import type { Probe } from './probes.js'
import type { Mode } from './sides.js'

/** One thing that is otherwise. */
export interface Difference {
  readonly name: string
  readonly reason: string
  readonly modes: readonly Mode['mode'][]
  /** @param theirs What came of the probe with kube-proxy's rules. */
  readonly applies: (probe: Probe, theirs: string) => boolean
  /** What comes of it with ours. */
  readonly instead: (probe: Probe, theirs: string) => string
}

const UNTOUCHED = 'uplink sees client'
const PROXY_NAME = 'service.kubernetes.io/service-proxy-name'

const isAnswered = (theirs: string): boolean => / sees /.test(theirs)
const isExternal = ({ target }: Probe): boolean => target.kind === 'external' || target.kind === 'load balancer'
const toClient = (theirs: string): string => theirs.replaceAll('sees node', 'sees client')
const toNode = (theirs: string): string => theirs.replaceAll('sees client', 'sees node')

/** Addresses of the node from which associations of SCTP are asked for: raw sockets there take what comes, and nobody refuses it. */
const ASKING: readonly string[] = [nodeAddress.other.ip, nodeAddress.loopback.ip]

/** What a node does with a packet of a protocol that it does not speak. */
function withoutListener({ target }: Probe): string {
  if (target.kind === 'cluster') return 'icmp'
  return ASKING.includes(target.address) ? 'silence' : `icmp type 3 code 2 from ${target.address}`
}

/** All of them. A probe to which one applies must be otherwise, and as it says. */
export const DIFFERENCES: readonly Difference[] = [
  {
    name: 'ports that cluster addresses do not have',
    reason:
      'They are refused in every mode. kube-proxy refuses them in mode nftables alone: in mode iptables packets go where routes lead.',
    modes: ['iptables', 'userspace'],
    applies: ({ target }, theirs) =>
      target.kind === 'cluster' &&
      !target.isServed &&
      theirs === UNTOUCHED &&
      target.service !== undefined &&
      target.service.metadata.labels?.[PROXY_NAME] === undefined,
    instead: () => 'icmp'
  },
  {
    name: 'clients of policy local at cluster addresses',
    reason:
      'An endpoint of this node answers through this node, so that the client need not be hidden. kube-proxy hides clients that are not local.',
    modes: ['nftables', 'iptables'],
    applies: ({ target, client }, theirs) =>
      target.kind === 'cluster' &&
      target.service?.spec?.internalTrafficPolicy === 'Local' &&
      client.name !== 'pod here' &&
      client.name !== 'itself' &&
      theirs.includes('sees node'),
    instead: (_, theirs) => toClient(theirs)
  },
  {
    name: 'this node at external addresses without endpoints',
    reason: 'Everybody is refused. With kube-proxy in mode iptables packets of this node go where routes lead.',
    modes: ['iptables', 'userspace'],
    applies: (probe, theirs) =>
      isExternal(probe) && probe.target.isServed && probe.endpoints.length === 0 && probe.client.name === 'node' && theirs === UNTOUCHED,
    instead: () => 'icmp'
  },
  {
    name: 'affinity of each address',
    reason: 'Clients are remembered for each address and port of a service. With kube-proxy all of them share what is remembered.',
    modes: ['nftables'],
    applies: ({ target }, theirs) => target.kind !== 'cluster' && theirs.endsWith(`, ${AS_AT_CLUSTER_ADDRESS}`),
    instead: (_, theirs) => theirs.replace(AS_AT_CLUSTER_ADDRESS, `not ${AS_AT_CLUSTER_ADDRESS}`)
  },
  {
    name: 'no relays of SCTP',
    reason: 'Relays speak TCP and UDP: a service of SCTP is refused, and the node answers for its addresses.',
    modes: ['userspace'],
    applies: ({ target }, theirs) => target.protocol === 'sctp' && isAnswered(theirs) && theirs !== UNTOUCHED,
    instead: withoutListener
  },
  {
    name: 'endpoints see the node',
    reason: 'A relay makes a connection of its own to an endpoint, which sees an address of the node.',
    modes: ['userspace'],
    applies: (_, theirs) => theirs !== UNTOUCHED && theirs.includes('sees client'),
    instead: (_, theirs) => toNode(theirs)
  },
  {
    name: 'node ports at ::1',
    reason: 'Relays are behind both loopback addresses. kube-proxy serves node ports at 127.0.0.1 alone.',
    modes: ['userspace'],
    applies: ({ target }) =>
      target.address === nodeAddress.loopback.ip6 && target.isServed && target.service?.spec?.clusterIPs?.some(isOfIpv6) === true,
    instead: ({ endpoints }) =>
      [...new Set(endpoints)]
        .sort()
        .map((host) => `${host} sees node`)
        .join(', ')
  }
]

const isOfIpv6 = (address: string): boolean => address.includes(':')

/** What is wrong with an outcome, in words; undefined: nothing. @param used Differences that apply are noted there. */
export function judge(mode: Mode['mode'], probe: Probe, theirs: string, ours: string, used: Set<string>): string | undefined {
  const difference = DIFFERENCES.find(({ modes, applies }) => modes.includes(mode) && applies(probe, theirs))
  if (difference !== undefined) used.add(difference.name)
  const expected = difference?.instead(probe, theirs) ?? theirs
  if (difference !== undefined && expected === theirs) return `${probe.id}: '${difference.name}' says nothing else than kube-proxy's rules`
  if (ours === expected) return undefined
  const why = difference === undefined ? '' : ` (as '${difference.name}' says)`
  return `${probe.id}: kube-proxy's rules: ${theirs}; ours should: ${expected}${why}; but: ${ours}`
}
