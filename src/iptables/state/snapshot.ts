/**
 * The tables of iptables in nf_tables, of one generation.
 */
import { ENOENT, ERESTART } from '../../core/errno.js'
import { NetlinkError } from '../../core/errors.js'
import { orUndefined } from '../../core/failures.js'
import type { CallOptions } from '../../core/options.js'
import { Slices } from '../../core/slices.js'
import { listPartOf, type Nftables } from '../../nftables/client.js'
import type { Ruleset } from '../../nftables/listing.js'
import type { ListedChain, ListedRule } from '../../nftables/objects.js'
import { FAMILIES, isTableName } from '../tables.js'
import type { IptablesFamily, IptablesTableName } from '../types.js'

/** A chain and its rules, as nf_tables has them. */
export interface ChainSnapshot {
  readonly chain: ListedChain
  /** None where {@link ChainSnapshot.isUnread}. */
  readonly rules: readonly ListedRule[]
  /** Nobody asked for its rules. Default: false. */
  readonly isUnread?: boolean | undefined
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

/** Chains whose rules are read, by {@link tableKey}: some, or all of a table. Of other tables none are. */
export type ChainsToRead = ReadonlyMap<string, ReadonlySet<string> | 'all'>

/** What to read. Default: everything. */
export interface SnapshotFilter {
  readonly family?: IptablesFamily | undefined
  readonly table?: IptablesTableName | undefined
  /** Default: all rules. Tables and chains are read in any case. */
  readonly rulesOf?: ChainsToRead | undefined
}

/** Names a table of a family. */
export function tableKey(family: IptablesFamily, table: IptablesTableName): string {
  return `${family} ${table}`
}

/** How often reading begins again where another process commits in between. */
const MAX_READS = 16

/** So many chains of a family are read one by one; where there are more, the whole tables that they are in. */
const MAX_SINGLE_CHAINS = 16

/** The chains whose rules are to be read, of those that there are. */
function chainsToRead({ chains }: Ruleset, family: IptablesFamily, rulesOf: ChainsToRead): ListedChain[] {
  return chains.filter(({ table, name }) => {
    const wanted = isTableName(table) ? rulesOf.get(tableKey(family, table)) : undefined
    return wanted === 'all' || wanted?.has(name) === true
  })
}

/** A chain, or a whole table. */
type Place = Pick<ListedRule, 'table'> & { readonly chain?: string }

function placesOf(chains: readonly ListedChain[]): Place[] {
  if (chains.length <= MAX_SINGLE_CHAINS) return chains.map(({ table, name }) => ({ table, chain: name }))
  return [...new Set(chains.map(({ table }) => table))].map((table) => ({ table }))
}

/** Puts rules to their chains. @param read The chains whose rules these are; undefined: all. */
async function tablesOf(
  { tables, chains: listed }: Ruleset,
  rules: readonly ListedRule[],
  read: ReadonlySet<ListedChain> | undefined,
  family: IptablesFamily
): Promise<TableSnapshot[]> {
  const slices = new Slices()
  const chains = new Map<string, Map<string, ChainSnapshot & { readonly rules: ListedRule[] }>>()
  for (const { name } of tables) chains.set(name, new Map())
  await slices.each(listed, (chain) => {
    const isUnread = read !== undefined && !read.has(chain)
    chains.get(chain.table)?.set(chain.name, { chain, rules: [], ...(isUnread ? { isUnread } : {}) })
  })
  await slices.each(rules, (rule) => {
    const found = chains.get(rule.table)?.get(rule.chain)
    if (found !== undefined && found.isUnread !== true) found.rules.push(rule)
  })
  const names = tables.map(({ name }) => name).filter(isTableName)
  return names.map((name) => ({ family, name, chains: chains.get(name)! }))
}

/** Lists the rules of chains. Undefined: another process committed since the generation. */
async function rulesOfChains(
  nft: Nftables,
  chains: readonly ListedChain[],
  generation: number,
  options: CallOptions & { readonly family: IptablesFamily }
): Promise<readonly ListedRule[] | undefined> {
  const rules: ListedRule[] = []
  for (const { table, chain } of placesOf(chains)) {
    const kinds = chain === undefined ? { rules: true, chains: true } : { rules: true, chain }
    const part = await orUndefined(ENOENT, listPartOf(nft, kinds, { ...options, table }))
    if (part?.generation !== generation) return undefined
    rules.push(...part.rules)
  }
  return rules
}

/** Reads one family. A table that does not exist is missing from the answer. Undefined: another process committed in between. */
async function readFamily(
  nft: Nftables,
  family: IptablesFamily,
  { table, rulesOf }: SnapshotFilter,
  options: CallOptions
): Promise<{ readonly generation: number; readonly tables: readonly TableSnapshot[] } | undefined> {
  const kinds = { tables: true, chains: true, rules: rulesOf === undefined }
  const listed = await orUndefined(ENOENT, listPartOf(nft, kinds, { ...options, family, table }))
  if (listed === undefined) return { generation: (await nft.readGeneration(options)).id, tables: [] }
  const { generation } = listed
  if (rulesOf === undefined) return { generation, tables: await tablesOf(listed, listed.rules, undefined, family) }
  const chains = chainsToRead(listed, family, rulesOf)
  const rules = await rulesOfChains(nft, chains, generation, { ...options, family })
  return rules && { generation, tables: await tablesOf(listed, rules, new Set(chains), family) }
}

/** Reads families. Undefined: another process committed in between. */
async function readFamilies(nft: Nftables, filter: SnapshotFilter, options: CallOptions): Promise<Snapshot | undefined> {
  const tables = new Map<string, TableSnapshot>()
  let generation: number | undefined
  for (const family of filter.family === undefined ? FAMILIES : [filter.family]) {
    const read = await readFamily(nft, family, filter, options)
    generation ??= read?.generation
    if (read === undefined || read.generation !== generation) return undefined
    for (const table of read.tables) tables.set(tableKey(family, table.name), table)
  }
  return { generation: generation!, tables }
}

/**
 * Reads tables, all of one generation.
 *
 * @throws {NetlinkError} `ERESTART`: other processes committed faster than could be read. `EPERM`.
 */
export async function readSnapshot(nft: Nftables, filter: SnapshotFilter, options: CallOptions): Promise<Snapshot> {
  for (let attempt = 0; attempt < MAX_READS; attempt++) {
    const snapshot = await readFamilies(nft, filter, options)
    if (snapshot !== undefined) return snapshot
  }
  throw new NetlinkError({ errno: ERESTART, operation: 'iptables.list', subject: 'the ruleset changed faster than it could be read' })
}
