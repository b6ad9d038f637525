/**
 * Rules of frontends, in chains that all services have.
 */
import { canonicalAddress } from '../../../core/address.js'
import type { IptablesFamily, IptablesRule, IptablesTarget } from '../../../iptables/index.js'
import type { FrontendReach } from '../../core/balance/selection.js'
import { isAddressed, isRestricted, type AddressedFrontend, type RestrictedFrontend } from '../../core/frontend.js'
import type { Frontend, NodeFrontend, Service } from '../../model.js'
import { externalChain, isServed, leaving, type ExternalReaches } from './external.js'
import { CHAIN, serviceChain } from './names.js'
import { admittingChain, droppingRules } from './restricted.js'
import type { LayoutSettings, NodePlaces } from './settings.js'
import type { SharedRules } from './shared.js'
import type { ChainRules } from './types.js'
import { comment, ofProtocol, reject, rule, toFrontend, toNode } from './words.js'

/** One service in one family. */
export interface ServiceParts {
  readonly service: Service
  readonly family: IptablesFamily
  readonly settings: LayoutSettings
  readonly node: NodePlaces
  /** What becomes of clients of each frontend of the family. */
  readonly reaches: ReadonlyMap<Frontend, FrontendReach>
  readonly external: ExternalReaches
  /** The chains of frontends that do not take everybody. */
  readonly sources: ReadonlyMap<Frontend, string>
}

/** What becomes of packets that nothing has translated, and why; undefined: there are none. */
function refusalOf({ name }: Service, family: IptablesFamily, { inside, outside }: FrontendReach) {
  const isRefused = inside === 'refuse' || outside === 'refuse'
  if (!isRefused && outside !== 'drop') return undefined
  const target: IptablesTarget = isRefused ? reject(family) : 'DROP'
  return { target, text: `${name} has no ${isRefused ? 'endpoints' : 'local endpoints'}` }
}

const WORDS = { cluster: 'cluster IP', external: 'external IP', loadBalancer: 'loadbalancer IP' } as const

/** Where a frontend with an address leads. */
function targetOf({ service, external, sources }: ServiceParts, frontend: AddressedFrontend): IptablesTarget {
  const policy = frontend.trafficPolicy ?? 'cluster'
  if (frontend.kind === 'cluster') return { jump: serviceChain(policy, service) }
  return { jump: sources.get(frontend) ?? externalChain(service, policy, external) }
}

/** The chains of a frontend that does not take everybody, and what drops the others. */
function restrict(shared: SharedRules, parts: ServiceParts, frontend: RestrictedFrontend, reach: FrontendReach): readonly ChainRules[] {
  const { service, settings, external } = parts
  const chain = parts.sources.get(frontend)!
  const dropping = droppingRules(service, frontend, chain, reach)
  shared.add('filter', CHAIN.firewall, dropping.rule)
  if (!isServed(reach)) return dropping.chains
  const target = { jump: externalChain(service, frontend.trafficPolicy ?? 'cluster', external) }
  return [admittingChain(service, frontend, { chain, target, leave: leaving(settings) }), ...dropping.chains]
}

/** Packets to other ports of a cluster address: nothing has translated them. */
function toOtherPorts(service: Service, family: IptablesFamily, address: string): IptablesRule {
  return rule({ destination: canonicalAddress(address) }, [comment(`${service.name} cluster IP, other ports`)], reject(family))
}

function addAddressed(shared: SharedRules, parts: ServiceParts, frontend: AddressedFrontend, reach: FrontendReach): void {
  const { service, family, settings } = parts
  const isCluster = frontend.kind === 'cluster'
  const refusal = refusalOf(service, family, reach)
  const leave = isCluster ? undefined : leaving(settings)
  const add = (table: 'nat' | 'filter', chain: string, text: string, target: IptablesTarget): void =>
    shared.add(table, chain, toFrontend(service.protocol, frontend, text, target))
  if (isServed(reach)) add('nat', CHAIN.services, `${service.name} ${WORDS[frontend.kind]}`, targetOf(parts, frontend))
  else if (leave !== undefined) add('nat', CHAIN.services, refusal!.text, leave)
  if (refusal !== undefined) add('filter', isCluster ? CHAIN.services : CHAIN.externalServices, refusal.text, refusal.target)
}

function addNode(shared: SharedRules, parts: ServiceParts, { port, trafficPolicy = 'cluster' }: NodeFrontend, reach: FrontendReach): void {
  const { service, family, settings, node, external } = parts
  const { name, protocol } = service
  if (isServed(reach))
    shared.add(
      'nat',
      CHAIN.nodePorts,
      rule({ protocol }, [comment(name), ofProtocol(protocol, port)], { jump: externalChain(service, trafficPolicy, external) })
    )
  const refusal = refusalOf(service, family, reach)
  if (refusal === undefined) return
  const places = toNode(family, node, settings.loopbackNodePorts)
  const rules = places.map(({ asked, matches }) =>
    rule({ ...asked, protocol }, [comment(refusal.text), ...matches, ofProtocol(protocol, port)], refusal.target)
  )
  shared.add('filter', CHAIN.externalServices, ...rules)
}

/** Adds the rules of all frontends of a family, and returns the chains that say whom they take. */
export function addFrontends(shared: SharedRules, parts: ServiceParts): readonly ChainRules[] {
  const chains = new Map<string, ChainRules>()
  const clusterAddresses = new Map<string, IptablesRule>()
  for (const [frontend, reach] of parts.reaches) {
    if (!isAddressed(frontend)) {
      addNode(shared, parts, frontend, reach)
      continue
    }
    addAddressed(shared, parts, frontend, reach)
    if (frontend.kind === 'cluster')
      clusterAddresses.set(canonicalAddress(frontend.address), toOtherPorts(parts.service, parts.family, frontend.address))
    if (isRestricted(frontend))
      for (const chain of restrict(shared, parts, frontend, reach)) chains.set(`${chain.table} ${chain.chain}`, chain)
  }
  shared.add('filter', CHAIN.clusterAddresses, ...clusterAddresses.values())
  return [...chains.values()]
}
