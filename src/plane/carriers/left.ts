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
 * Removes tables of carriers of planes, but for some.
 *
 * @param kept Names of carriers that go on.
 * @throws {NetlinkError} One of them belongs to a process that has it open.
 */
export async function dropLeftCarriers(nft: Nftables, planes: readonly PlaneIdentity[], kept: readonly string[]): Promise<void> {
  const isLeft = (table: string, comment: string): boolean =>
    planes.some((plane) => {
      const base = carrierBase(plane)
      const isCarrier = comment.startsWith(carrierPrefix(plane.mode)) && table.startsWith(base) && table.endsWith(SUFFIX)
      return isCarrier && !kept.includes(table.slice(base.length, -SUFFIX.length))
    })
  const tx = nft.transaction()
  for (const { family, name, comment = '' } of await nft.listTables()) if (isLeft(name, comment)) tx.delete.table({ family, name })
  if (tx.size > 0) await tx.commit()
}
