/**
 * What the kernel holds in the tables that services are in.
 */
import { ERESTART } from '../../../core/errno.js'
import { NetlinkError } from '../../../core/errors.js'
import type { IptablesTableReference } from '../../../iptables/index.js'
import { readSnapshot, tableKey, type TableSnapshot } from '../../../iptables/state/snapshot.js'
import type { ListedTable, Nftables } from '../../../nftables/index.js'
import { BackendFailure } from '../../core/backend.js'
import { FAMILIES } from '../../core/frontend.js'
import { TABLES } from '../layout/tables.js'

/** Tables of both families, of one generation. */
export interface KernelState {
  readonly generation: number
  /** By {@link tableKey}; one that does not exist is missing. */
  readonly tables: ReadonlyMap<string, TableSnapshot>
  /** The tables by themselves, likewise. */
  readonly listed: ReadonlyMap<string, ListedTable>
}

/** All tables that services are in. */
export const PLACES: readonly IptablesTableReference[] = FAMILIES.flatMap((family) => TABLES.map((table) => ({ family, table })))

/** How often is read again what another process changed meanwhile. */
const MAX_READS = 16

async function readOnce(nft: Nftables): Promise<KernelState | undefined> {
  const generation = (await nft.readGeneration()).id
  const listed = new Map<string, ListedTable>()
  for (const table of await nft.listTables()) {
    const place = PLACES.find((one) => one.family === table.family && one.table === table.name)
    if (place !== undefined) listed.set(tableKey(place.family, place.table), table)
  }
  const tables = new Map<string, TableSnapshot>()
  for (const { family, table } of PLACES) {
    if (!listed.has(tableKey(family, table))) continue
    const read = await readSnapshot(nft, { family, table }, {})
    if (read.generation !== generation) return undefined
    for (const [key, found] of read.tables) tables.set(key, found)
  }
  return (await nft.readGeneration()).id === generation ? { generation, tables, listed } : undefined
}

/** Reads the tables. @throws {BackendFailure} Other processes commit faster than they can be read. */
export async function readKernel(nft: Nftables): Promise<KernelState> {
  for (let attempt = 0; attempt < MAX_READS; attempt++) {
    const read = await readOnce(nft)
    if (read !== undefined) return read
  }
  const subject = 'the ruleset changed faster than it could be read'
  throw new BackendFailure('again', false, new NetlinkError({ errno: ERESTART, operation: 'plane.inspect', subject }))
}
