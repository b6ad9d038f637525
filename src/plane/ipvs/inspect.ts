/**
 * IPVS and what stands beside it, compared with services.
 */
import { canonicalAddress } from '../../core/address.js'
import { Slices } from '../../core/slices.js'
import type { DesiredService, DrainPolicies, Ipvs, IpvsPlan, IpvsSyncOptions } from '../../ipvs/index.js'
import type { Inspection, ObjectCounts, Work } from '../core/backend.js'
import type { PlanEntry } from '../core/changes/plan.js'
import { addressedFrontends } from '../core/frontend.js'
import { isIn } from '../core/ranges.js'
import type { Services } from '../model.js'
import type { Addresses, DeviceState } from './addresses.js'
import type { Companion, CompanionState } from './companion.js'
import { virtualServiceName, type VirtualServices } from './compile.js'
import { addressesOf, elementsOf, keysOf, minus, sizeOf, type ElementKeys, type Elements } from './elements.js'
import type { SurroundingsOptions } from './layout.js'
import type { NodeSettings } from './settings/settings.js'

/** The subsystems that carry services together. */
export interface Subsystems {
  readonly ipvs: Ipvs
  readonly addresses: Addresses
  readonly companion: Companion
  readonly virtual: VirtualServices
  readonly options: SurroundingsOptions
  readonly draining: DrainPolicies | undefined
  /** Undefined beside fakes, which have none. */
  readonly settings: NodeSettings | undefined
}

/** Virtual services of all services. */
export async function virtualServicesOf(services: Services, virtual: VirtualServices, slices: Slices): Promise<DesiredService[]> {
  const all: DesiredService[] = []
  for (const service of services.values()) {
    all.push(...virtual.of(service))
    if (slices.isOver) await slices.turn()
  }
  return all
}

/** The addresses that are ours: those on the device, those that a table of ours names, and those that services were asked for at, but for what is left to others. */
export function ourAddresses(
  { options }: Pick<Subsystems, 'options'>,
  device: DeviceState | undefined,
  { elements }: CompanionState,
  asked: Iterable<string>
): Set<string> {
  const known = new Set([...(device?.addresses ?? []), ...addressesOf(elements), ...asked])
  return new Set([...known].filter((address) => !isIn(address, options.excluded)))
}

/** The addresses of services. */
function* addressesOfServices(services: Services): Generator<string> {
  for (const service of services.values()) for (const { address } of addressedFrontends(service)) yield canonicalAddress(address)
}

/** Virtual services at our addresses are ours. */
export function ownership(ours: ReadonlySet<string>): NonNullable<IpvsSyncOptions['owns']> {
  return ({ address }) => address !== undefined && ours.has(canonicalAddress(address))
}

/** What differs beside IPVS. */
export interface SurroundingsDifference {
  readonly missing: ElementKeys
  readonly foreign: ElementKeys
  readonly missingAddresses: readonly string[]
  readonly foreignAddresses: readonly string[]
}

/** Made by {@link inspect}. */
export class IpvsInspection implements Inspection {
  readonly services: Services
  readonly device: DeviceState | undefined
  readonly companion: CompanionState
  readonly elements: Elements
  readonly difference: SurroundingsDifference
  readonly plan: IpvsPlan
  readonly faults: readonly string[]
  /** Our addresses, those included that the kernel held for us before. */
  readonly ours: ReadonlySet<string>

  constructor(parts: Pick<IpvsInspection, 'ours' | 'services' | 'device' | 'companion' | 'elements' | 'difference' | 'plan' | 'faults'>) {
    this.services = parts.services
    this.device = parts.device
    this.companion = parts.companion
    this.elements = parts.elements
    this.difference = parts.difference
    this.plan = parts.plan
    this.faults = parts.faults
    this.ours = parts.ours
  }

  get isNew(): boolean {
    return this.device === undefined && this.companion.present.length === 0
  }

  /** The tables must be made anew. */
  get mustRebuild(): boolean {
    return this.companion.present.length === 0 || this.companion.faults.length > 0
  }

  get isEmpty(): boolean {
    const { written, deleted } = this.differences
    return this.faults.length === 0 && this.plan.isEmpty && written + deleted === 0
  }

  get differences(): ObjectCounts {
    const { missing, foreign, missingAddresses, foreignAddresses } = this.difference
    const virtual = countOperations(this.plan)
    // Elements of tables that are made anew are all written, and none is deleted.
    const written = this.mustRebuild ? sizeOf(keysOf(this.elements)) : sizeOf(missing)
    const deleted = this.mustRebuild ? 0 : sizeOf(foreign)
    return {
      written: written + missingAddresses.length + virtual.written,
      deleted: deleted + foreignAddresses.length + virtual.deleted
    }
  }

  work(): Promise<Work> {
    return Promise.resolve({ entries: entriesOf(this.plan, this.services), objects: this.differences })
  }
}

/** Virtual services and real servers written and deleted, by the phrases of a plan. */
function countOperations({ entries }: IpvsPlan): ObjectCounts {
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
function entriesOf({ entries }: IpvsPlan, services: Services): PlanEntry[] {
  const names = new Map<string, string>()
  for (const service of services.values())
    for (const { address, port } of addressedFrontends(service))
      names.set(virtualServiceName(service.protocol, address, port), service.name)
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
 * Reads all three subsystems.
 *
 * @param before Addresses of services that were asked for before: they are ours, too.
 *
 * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: a link or table of our name is not ours.
 */
export async function inspect(subsystems: Subsystems, services: Services, before: Iterable<string>): Promise<IpvsInspection> {
  const { ipvs, addresses, companion, virtual, options, draining, settings } = subsystems
  const slices = new Slices()
  const device = await addresses.read()
  const state = await companion.read()
  const elements = await elementsOf(services, slices)
  const wanted = keysOf(elements)
  const ours = ourAddresses(subsystems, device, state, [...addressesOfServices(services), ...before])
  const plan = await ipvs.plan(await virtualServicesOf(services, virtual, slices), { owns: ownership(ours), draining })
  const vips = new Set(addressesOf(wanted))
  const present = device?.addresses ?? new Set<string>()
  const difference = {
    missing: minus(wanted, state.elements),
    foreign: minus(state.elements, wanted),
    missingAddresses: [...vips].filter((address) => !present.has(address)),
    foreignAddresses: [...present].filter((address) => !vips.has(address) && ours.has(address))
  }
  const faults = [
    ...(device === undefined ? [`link ${options.device} is missing`] : device.isUp ? [] : [`link ${options.device} is down`]),
    ...(state.present.length === 0 ? [`tables ${options.table} are missing`] : state.faults),
    ...((await settings?.faults()) ?? [])
  ]
  return new IpvsInspection({ ours, services, device, companion: state, elements, difference, plan, faults })
}
