/**
 * How the setting `route_localnet` was found, noted where it outlives the process: in the comment that nf_tables keeps of the chain which says that all is ours. iptables does not show it.
 */
import type { Step } from '../../../nftables/steps.js'
import type { FoundSetting } from '../../core/node/route-localnet.js'
import { tableKey } from '../../../iptables/state/snapshot.js'
import type { KernelState } from '../inspect/kernel.js'
import { CHAIN } from '../layout/names.js'
import { writeRule } from '../rules.js'
import { framesOf, type Layout } from '../wanted.js'

/** Where it is noted. Of IPv4 alone: IPv6 has no such setting. */
const PLACE = { family: 'ip', table: 'filter', chain: CHAIN.owner } as const

const NOTE = /^route_localnet was ([01])$/

/** What was noted; undefined: nothing. */
export function notedSetting({ tables }: KernelState): FoundSetting | undefined {
  const comment = tables.get(tableKey(PLACE.family, PLACE.table))?.chains.get(PLACE.chain)?.chain.comment
  const found = comment === undefined ? undefined : NOTE.exec(comment)?.[1]
  return found === undefined ? undefined : found === '0' ? 0 : 1
}

/** Makes the chain anew, with a note or without one. */
export function noteStep(layout: Layout, found: FoundSetting | undefined): Step {
  const { family, table, chain: name } = PLACE
  const rules = framesOf(layout)
    .filter((frame) => frame.family === family)
    .flatMap(({ chains }) => chains)
    .filter((chain) => chain.table === table && chain.chain === name)
    .flatMap((chain) => chain.rules)
  return {
    bytes: 1000,
    queue: (tx) => {
      tx.delete.chain({ family, table, name })
      tx.add.chain({ family, table, name, ...(found === undefined ? {} : { comment: `route_localnet was ${found}` }) })
      for (const rule of rules) tx.add.rule({ ...PLACE, ...writeRule(rule, PLACE) })
    }
  }
}
