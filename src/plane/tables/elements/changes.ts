/**
 * Elements to write and to delete, by set and phase.
 */
import { Buffer } from 'node:buffer'
import { type Slices } from '../../../core/slices.js'
import { ElementBuffer } from '../../../nftables/element-buffer.js'
import type { ObjectCounts } from '../../core/backend.js'
import type { ReferenceCounts } from '../../core/refcount.js'
import type { Service } from '../../model.js'
import { commentUserdata } from '../layout/comment.js'
import { ElementWalk, type ElementVisitor } from './walk.js'
import type { CompileOptions } from './frontends.js'
import { frontendOfElement } from './frontend-key.js'
import { ElementTable } from './table.js'
import { PHASES, type ElementSet, type Phase, type SetKind } from '../layout/sets.js'

/** The bytes of a key as a value of which two are equal where the bytes are: four bytes, as an IPv4 address has, are a number, others a text of Latin-1. */
export type KeyValue = number | string

/** How many services need each shared element, by its key, or by how much that number changes. */
export type SharedCounts = ReferenceCounts<ElementSet, KeyValue>

/** What sets hold. */
export interface Contents {
  rows(set: ElementSet): number
  elements(set: ElementSet): Promise<ElementBuffer>
}

/** The elements of one set that can be found by their keys, and whose they are. */
export interface SetTable {
  readonly set: ElementSet
  readonly table: ElementTable
  /** Names of services by row; empty where they are not known. */
  readonly owners: string[]
}

/** Elements by set: what a number of services need, or what the kernel holds. */
export class SetTables {
  readonly #tables = new Map<ElementSet, SetTable>()
  readonly #capacities: ReadonlyMap<ElementSet, number>

  /** @param capacities Elements to make room for at once: a table that grows moves all that it has. */
  constructor(capacities: ReadonlyMap<ElementSet, number> = new Map()) {
    this.#capacities = capacities
  }

  /** The table of a set, made when it is first asked for. */
  of(set: ElementSet, capacity = this.#capacities.get(set)): SetTable {
    let entry = this.#tables.get(set)
    if (entry === undefined) {
      entry = { set, table: new ElementTable(set.keyWidth, set.dataWidth, capacity, set.description.isRange), owners: [] }
      this.#tables.set(set, entry)
    }
    return entry
  }

  find(set: ElementSet): SetTable | undefined {
    return this.#tables.get(set)
  }

  entries(): IterableIterator<SetTable> {
    return this.#tables.values()
  }
}

/** Elements that were read, as what is there before a change. */
export function contentsOf(tables: SetTables): Contents {
  return {
    rows: (set) => tables.find(set)?.table.rows ?? 0,
    elements: (set) => Promise.resolve(tables.of(set).table.buffer)
  }
}

/** The bytes of a key as the value under which it is counted. */
export function keyValue(key: Uint8Array): KeyValue {
  // There is one for each service.
  if (key.length === 4) return (key[0]! << 24) | (key[1]! << 16) | (key[2]! << 8) | key[3]!
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}

/** The bytes of which {@link keyValue} made a value. */
export function keyBytes(key: KeyValue): Uint8Array {
  if (typeof key === 'string') return Buffer.from(key, 'latin1')
  return Uint8Array.of(key >>> 24, key >>> 16, key >>> 8, key)
}

/** Adds what services need to tables; shared elements are counted, by the number of visits. One object for many services. */
export class Compiler {
  readonly #tables: SetTables
  readonly #shared: SharedCounts
  readonly #slices: Slices
  readonly #walk: ElementWalk
  #by = 1
  #owner = ''
  #userdata: Uint8Array | undefined

  // One function for all services: making one for each costs more than what it does.
  readonly #visit: ElementVisitor = (set, key, data) => {
    const { shared, named } = set.description
    if (shared) {
      this.#shared.add(set, keyValue(key), this.#by)
      return
    }
    const { table, owners } = this.#tables.of(set)
    const { rows } = table
    table.put(key, data, named ? this.#userdata : undefined)
    if (table.rows > rows) owners.push(this.#owner)
  }

  constructor(tables: SetTables, shared: SharedCounts, options: CompileOptions, slices: Slices) {
    this.#tables = tables
    this.#shared = shared
    this.#slices = slices
    this.#walk = new ElementWalk(this.#visit, options)
  }

  /** @param by 1 for a service that comes, -1 for one that goes: for the counts. */
  async add(service: Service, by: 1 | -1): Promise<void> {
    this.#by = by
    this.#owner = service.name
    this.#userdata = commentUserdata(service.name)
    await this.#walk.add(service, this.#slices)
    if (this.#slices.isOver) await this.#slices.turn()
  }
}

/** Elements to delete from and to add to one set in one phase; deletions first. */
export interface SetChange {
  readonly set: ElementSet
  readonly remove: ElementBuffer
  readonly add: ElementBuffer
  /** Names of services by row of `add`; none for shared elements. */
  readonly owners: (string | undefined)[]
}

/** No elements of a set, with room for some. */
export function emptyChange(set: ElementSet, capacity = 64): SetChange {
  const { isRange } = set.description
  return {
    set,
    remove: new ElementBuffer(set.keyWidth, 0, 1, isRange),
    add: new ElementBuffer(set.keyWidth, set.dataWidth, capacity, isRange),
    owners: []
  }
}

/** Every element to touch, by phase. */
export class Changes {
  readonly #phases: Readonly<Record<Phase, Map<ElementSet, SetChange>>> = { 1: new Map(), 2: new Map(), 3: new Map() }

  of(phase: Phase, set: ElementSet): SetChange {
    let change = this.#phases[phase].get(set)
    if (change === undefined) {
      change = emptyChange(set)
      this.#phases[phase].set(set, change)
    }
    return change
  }

  find(phase: Phase, set: ElementSet): SetChange | undefined {
    return this.#phases[phase].get(set)
  }

  /** In an order in which every step leaves packets a way: what is looked up last comes first, and the other way round when it goes. */
  phase(phase: Phase): SetChange[] {
    const changes = inOrder(this.#phases[phase].values())
    return phase === 1 ? changes : changes.reverse()
  }

  get isEmpty(): boolean {
    return PHASES.every((phase) => this.#phases[phase].size === 0)
  }

  /** Elements written and deleted; changed data counts as one of each. */
  get counts(): ObjectCounts {
    let written = 0
    let deleted = 0
    for (const phase of PHASES) {
      for (const change of this.#phases[phase].values()) {
        written += change.add.rows
        deleted += change.remove.rows
      }
    }
    return { written, deleted }
  }
}

/** Kinds of sets in the order in which a frontend comes to stand in them. */
const ORDER: readonly SetKind[] = [
  'endpoints',
  'hairpin',
  'all-endpoints',
  'allowed',
  'denied',
  'restricted',
  'ranged',
  'masqueraded',
  'masqueraded-own',
  'unmasqueraded',
  'sticky',
  'external-local',
  'refused',
  'refused-inside',
  'dropped',
  'dropped-outside',
  'served',
  'fwmarks',
  'relay-ports',
  'relays',
  'members',
  'cluster-ips',
  'external-ips'
]

/** In the order in which they are written: whatever a look-up leads to is there before what leads to it. */
export function inOrder(changes: Iterable<SetChange>): SetChange[] {
  return [...changes].sort((left, right) => rankOf(left) - rankOf(right))
}

function rankOf({ set: { kind } }: SetChange): number {
  return ORDER.indexOf(kind)
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && Buffer.compare(left, right) === 0
}

/** Rows between looks at the clock; a power of two. */
const ROWS_BETWEEN_LOOKS = 256

/** Rows of `after` that `before` lacks or holds otherwise. */
async function diffAdded(
  changes: Changes,
  before: ElementTable | undefined,
  { set, table: { buffer }, owners }: SetTable,
  slices: Slices
): Promise<void> {
  for (let row = 0; row < buffer.rows; row++) {
    if (row % ROWS_BETWEEN_LOOKS === 0 && slices.isOver) await slices.turn()
    const bytes = buffer.keyAt(row)
    const old = before?.find(bytes) ?? -1
    const data = buffer.dataWidth > 0 ? buffer.dataAt(row) : undefined
    const userdata = buffer.userdataAt(row)
    if (old >= 0) {
      const same =
        (data === undefined || sameBytes(before!.buffer.dataAt(old), data)) && sameBytes(before!.buffer.userdataAt(old), userdata)
      if (same) continue
      changes.of(1, set).remove.push(bytes, undefined)
    }
    const change = changes.of(1, set)
    change.add.push(bytes, data, userdata.length > 0 ? userdata : undefined)
    change.owners.push(owners[row])
  }
}

/** The frontend of a range. */
function frontendOf(set: ElementSet, range: Uint8Array): KeyValue {
  return keyValue(frontendOfElement(set, range))
}

/** The frontends that get other ranges. The kernel refuses a range that overlaps one which is there, so those of before go with the same transaction. */
function frontendsWithNewRanges(changes: Changes, set: ElementSet): ReadonlySet<KeyValue> {
  const added = set.description.isRange ? changes.find(1, set)?.add : undefined
  return new Set(Array.from({ length: added?.rows ?? 0 }, (_, row) => frontendOf(set, added!.keyAt(row))))
}

async function diffRemoved(
  changes: Changes,
  { set, table: { buffer } }: SetTable,
  after: ElementTable | undefined,
  slices: Slices
): Promise<void> {
  const replaced = frontendsWithNewRanges(changes, set)
  for (let row = 0; row < buffer.rows; row++) {
    if (row % ROWS_BETWEEN_LOOKS === 0 && slices.isOver) await slices.turn()
    const bytes = buffer.keyAt(row)
    if ((after?.find(bytes) ?? -1) >= 0) continue
    const phase = replaced.size > 0 && replaced.has(frontendOf(set, bytes)) ? 1 : set.description.removedIn
    changes.of(phase, set).remove.push(bytes, undefined)
  }
}

/** What leads from one state of the sets to another. */
export async function diffTables(before: SetTables, after: SetTables, slices: Slices): Promise<Changes> {
  const changes = new Changes()
  for (const entry of after.entries()) await diffAdded(changes, before.find(entry.set)?.table, entry, slices)
  for (const entry of before.entries()) await diffRemoved(changes, entry, after.find(entry.set)?.table, slices)
  return changes
}

/** Adds what a change of shared counts means for the sets, given the counts as they are before it. */
export async function diffShared(changes: Changes, counts: SharedCounts, by: SharedCounts, slices: Slices): Promise<void> {
  await slices.each(counts.differences(by), ({ set, key, isAdded }) => {
    const bytes = keyBytes(key)
    if (!isAdded) {
      changes.of(set.description.removedIn, set).remove.push(bytes, undefined)
      return
    }
    const change = changes.of(1, set)
    change.add.push(bytes, undefined)
    change.owners.push(undefined)
  })
}
