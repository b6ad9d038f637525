/**
 * Our two tables as the kernel holds them, and what in them is not as we made it.
 */
import type { AddressFamily } from '../../core/address.js'
import { NetlinkError } from '../../core/errors.js'
import { Slices } from '../../core/slices.js'
import {
  type ChainForm,
  compareChains,
  compareElements,
  compareSets,
  compareTable,
  isSameRule,
  rulesByChain
} from '../../nftables/compare.js'
import type { Expression } from '../../nftables/expressions.js'
import type { ListedRule, Nftables, Ruleset } from '../../nftables/index.js'
import { listOwnTables } from '../../nftables/own-tables.js'
import { type setForm } from '../../nftables/sets.js'
import { BackendFailure } from '../core/backend.js'
import { FAMILIES } from '../core/frontend.js'
import { SetTables } from './changes.js'
import {
  balancingChain,
  declarationOf,
  dispatchRule,
  layoutChains,
  localSourcesSet,
  ownTables,
  type PlacedClass,
  type TableOptions
} from './layout.js'
import { ServiceObjects } from './objects.js'
import { FIXED_KINDS, FIXED_SETS, mapNames, setsOf, slotClassOf, type ElementSet } from './sets.js'

/** What the kernel holds of ours. */
export interface KernelTables {
  readonly generation: number
  /** Families whose table exists. */
  readonly present: ReadonlySet<AddressFamily>
  /** What is not as we made it, elements of services aside. */
  readonly faults: readonly string[]
  readonly objects: ServiceObjects
  /** Elements, where they were asked for. */
  readonly elements: SetTables
  /** Rows by set, as the kernel counts them; undefined where it does not (before Linux 6.18). */
  readonly counts: ReadonlyMap<ElementSet, number | undefined>
}

const MAX_READS = 16

/** What goes by itself when it is tried again: a table that was deleted between two readings, or a ruleset that changed faster than it could be read. */
const PASSING = new Set(['ENOENT', 'EINTR'])

interface Listed {
  readonly family: AddressFamily
  readonly ruleset: Ruleset
}

/**
 * Reads our tables, all of one generation if that can be had.
 *
 * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: a table of our name is not ours.
 * @throws {BackendFailure} The ruleset changes faster than it can be read.
 */
export async function readTables(nft: Nftables, options: TableOptions, withElements: boolean): Promise<KernelTables> {
  for (let read = 1; ; read++) {
    try {
      const { generation, listed } = await listTables(nft, options, withElements)
      // Each table is of one generation, and `generation` is not newer than any: what is committed against it is refused if another process committed since.
      const isOneGeneration = listed.every(({ ruleset }) => ruleset.generation === generation)
      if (isOneGeneration || read === MAX_READS) return await describeTables(listed, options, generation, withElements)
    } catch (error) {
      if (!(error instanceof NetlinkError) || !PASSING.has(error.code)) throw error
      if (read === MAX_READS) throw new BackendFailure('again', false, error)
    }
  }
}

async function listTables(nft: Nftables, options: TableOptions, withElements: boolean): Promise<{ generation: number; listed: Listed[] }> {
  const { id } = await nft.readGeneration()
  const tables = await listOwnTables(nft, ownTables(options))
  const listed: Listed[] = []
  for (const { family } of tables) listed.push({ family, ruleset: await readTable(nft, options, family, withElements) })
  return { generation: id, listed }
}

/** A table's objects; of elements at least the few of `local-sources`, which no count would tell. */
async function readTable(nft: Nftables, options: TableOptions, family: AddressFamily, withElements: boolean): Promise<Ruleset> {
  const ruleset = await nft.list({ family, table: options.name, elements: withElements })
  if (withElements || !ruleset.sets.some(({ name }) => name === 'local-sources')) return ruleset
  return { ...ruleset, elements: [await nft.listElements({ family, table: options.name, name: 'local-sources' })] }
}

async function describeTables(
  listed: readonly Listed[],
  options: TableOptions,
  generation: number,
  withElements: boolean
): Promise<KernelTables> {
  const objects = new ServiceObjects()
  const faults: string[] = listed.length === 0 ? [`tables ${options.name} are missing`] : []
  const elements = new SetTables()
  const counts = new Map<ElementSet, number | undefined>()
  for (const { family, ruleset } of listed) {
    const sets = placeSets(family, ruleset)
    faults.push(
      ...compareTable({ family, name: options.name }, ruleset),
      ...checkSets(family, ruleset, sets, options),
      ...checkChains(family, ruleset, sets, options, objects),
      ...checkLocalSources(family, ruleset, options)
    )
    objects.stale = [...objects.stale, ...[...sets.stale].map((name) => ({ family, name }))]
    for (const { name, count, size } of ruleset.sets) {
      const set = sets.inUse.get(name)
      if (set === undefined) continue
      counts.set(set, count)
      if (size !== undefined) objects.capacities.set(set, size)
    }
    if (withElements) await collectElements(ruleset, sets, elements)
  }
  for (const family of FAMILIES)
    if (listed.length === 1 && listed[0]!.family !== family) faults.push(`table ${family} ${options.name} is missing`)
  return { generation, present: new Set(listed.map(({ family }) => family)), faults, objects, elements, counts }
}

/** Which of a table's sets are ours, and what for. */
interface PlacedSets {
  /** By their names in the kernel. */
  readonly inUse: ReadonlyMap<string, ElementSet>
  readonly stale: ReadonlySet<string>
  readonly classes: readonly PlacedClass[]
}

/** Finds the slot classes by their chains: the rule in one says how a slot is chosen, among how many, and in which map it is looked up. */
function placeSets(family: AddressFamily, ruleset: Ruleset): PlacedSets {
  const inUse = new Map<string, ElementSet>(FIXED_KINDS.map((kind) => [kind, FIXED_SETS[family][kind]]))
  const stale = new Set<string>()
  const classes: PlacedClass[] = []
  const names = new Set(ruleset.sets.map(({ name }) => name))
  for (const [chain, [rule, ...more]] of rulesByChain(ruleset)) {
    const placed = rule === undefined || more.length > 0 ? undefined : classOf(rule.expressions)
    if (placed === undefined || balancingChain(family, placed).chain.name !== chain) continue
    const { members, endpoints } = setsOf(family, placed.slotClass)
    classes.push(placed)
    inUse.set(members.name, members)
    inUse.set(placed.map, endpoints)
    for (const other of mapNames(placed.slotClass)) if (other !== placed.map && names.has(other)) stale.add(other)
  }
  return { inUse, stale, classes }
}

function classOf(expressions: readonly Expression[]): PlacedClass | undefined {
  const choice = expressions.find((expression) => expression.type === 'numgen' || expression.type === 'hash')
  const lookup = expressions.find((expression) => expression.type === 'lookup')
  if (choice === undefined || lookup === undefined) return undefined
  const slotClass = slotClassOf(choice.type === 'numgen' ? 'random' : 'hash', choice.modulus)
  const map = mapNames(slotClass).find((name) => name === lookup.set)
  return map === undefined ? undefined : { slotClass, map }
}

function checkSets(family: AddressFamily, ruleset: Ruleset, { inUse, stale }: PlacedSets, { name, localSources }: TableOptions): string[] {
  const expected = new Map<string, Omit<Parameters<typeof setForm>[0], never>>()
  for (const [kernelName, set] of inUse) expected.set(kernelName, declarationOf(set, kernelName))
  if (localSources !== undefined) expected.set('local-sources', localSourcesSet(family))
  return compareSets({ family, name }, ruleset, expected, (set) => stale.has(set.name))
}

/** The rules of chain `services` may stand in any order. Those that are found are noted in `objects`. */
function takeDispatchRules(
  family: AddressFamily,
  classes: readonly PlacedClass[],
  listed: readonly ListedRule[],
  objects: ServiceObjects
): { missing: number; foreign: number } {
  const left = new Set(listed)
  let missing = 0
  for (const placed of classes) {
    const wanted = dispatchRule(family, placed.slotClass)
    const rule = [...left].find(({ expressions }) => isSameRule(expressions, wanted))
    if (rule === undefined) {
      missing++
      continue
    }
    left.delete(rule)
    objects.classes[family].set(placed.slotClass, { placed, handle: rule.handle })
  }
  return { missing, foreign: left.size }
}

function checkChains(
  family: AddressFamily,
  ruleset: Ruleset,
  sets: PlacedSets,
  { name, localSources }: TableOptions,
  objects: ServiceObjects
): string[] {
  const compareRules = ({ chain }: ChainForm, listed: readonly ListedRule[]): string[] | undefined => {
    if (chain.name !== 'services') return undefined
    const { missing, foreign } = takeDispatchRules(family, sets.classes, listed, objects)
    const say = (count: number, what: string): string[] => (count > 0 ? [`${count} ${what} rules in chain ${family} ${name} services`] : [])
    return [...say(missing, 'missing'), ...say(foreign, 'foreign')]
  }
  return compareChains({ family, name }, ruleset, layoutChains(family, sets.classes, localSources !== undefined), compareRules)
}

function checkLocalSources(family: AddressFamily, ruleset: Ruleset, { name, localSources }: TableOptions): string[] {
  if (localSources === undefined) return []
  const wanted = localSources[family].map((key) => ({ key }))
  return compareElements({ family, name }, ruleset, localSourcesSet(family), wanted)
}

async function collectElements(ruleset: Ruleset, { inUse }: PlacedSets, into: SetTables): Promise<void> {
  const slices = new Slices()
  for (const { set, chunks } of ruleset.elements) {
    const known = inUse.get(set.name)
    if (known === undefined) continue
    const { table } = into.of(
      known,
      chunks.reduce((rows, columns) => rows + columns.rows, 64)
    )
    for (const columns of chunks) {
      const width = columns.rows === 0 ? 0 : columns.key.length / columns.rows
      if (width !== table.buffer.keyWidth) continue
      for (let row = 0; row < columns.rows; row++) {
        const data = columns.data?.subarray(columns.dataOffsets![row], columns.dataOffsets![row + 1])
        const userdata = columns.userdata?.subarray(columns.userdataOffsets![row], columns.userdataOffsets![row + 1])
        table.put(columns.key.subarray(row * width, (row + 1) * width), data, userdata?.length === 0 ? undefined : userdata)
        if ((row & 0xff) === 0 && slices.isOver) await slices.turn()
      }
    }
  }
}

/** Whether the kernel counts other numbers of elements than are wanted. Kernels that do not count (before Linux 6.18) say nothing: audits find what there is. */
export function differsInCount(kernel: KernelTables, wanted: ReadonlyMap<ElementSet, number>): boolean {
  for (const [set, count] of kernel.counts) if (count !== undefined && count !== (wanted.get(set) ?? 0)) return true
  for (const [set, rows] of wanted) if (rows > 0 && !kernel.counts.has(set)) return true
  return false
}
