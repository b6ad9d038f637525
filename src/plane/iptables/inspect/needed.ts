/**
 * Chains of ours that others need.
 */
import type { Slices } from '../../../core/slices.js'
import type { TableSnapshot } from '../../../iptables/state/snapshot.js'
import { Calls } from '../../../iptables/state/users.js'
import { calledChainOf } from '../rules.js'
import { isOurChain, isOurJump } from './ours.js'

/**
 * The chains of ours that something of other programs leads to: a rule of their chains, or an element of a map, which the kernel counts alike. It deletes none of these chains, and refuses the whole
 * transaction that asks for it.
 */
export async function neededByOthers({ name: table, chains }: TableSnapshot, slices: Slices): Promise<ReadonlySet<string>> {
  const ours = new Calls()
  for (const [chain, { chain: listed, rules }] of chains) {
    if (slices.isOver) await slices.turn()
    const isOurs = isOurChain(table, chain)
    if (!isOurs && listed.hook === undefined) continue
    for (const rule of rules) if (isOurs || isOurJump(table, calledChainOf(rule))) ours.add(rule)
  }
  const needed = new Set<string>()
  for (const [chain, snapshot] of chains) if (isOurChain(table, chain) && ours.areNotAll(snapshot)) needed.add(chain)
  return needed
}
