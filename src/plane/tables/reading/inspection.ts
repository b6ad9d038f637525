/**
 * Our tables compared with services, so far as they are asked for.
 */
import { Slices } from '../../../core/slices.js'
import { changedElements } from '../../../nftables/compare.js'
import type { Inspection, ObjectCounts, Work } from '../../core/backend.js'
import { FAMILIES, hasNodePort } from '../../core/frontend.js'
import { changesBetween } from '../../core/changes/change.js'
import { describeService, numbersText, planEntries, type PlanEntry } from '../../core/changes/plan.js'
import type { Service, Services } from '../../model.js'
import { ElementWalk } from '../elements/walk.js'
import { frontendOfSlot } from '../elements/frontend-key.js'
import type { CompileOptions } from '../elements/frontends.js'
import type { ElementTable } from '../elements/table.js'
import { diffTables, type Changes, type SetTables } from '../elements/changes.js'
import { commentOf, shortenName } from '../layout/comment.js'
import { CommittedContents } from '../elements/contents.js'
import type { KernelTables } from './inspect.js'
import { wordDifferences } from './wording.js'
import { FIXED_SETS, frontendLength, markIn, PHASES, type ElementSet } from '../layout/sets.js'

/** What services need, and what leads there from what the kernel holds. */
export interface Comparison {
  readonly contents: CommittedContents
  readonly changes: Changes
}

/** Made by {@link inspectTables}. */
export class TablesInspection implements Inspection {
  readonly kernel: KernelTables
  readonly services: Services
  /** Absent where tables are missing or are to be made anew: then every element is to be written. */
  readonly comparison: Comparison | undefined

  constructor(kernel: KernelTables, services: Services, comparison: Comparison | undefined) {
    this.kernel = kernel
    this.services = services
    this.comparison = comparison
  }

  get faults(): readonly string[] {
    const { faults, addressFaults } = this.kernel
    return [...faults, ...(this.#bringsNodePorts ? [] : addressFaults), ...this.#sharedFaults()]
  }

  /** Whether ports of this node come that were not served before, or the last ones go: its addresses come and go with them, and that is no fault. */
  get #bringsNodePorts(): boolean {
    if (this.comparison === undefined) return false
    const isServed = [...this.kernel.elements.entries()].some(({ set, table }) => set.scope === 'node' && table.rows > 0)
    return isServed !== [...this.services.values()].some(hasNodePort)
  }

  /** Where nothing differs but what is no single service's own, no service is to blame, and another process has changed it. */
  #sharedFaults(): string[] {
    const { changes } = this.comparison ?? {}
    if (changes === undefined) return []
    const sets = new Set(PHASES.flatMap((phase) => changes.phase(phase).map(({ set }) => set)))
    if ([...sets].some(({ description }) => !description.shared)) return []
    return [...sets].map(({ family, name }) => changedElements({ family, name: this.kernel.options.name }, name))
  }

  get isNew(): boolean {
    return this.kernel.present.size === 0
  }

  get isEmpty(): boolean {
    const { objects, addressFaults } = this.kernel
    return this.comparison?.changes.isEmpty === true && objects.stale.length === 0 && addressFaults.length === 0
  }

  get differences(): ObjectCounts | undefined {
    return this.comparison?.changes.counts
  }

  async work(inWords: boolean): Promise<Work> {
    const { changes, contents } = this.comparison ?? (await compare(this.kernel, this.services))
    const entries = this.isNew
      ? planEntries(changesBetween(new Map<string, Service>(), this.services))
      : await entriesOf(changes, this.kernel, this.services, inWords)
    // Elements of tables that are made anew are all written, and none is deleted.
    const objects = this.comparison === undefined ? { written: sum(contents.sizes().values()), deleted: 0 } : changes.counts
    return { entries, objects, isMadeAnew: this.comparison === undefined && !this.isNew }
  }
}

function sum(numbers: Iterable<number>): number {
  let sum = 0
  for (const number of numbers) sum += number
  return sum
}

async function compare(kernel: KernelTables, services: Services): Promise<Comparison> {
  const slices = new Slices()
  const { contents, tables } = await CommittedContents.of(services, kernel.options, slices)
  return { contents, changes: await diffTables(kernel.elements, tables, slices) }
}

/** Marks that the kernel holds are kept. */
function adoptMarks({ options: { marks }, elements }: KernelTables): void {
  if (marks === undefined) return
  for (const family of FAMILIES) {
    const buffer = elements.find(FIXED_SETS[family].fwmarks.outside)?.table.buffer
    for (let row = 0; row < (buffer?.rows ?? 0); row++) marks.adopt(buffer!.keyAt(row), markIn(buffer!.dataAt(row)))
  }
}

/** Compares tables that were read with their elements. */
export async function inspectTables(kernel: KernelTables, services: Services): Promise<TablesInspection> {
  const isUsable = kernel.present.size > 0 && kernel.faults.length === 0
  adoptMarks(kernel)
  return new TablesInspection(kernel, services, isUsable ? await compare(kernel, services) : undefined)
}

interface Difference {
  written: number
  deleted: number
}

/** Sets that have names beside the frontends of a set, that set first. */
function namedBeside(kernel: SetTables, { family, scope, slotClass, kind }: ElementSet): ElementTable[] {
  const frontends = frontendLength(family, scope)
  const isBeside = (one: ElementSet): boolean =>
    one.family === family && one.scope === scope && one.description.named && one.keyWidth === frontends
  const own = (one: ElementSet): boolean => one.slotClass === slotClass && (one.kind === kind || one.kind === 'members')
  const found = [...kernel.entries()].filter(({ set }) => isBeside(set))
  return [...found.filter(({ set }) => own(set)), ...found.filter(({ set }) => !own(set))].map(({ table }) => table)
}

/** Reads the names beside elements of a set that the kernel has: those of endpoints, and of what else is said of a frontend, stand with the frontend. */
function namesIn(kernel: SetTables, set: ElementSet): (key: Uint8Array) => string | undefined {
  if (set.description.shared || set.description.isRange) return () => undefined
  const tables = namedBeside(kernel, set)
  return (key) => {
    const frontend = set.kind === 'endpoints' ? frontendOfSlot(key) : key
    for (const table of tables) {
      const row = table.find(frontend)
      if (row >= 0) return commentOf(table.buffer.userdataAt(row))
    }
    return undefined
  }
}

/** The services whose elements differ; they are not rebuilt from elements. Those that are desired no longer are known by their comments. */
function differencesOf(changes: Changes, kernel: SetTables, services: Services): ReadonlyMap<string, Difference> {
  const differences = new Map<string, Difference>()
  const shortened = new Map([...services.keys()].map((name) => [shortenName(name), name]))
  const count = (service: string | undefined, field: keyof Difference): void => {
    if (service === undefined) return
    const difference = differences.get(service) ?? { written: 0, deleted: 0 }
    difference[field]++
    differences.set(service, difference)
  }
  for (const phase of PHASES) {
    for (const { set, add, owners, remove } of changes.phase(phase)) {
      // What is deleted to be written again stands in the order of the additions.
      let replaced = 0
      for (const [row, owner] of owners.entries()) {
        count(owner, 'written')
        if (replaced === remove.rows || !remove.hasKey(replaced, add.keyAt(row))) continue
        count(owner, 'deleted')
        replaced++
      }
      const nameOf = namesIn(kernel, set)
      for (let row = replaced; row < remove.rows; row++) {
        const comment = nameOf(remove.keyAt(row))
        count(comment === undefined ? undefined : (shortened.get(comment) ?? comment), 'deleted')
      }
    }
  }
  return differences
}

type Actions = ReadonlyMap<string, PlanEntry['action']>

async function actionsOf(differences: ReadonlyMap<string, Difference>, services: Services, options: CompileOptions): Promise<Actions> {
  const needs = countNeeds(options)
  const actions = new Map<string, PlanEntry['action']>()
  for (const [service, { written, deleted }] of differences) {
    const desired = services.get(service)
    const isThere = async (): Promise<boolean> => deleted > 0 || (await needs(desired!)) > written
    actions.set(service, desired === undefined ? 'remove' : (await isThere()) ? 'change' : 'add')
  }
  return actions
}

/** Says of services that are there what becomes of them. */
async function wordsOf(
  actions: Actions,
  kernel: SetTables,
  services: Services,
  options: CompileOptions
): Promise<ReadonlyMap<string, readonly string[]>> {
  const namesOf = (wanted: PlanEntry['action']): string[] => [...actions].filter(([, action]) => action === wanted).map(([name]) => name)
  const changing = new Map(namesOf('change').map((name) => [name, services.get(name)!]))
  return await wordDifferences(kernel, changing, namesOf('remove'), options)
}

async function entriesOf(
  changes: Changes,
  { elements: kernel, options }: KernelTables,
  services: Services,
  inWords: boolean
): Promise<PlanEntry[]> {
  const differences = differencesOf(changes, kernel, services)
  const actions = await actionsOf(differences, services, options)
  const words = inWords ? await wordsOf(actions, kernel, services, options) : undefined
  return [...differences].map(([service, difference]): PlanEntry => {
    const action = actions.get(service)!
    const desired = action === 'add' ? services.get(service) : undefined
    const phrases = words?.get(service) ?? []
    return {
      action,
      service,
      details: desired === undefined ? [...phrases, numbersText('element', difference)] : [describeService(desired)]
    }
  })
}

/** Counts the elements that are a service's own. */
function countNeeds(options: CompileOptions): (service: Service) => Promise<number> {
  const slices = new Slices()
  let count = 0
  const walk = new ElementWalk(({ description: { shared } }) => void (count += shared ? 0 : 1), options)
  return async (service) => {
    count = 0
    if (slices.isOver) await slices.turn()
    await walk.add(service, slices)
    return count
  }
}
