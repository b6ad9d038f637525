/**
 * Whose elements differ between the kernel and what is wanted.
 */
import { commentOf, shortenName } from '../layout/comment.js'
import { frontendLength, PHASES, type ElementSet } from '../layout/sets.js'
import type { Changes, SetChange, SetTables } from '../elements/changes.js'
import { frontendOfElement } from '../elements/frontend-key.js'
import type { ElementTable } from '../elements/table.js'
import type { Services } from '../../model.js'

/** Elements of one service to write and to delete. */
export interface Difference {
  written: number
  deleted: number
}

/** Elements that differ, by whom they are. */
export interface Differences {
  /** By names; those of services that are desired no longer are as comments have them. */
  readonly services: ReadonlyMap<string, Difference>
  /** Sets with elements that are no service's: another process has made them. */
  readonly nobodys: ReadonlySet<ElementSet>
  /** Sets with other elements that several services may have. */
  readonly shared: ReadonlySet<ElementSet>
}

/** Nothing differs, as far as is known. */
export const NO_DIFFERENCES: Differences = { services: new Map(), nobodys: new Set(), shared: new Set() }

/** Sets that have names beside the frontends of a set, that set first. */
function namedBeside(kernel: SetTables, { family, scope, slotClass, kind }: ElementSet): ElementTable[] {
  const frontends = frontendLength(family, scope)
  const isBeside = (one: ElementSet): boolean =>
    one.family === family && one.scope === scope && one.description.named && one.keyWidth === frontends
  const own = (one: ElementSet): boolean => one.slotClass === slotClass && (one.kind === kind || one.kind === 'members')
  const found = [...kernel.entries()].filter(({ set }) => isBeside(set))
  return [...found.filter(({ set }) => own(set)), ...found.filter(({ set }) => !own(set))].map(({ table }) => table)
}

/**
 * Reads the names beside elements of a set that the kernel has: those of endpoints, and of what else is said of a frontend, stand with the frontend. Where elements are to have names, one that has none
 * is nobody's, whatever else there is of its frontend.
 */
export function namesIn(kernel: SetTables, set: ElementSet): (key: Uint8Array) => string | undefined {
  const own = kernel.find(set)?.table
  const tables = set.description.named ? (own === undefined ? [] : [own]) : namedBeside(kernel, set)
  return (key) => {
    const frontend = frontendOfElement(set, key)
    for (const table of tables) {
      const row = table.find(frontend)
      const comment = row < 0 ? undefined : commentOf(table.buffer.userdataAt(row))
      if (comment !== undefined) return comment
    }
    return undefined
  }
}

/** Counts what differs, a set after the other. */
class Counting {
  readonly services = new Map<string, Difference>()
  readonly nobodys = new Set<ElementSet>()
  readonly shared = new Set<ElementSet>()
  readonly #kernel: SetTables
  readonly #services: Services
  #names: ReadonlyMap<string, string> | undefined

  constructor(kernel: SetTables, services: Services) {
    this.#kernel = kernel
    this.#services = services
  }

  /** Names of services as comments have them, worked out where a comment is to be told. */
  get #shortened(): ReadonlyMap<string, string> {
    return (this.#names ??= new Map([...this.#services.keys()].map((name) => [shortenName(name), name])))
  }

  take(change: SetChange): void {
    const { set, add, owners, remove } = change
    if (set.description.shared) {
      this.shared.add(set)
      return
    }
    // What is deleted to be written again stands in the order of the additions.
    let replaced = 0
    for (const [row, owner] of owners.entries()) {
      this.#count(owner!, 'written')
      if (replaced === remove.rows || !remove.hasKey(replaced, add.keyAt(row))) continue
      this.#count(owner!, 'deleted')
      replaced++
    }
    this.#takeRemoved(change, replaced)
  }

  #takeRemoved({ set, remove }: SetChange, from: number): void {
    const nameOf = from < remove.rows ? namesIn(this.#kernel, set) : undefined
    for (let row = from; row < remove.rows; row++) {
      const comment = nameOf!(remove.keyAt(row))
      if (comment === undefined) this.nobodys.add(set)
      else this.#count(this.#shortened.get(comment) ?? comment, 'deleted')
    }
  }

  #count(service: string, field: keyof Difference): void {
    const difference = this.services.get(service) ?? { written: 0, deleted: 0 }
    difference[field]++
    this.services.set(service, difference)
  }
}

/** The services whose elements differ; they are not rebuilt from elements. Those that are desired no longer are known by their comments. */
export function differencesOf(changes: Changes, kernel: SetTables, services: Services): Differences {
  const counting = new Counting(kernel, services)
  for (const phase of PHASES) for (const change of changes.phase(phase)) counting.take(change)
  return counting
}
