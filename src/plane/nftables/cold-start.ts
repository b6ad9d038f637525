/**
 * Filling tables that are not there yet. It need not be one transaction: each chunk holds some services whole, and the next one is put together while the kernel works on the last.
 */
import { ElementBuffer, type Nftables, type Transaction } from '../../nftables/index.js'
import { Slices } from '../../slices.js'
import type { AddressFamily } from '../../address.js'
import type { Service } from '../model.js'
import { SharedCounts, type SetKey } from './changes.js'
import { commentUserdata } from './comment.js'
import {
  endpointsOf,
  isNamed,
  isShared,
  visitElements,
  visitMemberships,
  widthsOf,
  type ElementSet,
  type ElementVisitor,
  type MembershipSet
} from './compile.js'
import { Committer, type CommitTotals, type Races } from './commits.js'
import { placed, sizeOf, type PlacedSize } from './layout.js'
import { noObjects, nothingQueued, takeObjects, type QueuedObjects } from './objects.js'
import { Registry } from './registry.js'
import { queueTables, type TableOptions } from './tables.js'

/** Elements a transaction: enough that its fixed cost does not show, few enough that others wait for the kernel's mutex for milliseconds only. */
const CHUNK_ROWS = 16_384

interface Filled extends SetKey {
  readonly rows: ElementBuffer
}

/** What a cold start made. */
export interface ColdStart {
  readonly committer: Committer
  readonly registry: Registry
  readonly elements: number
}

/** How many elements sets will have (`ip random-3`), at most. */
type Rows = ReadonlyMap<string, number>

/** Collects the elements of services until they are a chunk. */
class Filling {
  readonly shared = new SharedCounts()
  readonly #rows: Rows
  #filled: Filled[] = []
  #last: Filled | undefined
  #pending = 0
  #userdata: Uint8Array | undefined
  elements = 0

  // One function for all services: making one for each costs more than what it does.
  readonly #visit: ElementVisitor = (family, set, key, data) => {
    if (isShared(set) && this.shared.add(family, set, key, 1) > 1) return
    this.#of(family, set).push(key, data, isNamed(set) ? this.#userdata : undefined)
    this.#pending++
  }

  constructor(rows: Rows) {
    this.#rows = rows
  }

  get isFull(): boolean {
    return this.#pending >= CHUNK_ROWS
  }

  /** The buffer of a set; nearly always that of the last element. */
  #of(family: AddressFamily, set: ElementSet): ElementBuffer {
    if (this.#last?.set === set && this.#last.family === family) return this.#last.rows
    this.#last = this.#filled.find((filled) => filled.set === set && filled.family === family)
    if (this.#last === undefined) {
      const { key, data } = widthsOf(set, family)
      const capacity = Math.min(this.#rows.get(`${family} ${set}`) ?? 64, CHUNK_ROWS)
      this.#last = { family, set, rows: new ElementBuffer(key, data, capacity) }
      this.#filled.push(this.#last)
    }
    return this.#last.rows
  }

  add(service: Service): void {
    this.#userdata = commentUserdata(service.name)
    visitElements(service, this.#visit)
  }

  /** Takes the chunk. */
  take(): Filled[] {
    const taken = this.#filled
    this.elements += this.#pending
    this.#filled = []
    this.#last = undefined
    this.#pending = 0
    return taken
  }
}

/** How many elements each set will have, and the sizes that services need, the most frequent first: new connections are looked up in that order. */
async function countRows(
  services: Iterable<Service>,
  slices: Slices
): Promise<{ readonly rows: Rows; readonly sizes: Readonly<Record<AddressFamily, readonly PlacedSize[]>> }> {
  const rows = new Map<string, number>()
  const counts = { ip: new Map<MembershipSet, number>(), ip6: new Map<MembershipSet, number>() }
  const count = (name: string, by: number): void => void rows.set(name, (rows.get(name) ?? 0) + by)
  for (const service of services) {
    visitMemberships(service, (family, set, frontends) => {
      count(`${family} vips`, frontends)
      if (set === 'unserved') count(`${family} unserved`, frontends)
      else counts[family].set(set, (counts[family].get(set) ?? 0) + frontends)
    })
    if (slices.isOver) await slices.turn()
  }
  const sorted = (family: AddressFamily): PlacedSize[] =>
    [...counts[family]]
      .sort(([, left], [, right]) => right - left)
      .map(([set, frontends]) => {
        const size = sizeOf(set)!
        rows.set(`${family} ${set}`, frontends)
        rows.set(`${family} ${endpointsOf(set)}`, frontends * size.slots)
        return placed(size)
      })
  return { rows, sizes: { ip: sorted('ip'), ip6: sorted('ip6') } }
}

/**
 * Makes the tables and fills them.
 *
 * @param replace Families whose tables exist and are to be replaced: then all is one transaction.
 */
export async function coldStart(
  nft: Nftables,
  options: TableOptions,
  services: ReadonlyMap<string, Service>,
  generation: number,
  replace: ReadonlySet<AddressFamily>,
  races: Races,
  totals: CommitTotals
): Promise<ColdStart> {
  const slices = new Slices()
  const objects = noObjects()
  const committer = new Committer(nft, options, objects, generation, races)
  const { rows, sizes } = await countRows(services.values(), slices)
  const filling = new Filling(rows)
  const registry = new Registry()
  const base = nft.transaction()
  for (const family of replace) base.delete.table({ family, name: options.name })
  const made = queueTables(base, options, sizes, (family, set) => rows.get(`${family} ${set}`) ?? 0)
  const send = async (tx: Transaction, filled: readonly Filled[], queued: QueuedObjects): Promise<void> => {
    const operations = new Map<number, Filled>()
    for (const part of filled) {
      operations.set(tx.size, part)
      tx.add.elements({ family: part.family, table: options.name, name: part.set }, part.rows)
    }
    if (tx.size > 0) takeObjects(objects, queued, await committer.commit(tx, operations, totals, queued.dispatch.size > 0))
  }
  const isWhole = replace.size > 0
  const whole: Filled[] = []
  let pending: Promise<unknown> = isWhole ? Promise.resolve() : send(base, [], made)
  for (const [name, service] of services) {
    filling.add(service)
    // Here, as the kernel is working and we would be waiting.
    registry.take(name, service)
    if (slices.isOver) await slices.turn()
    if (!filling.isFull) continue
    if (isWhole) whole.push(...filling.take())
    else {
      pending.catch(() => undefined)
      await pending
      pending = send(nft.transaction(), filling.take(), nothingQueued())
    }
  }
  pending.catch(() => undefined)
  await pending
  if (isWhole) await send(base, [...whole, ...filling.take()], made)
  else await send(nft.transaction(), filling.take(), nothingQueued())
  registry.shared = filling.shared
  return { committer, registry, elements: filling.elements }
}
