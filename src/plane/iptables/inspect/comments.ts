/**
 * What comments of rules say.
 */
import type { IptablesRule } from '../../../iptables/index.js'
import { ruleOf } from '../../../iptables/rule/convert.js'
import type { ChainSnapshot } from '../../../iptables/state/snapshot.js'
import { readListed } from '../../../iptables/state/listing.js'
import { isTableName } from '../../../iptables/tables.js'
import type { ListedRule } from '../../../nftables/index.js'

/** What names of chains of endpoints begin with: all rules there have the service's name as their comment. */
const ENDPOINT = 'KUBE-SEP-'

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

/** The service that the chain of an endpoint is of; undefined for other chains. */
export function serviceOfEndpoint({ chain, rules }: ChainSnapshot): string | undefined {
  const [first] = rules
  return first === undefined || !chain.name.startsWith(ENDPOINT) ? undefined : commentOf(listedRule(first))
}
