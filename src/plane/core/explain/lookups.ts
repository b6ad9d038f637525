/**
 * Look-ups in the sets of one table, as rules make them.
 */
import { Buffer } from 'node:buffer'
import { parseAddress, type AddressFamily } from '../../../core/address.js'
import { ENOENT } from '../../../core/errno.js'
import { orUndefined } from '../../../core/failures.js'
import { describeBounds, parseBounds, type Bounds, type KeyField } from '../../../nftables/bounds.js'
import type { Nftables, SetElement, SetSpec } from '../../../nftables/index.js'
import { setForm } from '../../../nftables/sets.js'

/** A key, field by field. */
export type Key = readonly KeyField[]

/** A set without the table that it is in. */
export type DeclaredSet = Omit<SetSpec, 'family' | 'table'>

/** Of {@link Nftables} what look-ups need. */
export type ElementReader = Pick<Nftables, 'getElements' | 'listElements'>

/** A table, and how its sets are named by those who ask. */
export interface LookupTable<Set> {
  readonly family: AddressFamily
  readonly name: string
  readonly declare: (set: Set) => DeclaredSet
}

/** Reads elements of a table of one family. A set that is not there has none. */
export class Lookups<Set> {
  readonly #nft: ElementReader
  readonly #table: LookupTable<Set>
  /** Ranges are listed once. */
  readonly #ranges = new Map<string, Promise<readonly Bounds[]>>()

  constructor(nft: ElementReader, table: LookupTable<Set>) {
    this.#nft = nft
    this.#table = table
  }

  /** The element that a key finds. */
  async find(set: Set, key: Key): Promise<SetElement | undefined> {
    return (await this.among(set, [key]))[0]
  }

  /** Whether a key finds an element. */
  async has(set: Set, key: Key): Promise<boolean> {
    return (await this.find(set, key)) !== undefined
  }

  /** The elements that keys find, in no certain order. */
  async among(set: Set, keys: readonly Key[]): Promise<readonly SetElement[]> {
    const where = this.#where(set)
    const fields = keys.map((key) => (key.length === 1 ? key[0]! : key))
    const found = await orUndefined(ENOENT, this.#nft.getElements(where, fields))
    return found === undefined ? [] : [...found]
  }

  /** The range of a set of prefixes that has an address, as nft writes it. */
  async range(set: Set, address: string): Promise<string | undefined> {
    const where = this.#where(set)
    let ranges = this.#ranges.get(where.name)
    if (ranges === undefined) this.#ranges.set(where.name, (ranges = this.#list(where)))
    const wanted = parseAddress(address)!
    const holds = ({ first, last }: Bounds): boolean => Buffer.compare(first, wanted) <= 0 && Buffer.compare(wanted, last) <= 0
    const found = (await ranges).find(holds)
    return found === undefined ? undefined : describeBounds(found, setForm(where).key)
  }

  #where(set: Set): SetSpec {
    const { family, name: table, declare } = this.#table
    return { family, table, ...declare(set) }
  }

  async #list(set: SetSpec): Promise<readonly Bounds[]> {
    const listed = await orUndefined(ENOENT, this.#nft.listElements(set))
    const { key: types } = setForm(set)
    return [...(listed ?? [])].map(({ key }) => parseBounds('key', key as KeyField, types))
  }
}
