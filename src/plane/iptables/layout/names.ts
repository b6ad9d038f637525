/**
 * Names of chains, as kube-proxy has them. Source: pkg/proxy/iptables/proxier.go (Kubernetes 1.37), servicePortPolicyClusterChain and those beside it.
 */
import { hash } from 'node:crypto'
import { canonicalAddress, formatSocketAddress } from '../../../core/address.js'
import type { IptablesTableName } from '../../../iptables/index.js'
import type { Target } from '../../core/frontend.js'
import type { Service } from '../../model.js'

/** Chains that are there whatever services there are. */
export const CHAIN = {
  /** Frontends with an address; in `filter` those of kind `cluster` that nothing answers. */
  services: 'KUBE-SERVICES',
  /** Ports of this node; in `filter` those by which others ask how services are. */
  nodePorts: 'KUBE-NODEPORTS',
  /** Frontends that nothing answers, but for those of kind `cluster`. */
  externalServices: 'KUBE-EXTERNAL-SERVICES',
  /** Frontends that do not take everybody. */
  firewall: 'KUBE-PROXY-FIREWALL',
  /** Forwarded packets. */
  forward: 'KUBE-FORWARD',
  /** Gives marked packets a source address of this node. */
  postrouting: 'KUBE-POSTROUTING',
  /** Marks packets that get a source address of this node. */
  mark: 'KUBE-MARK-MASQ',
  /** Marks those of them that are of no local client. kube-proxy has one prefix of local clients at most, and no such chain. */
  markNonLocal: 'KUBE-MARK-NONLOCAL',
  /** Cluster addresses, for the ports that they do not have. kube-proxy's nftables mode has `cluster-ips-check` for that, its iptables mode nothing. */
  clusterAddresses: 'KUBE-CLUSTER-IPS',
  /** Keeps others from loopback addresses. */
  localnet: 'KUBE-LOCALNET',
  /** Says whose all of these chains are. */
  owner: 'KUBE-NETPLANE'
} as const

/** What names of chains of single services begin with, and of what each is. */
const PREFIX = {
  /** All endpoints of a service. */
  cluster: 'KUBE-SVC-',
  /** Those of this node. */
  local: 'KUBE-SVL-',
  /** Where its frontends lead that are not of kind `cluster`. */
  external: 'KUBE-EXT-',
  /** The same of those with policy `local`, where others have policy `cluster`: with kube-proxy all have the same. */
  externalLocal: 'KUBE-EXL-',
  /** Which clients a frontend takes. */
  sources: 'KUBE-FW-',
  /** One endpoint. */
  endpoint: 'KUBE-SEP-'
} as const

/** Kinds of chains of single services. */
export type ServiceChain = keyof typeof PREFIX

/** Characters of a hash in a name: 80 bits. */
const HASH_LENGTH = 16
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** The first characters of a hash, in base 32 (RFC 4648). */
function hashOf(text: string): string {
  const digest = hash('sha256', text, 'buffer')
  let name = ''
  let bits = 0
  let value = 0
  for (let at = 0; name.length < HASH_LENGTH; at++) {
    value = ((value << 8) | digest[at]!) & 0xfff
    for (bits += 8; bits >= 5; bits -= 5) name += BASE32.charAt((value >> (bits - 5)) & 31)
  }
  return name
}

/** The name of a chain of a service. @param more What tells it from others of the same kind. */
export function serviceChain(kind: ServiceChain, { name, protocol }: Pick<Service, 'name' | 'protocol'>, more = ''): string {
  return `${PREFIX[kind]}${hashOf(`${name}${protocol}${more}`)}`
}

/** Whether a chain is one of a kind, by its name. */
export function isChainOf(kind: ServiceChain, name: string): boolean {
  return name.startsWith(PREFIX[kind])
}

/** An endpoint as it is called in names and comments. */
export function endpointText({ address, port }: Target): string {
  return formatSocketAddress(canonicalAddress(address), port)
}

const FIXED: Readonly<Partial<Record<IptablesTableName, readonly string[]>>> = {
  nat: [CHAIN.services, CHAIN.nodePorts, CHAIN.postrouting, CHAIN.mark, CHAIN.markNonLocal, CHAIN.owner],
  filter: [
    CHAIN.services,
    CHAIN.nodePorts,
    CHAIN.externalServices,
    CHAIN.firewall,
    CHAIN.forward,
    CHAIN.clusterAddresses,
    CHAIN.localnet,
    CHAIN.owner
  ]
}

const OF_SERVICES = new RegExp(`^(?:${Object.values(PREFIX).join('|')})[${BASE32}]{${HASH_LENGTH}}$`)

/** Whether a chain is called as one of kube-proxy or of a plane of this kind: of the kubelet's (`KUBE-FIREWALL`, `KUBE-MARK-DROP`, `KUBE-KUBELET-CANARY`, `KUBE-IPTABLES-HINT`) none is. */
export function isServiceChain(table: IptablesTableName, name: string): boolean {
  const fixed = FIXED[table]
  return fixed !== undefined && (fixed.includes(name) || OF_SERVICES.test(name))
}
