/**
 * What rules of this plane look at, by family and scope.
 */
import type { AddressFamily } from '../../../core/address.js'
import type { Expression } from '../../../nftables/expressions.js'
import { compileRule } from '../../../nftables/rule/compile.js'
import type { RuleStatement } from '../../../nftables/rule/nodes.js'
import { concat } from '../../../nftables/rule/selector.js'
import { ip, ip6, th } from '../../../nftables/rule/headers.js'
import { ct, fib, meta } from '../../../nftables/rule/selectors.js'
import type { LocalSources } from '../../core/local-sources.js'
import type { Scope } from './sets.js'

/** Source and destination of a packet. */
export const ADDRESS = { ip, ip6 } as const

/** Destination of a connection's first packet, as it came. */
export const ORIGINAL = { ip: ct.original.ip.daddr, ip6: ct.original.ip6.daddr } as const

/** The sets of addresses that each scope is about. */
export const ADDRESS_SETS: Readonly<Record<Scope, readonly string[]>> = {
  address: ['cluster-ips', 'external-ips'],
  node: ['node-addresses']
}

/** The key of frontends, from a packet. */
export const FRONTEND = {
  ip: { address: concat(ip.daddr, meta.l4proto, th.dport), node: concat(meta.l4proto, th.dport) },
  ip6: { address: concat(ip6.daddr, meta.l4proto, th.dport), node: concat(meta.l4proto, th.dport) }
} as const

/** The key of frontends, from the connection that a packet belongs to. */
export const ORIGINAL_FRONTEND = {
  ip: { address: concat(ORIGINAL.ip, meta.l4proto, ct.original.protoDst), node: concat(meta.l4proto, ct.original.protoDst) },
  ip6: { address: concat(ORIGINAL.ip6, meta.l4proto, ct.original.protoDst), node: concat(meta.l4proto, ct.original.protoDst) }
} as const

/** The source with the key of a frontend. */
export const CLIENT = {
  ip: { address: concat(ip.saddr, ip.daddr, meta.l4proto, th.dport), node: concat(ip.saddr, meta.l4proto, th.dport) },
  ip6: { address: concat(ip6.saddr, ip6.daddr, meta.l4proto, th.dport), node: concat(ip6.saddr, meta.l4proto, th.dport) }
} as const

/** The source with the key of the frontend that its connection came to. */
export const ORIGINAL_CLIENT = {
  ip: {
    address: concat(ip.saddr, ORIGINAL.ip, meta.l4proto, ct.original.protoDst),
    node: concat(ip.saddr, meta.l4proto, ct.original.protoDst)
  },
  ip6: {
    address: concat(ip6.saddr, ORIGINAL.ip6, meta.l4proto, ct.original.protoDst),
    node: concat(ip6.saddr, meta.l4proto, ct.original.protoDst)
  }
} as const

/** True for packets of this node's own. */
export const FROM_NODE: RuleStatement = fib('saddr').type.eq('local')

/** True for packets of local clients; undefined where nobody is said to be one. */
export function fromLocalClient(family: AddressFamily, sources: LocalSources | undefined): RuleStatement | undefined {
  if (sources === undefined) return undefined
  if (sources.by === 'prefixes') return ADDRESS[family].saddr.in('local-sources')
  return meta.iifname.eq(sources.isPrefix ? `${sources.name}*` : sources.name)
}

/** True for packets of all others. */
export function notFromLocalClient(family: AddressFamily, sources: LocalSources): RuleStatement {
  if (sources.by === 'prefixes') return ADDRESS[family].saddr.notIn('local-sources')
  return meta.iifname.neq(sources.isPrefix ? `${sources.name}*` : sources.name)
}

/** Rules as expressions, which nobody changes. They have no sets and no chains of their own. */
export function compileAll(family: AddressFamily, table: string, rules: readonly (readonly RuleStatement[])[]): Expression[][] {
  const parts = { family, table, nextSetId: () => 0, nextChainId: () => 0 }
  return rules.map((statements) => [...compileRule(statements, parts).expressions])
}
