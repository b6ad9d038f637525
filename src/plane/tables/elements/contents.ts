/**
 * What our sets hold for the committed services: numbers of elements, known without putting them together, and the elements of one set where they are needed.
 */
import { Slices } from '../../../core/slices.js'
import { ElementBuffer } from '../../../nftables/element-buffer.js'
import type { ServiceChange } from '../../core/changes/change.js'
import { ReferenceCounts } from '../../core/refcount.js'
import type { Services } from '../../model.js'
import { Compiler, diffShared, diffTables, keyBytes, SetTables, type Changes, type SharedCounts } from './changes.js'
import { commentUserdata } from '../layout/comment.js'
import { ElementWalk } from './walk.js'
import type { CompileOptions } from './frontends.js'
import { ElementCounter, needsSet } from './row-counter.js'
import type { ElementSet } from '../layout/sets.js'

/** Numbers of elements by set, of sets whose elements belong to one service each. */
export type Rows = Map<ElementSet, number>

/** Counts elements of services into numbers. */
export function rowCounter(rows: Rows, options: CompileOptions): ElementCounter {
  return new ElementCounter(options, (set, elements) => rows.set(set, (rows.get(set) ?? 0) + elements))
}

/** What a change of services means for the sets. */
export interface ContentsChange {
  readonly changes: Changes
  readonly shared: SharedCounts
  readonly rows: ReadonlyMap<ElementSet, number>
}

/** Numbers, and elements put together from services. */
export class CommittedContents {
  readonly #options: CompileOptions
  readonly #rows: Rows
  readonly #shared: SharedCounts

  constructor(options: CompileOptions, rows: Rows = new Map(), shared: SharedCounts = new ReferenceCounts()) {
    this.#options = options
    this.#rows = rows
    this.#shared = shared
  }

  /** Of services, and their elements. @param expected How many elements there may be: one who reads them from the kernel need not count first. */
  static async of(
    services: Services,
    options: CompileOptions,
    slices: Slices,
    expected?: ReadonlyMap<ElementSet, number>
  ): Promise<{ readonly contents: CommittedContents; readonly tables: SetTables }> {
    const contents = new CommittedContents(options)
    const tables = new SetTables(expected)
    const compiler = new Compiler(tables, contents.#shared, options, slices)
    for (const service of services.values()) await compiler.add(service, 1)
    for (const { set, table } of tables.entries()) contents.#rows.set(set, table.rows)
    const shared = contents.#shared
    await slices.each(shared.entries(), ({ set, key }) => tables.of(set, shared.size(set)).table.put(keyBytes(key), undefined))
    return { contents, tables }
  }

  /** How many elements a set has. */
  rows(set: ElementSet): number {
    return set.description.shared ? this.#shared.size(set) : (this.#rows.get(set) ?? 0)
  }

  /** How many elements each set has. */
  sizes(): ReadonlyMap<ElementSet, number> {
    return new Map([...this.#rows, ...this.#shared.sizes()])
  }

  /** What a change means for the sets. */
  async changeFor(changes: readonly ServiceChange[]): Promise<ContentsChange> {
    const slices = new Slices()
    const shared: SharedCounts = new ReferenceCounts()
    const leaving: Rows = new Map()
    const coming: Rows = new Map()
    const [leavingCounter, comingCounter] = [rowCounter(leaving, this.#options), rowCounter(coming, this.#options)]
    await slices.each(changes, ({ before, after }) => {
      if (before !== undefined) leavingCounter.count(before)
      if (after !== undefined) comingCounter.count(after)
    })
    const [before, after] = [new SetTables(leaving), new SetTables(coming)]
    const compilerInto = (tables: SetTables): Compiler => new Compiler(tables, shared, this.#options, slices)
    const [compileBefore, compileAfter] = [compilerInto(before), compilerInto(after)]
    for (const change of changes) {
      if (change.before !== undefined) await compileBefore.add(change.before, -1)
      if (change.after !== undefined) await compileAfter.add(change.after, 1)
    }
    const rows: Rows = new Map(coming)
    for (const [set, count] of leaving) rows.set(set, (rows.get(set) ?? 0) - count)
    const diff = await diffTables(before, after, slices)
    await diffShared(diff, this.#shared, shared, slices)
    return { changes: diff, shared, rows }
  }

  /** Takes a change over. */
  apply({ shared, rows }: ContentsChange): void {
    this.#shared.apply(shared)
    for (const [set, by] of rows) {
      const count = (this.#rows.get(set) ?? 0) + by
      if (count === 0) this.#rows.delete(set)
      else this.#rows.set(set, count)
    }
  }

  /** The elements of a set. */
  async elements(set: ElementSet, services: Services): Promise<ElementBuffer> {
    const buffer = new ElementBuffer(set.keyWidth, set.dataWidth, this.rows(set) + 1, set.description.isRange)
    const slices = new Slices()
    if (set.description.shared) {
      await slices.each(this.#shared.keys(set), (key) => buffer.push(keyBytes(key), undefined))
      return buffer
    }
    let userdata: Uint8Array | undefined
    const walk = new ElementWalk((inSet, bytes, value) => {
      if (inSet === set) buffer.push(bytes, value, userdata)
    }, this.#options)
    for (const service of services.values()) {
      if (slices.isOver) await slices.turn()
      if (!needsSet(service, this.#options, set)) continue
      userdata = set.description.named ? commentUserdata(service.name) : undefined
      await walk.add(service, slices)
    }
    return buffer
  }
}
