/**
 * What the kernel holds, as objects.
 */
import { Slices } from '../core/slices.js'
import type { NativeListed, NativeListedElements, NativeListedKind, NativeListing } from '../native/index.js'
import { inWritableOrder } from './bound-chains.js'
import { fromNative } from './columns.js'
import type { ElementColumns } from './columns.js'
import { decodeElements, type SetElement } from './elements.js'
import { fromNativeSet } from './listed-sets.js'
import {
  fromNativeChain,
  fromNativeCounter,
  fromNativeFlowtable,
  fromNativeObject,
  fromNativeRule,
  fromNativeTable,
  isNativeCounter,
  type ListedChain,
  type ListedCounter,
  type ListedFlowtable,
  type ListedRule,
  type ListedTable
} from './objects.js'
import { setForm, type ListedSet } from './sets.js'
import type { ListedObject } from './stateful-objects.js'
import { readListed } from './wire/operation.js'

/** The elements of one set, kept in columns; iterating makes objects, one at a time. Can be passed to `add.elements` as it is. */
export class ListedElements implements Iterable<SetElement> {
  readonly set: ListedSet
  /** The rows, in pieces of about 4 MiB. */
  readonly chunks: readonly ElementColumns[]

  constructor(set: ListedSet, chunks: readonly ElementColumns[]) {
    this.set = set
    this.chunks = chunks
  }

  /** Rows in the kernel: a range of a plain interval set takes two. */
  get rows(): number {
    return this.chunks.reduce((sum, { rows }) => sum + rows, 0)
  }

  *[Symbol.iterator](): Generator<SetElement> {
    yield* decodeElements(this.chunks, setForm(this.set))
  }
}

/** Everything that was asked for, of one generation. */
export interface Ruleset {
  /** {@link Nftables.readGeneration} that all of it belongs to. */
  readonly generation: number
  readonly tables: readonly ListedTable[]
  readonly chains: readonly ListedChain[]
  /** In the order of their chains; those of chains that belong to a rule (flag `binding`) come first, as they have to be written first. */
  readonly rules: readonly ListedRule[]
  readonly sets: readonly ListedSet[]
  /** One entry a set, where elements were asked for. */
  readonly elements: readonly ListedElements[]
  readonly counters: readonly ListedCounter[]
  readonly objects: readonly ListedObject[]
  readonly flowtables: readonly ListedFlowtable[]
}

const PAGE = 128

/** Takes all records of a kind, a page at a time, letting the event loop turn in between. */
async function takeAll<T>(
  listing: NativeListing,
  kind: NativeListedKind,
  convert: (listed: NativeListed) => T,
  slices: Slices
): Promise<T[]> {
  const converted: T[] = []
  for (let from = 0; from < listing.counts[kind]; from += PAGE) {
    for (const listed of readListed(listing.take(kind, from, PAGE))) converted.push(convert(listed))
    if (slices.isOver) await slices.turn()
  }
  return converted
}

async function takeElements(listing: NativeListing, slices: Slices): Promise<NativeListedElements[]> {
  const taken: NativeListedElements[] = []
  for (let from = 0; from < listing.counts.elements; from += PAGE) {
    taken.push(...listing.takeElements(from, PAGE))
    if (slices.isOver) await slices.turn()
  }
  return taken
}

function elementsOf(found: readonly NativeListedElements[], sets: readonly ListedSet[]): ListedElements[] {
  const byName = new Map(sets.map((set) => [`${set.family} ${set.table} ${set.name}`, set]))
  return found.flatMap(({ family, table, set, chunks }) => {
    const declared = byName.get(`${family} ${table} ${set}`)
    return declared === undefined ? [] : [new ListedElements(declared, chunks.map(fromNative))]
  })
}

/** Turns a native listing into objects. */
export async function readListing(listing: NativeListing): Promise<Ruleset> {
  const slices = new Slices()
  const objects = await takeAll(listing, 'objects', (listed) => listed, slices)
  const elements = await takeElements(listing, slices)
  const sets = await takeAll(listing, 'sets', fromNativeSet, slices)
  const chains = await takeAll(listing, 'chains', fromNativeChain, slices)
  return {
    generation: listing.generation,
    tables: await takeAll(listing, 'tables', fromNativeTable, slices),
    chains,
    rules: inWritableOrder(await takeAll(listing, 'rules', fromNativeRule, slices), chains),
    sets,
    elements: elementsOf(elements, sets),
    counters: objects.filter(isNativeCounter).map(fromNativeCounter),
    objects: objects.filter((object) => !isNativeCounter(object)).map(fromNativeObject),
    flowtables: await takeAll(listing, 'flowtables', fromNativeFlowtable, slices)
  }
}
