/**
 * Chains as they are put down before they are compiled.
 */
import type { AddressFamily } from '../../../core/address.js'
import type { ChainForm } from '../../../nftables/compare.js'
import { SERVICE_PROTOCOLS } from '../../../core/protocols.js'
import type { Chain } from '../../../nftables/index.js'
import { meta } from '../../../nftables/rule/selectors.js'
import type { RuleStatement } from '../../../nftables/rule/nodes.js'
import { compileAll } from './words.js'

/** Where base chains stand: NF_IP_PRI_*, include/uapi/linux/netfilter_ipv4.h. Connections are known from -200 on. */
export const PRIORITY = { raw: -300, mangle: -150, dstnat: -100, filter: 0, beforeSrcnat: 99, srcnat: 100, last: 300 } as const

/** A chain with its rules before they are compiled. */
export interface Draft {
  readonly chain: Omit<Chain, 'family' | 'table'>
  readonly rules: readonly (readonly RuleStatement[])[]
}

/** A chain that others lead to. */
export function plain(name: string, rules: Draft['rules']): Draft {
  return { chain: { name }, rules }
}

/** A chain that the kernel leads packets to. */
export function base(name: string, type: 'nat' | 'filter', hook: Chain['hook'], priority: number, rules: Draft['rules']): Draft {
  return { chain: { name, type, hook, priority, policy: 'accept' }, rules }
}

/** Rules about the original port of a connection: `nft` knows its type, and can load what it lists, where the rule says the protocol. */
export function byProtocol(...rules: Draft['rules']): RuleStatement[][] {
  return SERVICE_PROTOCOLS.flatMap((protocol) => rules.map((rule) => [meta.l4proto.eq(protocol), ...rule]))
}

/** The chains as the kernel takes them. */
export function compiled(family: AddressFamily, table: string, drafts: readonly Draft[]): ChainForm[] {
  return drafts.map(({ chain, rules }) => ({ chain, rules: compileAll(family, table, rules) }))
}
