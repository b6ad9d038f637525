/**
 * Filling tables that are not there yet. It need not be one transaction: each chunk holds some services whole, and the next one is put together while the kernel works on the last.
 */
import { familyOf } from '../../core/address.js'
import type { AddressFamily } from '../../core/address.js'
import { Slices } from '../../core/slices.js'
import { ElementBuffer } from '../../nftables/element-buffer.js'
import { elementsStep, type Step } from '../../nftables/steps.js'
import { FAMILIES } from '../core/frontend.js'
import { ReferenceCounts } from '../core/refcount.js'
import type { Run } from '../core/run.js'
import type { Service, Services } from '../model.js'
import { keyText, type SetChange, type SharedCounts } from './changes.js'
import { commentUserdata } from './comment.js'
import { visitElements, type ElementVisitor } from './compile.js'
import { CommittedContents } from './contents.js'
import { layoutChains, localSourcesSet, TABLE_COMMENT, type TableOptions } from './layout.js'
import { classSteps, RULE_BYTES, setStep, type ServiceObjects } from './objects.js'
import { FIXED_KINDS, FIXED_SETS, type ElementSet, type SlotClass } from './sets.js'
import { rowBytes, type Writer } from './writer.js'

/** Elements a transaction: enough that its fixed cost does not show, few enough that others wait for the kernel's mutex for milliseconds only. */
const CHUNK_ROWS = 16_384
/** Of the first transaction: the kernel is to begin soon. */
const FIRST_ROWS = 4096

/** What a cold start works with. */
export interface ColdStartParts {
  readonly writer: Writer
  readonly options: TableOptions
  readonly objects: ServiceObjects
  /** Families whose tables exist and are to be replaced: then all is one transaction, if one message can hold it. */
  readonly replace: ReadonlySet<AddressFamily>
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
  readonly #rows: ReadonlyMap<ElementSet, number>
  #filled = new Map<ElementSet, SetChange>()
  #last: SetChange | undefined
  pending = 0
  #userdata: Uint8Array | undefined
  #owner = ''
  elements = 0

  // One function for all services: making one for each costs more than what it does.
  readonly #visit: ElementVisitor = (set, key, data) => {
    const { shared, named } = set.description
    if (shared && this.shared.add(set, keyText(key), 1) > 1) return
    const { add, owners } = this.#of(set)
    add.push(key, data, named ? this.#userdata : undefined)
    owners.push(shared ? undefined : this.#owner)
    this.pending++
  }

  constructor(rows: ReadonlyMap<ElementSet, number>) {
    this.#rows = rows
  }

  /** The rows of a set; nearly always that of the last element. */
  #of(set: ElementSet): SetChange {
    if (this.#last?.set === set) return this.#last
    let filled = this.#filled.get(set)
    if (filled === undefined) {
      const capacity = Math.min(this.#rows.get(set) ?? 64, CHUNK_ROWS)
      filled = {
        set,
        remove: new ElementBuffer(set.keyWidth, 0, 1),
        add: new ElementBuffer(set.keyWidth, set.dataWidth, capacity),
        owners: []
      }
      this.#filled.set(set, filled)
    }
    return (this.#last = filled)
  }

  add(service: Service, slices: Slices): Promise<void> | undefined {
    this.#userdata = commentUserdata(service.name)
    this.#owner = service.name
    return visitElements(service, this.#visit, slices)
  }

  /** Takes the chunk, slots before what leads to them. */
  take(table: string): Step[] {
    const taken = [...this.#filled.values()].sort((left, right) => right.set.keyWidth - left.set.keyWidth)
    this.elements += this.pending
    this.#filled = new Map()
    this.#last = undefined
    this.pending = 0
    return taken.map((change) => elementsStep({ family: change.set.family, table, name: change.set.name }, change, rowBytes(change.set)))
  }
}

/** Both tables with everything that is always there. */
function tableSteps({ options, objects, replace, writer }: ColdStartParts, addresses: Readonly<Record<AddressFamily, number>>): Step[] {
  const { name, localSources } = options
  return FAMILIES.flatMap((family): Step[] => {
    const table = { family, table: name } as const
    const declareTable: Step = {
      bytes: 200,
      queue: (tx) => {
        if (replace.has(family)) tx.delete.table({ family, name })
        tx.add.table({ family, name, comment: TABLE_COMMENT })
      }
    }
    const sets = FIXED_KINDS.map((kind) => {
      const set = FIXED_SETS[family][kind]
      const rows = kind === 'vips' ? addresses[family] : 0
      return setStep(name, objects, set, rows, writer.canReplace(set, rows))
    })
    const chains = layoutChains(family, [], localSources !== undefined)
    return [
      declareTable,
      ...sets,
      ...(localSources === undefined ? [] : [localSourcesStep(family, name, localSources[family])]),
      ...chains.map(({ chain }): Step => ({ bytes: 200, queue: (tx) => tx.add.chain({ ...table, ...chain }) })),
      ...chains.flatMap(({ chain, rules }) =>
        rules.map((expressions): Step => ({ bytes: RULE_BYTES, queue: (tx) => tx.add.rule({ ...table, chain: chain.name, expressions }) }))
      )
    ]
  })
}

function localSourcesStep(family: AddressFamily, table: string, ranges: NonNullable<TableOptions['localSources']>[AddressFamily]): Step {
  const set = { family, table, ...localSourcesSet(family) }
  return {
    bytes: 400 + ranges.length * 80,
    queue: (tx) => {
      tx.add.set(set)
      if (ranges.length === 0) return
      tx.add.elements(
        set,
        ranges.map((key) => ({ key })),
        { exclusive: true }
      )
    }
  }
}

/** How many frontend addresses there will be, at most. */
function countAddresses(services: Iterable<Service>): Record<AddressFamily, number> {
  const counts = { ip: 0, ip6: 0 }
  for (const { frontends } of services) for (const { address } of frontends) counts[familyOf(address)]++
  return counts
}

/** The slot classes of a family that have elements, the most frequent first: new connections are looked up in that order. */
function classesOf(family: AddressFamily, rows: ReadonlyMap<ElementSet, number>): SlotClass[] {
  return [...rows]
    .filter(([set]) => set.family === family && set.kind === 'members')
    .sort(([, left], [, right]) => right - left)
    .map(([{ slotClass }]) => slotClass!)
}

/** Sends chunks one after the other, each while the next one is put together. */
class Pipeline {
  readonly #send: (steps: readonly Step[]) => Promise<void>
  #pending: Promise<void> = Promise.resolve()

  constructor(send: (steps: readonly Step[]) => Promise<void>) {
    this.#send = send
  }

  /** Waits for the chunk before, and sends this one. */
  async push(steps: readonly Step[]): Promise<void> {
    await this.#pending
    this.#pending = this.#send(steps)
    // Whoever waits for it is told.
    this.#pending.catch(() => undefined)
  }

  async end(): Promise<void> {
    await this.#pending
  }
}

/** Makes the tables and fills them. */
export async function coldStart(parts: ColdStartParts, services: Services): Promise<ColdStart> {
  const { writer, options, replace, run } = parts
  const slices = new Slices()
  const isWhole = replace.size > 0
  const pipeline = new Pipeline((steps) => writer.write(steps, run, 'elements of services'))
  let steps = tableSteps(parts, countAddresses(services.values()))
  if (!isWhole) {
    await pipeline.push(steps)
    steps = []
  }
  const contents = await CommittedContents.counted(services, slices)
  const rows = contents.sizes()
  for (const family of FAMILIES)
    for (const slotClass of classesOf(family, rows)) steps.push(...classSteps(parts, family, slotClass, (set) => rows.get(set) ?? 0))
  const filling = new Filling(rows)
  let limit = FIRST_ROWS
  for (const service of services.values()) {
    await filling.add(service, slices)
    if (slices.isOver) await slices.turn()
    if (filling.pending < limit) continue
    steps.push(...filling.take(options.name))
    if (!isWhole) {
      await pipeline.push(steps)
      steps = []
    }
    limit = CHUNK_ROWS
  }
  await pipeline.push([...steps, ...filling.take(options.name)])
  await pipeline.end()
  contents.takeShared(filling.shared)
  return { contents, elements: filling.elements }
}
