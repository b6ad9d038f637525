/**
 * What a chain will be like after a transaction.
 */
import { ENOENT } from '../../core/errno.js'
import { NetlinkError } from '../../core/errors.js'
import type { Slices } from '../../core/slices.js'
import type { ListedRule } from '../../nftables/objects.js'
import { findAlike, KnownKeys } from '../rule/compare.js'
import type { IptablesContext } from '../rule/convert.js'
import type { RuleForm } from '../rule/form.js'
import type { WrittenRule } from '../rule/written.js'
import type { ChainSnapshot } from '../state/snapshot.js'
import { isDropping, readListed } from '../state/listing.js'
import type { BaseChain } from '../tables.js'
import { describePlace, type CheckedRule, type IptablesChainReference, type Operation, type QueuedRule } from './operations.js'

/** A rule that an operation wants. */
export interface WantedRule {
  readonly written: WrittenRule
  readonly by: Operation
}

/** A rule of the chain as it will be: one that is there, perhaps replaced or with its counters at zero, or a new one. {@link UNREAD}: all that are there, whose number nobody has to know. */
export interface Item {
  readonly kept?: ListedRule | undefined
  readonly wanted?: WantedRule | undefined
  /** Of a kept rule: who set its counters to zero. */
  readonly zeroedBy?: Operation | undefined
}

/** The rules of a chain that were not read. */
export const UNREAD: Item = {}

/** The items that a chain begins with. */
function itemsOf(listed: ChainSnapshot | undefined): Item[] {
  if (listed?.isUnread === true) return [UNREAD]
  return listed?.rules.map((rule) => ({ kept: rule })) ?? []
}

/** The error for what cannot be done as things stand, which the kernel need not be asked for. */
export function refuse({ subject, index, object }: Operation, errno: number, why: string): never {
  throw new NetlinkError({ errno, operation: 'iptables.commit', subject, index, object, hint: why })
}

/** Most chains lose no rule: thousands of them would have a map each. */
const NONE_REMOVED: ReadonlyMap<ListedRule, Operation> = new Map()

/** One chain. */
export class ChainPlan {
  readonly place: IptablesChainReference
  readonly base: BaseChain | undefined
  readonly listed: ChainSnapshot | undefined
  /** Its name after the transaction. */
  name: string
  items: Item[]
  /** Rules that are taken away, by whom. */
  removed: ReadonlyMap<ListedRule, Operation> = NONE_REMOVED
  /** Who makes it, or sets its policy or counters. */
  madeBy: Operation | undefined
  deletedBy: Operation | undefined
  renamedBy: Operation | undefined
  policy: 'accept' | 'drop' | undefined
  counters: { readonly packets: bigint; readonly bytes: bigint } | undefined
  readonly #context: IptablesContext
  #removed: Map<ListedRule, Operation> | undefined
  /** What rules say that were compared. */
  #keys: KnownKeys<Item> | undefined

  constructor(place: IptablesChainReference, base: BaseChain | undefined, listed: ChainSnapshot | undefined) {
    this.place = place
    this.base = base
    this.listed = listed
    this.name = place.chain
    this.items = itemsOf(listed)
    this.#context = { family: place.family, table: place.table }
  }

  /** The name that the kernel knows it by until the commit. */
  get kernelName(): string {
    return this.place.chain
  }

  /** Whether it will be there. */
  get isThere(): boolean {
    return this.deletedBy === undefined && (this.listed !== undefined || this.madeBy !== undefined)
  }

  /** Puts a rule at a position from 1 on; undefined: at the end. */
  add({ written }: QueuedRule, position: number | undefined, by: Operation): void {
    const count = this.items.length
    if (position !== undefined && position > count + 1) refuse(by, ENOENT, `${this.#describe()} has ${count} rules`)
    const item: Item = { wanted: { written, by } }
    if (position === undefined) this.items.push(item)
    else this.items.splice(position - 1, 0, item)
  }

  /** Puts a rule in the place of another. */
  replace({ written }: QueuedRule, position: number, by: Operation): void {
    const { kept } = this.#at(position, by)
    this.items[position - 1] = { kept, wanted: { written, by } }
  }

  /** Takes the rule at a position away. */
  remove(position: number, by: Operation): void {
    this.#drop(this.#at(position, by), by)
    this.items.splice(position - 1, 1)
  }

  /** Takes the first rule away that is like another. */
  async removeAlike({ form }: CheckedRule, by: Operation, slices: Slices): Promise<void> {
    const keys = (this.#keys ??= new KnownKeys((item) => this.#formOf(item), this.#context))
    const index = await findAlike(form, this.items, (item) => keys.of(item), this.#context, slices)
    if (index < 0) refuse(by, ENOENT, `${this.#describe()} has no such rule`)
    this.remove(index + 1, by)
  }

  /** Takes all rules away. */
  flush(by: Operation): void {
    for (const item of this.items) this.#drop(item, by)
    this.items = []
  }

  /** Sets the counters of a rule, or of all rules and of the policy, to zero. */
  zero(position: number | undefined, by: Operation): void {
    if (position !== undefined) this.#at(position, by)
    this.items = this.items.map((item, index) => (position === undefined || index === position - 1 ? zeroed(item, by) : item))
    if (position === undefined) this.zeroPolicy(by)
  }

  /** Sets to zero what the policy was used for, where that is counted. */
  zeroPolicy(by: Operation): void {
    if (this.counters === undefined && this.listed?.chain.counters === undefined) return
    this.counters = { packets: 0n, bytes: 0n }
    this.madeBy ??= by
  }

  /** Makes it what it would be if it were made anew: a base chain without rules, whose policy is ACCEPT. */
  reset(by: Operation): void {
    this.flush(by)
    this.zeroPolicy(by)
    if (this.policy !== 'drop' && (this.listed === undefined || !isDropping(this.listed.chain))) return
    this.policy = 'accept'
    this.madeBy ??= by
  }

  /** A rule of this table goes on in a chain that has another name now. */
  renameCalled(from: string, to: string): void {
    this.items = this.items.map((item) => {
      const { wanted } = item
      if (wanted?.written.calledChain !== from) return item
      return { ...item, wanted: { ...wanted, written: wanted.written.withCalledChain(to) } }
    })
  }

  #drop({ kept }: Item, by: Operation): void {
    if (kept === undefined) return
    this.removed = this.#removed ??= new Map<ListedRule, Operation>()
    this.#removed.set(kept, by)
  }

  #at(position: number, by: Operation): Item {
    return this.items[position - 1] ?? refuse(by, ENOENT, `${this.#describe()} has ${this.items.length} rules`)
  }

  #formOf({ kept, wanted }: Item): RuleForm | undefined {
    return wanted === undefined ? kept && readListed(kept, this.#context).form : wanted.written.asRead(this.#context.family)
  }

  #describe(): string {
    return describePlace({ ...this.place, chain: this.name })
  }
}

function zeroed(item: Item, by: Operation): Item {
  const { kept, wanted } = item
  if (wanted === undefined) return { kept, zeroedBy: by }
  return { kept, wanted: { ...wanted, written: wanted.written.withCounters({ packets: 0n, bytes: 0n }) } }
}
