/**
 * Filling tables that are not there yet. It need not be one transaction: each chunk holds some services whole, and the next one is put together while the kernel works on the last.
 */
import type { AddressFamily } from '../../../core/address.js'
import { Slices } from '../../../core/slices.js'
import { elementsStep, joined, type Step } from '../../../nftables/steps.js'
import type { ServiceSource } from '../../core/backend.js'
import { FAMILIES } from '../../core/frontend.js'
import { ReferenceCounts } from '../../core/refcount.js'
import type { Run } from '../../core/run.js'
import { Pipeline } from '../../core/pipeline.js'
import { UrgentServices } from '../../core/urgent.js'
import type { Service, Services } from '../../model.js'
import { emptyChange, inOrder, keyValue, type SetChange, type SharedCounts } from '../elements/changes.js'
import { commentUserdata } from '../layout/comment.js'
import { ElementWalk, type ElementVisitor } from '../elements/walk.js'
import { CommittedContents } from '../elements/contents.js'
import { estimate } from '../elements/estimate.js'
import { flowtableStep } from '../layout/flow-offload.js'
import type { CompileOptions } from '../elements/frontends.js'
import { fixedChains, tableComment, type TableOptions } from '../layout/table.js'
import { chainSteps, learntSteps, neededSteps, setStep, unusedSteps, type ServiceObjects } from './objects.js'
import { flagsOf } from '../layout/owner.js'
import { fixedSets, type ElementSet } from '../layout/sets.js'
import { staticSets, staticStep, type StaticContents } from '../layout/static-sets.js'
import { rowBytes, type Writer } from './writer.js'

/** Elements a transaction: enough that its fixed cost does not show, few enough that others wait for the kernel's mutex for milliseconds only. */
const CHUNK_ROWS = 8192
/** Of the first transaction: the kernel is to begin soon. It makes all the sets too, and the next one is put together by the time that these stand. */
const FIRST_ROWS = 1024

/** Beside its part of all elements, room for so many of a set in a chunk: services are not all alike. */
const SPARE_ROWS = 64

/** What a cold start works with. */
export interface ColdStartParts {
  readonly writer: Writer
  readonly options: TableOptions
  readonly objects: ServiceObjects
  /** Families whose tables exist and are to be replaced: then all is one transaction, if one message can hold it. */
  readonly replace: ReadonlySet<AddressFamily>
  readonly statics: StaticContents
  /** Links of the flowtable that exist; undefined: there is to be none. */
  readonly devices: readonly string[] | undefined
  /** Elements that tables of before had, and services do not. */
  readonly carried: readonly Step[]
  readonly run: Run
}

/** What a cold start made. */
export interface ColdStart {
  readonly contents: CommittedContents
  readonly elements: number
}

/** Collects the elements of services until they are a chunk. */
class Filling {
  readonly shared: SharedCounts = new ReferenceCounts()
  /** Elements taken, of sets whose elements belong to one service each. */
  readonly rows = new Map<ElementSet, number>()
  readonly #estimates: ReadonlyMap<ElementSet, number>
  /** A chunk's part of all rows. */
  readonly #share: number
  #filled = new Map<ElementSet, SetChange>()
  #last: SetChange | undefined
  pending = 0
  #userdata: Uint8Array | undefined
  #owner = ''
  elements = 0

  // One function for all services: making one for each costs more than what it does.
  readonly #visit: ElementVisitor = (set, key, data) => {
    const { shared, named } = set.description
    if (shared && this.shared.add(set, keyValue(key), 1) > 1) return
    const { add, owners } = this.#of(set)
    add.push(key, data, named ? this.#userdata : undefined)
    owners.push(shared ? undefined : this.#owner)
    this.pending++
  }

  readonly #walk: ElementWalk

  /** @param estimates About how many elements each set will hold: to make room for at once. */
  constructor(estimates: ReadonlyMap<ElementSet, number>, options: CompileOptions) {
    this.#estimates = estimates
    const all = [...estimates.values()].reduce((sum, rows) => sum + rows, 0)
    this.#share = Math.min(CHUNK_ROWS / Math.max(all, 1), 1)
    this.#walk = new ElementWalk(this.#visit, options)
  }

  /** The rows of a set; nearly always that of the last element. */
  #of(set: ElementSet): SetChange {
    if (this.#last?.set === set) return this.#last
    let filled = this.#filled.get(set)
    if (filled === undefined) {
      filled = emptyChange(set, Math.ceil((this.#estimates.get(set) ?? 0) * this.#share) + SPARE_ROWS)
      this.#filled.set(set, filled)
    }
    return (this.#last = filled)
  }

  add(service: Service, slices: Slices): Promise<void> | undefined {
    this.#userdata = commentUserdata(service.name)
    this.#owner = service.name
    return this.#walk.add(service, slices)
  }

  /** Takes the chunk, slots before what leads to them. `isNote`: the elements say which virtual services of IPVS are ours. */
  take(table: string): { readonly step: Step; readonly isNote: boolean }[] {
    const taken = inOrder(this.#filled.values())
    this.elements += this.pending
    for (const { set, add } of taken) if (!set.description.shared) this.rows.set(set, (this.rows.get(set) ?? 0) + add.rows)
    this.#filled = new Map()
    this.#last = undefined
    this.pending = 0
    return taken.map((change) => ({
      step: elementsStep({ family: change.set.family, table, name: change.set.name }, change, rowBytes(change.set)),
      isNote: isNote(change.set)
    }))
  }
}

/** Whether a set says which virtual services of IPVS are ours. */
const isNote = ({ kind }: ElementSet): boolean => kind === 'fwmarks'

/** A table, in the place of one that is there, with what says which virtual services are ours. */
function declareSteps(family: AddressFamily, parts: ColdStartParts): Step[] {
  const { options, replace } = parts
  const { name } = options
  const declareTable: Step = {
    bytes: 200,
    queue: (tx) => {
      if (replace.has(family)) tx.delete.table({ family, name })
      tx.add.table({ family, name, comment: tableComment(options), ...flagsOf(options.tableOwner) })
    }
  }
  const notes = fixedSets(family, options).filter(isNote)
  return [declareTable, ...notes.map((set) => fixedSetStep(set, 0, parts))]
}

function fixedSetStep(set: ElementSet, rows: number, { options, objects, writer }: ColdStartParts): Step {
  return setStep(options.name, objects, set, rows, writer.canReplace(set, rows))
}

/** Everything else that is always in a table. */
function tableSteps(family: AddressFamily, parts: ColdStartParts, marks: ReadonlyMap<ElementSet, number>): Step[] {
  const { options, statics, devices } = parts
  const { name } = options
  const sets = fixedSets(family, options).filter((set) => !isNote(set))
  return [
    ...sets.map((set) => fixedSetStep(set, marks.get(set) ?? 0, parts)),
    ...learntSteps(family, options),
    ...staticSets(family, options, statics).map((set) => staticStep(family, name, set)),
    ...(devices === undefined ? [] : [flowtableStep(family, name, devices)]),
    ...chainSteps(family, name, fixedChains(family, options))
  ]
}

/**
 * The sets of a family that rules of their own ask, the largest first: new connections are looked up in that order. A malformed candidate, which will be refused, may be counted with a class of no slots.
 */
function askedSets(family: AddressFamily, rows: ReadonlyMap<ElementSet, number>): ElementSet[] {
  return [...rows]
    .filter(([{ family: of, kind, slotClass }]) => of === family && (kind === 'members' || kind === 'sticky') && slotClass?.slots !== 0)
    .sort(([, left], [, right]) => right - left)
    .map(([set]) => set)
}

/** Makes the sets that are to hold something, and what asks them. */
function neededObjects(parts: ColdStartParts, rows: ReadonlyMap<ElementSet, number>): Step[] {
  return FAMILIES.flatMap((family) => {
    const sets = askedSets(family, rows)
    const firstSticky = sets.find(({ kind }) => kind === 'sticky')
    return sets.flatMap((set) => neededSteps(parts, set, (one) => rows.get(one) ?? 0, set === firstSticky))
  })
}

/** Services that were checked before. */
export function checkedServices(services: Services): ServiceSource {
  return {
    candidates: services,
    each: async (visit) => {
      const slices = new Slices()
      for (const service of services.values()) {
        if (slices.isOver) await slices.turn()
        const visiting = visit(service)
        if (visiting !== undefined) await visiting
      }
    }
  }
}

/** Sends the elements of services in chunks. */
class ChunkWriter {
  readonly filling: Filling
  readonly #pipeline: Pipeline
  readonly #table: string
  readonly #isWhole: boolean
  readonly #slices = new Slices()
  #steps: Step[] = []
  /** Services in the steps. */
  #services = 0
  /** Whether services are served with their elements, and by nothing else. */
  readonly #isAll: boolean
  /** What must not be lost where tables take the place of others, even if one message cannot hold them: it is in their first transaction. */
  readonly #notes: Step[]
  #limit = FIRST_ROWS
  readonly #urgent = new UrgentServices()

  /**
   * @param declared Declares the tables.
   * @param isWhole Whether all is to be one transaction.
   */
  constructor(
    pipeline: Pipeline,
    options: TableOptions,
    estimates: ReadonlyMap<ElementSet, number>,
    declared: readonly Step[],
    isWhole: boolean
  ) {
    this.#notes = [...declared]
    this.filling = new Filling(estimates, options)
    this.#pipeline = pipeline
    this.#table = options.name
    this.#isAll = options.marks === undefined
    this.#isWhole = isWhole
  }

  /** What goes before the next elements. */
  precede(steps: readonly Step[]): void {
    this.#steps.push(...steps)
  }

  readonly add = (service: Service): Promise<void> | undefined => {
    if (!this.#urgent.endBefore(service)) return this.#add(service)
    return this.#end().then(() => this.#add(service))
  }

  #add(service: Service): Promise<void> | undefined {
    this.#services++
    const adding = this.filling.add(service, this.#slices)
    if (adding === undefined && this.filling.pending < this.#limit) return undefined
    return this.#afterAdding(adding)
  }

  async #afterAdding(adding: Promise<void> | undefined): Promise<void> {
    await adding
    if (this.filling.pending >= this.#limit) await this.#end()
  }

  /** Ends a chunk. */
  async #end(): Promise<void> {
    this.#limit = CHUNK_ROWS
    this.#take()
    if (!this.#isWhole) await this.#push()
  }

  async end(): Promise<void> {
    this.#take()
    if (this.#isWhole) this.#steps.unshift(joined(this.#notes))
    await this.#push()
    await this.#pipeline.end()
  }

  #take(): void {
    for (const { step, isNote } of this.filling.take(this.#table)) (this.#isWhole && isNote ? this.#notes : this.#steps).push(step)
  }

  async #push(): Promise<void> {
    const steps = this.#steps
    const last = steps.pop()
    if (last !== undefined) steps.push({ ...last, advance: this.#isAll ? this.#services : 0 })
    this.#steps = []
    this.#services = 0
    await this.#pipeline.push(steps, this.#isWhole)
  }
}

/** Makes the tables and fills them. */
export async function coldStart(parts: ColdStartParts, source: ServiceSource): Promise<ColdStart> {
  const { writer, options, replace, run } = parts
  const slices = new Slices()
  const isWhole = replace.size > 0
  const pipeline = new Pipeline(writer, run, 'elements of services')
  const { rows: expected, marks } = await estimate(source.candidates.values(), options, slices)
  const declared = FAMILIES.flatMap((family) => declareSteps(family, parts))
  const tables: Step[] = []
  for (const family of FAMILIES) {
    // The first time that rules are compiled takes long.
    await slices.turn()
    tables.push(...tableSteps(family, parts, marks))
  }
  await slices.turn()
  if (!isWhole) await pipeline.push([...declared, ...tables])
  const chunks = new ChunkWriter(pipeline, options, expected, declared, isWhole)
  if (isWhole) chunks.precede([...tables, ...parts.carried])
  chunks.precede(neededObjects(parts, expected))
  try {
    await source.each(chunks.add)
    await chunks.end()
  } finally {
    await pipeline.settled()
  }
  const { rows, shared, elements } = chunks.filling
  await removeUnused(parts, rows)
  return { contents: new CommittedContents(options, rows, shared), elements }
}

/** Of services that turned out not to be as they must be, there may be classes that no other service has. */
async function removeUnused({ writer, options, objects, run }: ColdStartParts, rows: ReadonlyMap<ElementSet, number>): Promise<void> {
  const steps = unusedSteps(options, objects, (set) => rows.get(set) ?? 0)
  if (steps.length > 0) await writer.write(steps, run, 'removal of what no service needs')
}
