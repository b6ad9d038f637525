/**
 * What the kernel holds in the tables that services are in.
 */
import { ENOENT, ERESTART } from '../../../core/errno.js'
import { NetlinkError } from '../../../core/errors.js'
import { orUndefined } from '../../../core/failures.js'
import { Slices } from '../../../core/slices.js'
import type { IptablesTableReference } from '../../../iptables/index.js'
import { tableKey, type ChainSnapshot, type TableSnapshot } from '../../../iptables/state/snapshot.js'
import type { ListedRule, ListedTable, Nftables, Ruleset } from '../../../nftables/index.js'
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

/** The chains of a table, with their rules. */
async function tableOf({ chains, rules }: Ruleset, { family, table: name }: IptablesTableReference): Promise<TableSnapshot> {
  const found = new Map<string, ChainSnapshot & { readonly rules: ListedRule[] }>()
  for (const chain of chains) if (chain.table === name) found.set(chain.name, { chain, rules: [] })
  await new Slices().each(rules, (rule) => {
    if (rule.table === name) found.get(rule.chain)?.rules.push(rule)
  })
  return { family, name, chains: found }
}

async function readOnce(nft: Nftables): Promise<KernelState | undefined> {
  const generation = (await nft.readGeneration()).id
  const listed = new Map<string, ListedTable>()
  for (const table of await nft.listTables()) {
    const place = PLACES.find((one) => one.family === table.family && one.table === table.name)
    if (place !== undefined) listed.set(tableKey(place.family, place.table), table)
  }
  const tables = new Map<string, TableSnapshot>()
  for (const place of PLACES) {
    const key = tableKey(place.family, place.table)
    if (!listed.has(key)) continue
    const ruleset = await orUndefined(ENOENT, nft.list({ family: place.family, table: place.table }))
    if (ruleset?.generation !== generation) return undefined
    tables.set(key, await tableOf(ruleset, place))
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
