/**
 * Where frontends lead that clients from outside may ask: all but those of kind `cluster`.
 */
import type { IptablesFamily, IptablesRule, IptablesTarget } from '../../../iptables/index.js'
import type { FrontendReach } from '../../core/balance/selection.js'
import type { Frontend, Service, TrafficPolicy } from '../../model.js'
import { CHAIN, serviceChain } from './names.js'
import type { LayoutSettings } from './settings.js'
import { fromLocal } from './sources.js'
import type { ChainRules } from './types.js'
import { comment, FROM_NODE, rule, type Asked } from './words.js'

/** What ends the way of a packet that nothing is to translate; undefined: to go on, as no other rule is about its address. An address of this node may have ports of it, too. */
export function leaving({ ownAddresses }: Pick<LayoutSettings, 'ownAddresses'>): IptablesTarget | undefined {
  return ownAddresses === 'serve' ? 'ACCEPT' : undefined
}

/** Everybody comes back to this node. */
function throughNode(service: Service): readonly IptablesRule[] {
  return [
    rule({}, [comment(`masquerade traffic for ${service.name} external destinations`)], { jump: CHAIN.mark }),
    rule({}, [], { jump: serviceChain('cluster', service) })
  ]
}

/** Those who are inside go to all endpoints, whatever the policy; only this node's own connections come back to it. */
function shortCircuit(service: Service, local: readonly Asked[]): IptablesRule[] {
  const cluster: IptablesTarget = { jump: serviceChain('cluster', service) }
  const about = `traffic for ${service.name} external destinations`
  return [
    ...local.map((asked) => rule(asked, [comment(`pod ${about}`)], cluster)),
    rule({}, [comment(`masquerade LOCAL ${about}`), FROM_NODE], { jump: CHAIN.mark }),
    rule({}, [comment(`route LOCAL ${about}`), FROM_NODE], cluster)
  ]
}

/** Nothing takes those who are inside. */
function keepInside(service: Service, local: readonly Asked[], target: IptablesTarget): IptablesRule[] {
  const text = comment(`${service.name} has no endpoints for clients inside`)
  return [...local.map((asked) => rule(asked, [text], target)), rule({}, [text, FROM_NODE], target)]
}

function toLocal(service: Service, { inside, outside }: FrontendReach, local: readonly Asked[], leave: IptablesTarget | undefined) {
  return [
    ...(inside === 'cluster' ? shortCircuit(service, local) : keepInside(service, local, leave ?? 'RETURN')),
    ...(outside === 'local' ? [rule({}, [], { jump: serviceChain('local', service) })] : []),
    ...(outside !== 'local' && leave !== undefined ? [rule({}, [comment(`${service.name} has no local endpoints`)], leave)] : [])
  ]
}

/** Whether some client gets to an endpoint. */
export function isServed({ inside, outside }: FrontendReach): boolean {
  return inside === 'cluster' || inside === 'local' || outside === 'cluster' || outside === 'local'
}

/** Frontends of one family that clients from outside may ask and that some client is served at, by policy. */
export type ExternalReaches = ReadonlyMap<TrafficPolicy, FrontendReach>

/** What becomes of clients under each policy that such frontends have. */
export function externalReaches(reaches: ReadonlyMap<Frontend, FrontendReach>): ExternalReaches {
  const served = [...reaches].filter(([{ kind }, reach]) => kind !== 'cluster' && isServed(reach))
  return new Map(served.map(([{ trafficPolicy = 'cluster' }, reach]) => [trafficPolicy, reach]))
}

/** The chain to which frontends of a policy lead. */
export function externalChain(service: Service, policy: TrafficPolicy, external: ExternalReaches): string {
  return serviceChain(policy === 'local' && external.has('cluster') ? 'externalLocal' : 'external', service)
}

/** These chains. */
export function externalChains(
  service: Service,
  family: IptablesFamily,
  settings: LayoutSettings,
  external: ExternalReaches
): readonly ChainRules[] {
  return [...external].map(([policy, reach]) => ({
    table: 'nat',
    chain: externalChain(service, policy, external),
    rules: policy === 'cluster' ? throughNode(service) : toLocal(service, reach, fromLocal(family, settings), leaving(settings))
  }))
}
