/**
 * Chains of endpoints: who they lead to, and whose they are.
 */
import { formatSocketAddress } from '../../../core/address.js'
import type { IptablesRule } from '../../../iptables/index.js'
import type { ChainSnapshot } from '../../../iptables/state/snapshot.js'
import { isChainOf } from '../layout/names.js'
import { commentOf, listedRule } from './comments.js'

/** Where a rule sends connections; undefined: nowhere, or to several places. */
export function destinationOf({ target }: IptablesRule): { readonly address: string; readonly port: number } | undefined {
  if (typeof target !== 'object' || !('target' in target) || target.target !== 'DNAT' || !('to' in target)) return undefined
  const { addresses, ports } = target.to
  return typeof addresses === 'string' && typeof ports === 'number' ? { address: addresses, port: ports } : undefined
}

/** The endpoint that a chain leads to, as people write it; undefined for other chains. */
export function endpointOf(chain: string, rules: readonly IptablesRule[]): string | undefined {
  if (!isChainOf('endpoint', chain)) return undefined
  const found = rules.map(destinationOf).find((one) => one !== undefined)
  return found && formatSocketAddress(found.address, found.port)
}

/** The service that the chain of an endpoint is of, as all rules there have its name as their comment; undefined for other chains. */
export function serviceOfEndpoint({ chain, rules }: ChainSnapshot): string | undefined {
  const [first] = rules
  return first === undefined || !isChainOf('endpoint', chain.name) ? undefined : commentOf(listedRule(first))
}
