/**
 * The chains by which a kube-proxy notices that its rules were flushed. One is in a table that services are not in.
 */
import { ENOENT } from '../../../core/errno.js'
import { orUndefined } from '../../../core/failures.js'
import type { Nftables } from '../../../nftables/index.js'
import { FAMILIES } from '../../core/frontend.js'
import { calledChainOf, type Place } from '../rules.js'

/** Their name. */
export const CANARY = 'KUBE-PROXY-CANARY'

/** Those of the table `mangle` which nothing is in and nothing leads to. What another process changes meanwhile makes the commit fail, by the generation. */
export async function lonelyCanaries(nft: Nftables): Promise<readonly Place[]> {
  const found: Place[] = []
  for (const family of FAMILIES) {
    const place: Place = { family, table: 'mangle', chain: CANARY }
    const { chains = [], rules = [] } = (await orUndefined(ENOENT, nft.list({ family, table: place.table }))) ?? {}
    const isUsed = rules.some((rule) => rule.chain === CANARY || calledChainOf(rule) === CANARY)
    if (!isUsed && chains.some(({ name }) => name === CANARY)) found.push(place)
  }
  return found
}
