/**
 * IPVS and what stands beside it, compared with services.
 */
import { canonicalAddress, formatAddress } from '../../core/address.js'
import { Slices } from '../../core/slices.js'
import type { DesiredService, DrainPolicies, Ipvs, IpvsPlan, IpvsSyncOptions, VirtualServiceKey } from '../../ipvs/index.js'
import { sumOf, type Inspection, type ObjectCounts, type Work } from '../core/backend.js'
import type { PlanEntry } from '../core/changes/plan.js'
import { FAMILIES } from '../core/frontend.js'
import { isIn, type RangesByFamily } from '../core/ranges.js'
import type { Services } from '../model.js'
import type { ServiceTables } from '../tables/tables.js'
import { FIXED_SETS, markIn, type ElementSet } from '../tables/layout/sets.js'
import { TablesInspection } from '../tables/reading/inspection.js'
import type { AnnouncedAddresses } from './announced.js'
import type { Addresses, DeviceState } from './addresses.js'
import { addressesOf } from './address-counts.js'
import { virtualServiceName, type VirtualServices } from './compile.js'
import type { DrainChoice } from './drain-choice.js'
import type { Schedulers } from './schedulers.js'
import type { NodeSettings } from './settings/settings.js'

/** The subsystems that carry services together. */
export interface Subsystems {
  readonly ipvs: Ipvs
  readonly addresses: Addresses
  readonly tables: ServiceTables
  readonly virtual: VirtualServices
  readonly schedulers: Schedulers
  readonly draining: DrainPolicies | undefined
  readonly drainChoice: DrainChoice
  /** Addresses that are left to others. */
  readonly excluded: RangesByFamily
  /** Undefined beside fakes, which have none. */
  readonly settings: NodeSettings | undefined
  /** Undefined beside fakes. */
  readonly announced: AnnouncedAddresses | undefined
}

/** Virtual services of all services. */
export async function virtualServicesOf(services: Services, virtual: VirtualServices, slices: Slices): Promise<DesiredService[]> {
  const all: DesiredService[] = []
  for (const service of services.values()) {
    for (const one of virtual.of(service)) all.push(one)
    if (slices.isOver) await slices.turn()
  }
  return all
}

/** Where a virtual service is: at an address, whatever its port, or at a mark. */
export function placeOf(key: VirtualServiceKey): string {
  return key.fwmark === undefined ? canonicalAddress(key.address) : virtualServiceName(key)
}

/** Places that are ours: addresses on the device, addresses and marks that our tables name, and where services were asked for; but for what is left to others. */
export function ourPlaces(
  { excluded }: Pick<Subsystems, 'excluded'>,
  device: DeviceState | undefined,
  tables: Inspection | undefined,
  asked: Iterable<string>
): Set<string> {
  const addresses = [...(device?.addresses ?? []), ...namedAddresses(tables)].filter((address) => !isIn(address, excluded))
  return new Set([...addresses, ...namedMarks(tables), ...asked])
}

/** What sets of the kernel's tables hold. */
function* elementsOf(
  tables: Inspection | undefined,
  sets: readonly ElementSet[]
): Generator<{ readonly key: Uint8Array; readonly data: Uint8Array }> {
  if (!(tables instanceof TablesInspection)) return
  for (const set of sets) {
    const buffer = tables.kernel.elements.find(set)?.table.buffer
    for (let row = 0; row < (buffer?.rows ?? 0); row++) yield { key: buffer!.keyAt(row), data: buffer!.dataAt(row) }
  }
}

/** Addresses that the kernel's tables name as those of services. */
function* namedAddresses(tables: Inspection | undefined): Generator<string> {
  const sets = FAMILIES.flatMap((family) => [FIXED_SETS[family]['cluster-ips'], FIXED_SETS[family]['external-ips']])
  for (const { key } of elementsOf(tables, sets)) yield formatAddress(key)
}

/** Marks that the kernel's tables lead to. */
function* namedMarks(tables: Inspection | undefined): Generator<string> {
  for (const family of FAMILIES)
    for (const { data } of elementsOf(tables, Object.values(FIXED_SETS[family].fwmarks)))
      yield virtualServiceName({ fwmark: markIn(data), family })
}

/** Virtual services at our places are ours. */
export function ownership(ours: ReadonlySet<string>): NonNullable<IpvsSyncOptions['owns']> {
  return (service) => ours.has(placeOf(service))
}

interface Parts extends Pick<Subsystems, 'virtual'> {
  readonly services: Services
  /** Their virtual services, and where these are. */
  readonly wanted: readonly DesiredService[]
  readonly places: readonly string[]
  readonly device: DeviceState | undefined
  /** What differs in the tables; absent: nothing does, as far as is known. */
  readonly tables: Inspection | undefined
  /** What differs in IPVS; absent: nobody has asked for it yet. */
  readonly plan?: IpvsPlan | undefined
  /** Compares IPVS with services. */
  readonly comparePlan: () => Promise<IpvsPlan>
  readonly missingAddresses: readonly string[]
  readonly foreignAddresses: readonly string[]
  readonly faults: readonly string[]
  /** Our places, those included that the kernel held for us before. */
  readonly ours: ReadonlySet<string>
}

/** Made by {@link inspect}. */
export class IpvsInspection implements Inspection {
  readonly parts: Parts

  constructor(parts: Parts) {
    this.parts = parts
  }

  get faults(): readonly string[] {
    return this.parts.faults
  }

  get isNew(): boolean {
    const { device, tables } = this.parts
    return device === undefined && tables?.isNew === true
  }

  get isEmpty(): boolean {
    const { written, deleted } = this.#own
    return this.faults.length === 0 && (this.parts.tables?.isEmpty ?? true) && written + deleted === 0
  }

  get differences(): ObjectCounts {
    return sumOf(this.#own, this.parts.tables?.differences ?? { written: 0, deleted: 0 })
  }

  async work(inWords: boolean): Promise<Work> {
    const { comparePlan, services, tables } = this.parts
    const beside = await tables?.work(inWords)
    const plan = this.parts.plan ?? (await comparePlan())
    const own = this.#counts(plan)
    const entries = entriesOf(plan, services, this.parts.virtual)
    const named = new Set(entries.map(({ service }) => service))
    const others = (beside?.entries ?? []).filter(({ service }) => !named.has(service))
    const objects = beside === undefined ? own : sumOf(own, beside.objects)
    return { entries: [...entries, ...others], objects, isMadeAnew: beside?.isMadeAnew }
  }

  /** But for the tables, as far as IPVS was compared. */
  get #own(): ObjectCounts {
    return this.#counts(this.parts.plan)
  }

  #counts(plan: IpvsPlan | undefined): ObjectCounts {
    const { missingAddresses, foreignAddresses } = this.parts
    return sumOf(countOperations(plan?.entries ?? []), { written: missingAddresses.length, deleted: foreignAddresses.length })
  }
}

/** Virtual services and real servers written and deleted, by the phrases of a plan. */
function countOperations(entries: IpvsPlan['entries']): ObjectCounts {
  let written = 0
  let deleted = 0
  for (const { action, details } of entries) {
    for (const phrase of details) {
      if (action === 'remove' || phrase.startsWith('- ')) deleted++
      else written++
    }
  }
  return { written, deleted }
}

/** The plan of IPVS, by services. */
function entriesOf({ entries }: IpvsPlan, services: Services, virtual: VirtualServices): PlanEntry[] {
  const names = new Map<string, string>()
  for (const service of services.values()) for (const one of virtual.of(service)) names.set(virtualServiceName(one), service.name)
  const merged = new Map<string, { action: PlanEntry['action']; service: string; details: string[] }>()
  for (const { action, service, details } of entries) {
    const name = names.get(service) ?? service
    const entry = merged.get(name)
    if (entry === undefined) merged.set(name, { action, service: name, details: [...details] })
    else {
      entry.details.push(...details)
      if (entry.action !== action) entry.action = 'change'
    }
  }
  return [...merged.values()]
}

/**
 * Compares IPVS, the device and the settings with services, and takes what was found in the tables.
 *
 * @param tables What differs there; absent: nothing does.
 * @param before Where services were asked for before: that is ours, too.
 *
 * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: a link of our name is not ours.
 */
export async function inspect(
  subsystems: Subsystems,
  services: Services,
  tables: Inspection | undefined,
  before: Iterable<string>
): Promise<IpvsInspection> {
  const { ipvs, addresses, virtual, draining, settings } = subsystems
  const slices = new Slices()
  const device = await addresses.read()
  const wanted = await virtualServicesOf(services, virtual, slices)
  const places = wanted.map(placeOf)
  const asked = [...before]
  const ours = ourPlaces(subsystems, device, tables, [...places, ...asked])
  const comparePlan = async (): Promise<IpvsPlan> => await ipvs.plan(wanted, { owns: ownership(ours), draining })
  // Where nothing of ours was ever made, the first sync compares by itself.
  const isFirst = device === undefined && tables?.isNew === true && asked.length === 0
  // Before settings are read: without IPVS there are none of it, and the error is to say what is missing.
  if (isFirst) await ipvs.readInfo()
  const plan = isFirst ? undefined : await comparePlan()
  const needed = new Set<string>()
  for (const service of services.values()) for (const address of addressesOf(service)) needed.add(address)
  const present = device?.addresses ?? new Set<string>()
  const faults = [
    ...(device === undefined ? [`link ${addresses.device} is missing`] : device.isUp ? [] : [`link ${addresses.device} is down`]),
    ...(tables?.faults ?? []),
    ...((await settings?.faults()) ?? [])
  ]
  return new IpvsInspection({
    services,
    wanted,
    places,
    device,
    tables,
    plan,
    comparePlan,
    missingAddresses: [...needed].filter((address) => !present.has(address)),
    foreignAddresses: [...present].filter((address) => !needed.has(address) && ours.has(address)),
    faults,
    ours,
    virtual
  })
}
