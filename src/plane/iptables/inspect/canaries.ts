/**
 * The chains by which a kube-proxy notices that its rules were flushed. One is in a table that services are not in.
 */
import { ENOENT } from '../../../core/errno.js'
import { orUndefined } from '../../../core/failures.js'
import type { Nftables } from '../../../nftables/index.js'
import { FAMILIES } from '../../core/frontend.js'
import type { Place } from '../rules.js'

/** Their name. */
export const CANARY = 'KUBE-PROXY-CANARY'

/** Those of the table `mangle` which nothing is in and nothing leads to. What another process changes meanwhile makes the commit fail, by the generation. */
export async function lonelyCanaries(nft: Nftables): Promise<readonly Place[]> {
  const found: Place[] = []
  for (const family of FAMILIES) {
    const place: Place = { family, table: 'mangle', chain: CANARY }
    const chains = (await orUndefined(ENOENT, nft.listChains({ family, table: place.table }))) ?? []
    // The kernel counts rules in a chain, and rules and elements of maps that lead there.
    if (chains.some(({ name, use }) => name === CANARY && use === 0)) found.push(place)
  }
  return found
}
