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
import type { CompileOptions } from '../elements/frontends.js'
import { diffTables, type Changes, type SetTables } from '../elements/changes.js'
import { CommittedContents } from '../elements/contents.js'
import { differencesOf, NO_DIFFERENCES, type Differences } from './differences.js'
import type { KernelTables } from './inspect.js'
import { wordDifferences } from './wording.js'
import { FIXED_SETS, markIn } from '../layout/sets.js'

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
  #differences: Differences | undefined

  constructor(kernel: KernelTables, services: Services, comparison: Comparison | undefined) {
    this.kernel = kernel
    this.services = services
    this.comparison = comparison
  }

  get faults(): readonly string[] {
    const { faults, addressFaults } = this.kernel
    return [...faults, ...(this.#bringsNodePorts ? [] : addressFaults), ...this.#elementFaults()]
  }

  /** Whether ports of this node come that were not served before, or the last ones go: its addresses come and go with them, and that is no fault. */
  get #bringsNodePorts(): boolean {
    if (this.comparison === undefined) return false
    const isServed = [...this.kernel.elements.entries()].some(({ set, table }) => set.scope === 'node' && table.rows > 0)
    return isServed !== [...this.services.values()].some(hasNodePort)
  }

  /** Whose elements differ, worked out when it is asked for. */
  get #found(): Differences | undefined {
    const { comparison, kernel, services } = this
    return (this.#differences ??= comparison && differencesOf(comparison.changes, kernel.elements, services))
  }

  /** What no service has is another process's. Where no service differs, none is to blame for what several share either. */
  #elementFaults(): string[] {
    const { services, nobodys, shared } = this.#found ?? NO_DIFFERENCES
    const sets = services.size === 0 ? [...nobodys, ...shared] : [...nobodys]
    return sets.map(({ family, name }) => changedElements({ family, name: this.kernel.options.name }, name))
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
      : await entriesOf(this.#found ?? differencesOf(changes, this.kernel.elements, this.services), this.kernel, this.services, inWords)
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
  const expected = new Map([...kernel.elements.entries()].map(({ set, table: { rows } }) => [set, rows] as const))
  const { contents, tables } = await CommittedContents.of(services, kernel.options, slices, expected)
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

type Actions = ReadonlyMap<string, PlanEntry['action']>

async function actionsOf(differences: Differences['services'], services: Services, options: CompileOptions): Promise<Actions> {
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
  { services: differences }: Differences,
  { elements: kernel, options }: KernelTables,
  services: Services,
  inWords: boolean
): Promise<PlanEntry[]> {
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
