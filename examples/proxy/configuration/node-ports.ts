import { isIP } from 'node:net'
import { parsePrefix, type NodeAddressesOption } from 'netplane'
import { normalizePrefix } from '../kubernetes/addresses.js'
import type { FaultSink, Place } from './faults.js'
import type { KubeProxyConfiguration } from './fields.js'
import { isPrimaryByDefault, isSpecific, LOOPBACK_GATE } from './unapplied.js'

/** At which addresses node ports are served. */
export interface NodePortPlaces {
  readonly nodeAddresses: NodeAddressesOption
  /** Whether they are served at 127.0.0.1, too. */
  readonly loopbackNodePorts: boolean
}

/** All addresses of a family but those of loopback, which only a prefix within them names. */
const ALL: Readonly<Record<'ip' | 'ip6', readonly string[]>> = {
  ip: ['0.0.0.0/2', '64.0.0.0/3', '96.0.0.0/4', '112.0.0.0/5', '120.0.0.0/6', '124.0.0.0/7', '126.0.0.0/8', '128.0.0.0/1'],
  ip6: ['2000::/3', 'fc00::/7']
}

const LOOPBACK = ['127.0.0.0/8', '::1/128']

const familyOf = (prefix: string): 'ip' | 'ip6' => (prefix.includes(':') ? 'ip6' : 'ip')
const isAll = (prefix: string): boolean => parsePrefix(prefix)?.length === 0

function isLoopback(prefix: string): boolean {
  const { address, length } = parsePrefix(prefix) ?? { address: [], length: 0 }
  return address.length === 4 ? address[0] === 127 && length >= 8 : prefix.startsWith('::1/')
}

/** The prefixes of a list of prefixes and words; `primary` has one only where an address is given for it. */
function prefixesOf({ nodePortAddresses, bindAddress }: KubeProxyConfiguration): string[] {
  const primary = isSpecific(bindAddress) ? [`${bindAddress}/${isIP(bindAddress) === 4 ? 32 : 128}`] : []
  const words: Readonly<Record<string, readonly string[]>> = { localhost: LOOPBACK, all: ['0.0.0.0/0', '::/0'], primary }
  return nodePortAddresses.flatMap((entry) => words[entry] ?? [normalizePrefix(entry) ?? entry])
}

/** Whether this mode serves node ports at loopback addresses, where some are listed. */
function servesLoopback({ mode, featureGates, 'iptables.localhostNodePorts': isWanted }: KubeProxyConfiguration): boolean {
  if (mode === 'nftables') return featureGates[LOOPBACK_GATE] === true
  return mode === 'userspace' || (mode === 'iptables' && isWanted)
}

/** Whether all addresses have those of loopback among them, in this mode. */
function hasLoopbackAmongAll({ mode }: KubeProxyConfiguration): boolean {
  return mode === 'iptables' || mode === 'userspace'
}

/** The prefixes of a family: without loopback, and all addresses where kube-proxy finds nothing of this family in the list. */
function completed(prefixes: readonly string[], family: 'ip' | 'ip6'): readonly string[] {
  const own = prefixes.filter((prefix) => familyOf(prefix) === family)
  if (own.length === 0 || own.some(isAll)) return ALL[family]
  return own.filter((prefix) => !isLoopback(prefix))
}

function fromList(configuration: KubeProxyConfiguration, place: Place, faults: FaultSink, isCarried: boolean): NodePortPlaces {
  const { mode, nodePortAddresses } = configuration
  const field = 'nodePortAddresses'
  if (nodePortAddresses.includes('primary') && !isSpecific(configuration.bindAddress))
    faults.warn(place, field, 'primary has no effect beside prefixes: give the address, or primary alone')
  const prefixes = prefixesOf(configuration)
  const isExplicit = prefixes.some((prefix) => isLoopback(prefix))
  if (isExplicit && !isCarried && !servesLoopback(configuration))
    faults.warn(place, field, `node ports are not served at loopback addresses in mode ${mode}`)
  const hasLoopback =
    isExplicit || (hasLoopbackAmongAll(configuration) && prefixes.some((prefix) => familyOf(prefix) === 'ip' && isAll(prefix)))
  const loopbackNodePorts = hasLoopback && servesLoopback(configuration)
  const isEverything = (['ip', 'ip6'] as const).every((family) => completed(prefixes, family) === ALL[family])
  const listed = [...completed(prefixes, 'ip'), ...completed(prefixes, 'ip6')]
  if (isEverything) return { nodeAddresses: 'all', loopbackNodePorts }
  // Nothing but loopback: an empty list would mean that nothing was said.
  return { nodeAddresses: listed.length === 0 ? LOOPBACK.slice(0, 1) : listed, loopbackNodePorts }
}

/**
 * Translates `nodePortAddresses`, `bindAddress` and `iptables.localhostNodePorts`.
 *
 * @param place Where the list stands.
 * @param isCarried Relays serve node ports at loopback addresses, whatever the mode does.
 */
export function nodePortPlaces(configuration: KubeProxyConfiguration, place: Place, faults: FaultSink, isCarried: boolean): NodePortPlaces {
  const { nodePortAddresses, bindAddress } = configuration
  const isPrimary =
    isPrimaryByDefault(configuration) || (nodePortAddresses.length > 0 && nodePortAddresses.every((word) => word === 'primary'))
  if (isPrimary) {
    const nodeAddresses = isSpecific(bindAddress) ? [`${bindAddress}/${isIP(bindAddress) === 4 ? 32 : 128}`] : ('primary' as const)
    return { nodeAddresses, loopbackNodePorts: false }
  }
  if (nodePortAddresses.length === 0)
    return { nodeAddresses: 'all', loopbackNodePorts: hasLoopbackAmongAll(configuration) && servesLoopback(configuration) }
  return fromList(configuration, place, faults, isCarried)
}
