/**
 * What a listing of iptables shows.
 */
import type { IptablesCounters, IptablesRule } from '../rule/model.js'
import type { IptablesFamily, IptablesTableName } from '../types.js'

/** A rule as the kernel has it. It can be written again. */
export interface ListedIptablesRule extends IptablesRule {
  readonly chain: string
  /** The kernel's handle of it. */
  readonly handle: bigint
  /** What of it iptables does not know; then nothing but its chain, handle and counters is told. Absent: it is a rule of iptables. */
  readonly foreign?: string | undefined
}

/** What happens to packets that reach the end of a base chain. */
export type IptablesPolicy = 'ACCEPT' | 'DROP'

/** A chain as the kernel has it. */
export interface IptablesChain {
  readonly name: string
  /** Of base chains only. */
  readonly policy?: IptablesPolicy | undefined
  /** Of base chains: what the policy was used for; 0 where the kernel does not count, as for chains that iptables-nft made without being given counters. */
  readonly counters: IptablesCounters
  /** False for a base chain that nobody has made yet, which iptables shows nevertheless: it is made with its first rule. */
  readonly exists: boolean
  /** In their order: position 1 is the first. */
  readonly rules: readonly ListedIptablesRule[]
}

/** A table as the kernel has it. */
export interface IptablesTable {
  readonly family: IptablesFamily
  readonly name: IptablesTableName
  /** Why `iptables-nft` would refuse the whole table, which somebody else made or changed. Absent: it shows it. */
  readonly incompatible?: string | undefined
  /** First all base chains, then those of the user by their names. */
  readonly chains: readonly IptablesChain[]
}

/** Tables that rules of the legacy kernel interface of iptables have: they are asked beside those of nf_tables, and this package neither shows nor changes them. */
export interface LegacyTables {
  readonly ip: readonly string[]
  readonly ip6: readonly string[]
}

/** Tables of one generation. */
export interface IptablesListing {
  /** {@link Iptables.generation} that all of it belongs to. */
  readonly generation: number
  /** Those that exist, IPv4 first, each family in the order of iptables-save. */
  readonly tables: readonly IptablesTable[]
  /** What of the legacy interface exists beside them. */
  readonly legacy: LegacyTables
}
