/**
 * Filling tables that are not there yet. Nothing leads to a service before its slots stand, so it need not be one transaction: chunks are committed in that order, and the next
 * one is put together while the kernel works on the last.
 */
import { Buffer } from 'node:buffer'
import { ElementBuffer, type Nftables, type Transaction } from '../../nftables/index.js'
import { Slices } from '../../slices.js'
import type { AddressFamily } from '../../address.js'
import type { Service } from '../model.js'
import { SharedCounts } from './changes.js'
import { commentUserdata } from './comment.js'
import { FAMILIES, isNamed, isShared, visitElements, visitMemberships, widthsOf, type ElementSet } from './compile.js'
import { Committer, type CommitTotals, type Races } from './commits.js'
import { sizeOf, type Size } from './layout.js'
import { noSizes, queueTables, type TableOptions } from './tables.js'

/** Elements a transaction: enough that its fixed cost does not show, few enough that others wait for the kernel's mutex for milliseconds only. */
const CHUNK_ROWS = 16_384

interface Filled {
  readonly family: AddressFamily
  readonly set: ElementSet
  readonly rows: ElementBuffer
}

/** What a cold start made. */
export interface ColdStart {
  readonly committer: Committer
  readonly shared: SharedCounts
  readonly elements: number
}

/** Collects the elements of services; full pieces of the endpoints map are handed out at once, everything else waits to the end. */
class Filling {
  readonly shared = new SharedCounts()
  readonly #buffers = { ip: new Map<ElementSet, Filled>(), ip6: new Map<ElementSet, Filled>() } as const
  elements = 0

  #of(family: AddressFamily, set: ElementSet): ElementBuffer {
    let filled = this.#buffers[family].get(set)
    if (filled === undefined) {
      const { key, data } = widthsOf(set, family)
      filled = { family, set, rows: new ElementBuffer(key, data, set === 'endpoints' ? CHUNK_ROWS : 256) }
      this.#buffers[family].set(set, filled)
    }
    return filled.rows
  }

  add(service: Service): void {
    const userdata = commentUserdata(service.name)
    visitElements(service, (family, set, key, data) => {
      if (isShared(set)) return this.shared.add(family, set, key, 1)
      this.#of(family, set).push(key, data, isNamed(set) ? userdata : undefined)
      this.elements++
    })
  }

  /** Takes the endpoints of a family where a chunk is full, or all of them. */
  takeEndpoints(all: boolean): Filled[] {
    const taken: Filled[] = []
    for (const family of FAMILIES) {
      const filled = this.#buffers[family].get('endpoints')
      if (filled === undefined || filled.rows.rows === 0 || (!all && filled.rows.rows < CHUNK_ROWS)) continue
      taken.push(filled)
      this.#buffers[family].delete('endpoints')
    }
    return taken
  }

  /** Everything that is not endpoints: shared elements first, as memberships lead to them. */
  takeRest(): Filled[] {
    for (const { family, set, key } of this.shared.entries()) {
      this.#of(family, set).push(Buffer.from(key, 'latin1'), undefined)
      this.elements++
    }
    const rest = FAMILIES.flatMap((family) => [...this.#buffers[family].values()]).filter(({ set }) => set !== 'endpoints')
    return rest.sort((left, right) => Number(isShared(right.set)) - Number(isShared(left.set)))
  }
}

/** The sizes that services need, the most frequent first: new connections are looked up in that order. */
async function countSizes(services: Iterable<Service>, slices: Slices): Promise<Record<AddressFamily, Size[]>> {
  const counts = { ip: new Map<ElementSet, number>(), ip6: new Map<ElementSet, number>() }
  for (const service of services) {
    visitMemberships(service, (family, set, frontends) => {
      if (set !== 'unserved') counts[family].set(set, (counts[family].get(set) ?? 0) + frontends)
    })
    if (slices.isOver) await slices.turn()
  }
  const sorted = (family: AddressFamily): Size[] =>
    [...counts[family]].sort(([, left], [, right]) => right - left).map(([set]) => sizeOf(set)!)
  return { ip: sorted('ip'), ip6: sorted('ip6') }
}

/**
 * Makes the tables and fills them.
 *
 * @param replace Families whose tables exist and are to be replaced: then all is one transaction.
 */
export async function coldStart(
  nft: Nftables,
  options: TableOptions,
  services: readonly Service[],
  generation: number,
  replace: ReadonlySet<AddressFamily>,
  races: Races,
  totals: CommitTotals
): Promise<ColdStart> {
  const slices = new Slices()
  const committer = new Committer(nft, options.name, noSizes(), generation, races)
  const filling = new Filling()
  const base = nft.transaction()
  for (const family of replace) base.delete.table({ family, name: options.name })
  const dispatch = queueTables(base, options, await countSizes(services, slices))
  const isWhole = replace.size > 0
  let pending: Promise<unknown> = Promise.resolve()
  const send = async (tx: Transaction, filled: readonly Filled[], echo = false): Promise<void> => {
    const rows = new Map<number, Filled>()
    for (const part of filled) {
      rows.set(tx.size, part)
      tx.add.elements({ family: part.family, table: options.name, name: part.set }, part.rows)
    }
    if (tx.size === 0) return
    const report = await committer.commit(tx, rows, totals, echo)
    for (const [index, { family, size }] of dispatch) {
      if (!echo) break
      committer.sizes[family].set(`${size.scheduler}-${size.slots}`, { size, handle: report.handles.get(index)! })
    }
  }
  if (!isWhole) await send(base, [], true)
  const whole: Filled[] = []
  for (const service of services) {
    filling.add(service)
    if (slices.isOver) await slices.turn()
    const full = filling.takeEndpoints(false)
    if (full.length === 0) continue
    if (isWhole) whole.push(...full)
    else {
      await pending
      pending = send(nft.transaction(), full)
      pending.catch(() => undefined)
    }
  }
  await pending
  const endpoints = filling.takeEndpoints(true)
  const rest = filling.takeRest()
  if (isWhole) await send(base, [...whole, ...endpoints, ...rest], true)
  else {
    await send(nft.transaction(), endpoints)
    await send(nft.transaction(), rest)
  }
  return { committer, shared: filling.shared, elements: filling.elements }
}
