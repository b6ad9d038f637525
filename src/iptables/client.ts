/**
 * iptables of one network namespace, as `iptables-nft` keeps it in nf_tables.
 */
import { requireOptions } from '../core/checks.js'
import { ENOENT } from '../core/errno.js'
import { NetlinkError } from '../core/errors.js'
import type { FakeKernel } from '../core/open.js'
import { namespaceOf, networkNamespace, type CallOptions, type InNetworkNamespace, type OpenOptions } from '../core/options.js'
import { Slices } from '../core/slices.js'
import { Nftables, type Generation } from '../nftables/client.js'
import type { ListedRule } from '../nftables/objects.js'
import { findAlike, KnownKeys } from './rule/compare.js'
import { requireChainName, type IptablesContext } from './rule/convert.js'
import type { IptablesRule } from './rule/model.js'
import { NO_LEGACY_TABLES, readLegacyTables } from './state/legacy.js'
import { listedTable, readListed, setsOfTables } from './state/listing.js'
import { SetResolver } from './state/set-names.js'
import { readSnapshot, tableKey, type ChainsToRead } from './state/snapshot.js'
import type { IptablesListing, IptablesTable, LegacyTables } from './state/types.js'
import type { IptablesFamily, IptablesTableName } from './types.js'
import { baseChain, FAMILIES, requireFamily, requireTable, SAVE_ORDER } from './tables.js'
import { describePlace, requireChainReference, checkRule, formWithSets, type IptablesChainReference } from './transaction/operations.js'
import { IptablesTransaction } from './transaction/transaction.js'

/** Options of {@link Iptables.open}. */
export interface IptablesOptions extends OpenOptions {
  /** What stands for the kernel: a fake of `netplane/testing`. Default: the kernel. */
  readonly kernel?: FakeKernel<'nftables'> | undefined
}

/** Which rules to list. */
export interface IptablesFilter {
  /** Default: both. */
  readonly family?: IptablesFamily | undefined
  /** Default: all tables. */
  readonly table?: IptablesTableName | undefined
  /** Default: all chains. */
  readonly chain?: string | undefined
}

/** Refuses what no filter has. @throws {ValidationError} */
function checkFilter({ family, table, chain }: IptablesFilter): void {
  if (family !== undefined) requireFamily('family', family)
  if (table !== undefined) requireTable('table', table)
  if (chain !== undefined) requireChainName('chain', chain)
}

/** The chains of a name, whatever table they are in. */
function inAllTables(chain: string): ChainsToRead {
  return new Map(FAMILIES.flatMap((family) => SAVE_ORDER.map((table) => [tableKey(family, table), new Set([chain])] as const)))
}

/**
 * A client of iptables in one network namespace, over a client of nf_tables: the rules are those that `iptables-nft` shows and writes. No program is run. Calls run in call order.
 */
export class Iptables implements InNetworkNamespace, AsyncDisposable {
  readonly #nft: Nftables
  readonly #sets: SetResolver
  readonly #isFake: boolean

  private constructor(nft: Nftables, isFake: boolean) {
    this.#nft = nft
    this.#sets = new SetResolver(nft)
    this.#isFake = isFake
  }

  /**
   * Opens a client. Reading and changing need CAP_NET_ADMIN in the user namespace that owns the network namespace; opening does not.
   *
   * @throws {UnsupportedError} No addon for this machine, or no netfilter netlink in this kernel.
   * @throws {NetlinkError} The namespace could not be entered: `ENOENT`, `EPERM`, `EINVAL`.
   */
  static async open(options: IptablesOptions = {}): Promise<Iptables> {
    const nft = await Nftables.open(options)
    return new Iptables(nft, options.kernel !== undefined)
  }

  /** Of use inside the package only. */
  get [networkNamespace](): unknown {
    return this.#nft[networkNamespace]
  }

  /**
   * Lists the tables of iptables with their chains and rules, of one generation. Tables of nf_tables with other names are not looked at.
   *
   * @throws {ValidationError} The filter names no family, table or chain.
   * @throws {NetlinkError} `ERESTART`: the ruleset changed faster than it could be read, 16 times. `EPERM`.
   */
  async list(options: IptablesFilter & CallOptions = {}): Promise<IptablesListing> {
    const { family, table, chain, signal, deadlineMs } = requireOptions(options)
    checkFilter(options)
    const rulesOf = chain === undefined ? undefined : inAllTables(chain)
    const { generation, tables } = await readSnapshot(this.#nft, { family, table, rulesOf }, { signal, deadlineMs })
    const ordered = FAMILIES.flatMap((inFamily) => SAVE_ORDER.flatMap((name) => tables.get(`${inFamily} ${name}`) ?? []))
    const slices = new Slices()
    const sets = await this.#sets.resolveIfPossible(await setsOfTables(ordered, slices), { signal, deadlineMs })
    const listed: IptablesTable[] = []
    for (const found of ordered) listed.push(await listedTable(found, chain, sets, slices))
    return { generation, tables: listed, legacy: await this.legacyTables() }
  }

  /**
   * Which tables of the legacy kernel interface exist in the namespace. Packets meet their rules too, before or after those of nf_tables.
   *
   * @throws {NetlinkError} The files of /proc/net may not be read: `EACCES`, `EPERM`.
   */
  async legacyTables(): Promise<LegacyTables> {
    return this.#isFake ? NO_LEGACY_TABLES : await readLegacyTables(namespaceOf(this))
  }

  /**
   * Whether a chain has a rule that is like the given one (`-C`); counters are not compared.
   *
   * @throws {ValidationError} The rule is malformed.
   * @throws {NetlinkError} `ENOENT`: there is no such chain of the user.
   */
  async check(place: IptablesChainReference, rule: IptablesRule, options: CallOptions = {}): Promise<boolean> {
    const { signal, deadlineMs } = requireOptions(options)
    const { family, table, chain } = requireChainReference('place', place)
    const context: IptablesContext = { family, table }
    const checked = checkRule(rule, { family, table, chain })
    const { setNames } = checked
    const form =
      setNames.length === 0 ? checked.form : formWithSets(checked, place, await this.#sets.resolve(setNames, { signal, deadlineMs }))
    const rulesOf = new Map([[tableKey(family, table), new Set([chain])]])
    const { tables } = await readSnapshot(this.#nft, { family, table, rulesOf }, { signal, deadlineMs })
    const found = tables.get(tableKey(family, table))?.chains.get(chain)
    if (found === undefined && baseChain(table, chain) === undefined)
      throw new NetlinkError({
        errno: ENOENT,
        operation: 'iptables.check',
        subject: describePlace({ family, table, chain }),
        object: place
      })
    const known = new KnownKeys((rule: ListedRule) => readListed(rule, context).form, context)
    return (await findAlike(form, found?.rules ?? [], (rule) => known.of(rule), context, new Slices())) >= 0
  }

  /** Begins a transaction. It belongs to this client and can be built while others run. */
  transaction(): IptablesTransaction {
    return IptablesTransaction.begin(this.#nft, this.#sets)
  }

  /** The generation of nf_tables in the namespace: it grows with every commit, whoever makes it. About 10 µs. */
  async generation(options: CallOptions = {}): Promise<Generation> {
    return await this.#nft.readGeneration(options)
  }

  /** Waits for calls under way, then closes the socket. Idempotent. */
  async close(): Promise<void> {
    await Promise.all([this.#nft.close(), this.#sets.close()])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
