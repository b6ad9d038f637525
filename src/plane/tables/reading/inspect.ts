/**
 * Our two tables as the kernel holds them, and what in them is not as we made it.
 */
import type { AddressFamily } from '../../../core/address.js'
import { NetlinkError } from '../../../core/errors.js'
import { Slices } from '../../../core/slices.js'
import { type ChainForm, compareChains, compareElements, compareSets, compareTable, type ChainFaults } from '../../../nftables/compare.js'
import type { ElementColumns } from '../../../nftables/columns.js'
import type { Nftables, Ruleset } from '../../../nftables/index.js'
import { listOwnTables } from '../../../nftables/own-tables.js'
import { BackendFailure } from '../../core/backend.js'
import { FAMILIES } from '../../core/frontend.js'
import type { NodeAddressList } from '../../core/node/addresses.js'
import { SetTables } from '../elements/changes.js'
import { declarationOf, nodeAddressesSet, ROUTE_LOCALNET_SET, type LayoutSet } from '../layout/declarations.js'
import { FLOWTABLE, flowtableFaults, lackingDevices } from '../layout/flow-offload.js'
import { layoutChains, ownTables, tableComment, type TableOptions } from '../layout/table.js'
import { learntSets } from '../layout/learnt-sets.js'
import { ServiceObjects } from '../writing/objects.js'
import { setsOf, type ElementSet } from '../layout/sets.js'
import { ownershipOf } from '../layout/owner.js'
import { dispatchChains, findObjects, type FoundObjects } from './find-objects.js'
import { mapIn, strayWords, unledClasses } from './left-over.js'
import { listIfThere } from './list.js'
import type { LostParts } from './ways.js'
import type { FoundSetting } from '../../core/node/route-localnet.js'
import { notedSetting, staticSets, type StaticSet } from '../layout/static-sets.js'

/** What the kernel holds of ours. */
export interface KernelTables {
  /** What it was compared with. */
  readonly options: TableOptions
  readonly generation: number
  /** Families whose table exists. */
  readonly present: ReadonlySet<AddressFamily>
  /** What is not as we made it, elements of services aside. */
  readonly faults: readonly string[]
  /** Sets of this node's addresses that hold others, in words. */
  readonly addressFaults: readonly string[]
  readonly objects: ServiceObjects
  /** Links that flowtables lack, by family. */
  readonly lacking: ReadonlyMap<AddressFamily, readonly string[]>
  /** Families whose tables are to be taken over before they are written. */
  readonly unclaimed: readonly AddressFamily[]
  /** What a plane has noted of `route_localnet`. */
  readonly routeLocalnet: FoundSetting | undefined
  /** Elements, where they were asked for. */
  readonly elements: SetTables
  /** Rows by set, as the kernel counts them; undefined where it does not (before Linux 6.18). */
  readonly counts: ReadonlyMap<ElementSet, number | undefined>
  /** What is gone of the ways of packets, by family. */
  readonly lost: ReadonlyMap<AddressFamily, LostParts>
  /** Elements of classes to which nothing leads, where elements were asked for. */
  readonly unled: SetTables
}

const MAX_READS = 16

/** What goes by itself when it is tried again: a table that was deleted between two readings, or a ruleset that changed faster than it could be read. */
const PASSING = new Set(['ENOENT', 'EINTR'])

interface Listed {
  readonly family: AddressFamily
  readonly ruleset: Ruleset
}

/** How tables are read. */
export interface TableReading {
  /** Whether elements of services are read, too. */
  readonly withElements: boolean
  /** As {@link listOwnTables} has it. */
  readonly onForeign?: ((why: string) => void) | undefined
}

/**
 * Reads our tables, all of one generation if that can be had.
 *
 * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: a table of our name is not ours.
 * @throws {BackendFailure} The ruleset changes faster than it can be read.
 */
export async function readTables(
  nft: Nftables,
  options: TableOptions,
  nodeAddresses: NodeAddressList,
  reading: TableReading
): Promise<KernelTables> {
  const { withElements } = reading
  for (let read = 1; ; read++) {
    try {
      const { generation, listed } = await listTables(nft, options, reading)
      // Each table is of one generation, and `generation` is not newer than any: what is committed against it is refused if another process committed since.
      const isOneGeneration = listed.every(({ ruleset }) => ruleset.generation === generation)
      if (isOneGeneration || read === MAX_READS)
        return await describeTables(listed, { options, nodeAddresses, generation, withElements, portId: nft.portId })
    } catch (error) {
      if (!(error instanceof NetlinkError) || !PASSING.has(error.code)) throw error
      if (read === MAX_READS) throw new BackendFailure('again', false, error)
    }
  }
}

async function listTables(
  nft: Nftables,
  options: TableOptions,
  { withElements, onForeign }: TableReading
): Promise<{ generation: number; listed: Listed[] }> {
  const { id } = await nft.readGeneration()
  const tables = await listOwnTables(nft, ownTables(options), onForeign)
  const listed: Listed[] = []
  for (const { family } of tables) listed.push({ family, ruleset: await readTable(nft, options, family, withElements) })
  return { generation: id, listed }
}

/** Sets that no count tells to be as they should be, because services do not fill them. */
const STATIC_NAMES = new Set(['local-sources', 'service-ranges', 'node-addresses', ROUTE_LOCALNET_SET.name])

/** A table's objects; of elements at least the few of sets that services do not fill. */
async function readTable(nft: Nftables, options: TableOptions, family: AddressFamily, withElements: boolean): Promise<Ruleset> {
  // Clients that are remembered are not compared, and there may be many.
  const ruleset = await nft.list({ family, table: options.name, elements: withElements ? 'static' : false })
  if (withElements) return ruleset
  const elements: Ruleset['elements'][number][] = []
  for (const { name } of ruleset.sets)
    if (STATIC_NAMES.has(name)) elements.push(await nft.listElements({ family, table: options.name, name }))
  return { ...ruleset, elements }
}

/** What a plane has noted of `route_localnet` in our table; undefined: nothing, or there is no table. */
export async function readNotedSetting(nft: Nftables, { name: table }: Pick<TableOptions, 'name'>): Promise<FoundSetting | undefined> {
  const listed = await listIfThere(nft, { family: 'ip', table, name: ROUTE_LOCALNET_SET.name })
  return listed && notedSetting({ elements: [listed] })
}

/** What tables are compared with. */
interface Wanted {
  readonly options: TableOptions
  readonly nodeAddresses: NodeAddressList
  readonly generation: number
  readonly withElements: boolean
  /** Of our socket. */
  readonly portId: number
}

async function describeTables(listed: readonly Listed[], wanted: Wanted): Promise<KernelTables> {
  const { options, nodeAddresses, generation, withElements, portId } = wanted
  const objects = new ServiceObjects()
  const faults: string[] = listed.length === 0 ? [`tables ${options.name} are missing`] : []
  const elements = new SetTables()
  const unled = new SetTables()
  const lost = new Map<AddressFamily, LostParts>()
  const counts = new Map<ElementSet, number | undefined>()
  const unclaimed: AddressFamily[] = []
  const addressFaults: string[] = []
  const lacking = new Map<AddressFamily, readonly string[]>()
  let routeLocalnet: FoundSetting | undefined
  for (const { family, ruleset } of listed) {
    const found = findObjects(family, options, ruleset, objects)
    if (family === 'ip') routeLocalnet = notedSetting(ruleset)
    lacking.set(family, lackingDevices(ruleset, options.flowOffload))
    const statics = staticSets(family, options, { nodeAddresses, routeLocalnet })
    const chains = checkChains(family, ruleset, found, options, objects)
    lost.set(family, lostParts(family, options, ruleset, found, chains))
    faults.push(
      ...compareTable({ family, name: options.name }, ruleset),
      ...checkVersion(family, options, ruleset),
      ...checkOwner(family, { options, portId }, ruleset, unclaimed),
      ...flowtableFaults(family, options.name, ruleset, options.flowOffload),
      ...checkSets(family, ruleset, found, options, statics),
      ...chains.chains.map(({ words }) => words),
      ...chains.strays
    )
    for (const { set, elements: wanted } of statics) {
      const list = set.name === nodeAddressesSet(family).name ? addressFaults : faults
      list.push(...compareElements({ family, name: options.name }, ruleset, set, wanted))
    }
    objects.stale = [...objects.stale, ...[...found.stale].map((name) => ({ family, name }))]
    for (const { name, count, size } of ruleset.sets) {
      const set = found.inUse.get(name)
      if (set === undefined) continue
      counts.set(set, count)
      if (size !== undefined) objects.capacities.set(set, size)
    }
    if (!withElements) continue
    await collectElements(ruleset, found.inUse, elements)
    await collectElements(ruleset, setsOfClasses(family, lost.get(family)!), unled)
  }
  for (const family of FAMILIES)
    if (listed.length === 1 && listed[0]!.family !== family) faults.push(`table ${family} ${options.name} is missing`)
  return {
    options,
    generation,
    present: new Set(listed.map(({ family }) => family)),
    faults,
    addressFaults,
    objects,
    elements,
    counts,
    lacking,
    unclaimed,
    routeLocalnet,
    lost,
    unled
  }
}

function lostParts(
  family: AddressFamily,
  { name }: TableOptions,
  ruleset: Ruleset,
  { inUse }: FoundObjects,
  { chains }: ChainFaults
): LostParts {
  const names = new Set(ruleset.sets.map((set) => set.name))
  return {
    place: `${family} ${name}`,
    isDormant: compareTable({ family, name }, ruleset).length > 0,
    chains: new Map(chains.map((fault) => [fault.chain, fault])),
    classes: new Map(unledClasses(ruleset.sets, inUse).map((slotClass) => [slotClass, mapIn(names, slotClass)]))
  }
}

/** The sets of classes to which nothing leads, by their names in the kernel. */
function setsOfClasses(family: AddressFamily, { classes }: LostParts): ReadonlyMap<string, ElementSet> {
  return new Map(
    [...classes].flatMap(([slotClass, map]) => {
      const { members, endpoints } = setsOf(family, slotClass)
      return [[members.name, members] as const, [map, endpoints] as const]
    })
  )
}

/** A table of another version has other rules, though each may look as if it were ours. */
function checkVersion(family: AddressFamily, options: TableOptions, ruleset: Ruleset): string[] {
  const { name } = options
  const table = ruleset.tables.find((one) => one.family === family && one.name === name)
  return table === undefined || table.comment === tableComment(options) ? [] : [`table ${family} ${name} is of another version`]
}

function checkOwner(
  family: AddressFamily,
  { options: { name, tableOwner }, portId }: Pick<Wanted, 'options' | 'portId'>,
  ruleset: Ruleset,
  unclaimed: AddressFamily[]
): string[] {
  const table = ruleset.tables.find((one) => one.family === family && one.name === name)
  if (table === undefined) return []
  const { fault, mustClaim } = ownershipOf(table, tableOwner, portId)
  if (mustClaim) unclaimed.push(family)
  return fault === undefined ? [] : [fault]
}

function checkSets(
  family: AddressFamily,
  ruleset: Ruleset,
  { inUse, stale }: FoundObjects,
  options: TableOptions,
  statics: readonly StaticSet[]
): string[] {
  const { name, flowOffload } = options
  const expected = new Map<string, LayoutSet>()
  for (const [kernelName, set] of inUse) expected.set(kernelName, declarationOf(set, kernelName))
  for (const { set } of statics) expected.set(set.name, set)
  const learnt = new Map(learntSets(family, options).map(({ set }) => [set.name, set]))
  for (const set of learnt.values()) expected.set(set.name, set)
  const resized = ruleset.sets.filter((set) => learnt.has(set.name) && learnt.get(set.name)!.size !== set.size)
  const flowtables = ruleset.flowtables.filter((one) => flowOffload === undefined || one.name !== FLOWTABLE)
  return [
    ...compareSets({ family, name }, { ...ruleset, flowtables }, expected, (set) => stale.has(set.name), strayWords(family, options)),
    ...resized.map((set) => `set ${family} ${name} ${set.name} has another size`)
  ]
}

function checkChains(
  family: AddressFamily,
  ruleset: Ruleset,
  { foreign }: FoundObjects,
  options: TableOptions,
  objects: ServiceObjects
): ChainFaults {
  const { name } = options
  const dynamic = new Set(['learn', ...dispatchChains(options)])
  const compareRules = ({ chain }: ChainForm): string[] | undefined => {
    if (!dynamic.has(chain.name)) return undefined
    const count = foreign.get(chain.name) ?? 0
    return count > 0 ? [`${count} foreign ${count === 1 ? 'rule' : 'rules'} in chain ${family} ${name} ${chain.name}`] : []
  }
  const wanted = layoutChains(family, options, [...objects.classes[family].values()], objects.hasSticky(family))
  return compareChains({ family, name }, ruleset, wanted, compareRules, strayWords(family, options))
}

/** Ranges as their first keys and, behind each, the last ones; a key alone is a range of its own. */
function rangesOf({ rows, key, keyEnd = key }: ElementColumns): Uint8Array {
  const width = key.length / rows
  const ranges = new Uint8Array(2 * key.length)
  for (let row = 0; row < rows; row++) {
    ranges.set(key.subarray(row * width, (row + 1) * width), 2 * row * width)
    ranges.set(keyEnd.subarray(row * width, (row + 1) * width), (2 * row + 1) * width)
  }
  return ranges
}

/** @param inUse By their names in the kernel. */
async function collectElements(ruleset: Ruleset, inUse: ReadonlyMap<string, ElementSet>, into: SetTables): Promise<void> {
  const slices = new Slices()
  for (const { set, chunks } of ruleset.elements) {
    const known = inUse.get(set.name)
    if (known === undefined) continue
    const { table } = into.of(
      known,
      chunks.reduce((rows, columns) => rows + columns.rows, 64)
    )
    for (const columns of chunks) {
      if (columns.rows === 0) continue
      const keys = known.description.isRange ? rangesOf(columns) : columns.key
      const width = keys.length / columns.rows
      if (width !== table.buffer.keyWidth) continue
      for (let row = 0; row < columns.rows; row++) {
        const data = columns.data?.subarray(columns.dataOffsets![row], columns.dataOffsets![row + 1])
        const userdata = columns.userdata?.subarray(columns.userdataOffsets![row], columns.userdataOffsets![row + 1])
        table.put(keys.subarray(row * width, (row + 1) * width), data, userdata?.length === 0 ? undefined : userdata)
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
