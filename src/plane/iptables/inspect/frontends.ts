/**
 * Frontends that rules of shared chains are for.
 */
import { formatSocketAddress } from '../../../core/address.js'
import type { IptablesFamily, IptablesMatch, IptablesRule } from '../../../iptables/index.js'
import type { Wanted } from '../wanted.js'
import { listedRule } from './comments.js'
import type { Comparison } from './compare.js'

/** The port to which a rule takes packets; undefined: to any, or to several. */
export function portOf(matches: readonly IptablesMatch[] | undefined): number | undefined {
  for (const match of matches ?? [])
    if ('destinationPort' in match && typeof match.destinationPort === 'number') return match.destinationPort
  return undefined
}

/** The address to which a rule takes packets, without the length of a prefix that is all of it. */
export function addressOf({ destination }: IptablesRule): string | undefined {
  return typeof destination === 'string' ? destination.replace(/\/(?:32|128)$/, '') : undefined
}

/** A frontend as people write it; undefined: the rule is for none. */
function labelOf(family: IptablesFamily, rule: IptablesRule): string | undefined {
  const [port, address] = [portOf(rule.matches), addressOf(rule)]
  if (port === undefined || typeof rule.protocol !== 'string') return undefined
  return `${rule.protocol} ${address === undefined ? `node port ${port} (${family})` : formatSocketAddress(address, port)}`
}

/** Frontends that a service is to have, and those of them of which no rule is missing. */
function wantedFrontends(shared: Wanted['shared'], service: string, missing: ReadonlySet<IptablesRule>) {
  const [wanted, standing] = [new Set<string>(), new Set<string>()]
  for (const { place, services } of shared.values()) {
    for (const rule of services.get(service) ?? []) {
      const label = labelOf(place.family, rule)
      if (label === undefined) continue
      wanted.add(label)
      if (!missing.has(rule)) standing.add(label)
    }
  }
  return { wanted, standing }
}

/** Frontends that are there and not wanted, and those that are wanted and not there. */
export interface Differing {
  readonly going: readonly string[]
  readonly coming: readonly string[]
}

/** The frontends of a service that differ. */
export function differingFrontends({ services, strayRules, wanted: { shared } }: Comparison, service: string): Differing {
  const { wanted, standing } = wantedFrontends(shared, service, new Set(services.get(service)?.missing))
  for (const listed of strayRules.get(service) ?? []) {
    const rule = listedRule(listed)
    const label = rule && labelOf(listed.family as IptablesFamily, rule)
    if (label !== undefined) standing.add(label)
  }
  return { going: [...standing].filter((label) => !wanted.has(label)), coming: [...wanted].filter((label) => !standing.has(label)) }
}
