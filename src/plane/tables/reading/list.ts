/**
 * Reading of what may not be there.
 */
import { NetlinkError } from '../../../core/errors.js'
import type { ListedElements, NameReference, Nftables } from '../../../nftables/index.js'

/** Lists a set; undefined: there is none, or no table. @throws {NetlinkError} */
export async function listIfThere(nft: Nftables, set: NameReference): Promise<ListedElements | undefined> {
  try {
    return await nft.listElements(set)
  } catch (error) {
    if (error instanceof NetlinkError && error.code === 'ENOENT') return undefined
    throw error
  }
}
