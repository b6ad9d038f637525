/**
 * Services as virtual services of IPVS, with a dummy device and tables of nf_tables beside them.
 */
import { release } from 'node:os'
import { NetlinkError, type UnsupportedError } from '../../core/errors.js'
import { namespaceOf, networkNamespace } from '../../core/options.js'
import { Slices } from '../../core/slices.js'
import { Ipvs, type IpvsSyncReport } from '../../ipvs/index.js'
import { Nftables } from '../../nftables/index.js'
import { Route } from '../../route/index.js'
import { BackendFailure, sumOf, type Applied, type Backend, type Inspection, type ObjectCounts, type Refusal } from '../core/backend.js'
import { changesBetween, type ServiceChange } from '../core/changes/change.js'
import type { PlaneCounters } from '../core/counters.js'
import { ReferenceCounts } from '../core/refcount.js'
import type { Findings, Question } from '../core/explain/explain.js'
import type { Run } from '../core/run.js'
import { kernelSettings } from '../core/system-settings.js'
import type { Service, Services } from '../model.js'
import type { StatusDetails, SyncDetails } from '../types.js'
import { Addresses } from './addresses.js'
import { AT_ONCE, changeVirtual, ensureElements, failureOf, finish, isUndone, pruneElements, putBack, refusalsOf } from './apply.js'
import { Companion } from './companion.js'
import { VirtualServices } from './compile.js'
import { readCounters } from './counters.js'
import { Draining } from './draining.js'
import {
  addressesOf,
  differenceOf,
  elementChange,
  elementsOf,
  keysOf,
  minus,
  sizeOf,
  union,
  type ElementKeys,
  type Elements
} from './elements.js'
import { explainIpvs } from './explain.js'
import { inspect, IpvsInspection, ourAddresses, ownership, virtualServicesOf, type Subsystems } from './inspect.js'
import type { IpvsPlaneSettings } from './options.js'
import { otherOutcome, wholeOutcome, type Outcome } from './outcome.js'
import { NotedSettings } from './settings/notes.js'
import { NodeSettings } from './settings/settings.js'
import { possibleSettings, SETTINGS_HINT, versionOf } from './settings/table.js'
import { unsupportedByIpvs } from './support.js'

type Details = Extract<SyncDetails, { readonly mode: 'ipvs' }>

interface Counts {
  virtualServices: Details['virtualServices']
  realServers: Details['realServers']
  addresses: ObjectCounts
  commits: number
}

/** Of a repair on the way, and of the change itself. */
function addCounts(before: Counts | undefined, counts: Counts): Counts {
  if (before === undefined) return counts
  const changed = (left: Counts['realServers'], right: Counts['realServers']): Counts['realServers'] => ({
    added: left.added + right.added,
    updated: left.updated + right.updated,
    removed: left.removed + right.removed
  })
  return {
    virtualServices: changed(before.virtualServices, counts.virtualServices),
    realServers: changed(before.realServers, counts.realServers),
    addresses: sumOf(before.addresses, counts.addresses),
    commits: before.commits + counts.commits
  }
}

/** Made by {@link openIpvsBackend}. */
class IpvsBackend implements Backend {
  readonly #subsystems: Subsystems
  readonly #steps: Draining
  readonly #counts = new WeakMap<Run, Counts>()
  /** Addresses of all services that were asked for, until the kernel is known to hold nothing at them. */
  #asked = new Set<string>()
  /** Elements that the committed services need. */
  #elements: Elements = new ReferenceCounts()

  constructor(subsystems: Subsystems, onError: (error: unknown) => void) {
    this.#subsystems = subsystems
    this.#steps = new Draining(subsystems.ipvs, onError)
  }

  get [networkNamespace](): unknown {
    return this.#subsystems.ipvs[networkNamespace]
  }

  unsupported(service: Service): UnsupportedError | undefined {
    return unsupportedByIpvs(service, this.#subsystems.options.excluded)
  }

  setNodeAddresses(): Promise<void> {
    // Ports of the node are not carried.
    return Promise.resolve()
  }

  async counters(services: Services): Promise<PlaneCounters> {
    return await readCounters(this.#subsystems.ipvs, services)
  }

  hasChanged(): Promise<undefined> {
    // IPVS has no generation.
    return Promise.resolve(undefined)
  }

  async inspect(services: Services): Promise<Inspection> {
    try {
      return await inspect(this.#subsystems, services, this.#asked)
    } catch (error) {
      throw error instanceof NetlinkError ? failureOf(error, true) : error
    }
  }

  async audit(committed: Services): Promise<Inspection | undefined> {
    const seen = await this.inspect(committed)
    return seen.isEmpty ? undefined : seen
  }

  async apply(changes: readonly ServiceChange[], _committed: Services, run: Run): Promise<Applied> {
    const by = elementChange(changes)
    const added = differenceOf(this.#elements, by, true)
    for (const address of addressesOf(added)) this.#asked.add(address)
    const commitsBefore = this.#subsystems.companion.commits
    let isUndoable = true
    try {
      await ensureElements(this.#subsystems, added, run)
      const report = finish(await changeVirtual(this.#subsystems, changes, run), run)
      isUndoable = false
      const refusals = refusalsOf(
        report,
        changes.flatMap(({ before, after }) => [before, after])
      )
      const isWhole = refusals.length === 0
      const { kept, withdrawn, refusals: all } = isWhole ? { kept: changes, withdrawn: [], refusals } : await run.withdraw(refusals)
      if (!isWhole) await putBack(this.#subsystems, withdrawn, kept, run)
      const keptBy = isWhole ? by : elementChange(kept)
      const unneeded = differenceOf(this.#elements, keptBy, false)
      // What was added for services that were refused.
      const unused = isWhole ? unneeded : union(unneeded, minus(added, differenceOf(this.#elements, keptBy, true)))
      await pruneElements(this.#subsystems, unused, run)
      this.#elements.apply(keptBy)
      const [addedAddresses, removedAddresses] = [addressesOf(added), addressesOf(unused)]
      return this.#applied(run, report, { added, addedAddresses, removed: unused, removedAddresses, refusals: all }, commitsBefore)
    } catch (error) {
      throw await this.#failed(error, isUndoable, added, run)
    }
  }

  async adopt(services: Services, seen: Inspection, run: Run): Promise<Applied> {
    if (!(seen instanceof IpvsInspection)) throw new TypeError('an inspection of another back end')
    const { companion, addresses, settings } = this.#subsystems
    const { mustRebuild, difference, device } = seen
    this.#asked = new Set(seen.ours)
    const commitsBefore = companion.commits
    try {
      await settings?.ensure()
      await addresses.ensureDevice(device, run)
      const wanted = keysOf(seen.elements)
      if (mustRebuild) await companion.rebuild(seen.companion.present, wanted, run)
      else await companion.add(difference.missing, run)
      await addresses.add(difference.missingAddresses, run)
      const report = await this.#syncAll(services, seen.ours, run)
      const refused = refusalsOf(report, services.values())
      const held = refused.length === 0 ? undefined : await this.#withoutRefused(services, seen, refused, run)
      const { outcome, elements } = held ?? { outcome: wholeOutcome(seen), elements: seen.elements }
      await companion.remove(outcome.removed, run)
      await addresses.remove(outcome.removedAddresses, run)
      this.#elements = elements
      this.#asked = new Set(addressesOf(keysOf(elements)))
      return this.#applied(run, report, outcome, commitsBefore)
    } catch (error) {
      throw failureOf(error, false)
    }
  }

  async explain(question: Question): Promise<Findings> {
    const { ipvs, companion, options } = this.#subsystems
    return await explainIpvs({ ipvs, nft: companion.nftables, options }, question)
  }

  details(run: Run): SyncDetails {
    const none = { added: 0, updated: 0, removed: 0 }
    const counts = this.#counts.get(run) ?? { virtualServices: none, realServers: none, addresses: { written: 0, deleted: 0 }, commits: 0 }
    return { mode: 'ipvs', ...counts, draining: this.#steps.count, retries: run.retries }
  }

  status(): StatusDetails {
    return { mode: 'ipvs', draining: this.#steps.count }
  }

  /** Virtual services first: what is left of them must not lead to addresses that are gone. Nothing is removed unless all that has our name is ours. */
  async cleanUp(): Promise<void> {
    const { ipvs, addresses, companion, settings } = this.#subsystems
    await this.#steps.stop()
    const device = await addresses.read()
    const state = await companion.read()
    const ours = ourAddresses(this.#subsystems, device, state, this.#asked)
    if (ours.size > 0) await ipvs.sync([], { owns: ownership(ours), draining: AT_ONCE })
    if (device !== undefined) await addresses.drop()
    await companion.drop(state.present)
    await settings?.putBack()
  }

  async close(): Promise<void> {
    await this.#steps.stop()
    await Promise.all([this.#subsystems.ipvs.close(), this.#subsystems.addresses.close(), this.#subsystems.companion.close()])
  }

  async #syncAll(services: Services, ours: ReadonlySet<string>, run: Run): Promise<IpvsSyncReport> {
    run.checkpoint()
    const { ipvs, virtual, draining } = this.#subsystems
    const all = await virtualServicesOf(services, virtual, new Slices())
    const onError = run.isAtomic ? 'atomic' : 'isolate'
    return finish(await ipvs.sync(all, { owns: ownership(ours), draining, onError, signal: run.signal }), run)
  }

  /** Puts services that were refused back as they were before, with the elements that they need, or takes them away. */
  async #withoutRefused(
    services: Services,
    seen: IpvsInspection,
    refused: readonly Refusal[],
    run: Run
  ): Promise<{ readonly outcome: Outcome; readonly elements: Elements }> {
    const { withdrawn, refusals } = await run.withdraw(refused)
    const held = new Map(services)
    for (const { service } of refused) held.delete(service)
    for (const { name, before } of withdrawn) {
      if (before === undefined) held.delete(name)
      else held.set(name, before)
    }
    const elements = await elementsOf(held, new Slices())
    const outcome = otherOutcome(seen, elements, refusals)
    await this.#subsystems.companion.add(outcome.putBack, run)
    await this.#subsystems.addresses.add(outcome.putBackAddresses, run)
    const kept = [...held].filter(([name, service]) => services.get(name) === service).map(([name, after]) => ({ name, after }))
    await putBack(this.#subsystems, changesBetween(held, services), kept, run)
    return { outcome, elements }
  }

  #applied(run: Run, report: IpvsSyncReport, outcome: Outcome, commitsBefore: number): Applied {
    const { added, addedAddresses, removed, removedAddresses, refusals } = outcome
    this.#steps.start()
    const addresses = { written: addedAddresses.length, deleted: removedAddresses.length }
    const { services, realServers } = report
    const before = this.#counts.get(run.call)
    const commits = this.#subsystems.companion.commits - commitsBefore
    this.#counts.set(run.call, addCounts(before, { virtualServices: services, realServers, addresses, commits }))
    const written = services.added + services.updated + realServers.added + realServers.updated
    const deleted = services.removed + realServers.removed
    const objects = { written: written + sizeOf(added) + addresses.written, deleted: deleted + sizeOf(removed) + addresses.deleted }
    return { objects, ...(refusals.length > 0 && { withdrawn: refusals }) }
  }

  /** What was added for changes that failed as a whole is taken back; where that is not all, the next call reads the kernel. */
  async #failed(error: unknown, isUndoable: boolean, added: ElementKeys, run: Run): Promise<BackendFailure> {
    const isUndoneElsewhere = isUndone(error) || (error instanceof BackendFailure && error.isKnown)
    if (!isUndoable || !isUndoneElsewhere) return failureOf(error, false)
    try {
      await pruneElements(this.#subsystems, added, run.uncancelled)
      return failureOf(error, true)
    } catch {
      // What is left is found when the kernel is read.
      return failureOf(error, false)
    }
  }
}

/** The settings of the namespace in which IPVS is. */
function nodeSettings(ipvs: Ipvs, nft: Nftables, { system, surroundings }: IpvsPlaneSettings): NodeSettings {
  const files = kernelSettings(namespaceOf(ipvs), SETTINGS_HINT)
  const possible = possibleSettings(system, { files, ipvs, kernel: versionOf(release()) })
  return new NodeSettings(possible, new NotedSettings(nft, surroundings.table))
}

/**
 * Opens the three clients; closes again what was opened where one cannot be. Nothing is written.
 *
 * @param onError Told what goes wrong while endpoints drain.
 */
export async function openIpvsBackend(settings: IpvsPlaneSettings, onError: (error: unknown) => void): Promise<Backend> {
  const { client, kernel, surroundings, draining, schedulers } = settings
  const opened: { close(): Promise<void> }[] = []
  const open = async <T extends { close(): Promise<void> }>(opening: Promise<T>): Promise<T> => {
    const client = await opening
    opened.push(client)
    return client
  }
  try {
    const ipvs = await open(Ipvs.open({ ...client, kernel: kernel?.ipvs }))
    // A path or a name may stand for another namespace by now; a fake has none.
    const netns = kernel?.ipvs === undefined ? ipvs : client.netns
    const route = await open(Route.open({ ...client, netns, kernel: kernel?.route }))
    const nft = await open(Nftables.open({ ...client, netns, kernel: kernel?.nftables }))
    const addresses = new Addresses(route, surroundings.device)
    const subsystems = {
      ipvs,
      addresses,
      companion: new Companion(nft, surroundings),
      virtual: new VirtualServices(schedulers),
      options: surroundings,
      draining,
      settings: kernel === undefined ? nodeSettings(ipvs, nft, settings) : undefined
    }
    return new IpvsBackend(subsystems, onError)
  } catch (error) {
    await Promise.all(opened.map((client) => client.close()))
    throw error
  }
}
