/**
 * Tables of one name, one for each of the families ip and ip6, that a program knows as its own by their comments.
 */
import type { AddressFamily } from '../core/address.js'
import { NetplaneError } from '../core/errors.js'
import type { Nftables } from './client.js'

/** How tables are known. */
export interface OwnTables {
  readonly name: string
  readonly isOurs: (comment: string | undefined) => boolean
  /** What is wrong with the comment of another one, in words: `is not 'netplane 1'`. */
  readonly otherwise: string
}

/** A table that is ours. */
export interface OwnTable {
  readonly family: AddressFamily
  readonly comment: string | undefined
}

function refuse(why: string): never {
  throw new NetplaneError('ERR_NETPLANE_FOREIGN', `${why}: choose another name, or remove it`)
}

/**
 * Our tables, as far as they exist.
 *
 * @param onForeign Is told of each table of that name that is not ours, which is passed over then. Absent: it is refused.
 * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: a table of that name was made by another program.
 */
export async function listOwnTables(
  nft: Pick<Nftables, 'listTables'>,
  { name, isOurs, otherwise }: OwnTables,
  onForeign: (why: string) => void = refuse
): Promise<OwnTable[]> {
  const own: OwnTable[] = []
  for (const { family, name: listed, comment } of await nft.listTables()) {
    if ((family !== 'ip' && family !== 'ip6') || listed !== name) continue
    if (isOurs(comment)) own.push({ family, comment })
    else onForeign(`table ${family} ${name} exists and is not ours (its comment ${otherwise})`)
  }
  return own
}

/** Deletes tables. */
export async function dropTables(nft: Nftables, name: string, families: Iterable<AddressFamily>): Promise<void> {
  const tx = nft.transaction()
  for (const family of families) tx.delete.table({ family, name })
  if (tx.size > 0) await tx.commit()
}
