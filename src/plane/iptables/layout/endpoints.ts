/**
 * How one endpoint is chosen, and where it leads.
 */
import { canonicalAddress } from '../../../core/address.js'
import type { IptablesMatch, IptablesRule } from '../../../iptables/index.js'
import { isChosen, type Selection } from '../../core/balance/selection.js'
import type { Endpoint, Service, TrafficPolicy } from '../../model.js'
import { CHAIN, endpointText, serviceChain } from './names.js'
import type { ChainRules } from './types.js'
import { comment, ofProtocol, rule } from './words.js'

/** An endpoint, and its chain. */
export interface PlacedEndpoint {
  readonly endpoint: Endpoint
  /** `10.1.0.7:80`, `[fd00::7]:80`. */
  readonly text: string
  readonly chain: string
}

const byText = (left: PlacedEndpoint, right: PlacedEndpoint): number => (left.text < right.text ? -1 : left.text > right.text ? 1 : 0)

/** The endpoints that are chosen under a policy, in kube-proxy's order, which does not depend on that of the caller. */
export function chosenEndpoints(service: Service, selection: Selection, policy: TrafficPolicy): readonly PlacedEndpoint[] {
  return service.endpoints
    .filter((endpoint) => isChosen(selection, policy, endpoint))
    .map((endpoint) => {
      const text = endpointText(endpoint)
      return { endpoint, text, chain: serviceChain('endpoint', service, text) }
    })
    .sort(byText)
}

/** Digits of a probability after the point that kube-proxy writes; the kernel keeps a multiple of 2^-31. */
const DIGITS = 10

/** By chance, or not at all where no other endpoint is left. */
function byChance(weight: number, sum: number): IptablesMatch[] {
  return weight === sum ? [] : [{ match: 'statistic', probability: Number((weight / sum).toFixed(DIGITS)) }]
}

const weightOf = ({ endpoint }: PlacedEndpoint): number => endpoint.weight ?? 1

/** Clients that an endpoint remembers. Lists are called as its chain is. */
function isRemembered(name: string, seconds: number): IptablesMatch {
  return { match: 'recent', action: 'rcheck', seconds, reap: true, name }
}

/** The rules that choose: each endpoint takes its part of what those before it have left. */
export function choosingRules({ name, affinity }: Service, endpoints: readonly PlacedEndpoint[]): readonly IptablesRule[] {
  const lead = ({ text, chain }: PlacedEndpoint, matches: readonly IptablesMatch[]): IptablesRule =>
    rule({}, [comment(`${name} -> ${text}`), ...matches], { jump: chain })
  const known = affinity === undefined ? [] : endpoints.map((placed) => lead(placed, [isRemembered(placed.chain, affinity.timeoutSeconds)]))
  let sum = endpoints.reduce((before, placed) => before + weightOf(placed), 0)
  const others = endpoints.map((placed) => {
    const weight = weightOf(placed)
    const chosen = lead(placed, byChance(weight, sum))
    sum -= weight
    return chosen
  })
  return [...known, ...others]
}

/** The chain of an endpoint: its own connections come back to this node, all are led to it. */
export function endpointChain({ name, protocol, affinity }: Service, { endpoint, chain }: PlacedEndpoint): ChainRules {
  const addresses = canonicalAddress(endpoint.address)
  const remember: readonly IptablesMatch[] = affinity === undefined ? [] : [{ match: 'recent', action: 'set', name: chain }]
  return {
    table: 'nat',
    chain,
    rules: [
      rule({ source: addresses }, [comment(name)], { jump: CHAIN.mark }),
      rule({ protocol }, [comment(name), ...remember, ofProtocol(protocol)], {
        target: 'DNAT',
        to: { addresses, ports: endpoint.port }
      })
    ]
  }
}

/** Chains of endpoints that either policy leads to, each once. */
export function endpointChains(service: Service, ...choices: readonly (readonly PlacedEndpoint[])[]): readonly ChainRules[] {
  const placed = new Map(choices.flat().map((each) => [each.chain, each]))
  return [...placed.values()].map((each) => endpointChain(service, each))
}
