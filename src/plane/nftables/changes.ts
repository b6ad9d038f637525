import { Buffer } from 'node:buffer'
import type { AddressFamily } from '../../address.js'
import type { Service } from '../model.js'
import { commentUserdata } from './comment.js'
import { isEndpoints, isNamed, isShared, visitElements, widthsOf, type ElementSet } from './compile.js'
import { ElementBuffer } from '../../nftables/element-buffer.js'
import { ElementTable } from './element-table.js'

/** One set or map of one family. */
export interface SetKey {
  readonly family: AddressFamily
  readonly set: ElementSet
}

/** What sets hold. */
export interface Contents {
  rows(family: AddressFamily, set: ElementSet): number
  elements(family: AddressFamily, set: ElementSet): Promise<ElementBuffer>
}

/** Elements by set: what a number of services need, or what the kernel holds. */
export class SetTables {
  readonly #tables = new Map<string, SetKey & { readonly table: ElementTable }>()

  /** The table of a set, made when it is first asked for. */
  of(family: AddressFamily, set: ElementSet, capacity?: number): ElementTable {
    const name = `${family} ${set}`
    let entry = this.#tables.get(name)
    if (entry === undefined) {
      const { key, data } = widthsOf(set, family)
      entry = { family, set, table: new ElementTable(key, data, capacity) }
      this.#tables.set(name, entry)
    }
    return entry.table
  }

  find(family: AddressFamily, set: ElementSet): ElementTable | undefined {
    return this.#tables.get(`${family} ${set}`)?.table
  }

  entries(): IterableIterator<SetKey & { readonly table: ElementTable }> {
    return this.#tables.values()
  }
}

/** Elements that were read, as what is there before a change. */
export function contentsOf(tables: SetTables): Contents {
  return {
    rows: (family, set) => tables.find(family, set)?.rows ?? 0,
    elements: (family, set) => Promise.resolve(tables.of(family, set).buffer)
  }
}

/** Adds what a service needs. Shared elements are counted in `shared`, by the number of visits. */
export function addService(tables: SetTables, shared: SharedCounts, service: Service, by: 1 | -1): void {
  const userdata = commentUserdata(service.name)
  visitElements(service, (family, set, key, data) => {
    if (isShared(set)) shared.add(family, set, key, by)
    else tables.of(family, set).put(key, data, isNamed(set) ? userdata : undefined)
  })
}

/**
 * How many services need each shared element (an address, a local endpoint), or by how much that number changes.
 */
export class SharedCounts {
  readonly #counts = new Map<string, Map<string, number>>()

  /** Returns the number as it is then. */
  add(family: AddressFamily, set: ElementSet, key: Uint8Array, by: number): number {
    const name = `${family} ${set}`
    let counts = this.#counts.get(name)
    if (counts === undefined) this.#counts.set(name, (counts = new Map<string, number>()))
    const text = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
    const count = (counts.get(text) ?? 0) + by
    if (count === 0) counts.delete(text)
    else counts.set(text, count)
    return count
  }

  get(family: AddressFamily, set: ElementSet, key: string): number {
    return this.#counts.get(`${family} ${set}`)?.get(key) ?? 0
  }

  *entries(): Generator<SetKey & { readonly key: string; readonly count: number }> {
    for (const [name, counts] of this.#counts) {
      const [family, set] = name.split(' ') as [AddressFamily, ElementSet]
      for (const [key, count] of counts) yield { family, set, key, count }
    }
  }

  /** How many different elements a set has. */
  size(family: AddressFamily, set: ElementSet): number {
    return this.#counts.get(`${family} ${set}`)?.size ?? 0
  }

  /** How many different elements each set has. */
  *sizes(): Generator<[set: string, elements: number]> {
    for (const [name, counts] of this.#counts) yield [name, counts.size]
  }

  /** Takes over a change. */
  apply(change: SharedCounts): void {
    for (const { family, set, key, count } of change.entries()) this.add(family, set, Buffer.from(key, 'latin1'), count)
  }
}

/**
 * When a removal may happen. A packet may look one set up before a commit and the next after it, so what the first look-up leads to must outlive it:
 * 1: together with the additions · 2: memberships, once the new ones stand · 3: slots and addresses, once no membership leads to them.
 */
export type Phase = 1 | 2 | 3
export const PHASES: readonly Phase[] = [1, 2, 3]

function removalPhase(set: ElementSet): Phase {
  return isEndpoints(set) || isShared(set) ? 3 : 2
}

/** Elements to delete from and to add to one set in one commit; deletions first. */
export interface SetChange extends SetKey {
  readonly remove: ElementBuffer
  readonly add: ElementBuffer
}

/** Every element to touch, by phase. */
export class Changes {
  readonly #phases: Readonly<Record<Phase, Map<string, SetChange>>> = { 1: new Map(), 2: new Map(), 3: new Map() }

  of(phase: Phase, family: AddressFamily, set: ElementSet): SetChange {
    const name = `${family} ${set}`
    let change = this.#phases[phase].get(name)
    if (change === undefined) {
      const { key, data } = widthsOf(set, family)
      change = { family, set, remove: new ElementBuffer(key, 0), add: new ElementBuffer(key, data) }
      this.#phases[phase].set(name, change)
    }
    return change
  }

  phase(phase: Phase): SetChange[] {
    return [...this.#phases[phase].values()]
  }

  get isEmpty(): boolean {
    return PHASES.every((phase) => this.#phases[phase].size === 0)
  }

  /** Elements added and removed; changed data counts as one of each. */
  get counts(): { added: number; removed: number } {
    let added = 0
    let removed = 0
    for (const phase of PHASES) {
      for (const change of this.#phases[phase].values()) {
        added += change.add.rows
        removed += change.remove.rows
      }
    }
    return { added, removed }
  }
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && Buffer.compare(left, right) === 0
}

/** Rows of `after` that `before` lacks or holds otherwise. */
function diffAdded(changes: Changes, key: SetKey, before: ElementTable | undefined, after: ElementTable): void {
  for (let row = 0; row < after.rows; row++) {
    const bytes = after.buffer.keyAt(row)
    const old = before?.find(bytes) ?? -1
    const data = after.buffer.dataWidth > 0 ? after.buffer.dataAt(row) : undefined
    const userdata = after.buffer.userdataAt(row)
    if (old >= 0) {
      const same =
        (data === undefined || sameBytes(before!.buffer.dataAt(old), data)) && sameBytes(before!.buffer.userdataAt(old), userdata)
      if (same) continue
      changes.of(1, key.family, key.set).remove.push(bytes, undefined)
    }
    changes.of(1, key.family, key.set).add.push(bytes, data, userdata.length > 0 ? userdata : undefined)
  }
}

function diffRemoved(changes: Changes, key: SetKey, before: ElementTable, after: ElementTable | undefined): void {
  for (let row = 0; row < before.rows; row++) {
    const bytes = before.buffer.keyAt(row)
    if ((after?.find(bytes) ?? -1) < 0) changes.of(removalPhase(key.set), key.family, key.set).remove.push(bytes, undefined)
  }
}

/** What leads from one state of the sets to another. */
export function diffTables(before: SetTables, after: SetTables): Changes {
  const changes = new Changes()
  for (const { family, set, table } of after.entries()) diffAdded(changes, { family, set }, before.find(family, set), table)
  for (const { family, set, table } of before.entries()) diffRemoved(changes, { family, set }, table, after.find(family, set))
  return changes
}

/** Adds what a change of shared counts means for the sets, given the counts as they are before it. */
export function diffShared(changes: Changes, counts: SharedCounts, change: SharedCounts): void {
  for (const { family, set, key, count } of change.entries()) {
    const before = counts.get(family, set, key)
    const bytes = Buffer.from(key, 'latin1')
    if (before === 0) changes.of(1, family, set).add.push(bytes, undefined)
    else if (before + count === 0) changes.of(3, family, set).remove.push(bytes, undefined)
  }
}
