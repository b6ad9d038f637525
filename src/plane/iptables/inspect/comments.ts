/**
 * What comments of rules say.
 */
import type { IptablesRule } from '../../../iptables/index.js'
import { ruleOf } from '../../../iptables/rule/convert.js'
import { readListed } from '../../../iptables/state/listing.js'
import { isTableName } from '../../../iptables/tables.js'
import { CHAIN } from '../layout/names.js'
import type { ListedRule } from '../../../nftables/index.js'

/** A listed rule in words; undefined: it is none of iptables. */
export function listedRule(listed: ListedRule): IptablesRule | undefined {
  const { family, table } = listed
  if ((family !== 'ip' && family !== 'ip6') || !isTableName(table)) return undefined
  const context = { family, table }
  const { form } = readListed(listed, context)
  return form && ruleOf(form, context)
}

/** The comment of a rule. */
export function commentOf(rule: IptablesRule | undefined): string | undefined {
  const found = rule?.matches?.find((match) => match.match === 'comment')
  return found !== undefined && 'comment' in found ? found.comment : undefined
}

/** What is said of a frontend behind its service's name, where it is served. */
export const ABOUT_SERVED = / (?:cluster IP|external IP|loadbalancer IP)$/

/** The same in all chains that services share. */
const ABOUT = new RegExp(` not allowed$| has no (?:local )?endpoints(?: for clients inside)?$|${ABOUT_SERVED.source}`)

/** The service that a rule of a shared chain is of, as its comment says; undefined: it is none of a service. */
export function serviceOfShared(listed: ListedRule): string | undefined {
  const comment = commentOf(listedRule(listed))
  // There the comment is the name alone, as kube-proxy has it.
  if (listed.table === 'nat' && listed.chain === CHAIN.nodePorts) return comment
  return comment !== undefined && ABOUT.test(comment) ? comment.replace(ABOUT, '') : undefined
}
