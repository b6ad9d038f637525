/**
 * What is gone of the ways that packets take from base chains to the chains of services.
 */
import type { IptablesFamily, IptablesTableName } from '../../../iptables/index.js'
import { tableKey } from '../../../iptables/state/snapshot.js'
import { CHAIN, isChainOf } from '../layout/names.js'
import { calledChainOf, placeKey } from '../rules.js'
import type { KernelState } from './kernel.js'

/** A rule of a base chain that leads to a chain of services. */
export interface BaseJump {
  readonly table: IptablesTableName
  readonly base: string
  readonly to: string
}

/** What gives connections a source address of this node. */
export const TO_SOURCES: BaseJump = { table: 'nat', base: 'POSTROUTING', to: CHAIN.postrouting }

/** What leads new connections to frontends. */
export function toFrontends(bases: readonly ('PREROUTING' | 'OUTPUT')[]): BaseJump[] {
  return bases.map((base) => ({ table: 'nat', base, to: CHAIN.services }))
}

/** What leads new connections to rules that refuse those of no endpoint. @param to The chain in which such a rule stands. */
export function toRefusals(bases: readonly ('INPUT' | 'FORWARD' | 'OUTPUT')[], to: string): BaseJump[] {
  // Nobody but this node itself and others through it asks for a cluster address.
  const seeing = to === CHAIN.services ? bases.filter((base) => base !== 'INPUT') : bases
  return seeing.map((base) => ({ table: 'filter', base, to }))
}

/** What is missing of these rules, in words. */
export function missingJumps({ tables, listed }: KernelState, family: IptablesFamily, jumps: readonly BaseJump[]): string[] {
  const missing = jumps.flatMap(({ table, base, to }) => {
    const key = tableKey(family, table)
    if (listed.get(key)?.flags?.includes('dormant') === true) return [`the hooks of table ${key}, which is dormant`]
    const place = placeKey({ family, table, chain: base })
    const found = tables.get(key)?.chains.get(base)
    if (found === undefined) return [`chain ${place}`]
    if (found.chain.hook === undefined) return [`the hook of chain ${place}`]
    return found.rules.some((rule) => calledChainOf(rule) === to) ? [] : [`a rule of chain ${place} that leads to ${to}`]
  })
  return [...new Set(missing)]
}

/** Whether all packets that a chain sees get to an endpoint where nothing is missing. */
export function isBalancing(chain: string): boolean {
  return isChainOf('cluster', chain) || isChainOf('local', chain) || isChainOf('endpoint', chain)
}

/** Says of a balancing chain that packets come out of its end. */
export function missingRules(family: IptablesFamily, chain: string): string {
  return `rules of chain ${placeKey({ family, table: 'nat', chain })}`
}
