/**
 * What is there for all services together.
 */
import type { IptablesFamily, IptablesMatch, IptablesRule, IptablesTarget } from '../../../iptables/index.js'
import type { PortRange } from '../../core/node/reserved-ports.js'
import { prefixesOf } from '../../core/ranges.js'
import { CHAIN } from './names.js'
import type { LayoutSettings, NodePlaces } from './settings.js'
import { nonLocalRules } from './sources.js'
import type { ChainRules, Frame } from './types.js'
import { comment, IS_NEW, LOOPBACK, rule, toNode } from './words.js'

/** The form of chains and rules of today; it rises where they change. */
export const LAYOUT_VERSION = 1

/** What the comment begins with that says whose the chains are. */
export const OWNER_COMMENT = 'netplane services, layout '

type Jump = readonly [chain: string, text: string, isNew?: boolean]

const FIREWALL: Jump = [CHAIN.firewall, 'kubernetes load balancer firewall', true]
const SERVICES: Jump = [CHAIN.services, 'kubernetes service portals', true]
const EXTERNAL: Jump = [CHAIN.externalServices, 'kubernetes externally-visible service portals', true]
const LOCALNET: Jump = [CHAIN.localnet, 'block incoming localnet connections']

function jumps(table: 'nat' | 'filter', chain: string, ...to: readonly Jump[]): ChainRules {
  const rules = to.map(([jump, text, isNew]) => rule({}, [...(isNew ? [IS_NEW] : []), comment(text)], { jump }))
  return { table, chain, rules }
}

function baseJumps(hasLocalnet: boolean): readonly ChainRules[] {
  const localnet = hasLocalnet ? [LOCALNET] : []
  const portals: Jump = [CHAIN.services, 'kubernetes service portals']
  return [
    jumps('filter', 'INPUT', ...localnet, FIREWALL, [CHAIN.nodePorts, 'kubernetes health check service ports'], EXTERNAL),
    jumps('filter', 'FORWARD', ...localnet, FIREWALL, [CHAIN.forward, 'kubernetes forwarding rules'], SERVICES, EXTERNAL),
    // kube-proxy leaves this node's own connections to external addresses without endpoints alone: they go where routes lead.
    jumps('filter', 'OUTPUT', FIREWALL, SERVICES, EXTERNAL),
    jumps('nat', 'PREROUTING', portals),
    jumps('nat', 'OUTPUT', portals),
    jumps('nat', 'POSTROUTING', [CHAIN.postrouting, 'kubernetes postrouting rules'])
  ]
}

function masqueradeTarget(family: IptablesFamily, { masqueradeAddress }: LayoutSettings): IptablesTarget {
  const addresses = masqueradeAddress[family]
  if (addresses === undefined) return { target: 'MASQUERADE', randomFully: true }
  return { target: 'SNAT', to: { addresses }, randomFully: true }
}

/** Marks packets, and gives those that are marked a source address of this node. The mark goes off then: they may come by again, by a tunnel for one. */
function maskingChains(family: IptablesFamily, settings: LayoutSettings): readonly ChainRules[] {
  const { masqueradeMark: value } = settings
  const marked = { value, mask: value }
  return [
    { table: 'nat', chain: CHAIN.mark, rules: [rule({}, [], { target: 'MARK', ...marked })] },
    {
      table: 'nat',
      chain: CHAIN.postrouting,
      rules: [
        rule({}, [{ match: 'mark', mark: { not: marked } }], 'RETURN'),
        rule({}, [], { target: 'MARK', value, mask: 0 }),
        rule({}, [comment('kubernetes service traffic requiring SNAT')], masqueradeTarget(family, settings))
      ]
    }
  ]
}

/** Lets packets of services through, as kube-proxy does, where others drop what they do not know. */
function forwardChain({ masqueradeMark: value, dropInvalid }: LayoutSettings): ChainRules {
  const isInvalid: IptablesMatch = { match: 'conntrack', state: 'INVALID' }
  const isKnown: IptablesMatch = { match: 'conntrack', state: ['RELATED', 'ESTABLISHED'] }
  return {
    table: 'filter',
    chain: CHAIN.forward,
    rules: [
      ...(dropInvalid ? [rule({}, [isInvalid], 'DROP')] : []),
      rule({}, [comment('kubernetes forwarding rules'), { match: 'mark', mark: { value, mask: value } }], 'ACCEPT'),
      rule({}, [comment('kubernetes forwarding conntrack rule'), isKnown], 'ACCEPT')
    ]
  }
}

/** Lets in who asks how services are. */
function healthRule({ from, to }: PortRange): IptablesRule {
  const destinationPort = from === to ? from : ([from, to] as const)
  return rule({ protocol: 'tcp' }, [comment('health check node port'), { match: 'tcp', destinationPort }], 'ACCEPT')
}

/**
 * Keeps from others what the kernel keeps from them unless `route_localnet` is on: packets to and from loopback addresses that come by another link, translated or not. Answers to connections of this node
 * are translated to loopback addresses before they come here.
 */
function localnetChain(): ChainRules {
  const fromElsewhere = { inInterface: { not: 'lo' } } as const
  const isNoAnswer: IptablesMatch = { match: 'conntrack', state: { not: ['RELATED', 'ESTABLISHED'] } }
  const wasTo: IptablesMatch = { match: 'conntrack', originalDestination: LOOPBACK.ip, direction: 'ORIGINAL' }
  return {
    table: 'filter',
    chain: CHAIN.localnet,
    rules: [
      rule({ ...fromElsewhere, source: LOOPBACK.ip }, [], 'DROP'),
      rule({ ...fromElsewhere, destination: LOOPBACK.ip }, [isNoAnswer], 'DROP'),
      rule(fromElsewhere, [wasTo], 'DROP')
    ]
  }
}

function ownerChain(table: 'nat' | 'filter'): ChainRules {
  return { table, chain: CHAIN.owner, rules: [rule({}, [comment(`${OWNER_COMMENT}${LAYOUT_VERSION}`)])] }
}

/** What comes after the frontends of services: ports of this node. */
function nodePortJumps(family: IptablesFamily, { loopbackNodePorts }: LayoutSettings, node: NodePlaces): readonly IptablesRule[] {
  const text = 'kubernetes service nodeports; NOTE: this must be the last rule in this chain'
  return toNode(family, node, loopbackNodePorts).map(({ asked, matches }) =>
    rule(asked, [comment(text), ...matches], { jump: CHAIN.nodePorts })
  )
}

/** What comes after the frontends that nothing answers: packets to addresses of services that nothing has translated. */
function unserved(family: IptablesFamily, { serviceRanges }: LayoutSettings): readonly IptablesRule[] {
  const isNotTranslated: IptablesMatch = { match: 'conntrack', state: { not: 'DNAT' } }
  const ranges = serviceRanges === undefined ? [] : prefixesOf(serviceRanges[family])
  return [
    rule({}, [comment('ports that cluster IPs do not have'), isNotTranslated], { jump: CHAIN.clusterAddresses }),
    ...ranges.map((destination) => rule({ destination }, [comment('no service has this address'), isNotTranslated], 'DROP'))
  ]
}

/** What is there for all services of a family. @param node Where ports of this node lead to services. */
export function frameOf(family: IptablesFamily, settings: LayoutSettings, node: NodePlaces): Frame {
  const hasLocalnet = family === 'ip' && settings.loopbackNodePorts
  const nonLocal = nonLocalRules(family, settings)
  return {
    family,
    chains: [
      ...maskingChains(family, settings),
      ...(nonLocal === undefined ? [] : [{ table: 'nat', chain: CHAIN.markNonLocal, rules: nonLocal } as const]),
      forwardChain(settings),
      { table: 'filter', chain: CHAIN.nodePorts, rules: settings.healthCheckPorts.map(healthRule) },
      ...(hasLocalnet ? [localnetChain()] : []),
      ownerChain('nat'),
      ownerChain('filter')
    ],
    shared: [
      { table: 'nat', chain: CHAIN.services, rules: nodePortJumps(family, settings, node) },
      { table: 'nat', chain: CHAIN.nodePorts, rules: [] },
      { table: 'filter', chain: CHAIN.services, rules: unserved(family, settings) },
      { table: 'filter', chain: CHAIN.clusterAddresses, rules: [] },
      { table: 'filter', chain: CHAIN.externalServices, rules: [] },
      { table: 'filter', chain: CHAIN.firewall, rules: [] }
    ],
    jumps: baseJumps(hasLocalnet)
  }
}
