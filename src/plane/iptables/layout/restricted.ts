/**
 * Frontends that do not take everybody.
 */
import { formatAddress, requirePrefix } from '../../../core/address.js'
import type { IptablesRule, IptablesTarget } from '../../../iptables/index.js'
import { isRestricted, type RestrictedFrontend } from '../../core/frontend.js'
import type { FrontendReach } from '../../core/balance/selection.js'
import type { Frontend, Service } from '../../model.js'
import { serviceChain } from './names.js'
import type { ChainRules } from './types.js'
import { comment, rule, toFrontend } from './words.js'

/** A prefix as iptables-save prints it. */
function prefixText(given: string): string {
  const { address, length } = requirePrefix('', given)
  return `${formatAddress(address)}/${length}`
}

/** Who is taken, and how: frontends for which that is the same have one chain. */
function rangesKey({ trafficPolicy = 'cluster', sourceRanges: { allow, deny = [] } }: RestrictedFrontend): string {
  return JSON.stringify([trafficPolicy, allow?.map(prefixText), deny.map(prefixText)])
}

/** The chains that say whom frontends take, by frontend. Where all take the same clients, as with kube-proxy, the chain has kube-proxy's name. */
export function sourceChains(service: Service, frontends: readonly Frontend[]): ReadonlyMap<Frontend, string> {
  const keys = new Map(frontends.filter(isRestricted).map((frontend) => [frontend, rangesKey(frontend)]))
  const isOne = new Set(keys.values()).size <= 1
  return new Map([...keys].map(([frontend, key]) => [frontend, serviceChain('sources', service, isOne ? '' : key)]))
}

/** A rule for each prefix of a list. */
function perPrefix(prefixes: readonly string[] | undefined, text: string, target: IptablesTarget): IptablesRule[] {
  return (prefixes ?? []).map((source) => rule({ source: prefixText(source) }, [comment(text)], target))
}

/** Where a restricted frontend leads, and what is done with all others. */
export interface Admission {
  readonly chain: string
  /** Where those go that are taken. */
  readonly target: IptablesTarget
  /** What leaves packets as they are; undefined: to go on after the chain does. */
  readonly leave: IptablesTarget | undefined
}

/** Takes those clients to the endpoints that the frontend takes; others stay as they are, and are dropped later. */
export function admittingChain(service: Service, { sourceRanges: { allow, deny } }: RestrictedFrontend, admission: Admission): ChainRules {
  const { chain, target, leave } = admission
  const text = `${service.name} loadbalancer IP`
  const rest = `other traffic to ${service.name} will be dropped by KUBE-PROXY-FIREWALL`
  return {
    table: 'nat',
    chain,
    rules: [
      ...perPrefix(deny, `${service.name} denied`, leave ?? 'RETURN'),
      ...(allow === undefined ? [rule({}, [comment(text)], target)] : [...perPrefix(allow, text, target), rule({}, [comment(rest)], leave)])
    ]
  }
}

/** Drops others where those that are taken may stay as they are, too: their endpoints are gone, and they are told so later. */
function droppingChain(service: Service, { sourceRanges: { allow, deny } }: RestrictedFrontend, chain: string): ChainRules {
  return {
    table: 'filter',
    chain,
    rules: [
      ...perPrefix(deny, `${service.name} denied`, 'DROP'),
      ...(allow === undefined
        ? []
        : [...perPrefix(allow, `${service.name} loadbalancer IP`, 'RETURN'), rule({}, [comment(`${service.name} not allowed`)], 'DROP')])
    ]
  }
}

/** What drops the clients that a frontend does not take: nobody else's packets have its address still, unless they are to be refused. */
export function droppingRules(
  service: Service,
  frontend: RestrictedFrontend,
  chain: string,
  { inside, outside }: FrontendReach
): { readonly rule: IptablesRule; readonly chains: readonly ChainRules[] } {
  const isRefused = inside === 'refuse' || outside === 'refuse'
  const text = `${service.name} traffic not accepted by ${chain}`
  return {
    rule: toFrontend(service.protocol, frontend, text, isRefused ? { jump: chain } : 'DROP'),
    chains: isRefused ? [droppingChain(service, frontend, chain)] : []
  }
}
