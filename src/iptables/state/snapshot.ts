/**
 * The tables of iptables in nf_tables, of one generation.
 */
import { ENOENT, ERESTART } from '../../core/errno.js'
import { NetlinkError } from '../../core/errors.js'
import { orUndefined } from '../../core/failures.js'
import type { CallOptions } from '../../core/options.js'
import { Slices } from '../../core/slices.js'
import type { Nftables } from '../../nftables/client.js'
import type { Ruleset } from '../../nftables/listing.js'
import type { ListedChain, ListedRule } from '../../nftables/objects.js'
import { FAMILIES, isTableName } from '../tables.js'
import type { IptablesFamily, IptablesTableName } from '../types.js'

/** A chain and its rules, as nf_tables has them. */
export interface ChainSnapshot {
  readonly chain: ListedChain
  readonly rules: readonly ListedRule[]
}

/** A table and its chains, by their names. */
export interface TableSnapshot {
  readonly family: IptablesFamily
  readonly name: IptablesTableName
  readonly chains: ReadonlyMap<string, ChainSnapshot>
}

/** Tables of one generation, by {@link tableKey}. */
export interface Snapshot {
  readonly generation: number
  readonly tables: ReadonlyMap<string, TableSnapshot>
}

/** What to read. Default: everything. */
export interface SnapshotFilter {
  readonly family?: IptablesFamily | undefined
  readonly table?: IptablesTableName | undefined
}

/** Names a table of a family. */
export function tableKey(family: IptablesFamily, table: IptablesTableName): string {
  return `${family} ${table}`
}

/** How often reading begins again where another process commits between two families. */
const MAX_READS = 16

async function tablesOf(ruleset: Ruleset, family: IptablesFamily): Promise<TableSnapshot[]> {
  const slices = new Slices()
  const chains = new Map<string, Map<string, { readonly chain: ListedChain; readonly rules: ListedRule[] }>>()
  for (const { name } of ruleset.tables) chains.set(name, new Map())
  await slices.each(ruleset.chains, (chain) => chains.get(chain.table)?.set(chain.name, { chain, rules: [] }))
  await slices.each(ruleset.rules, (rule) => chains.get(rule.table)?.get(rule.chain)?.rules.push(rule))
  const names = ruleset.tables.map(({ name }) => name).filter(isTableName)
  return names.map((name) => ({ family, name, chains: chains.get(name)! }))
}

/** Reads one family. A table that does not exist is missing from the answer. */
async function readFamily(
  nft: Nftables,
  family: IptablesFamily,
  table: IptablesTableName | undefined,
  options: CallOptions
): Promise<{ readonly generation: number; readonly tables: readonly TableSnapshot[] }> {
  const listed = await orUndefined(ENOENT, nft.list({ ...options, family, table }))
  if (listed === undefined) return { generation: (await nft.readGeneration(options)).id, tables: [] }
  return { generation: listed.generation, tables: await tablesOf(listed, family) }
}

/**
 * Reads tables, all of one generation.
 *
 * @throws {NetlinkError} `ERESTART`: other processes committed faster than could be read. `EPERM`.
 */
export async function readSnapshot(nft: Nftables, filter: SnapshotFilter, options: CallOptions): Promise<Snapshot> {
  const families = filter.family === undefined ? FAMILIES : [filter.family]
  for (let attempt = 0; attempt < MAX_READS; attempt++) {
    const read = []
    for (const family of families) read.push(await readFamily(nft, family, filter.table, options))
    const generation = read[0]!.generation
    if (read.every((part) => part.generation === generation))
      return {
        generation,
        tables: new Map(read.flatMap(({ tables }) => tables).map((table) => [tableKey(table.family, table.name), table]))
      }
  }
  throw new NetlinkError({ errno: ERESTART, operation: 'iptables.list', subject: 'the ruleset changed faster than it could be read' })
}
