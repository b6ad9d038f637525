/**
 * What carriers of earlier processes have left in the kernel: rules that lead to relays which ended with them.
 */
import type { Nftables } from '../../nftables/index.js'
import { carrierPrefix } from '../tables/layout/table.js'
import type { PlaneIdentity } from '../switch/identity.js'

/** The name of a plane, as those of its carriers begin: mode `iptables` has none. */
export const carrierBase = ({ name = 'netplane' }: PlaneIdentity): string => `${name}-`

const SUFFIX = '-userspace'

/**
 * Removes tables of carriers of a plane, but for some.
 *
 * @param kept Names of carriers that go on.
 * @throws {NetlinkError} One of them belongs to a process that has it open.
 */
export async function dropLeftCarriers(nft: Nftables, plane: PlaneIdentity, kept: readonly string[]): Promise<void> {
  const base = carrierBase(plane)
  const names = new Set(kept.map((name) => `${base}${name}${SUFFIX}`))
  const tx = nft.transaction()
  for (const { family, name, comment } of await nft.listTables()) {
    const isCarrier = comment?.startsWith(carrierPrefix(plane.mode)) === true && name.startsWith(base) && name.endsWith(SUFFIX)
    if (isCarrier && !names.has(name)) tx.delete.table({ family, name })
  }
  if (tx.size > 0) await tx.commit()
}
