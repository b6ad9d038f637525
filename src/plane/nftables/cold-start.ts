/**
 * Filling tables that are not there yet. It need not be one transaction: each chunk holds some services whole, and the next one is put together while the kernel works on the last.
 */
import { ElementBuffer, type Nftables } from '../../nftables/index.js'
import { Slices } from '../../slices.js'
import { familyOf, type AddressFamily } from '../../address.js'
import type { Service } from '../model.js'
import { SharedCounts, type SetKey } from './changes.js'
import { commentUserdata } from './comment.js'
import {
  endpointsOf,
  FAMILIES,
  isNamed,
  isShared,
  visitElements,
  visitMemberships,
  widthsOf,
  type ElementSet,
  type ElementVisitor,
  type MembershipSet,
  type MembershipVisitor
} from './compile.js'
import { Committer, type CommitTotals, type Races } from './commits.js'
import { placed, sizeOf, type PlacedSize } from './layout.js'
import { noObjects, nothingQueued, queueSize, takeObjects } from './objects.js'
import { Registry } from './registry.js'
import { queueTables, type TableOptions } from './tables.js'

/** Elements a transaction: enough that its fixed cost does not show, few enough that others wait for the kernel's mutex for milliseconds only. */
const CHUNK_ROWS = 16_384

/** Of the first transaction: the kernel is to begin soon. */
const FIRST_ROWS = 4096

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
  pending = 0
  #userdata: Uint8Array | undefined
  elements = 0

  // One function for all services: making one for each costs more than what it does.
  readonly #visit: ElementVisitor = (family, set, key, data) => {
    if (isShared(set) && this.shared.add(family, set, key, 1) > 1) return
    this.#of(family, set).push(key, data, isNamed(set) ? this.#userdata : undefined)
    this.pending++
  }

  constructor(rows: Rows) {
    this.#rows = rows
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
    this.elements += this.pending
    this.#filled = []
    this.#last = undefined
    this.pending = 0
    return taken
  }
}

/** How many frontend addresses there will be, at most. */
function countAddresses(services: Iterable<Service>): Record<AddressFamily, number> {
  const counts = { ip: 0, ip6: 0 }
  for (const { frontends } of services) for (const { address } of frontends) counts[familyOf(address)]++
  return counts
}

/** How many elements the sets of each size will have, and the sizes that services need, the most frequent first: new connections are looked up in that order. */
async function countRows(
  services: Iterable<Service>,
  slices: Slices
): Promise<{ readonly rows: Rows; readonly sizes: Readonly<Record<AddressFamily, readonly PlacedSize[]>> }> {
  const rows = new Map<string, number>()
  const counts = { ip: new Map<MembershipSet, number>(), ip6: new Map<MembershipSet, number>() }
  const count: MembershipVisitor = (family, set, frontends) => {
    if (set !== 'unserved') counts[family].set(set, (counts[family].get(set) ?? 0) + frontends)
  }
  for (const service of services) {
    visitMemberships(service, count)
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
  let tx = nft.transaction()
  for (const family of replace) tx.delete.table({ family, name: options.name })
  let made = queueTables(tx, options, countAddresses(services.values()))
  const send = async (filled: readonly Filled[]): Promise<void> => {
    const [sent, queued] = [tx, made]
    tx = nft.transaction()
    made = nothingQueued()
    const operations = new Map<number, Filled>()
    for (const part of filled) {
      operations.set(sent.size, part)
      sent.add.elements({ family: part.family, table: options.name, name: part.set }, part.rows)
    }
    if (sent.size > 0) takeObjects(objects, queued, await committer.commit(sent, operations, totals, queued.dispatch.size > 0))
  }
  const isWhole = replace.size > 0
  const whole: Filled[] = []
  let pending: Promise<unknown> = isWhole ? Promise.resolve() : send([])
  pending.catch(() => undefined)
  const { rows, sizes } = await countRows(services.values(), slices)
  for (const family of FAMILIES) {
    const rowsOf = (set: ElementSet): number => rows.get(`${family} ${set}`) ?? 0
    for (const size of sizes[family]) queueSize(tx, { family, table: options.name }, size, rowsOf, made)
  }
  const filling = new Filling(rows)
  const registry = new Registry()
  let limit = FIRST_ROWS
  for (const [name, service] of services) {
    filling.add(service)
    // Here, as the kernel is working and we would be waiting.
    registry.take(name, service)
    if (slices.isOver) await slices.turn()
    if (filling.pending < limit) continue
    if (isWhole) whole.push(...filling.take())
    else {
      await pending
      pending = send(filling.take())
      pending.catch(() => undefined)
    }
    limit = CHUNK_ROWS
  }
  await pending
  await send([...whole, ...filling.take()])
  registry.shared = filling.shared
  return { committer, registry, elements: filling.elements }
}
