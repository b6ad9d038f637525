/**
 * Frontends that rules of shared chains are for.
 */
import type { AddressFamily } from '../../../core/address.js'
import type { IptablesMatch, IptablesRule } from '../../../iptables/index.js'
import { frontendLabel } from '../../core/frontend.js'
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
function labelOf(family: AddressFamily, rule: IptablesRule): string | undefined {
  const { protocol, matches } = rule
  const port = portOf(matches)
  if (port === undefined || typeof protocol !== 'string') return undefined
  return frontendLabel(family, { protocol, address: addressOf(rule), port })
}

/** Frontends of a service: those of which no rule is missing, or a rule is left, and those that it is to have. */
export function frontendsOf(
  { services, strayRules, wanted: { shared } }: Comparison,
  service: string
): Readonly<Record<'there' | 'wanted', ReadonlySet<string>>> {
  const [there, wanted] = [new Set<string>(), new Set<string>()]
  const missing = new Set(services.get(service)?.missing)
  for (const { place, services: rules } of shared.values()) {
    for (const rule of rules.get(service) ?? []) {
      const label = labelOf(place.family, rule)
      if (label === undefined) continue
      wanted.add(label)
      if (!missing.has(rule)) there.add(label)
    }
  }
  for (const listed of strayRules.get(service) ?? []) {
    const rule = listedRule(listed)
    const label = rule && labelOf(listed.family as AddressFamily, rule)
    if (label !== undefined) there.add(label)
  }
  return { there, wanted }
}
