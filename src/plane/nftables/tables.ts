/**
 * Our two tables in the kernel: making them, reading them back, and saying what in them is not as we made it.
 */
import { isDeepStrictEqual } from 'node:util'
import { NetplaneError } from '../../errors.js'
import {
  encodeElements,
  setForm,
  type Expression,
  type ListedRule,
  type Nftables,
  type Ruleset,
  type SetElement,
  type SetSpec,
  type Transaction
} from '../../nftables/index.js'
import { Slices } from '../../slices.js'
import type { AddressFamily } from '../../address.js'
import { SetTables } from './changes.js'
import { endpointsOf, FAMILIES, type ElementSet, type MembershipSet } from './compile.js'
import {
  balancingChain,
  balancingName,
  declarationOf,
  dispatchRule,
  fixedSets,
  layoutChains,
  mapNames,
  membershipName,
  sizeOf,
  TABLE_COMMENT,
  type LayoutChain,
  type PlacedSize
} from './layout.js'
import { noObjects, nothingQueued, queueSet, type QueuedObjects, type ServiceObjects } from './objects.js'

/** How our tables are made, but for the services. */
export interface TableOptions {
  readonly name: string
  /** Elements of `local-sources`; absent: sources are left alone. */
  readonly localSources: Readonly<Record<AddressFamily, readonly SetElement[]>> | undefined
}

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
  readonly counts: ReadonlyMap<string, number | undefined>
}

const MAX_READS = 16

/**
 * Queues both tables with everything that is always there.
 *
 * @param addresses How many frontend addresses there will be.
 */
export function queueTables(tx: Transaction, options: TableOptions, addresses: Readonly<Record<AddressFamily, number>>): QueuedObjects {
  const made = nothingQueued()
  for (const family of FAMILIES) {
    const table = { family, table: options.name } as const
    tx.add.table({ family, name: options.name, comment: TABLE_COMMENT })
    for (const { name } of fixedSets(family, false)) queueSet(tx, table, name as ElementSet, name === 'vips' ? addresses[family] : 0, made)
    queueLocalSources(tx, options, family)
    const chains = layoutChains(family, [], options.localSources !== undefined)
    for (const { chain } of chains) tx.add.chain({ ...table, ...chain })
    for (const { chain, rules } of chains) for (const expressions of rules) tx.add.rule({ ...table, chain: chain.name, expressions })
  }
  return made
}

function localSourceSet(family: AddressFamily, name: string) {
  const declared = fixedSets(family, true).find((set) => set.name === 'local-sources')!
  return { ...declared, family, table: name }
}

function queueLocalSources(tx: Transaction, options: TableOptions, family: AddressFamily): void {
  if (options.localSources === undefined) return
  const elements = options.localSources[family]
  tx.add.set(localSourceSet(family, options.name))
  if (elements.length > 0) tx.add.elements(localSourceSet(family, options.name), elements, { exclusive: true })
}

/**
 * Reads our tables, all of one generation.
 *
 * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: a table of our name is not ours.
 */
export async function readTables(nft: Nftables, options: TableOptions, withElements: boolean): Promise<KernelTables> {
  for (let read = 1; ; read++) {
    const tables = (await nft.listTables()).filter(({ family, name }) => (family === 'ip' || family === 'ip6') && name === options.name)
    const foreign = tables.find(({ comment }) => comment !== TABLE_COMMENT)
    if (foreign !== undefined) {
      throw new NetplaneError(
        'ERR_NETPLANE_FOREIGN',
        `table ${foreign.family} ${foreign.name} exists and is not ours (its comment is not '${TABLE_COMMENT}'): choose another name, or remove it`
      )
    }
    const { id } = await nft.generation()
    const rulesets: { readonly family: AddressFamily; readonly ruleset: Ruleset }[] = []
    for (const { family } of tables)
      rulesets.push({ family: family as AddressFamily, ruleset: await readTable(nft, options, family as AddressFamily, withElements) })
    if (rulesets.every(({ ruleset }) => ruleset.generation === id) || read === MAX_READS)
      return await describeTables(rulesets, options, id, withElements)
  }
}

/** A table's objects; of elements at least the few of `local-sources`, which no count would tell. */
async function readTable(nft: Nftables, options: TableOptions, family: AddressFamily, withElements: boolean): Promise<Ruleset> {
  const ruleset = await nft.list({ family, table: options.name, elements: withElements })
  if (withElements || !ruleset.sets.some(({ name }) => name === 'local-sources')) return ruleset
  return { ...ruleset, elements: [await nft.listElements({ family, table: options.name, name: 'local-sources' })] }
}

async function describeTables(
  rulesets: readonly { readonly family: AddressFamily; readonly ruleset: Ruleset }[],
  options: TableOptions,
  generation: number,
  withElements: boolean
): Promise<KernelTables> {
  const objects = noObjects()
  const faults: string[] = []
  const elements = new SetTables()
  const counts = new Map<string, number | undefined>()
  for (const { family, ruleset } of rulesets) {
    const sets = placeSets(family, ruleset)
    faults.push(...checkSets(family, ruleset, sets, options), ...checkChains(family, ruleset, sets, options, objects))
    objects.stale = [...objects.stale, ...[...sets.stale].map((name) => ({ family, name }))]
    for (const { name, count, size } of ruleset.sets) {
      const set = sets.inUse.get(name)
      if (set === undefined) continue
      counts.set(`${family} ${set}`, count)
      if (size !== undefined) objects.capacities.set(`${family} ${set}`, size)
    }
    faults.push(...checkLocalSources(family, ruleset, options))
    if (withElements) await collectElements(family, ruleset, sets, elements)
  }
  for (const family of FAMILIES)
    if (rulesets.length === 1 && rulesets[0]!.family !== family) faults.push(`table ${family} ${options.name} is missing`)
  return { generation, present: new Set(rulesets.map(({ family }) => family)), faults, objects, elements, counts }
}

/** Which of a table's sets are ours, and what for. */
interface PlacedSets {
  /** By their names in the kernel. */
  readonly inUse: ReadonlyMap<string, ElementSet>
  readonly stale: ReadonlySet<string>
  readonly sizes: readonly PlacedSize[]
}

/** Finds the sizes by their membership sets, and of each the map that its chain looks up. */
function placeSets(family: AddressFamily, ruleset: Ruleset): PlacedSets {
  const inUse = new Map<string, ElementSet>(fixedSets(family, false).map(({ name }) => [name, name as ElementSet]))
  const stale = new Set<string>()
  const sizes: PlacedSize[] = []
  const names = new Set(ruleset.sets.map(({ name }) => name))
  const rules = rulesByChain(ruleset)
  for (const name of names) {
    const size = sizeOf(name)
    if (size === undefined) continue
    const present = mapNames(size).filter((map) => names.has(map))
    const isLookedUp = (map: string): boolean =>
      rules
        .get(balancingName(size))
        ?.some(({ expressions }) => isSameRule(expressions, balancingChain(family, { ...size, map }).rules[0])) === true
    const map = present.find(isLookedUp) ?? mapNames(size)[0]
    sizes.push({ ...size, map })
    inUse.set(name, name as MembershipSet)
    inUse.set(map, endpointsOf(name as MembershipSet))
    for (const other of present) if (other !== map) stale.add(other)
  }
  return { inUse, stale, sizes }
}

function lengthsOf(set: Pick<SetSpec, 'key' | 'data' | 'flags'>): unknown {
  const { key, data, holds, isInterval } = setForm(set)
  const sum = (types: typeof key): number => types.reduce((bytes, { length }) => bytes + ((length + 3) & ~3), 0)
  return { key: sum(key), data: data === undefined ? 0 : sum(data), holds, isInterval }
}

function checkSets(family: AddressFamily, ruleset: Ruleset, { inUse, stale }: PlacedSets, { name, localSources }: TableOptions): string[] {
  const faults: string[] = []
  const expected = new Map([...inUse].map(([kernelName, set]) => [kernelName, declarationOf(family, set, kernelName)]))
  if (localSources !== undefined) expected.set('local-sources', localSourceSet(family, name))
  for (const set of ruleset.sets) {
    if (stale.has(set.name)) continue
    const declared = expected.get(set.name)
    expected.delete(set.name)
    // The kernel knows lengths; which types they stand for is display.
    const same = declared !== undefined && isDeepStrictEqual(lengthsOf(declared), lengthsOf(set))
    if (!same) faults.push(`${declared === undefined ? 'foreign' : 'changed'} set ${family} ${name} ${set.name}`)
  }
  for (const missing of expected.keys()) faults.push(`missing set ${family} ${name} ${missing}`)
  for (const object of [...ruleset.counters, ...ruleset.objects, ...ruleset.flowtables])
    faults.push(`foreign object ${family} ${name} ${object.name}`)
  return faults
}

/** The rules of each chain, in order. */
function rulesByChain(ruleset: Ruleset): Map<string, ListedRule[]> {
  const rules = new Map<string, ListedRule[]>(ruleset.chains.map((chain) => [chain.name, []]))
  for (const rule of ruleset.rules) rules.get(rule.chain)?.push(rule)
  return rules
}

/** Fields that say something only where they differ from this: kernels list them or not. */
const DEFAULTS: Readonly<Record<string, unknown>> = { offset: 0, mode: 'jenkins', flags: [] }

/** What kernels add to NAT by themselves: the ends of ranges that are their starts, and flags that say what is given. */
const ADDED_TO_NAT = new Set(['addressMaxRegister', 'protoMaxRegister', 'flags'])

/** An expression in the form in which all kernels agree. */
function bare(expression: Expression): unknown {
  const isNat = expression.type === 'nat'
  return Object.fromEntries(
    Object.entries(expression).filter(([name, value]) => !isDeepStrictEqual(value, DEFAULTS[name]) && !(isNat && ADDED_TO_NAT.has(name)))
  )
}

function isSameRule(listed: readonly Expression[], wanted: readonly Expression[] | undefined): boolean {
  return isDeepStrictEqual(listed.map(bare), wanted?.map(bare))
}

/** Finds the dispatch rules; they may stand in any order. Rules that dispatch nothing we know stay in `rules`. */
function takeDispatchRules(
  family: AddressFamily,
  sizes: readonly PlacedSize[],
  rules: Map<string, ListedRule[]>,
  objects: ServiceObjects
): void {
  for (const size of sizes) {
    const wanted = dispatchRule(family, size)
    const rule = rules.get('services')?.find(({ expressions }) => isSameRule(expressions, wanted))
    if (rule === undefined) continue
    objects.sizes[family].set(membershipName(size), { size, handle: rule.handle })
    rules.set(
      'services',
      rules.get('services')!.filter((other) => other !== rule)
    )
  }
}

function checkChains(
  family: AddressFamily,
  ruleset: Ruleset,
  sets: PlacedSets,
  { name, localSources }: TableOptions,
  objects: ServiceObjects
): string[] {
  const faults: string[] = []
  const rules = rulesByChain(ruleset)
  takeDispatchRules(family, sets.sizes, rules, objects)
  const chains = new Map(ruleset.chains.map((chain) => [chain.name, chain]))
  for (const { chain, rules: wanted } of layoutChains(family, sets.sizes, localSources !== undefined)) {
    const listed = chains.get(chain.name)
    chains.delete(chain.name)
    if (listed === undefined) faults.push(`missing chain ${family} ${name} ${chain.name}`)
    else if (listed.hook !== chain.hook || listed.priority !== chain.priority || listed.policy !== chain.policy)
      faults.push(`changed chain ${family} ${name} ${chain.name}`)
    else faults.push(...checkRules(family, name, chain.name, wanted, rules.get(chain.name) ?? [], objects.sizes[family].size))
  }
  for (const foreign of chains.keys()) faults.push(`foreign chain ${family} ${name} ${foreign}`)
  return faults
}

function checkRules(
  family: AddressFamily,
  table: string,
  chain: string,
  wanted: LayoutChain['rules'],
  listed: readonly ListedRule[],
  dispatching: number
): string[] {
  // The dispatch rules were taken out: what is left is foreign, what was not found is missing.
  if (chain === 'services') {
    const missing = wanted.length - dispatching
    const faults = missing > 0 ? [`${missing} missing rules in chain ${family} ${table} services`] : []
    return listed.length > 0 ? [...faults, `${listed.length} foreign rules in chain ${family} ${table} services`] : faults
  }
  const same = listed.length === wanted.length && listed.every(({ expressions }, index) => isSameRule(expressions, wanted[index]))
  return same ? [] : [`changed rules in chain ${family} ${table} ${chain}`]
}

function checkLocalSources(family: AddressFamily, ruleset: Ruleset, options: TableOptions): string[] {
  if (options.localSources === undefined) return []
  const set = localSourceSet(family, options.name)
  const listed = ruleset.elements.find((elements) => elements.set.name === 'local-sources')
  const keys = (elements: Iterable<SetElement>): string[] =>
    encodeElements(elements, setForm(set)).rows.map(({ key, flags }) => `${flags} ${Buffer.from(key).toString('hex')}`)
  const same = listed === undefined || isDeepStrictEqual(keys(listed), keys(options.localSources[family]))
  return same ? [] : [`changed elements of set ${family} ${options.name} local-sources`]
}

async function collectElements(family: AddressFamily, ruleset: Ruleset, { inUse }: PlacedSets, into: SetTables): Promise<void> {
  const slices = new Slices()
  for (const { set, chunks } of ruleset.elements) {
    const name = inUse.get(set.name)
    if (name === undefined) continue
    const table = into.of(
      family,
      name,
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
export function differsInCount(kernel: KernelTables, wanted: ReadonlyMap<string, number>): boolean {
  for (const [name, count] of kernel.counts) {
    if (count !== undefined && count !== (wanted.get(name) ?? 0)) return true
  }
  for (const [name, rows] of wanted) if (rows > 0 && !kernel.counts.has(name)) return true
  return false
}
