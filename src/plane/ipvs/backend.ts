/**
 * Services as virtual services of IPVS, with a dummy device and tables of nf_tables beside them.
 */
import { NetlinkError } from '../../core/errors.js'
import { networkNamespace } from '../../core/options.js'
import { Slices } from '../../core/slices.js'
import type { DesiredService, IpvsSyncReport } from '../../ipvs/index.js'
import {
  BackendFailure,
  sumOf,
  type Applied,
  type Backend,
  type Inspection,
  type ObjectCounts,
  type Refusal,
  type Retired
} from '../core/backend.js'
import { changesBetween, type ServiceChange } from '../core/changes/change.js'
import type { PlaneCounters } from '../core/counters.js'
import type { NodeAddressList } from '../core/node/addresses.js'
import type { Findings, Question } from '../core/explain/explain.js'
import type { FrontendKey } from '../core/frontend.js'
import type { Run } from '../core/run.js'
import type { Service, Services } from '../model.js'
import type { StatusDetails, SyncDetails } from '../types.js'
import { AddressCounts } from './address-counts.js'
import { AskedPlaces } from './asked-places.js'
import { changeVirtual, failureOf, finish, followedBy, isUndone, putBack, refusalsOf } from './apply.js'
import { virtualServiceName } from './compile.js'
import { readCounters } from './counters.js'
import { addCounts, NO_COUNTS, sumOfSyncs, type Counts, type SyncCounts } from './counts.js'
import { Draining } from './draining.js'
import { inspect, IpvsInspection, ownership, placeOf, virtualServicesOf, type Subsystems } from './inspect.js'
import { QuickLook } from './quick-look.js'
import { drainAll, drainedSoFar, removeAll } from './retire.js'
import { unsupportedByIpvs } from './support.js'

/** What became of virtual services, and of the addresses that they need. */
interface Exchange {
  readonly report: IpvsSyncReport
  /** Services that were refused, and those that need what they keep: they are as they were. */
  readonly withdrawn: readonly ServiceChange[]
  readonly refusals: readonly Refusal[]
  readonly addresses: ObjectCounts
}

/** What became of the virtual services of all services. */
interface AllSynced {
  readonly report: SyncCounts
  readonly refused: readonly Refusal[]
}

/** Whether some virtual services are as they were before, or all: of what was asked for, not all was done. */
function isPartly(exchange: Exchange | undefined): boolean {
  return exchange === undefined || exchange.withdrawn.length > 0
}

/** Services after changes. */
function servicesAfter(services: Services, changes: readonly ServiceChange[]): Services {
  const result = new Map(services)
  for (const { name, after } of changes) {
    if (after === undefined) result.delete(name)
    else result.set(name, after)
  }
  return result
}

/** Made by {@link openIpvsBackend}. */
export class IpvsBackend implements Backend {
  readonly #subsystems: Subsystems
  readonly #steps: Draining
  readonly #quick: QuickLook
  readonly #counts = new WeakMap<Run, Counts>()
  readonly #asked: AskedPlaces
  /** Addresses that the committed services need. */
  #needed = new AddressCounts()
  /** Transactions of the tables before the call. */
  #commits = 0

  constructor(subsystems: Subsystems, onError: (error: unknown) => void) {
    this.#subsystems = subsystems
    this.#steps = new Draining(subsystems.ipvs, onError)
    this.#quick = new QuickLook(subsystems)
    this.#asked = new AskedPlaces(subsystems.virtual)
  }

  get [networkNamespace](): unknown {
    return this.#subsystems.ipvs[networkNamespace]
  }

  unsupported(service: Service): Error | undefined {
    return unsupportedByIpvs(service, this.#subsystems.excluded) ?? this.#subsystems.drainChoice.refusal(service)
  }

  async setNodeAddresses(addresses: NodeAddressList, isCommitted: boolean, run: Run): Promise<void> {
    await this.#subsystems.tables.setNodeAddresses(addresses, isCommitted, run)
  }

  async counters(services: Services): Promise<PlaneCounters> {
    return await readCounters(this.#subsystems.ipvs, services, this.#subsystems.virtual)
  }

  hasChanged(): Promise<undefined> {
    // IPVS has no generation.
    return Promise.resolve(undefined)
  }

  async inspect(services: Services): Promise<Inspection> {
    return await this.#look(services, await this.#subsystems.tables.inspect(services))
  }

  /** The tables are read where another process has changed them. IPVS has no generation: virtual services are listed, and real servers too where a call asks or it is time. */
  async audit(committed: Services, isAsked: boolean): Promise<Inspection | undefined> {
    const tables = await this.#subsystems.tables.audit(committed)
    const mayBeQuick = tables === undefined && !isAsked && !this.#quick.isFullDue
    if (mayBeQuick && (await this.#quick.isRight(committed, this.#needed.list()))) return undefined
    const seen = await this.#quick.compare(() => this.#look(committed, tables))
    await this.#subsystems.announced?.look(this.#needed.list())
    return seen.isEmpty ? undefined : seen
  }

  async apply(changes: readonly ServiceChange[], committed: Services, run: Run): Promise<Applied> {
    const { tables, schedulers } = this.#subsystems
    await this.#read(() => schedulers.ask(changes.map(({ after }) => after)))
    this.#asked.add(changes)
    this.#commits = tables.commits
    const tried: { exchange?: Exchange; failure?: { readonly error: unknown } } = {}
    let objects: ObjectCounts | undefined
    try {
      const applied = await tables.apply(changes, committed, run, async () => {
        try {
          tried.exchange = await this.#exchange(changes, run)
        } catch (error) {
          // What is known to be as it was leaves the tables to be put back; all else ends the call.
          if (!isUntouched(error)) throw failureOf(error, false)
          tried.failure = { error }
        }
        // By what the tables hold of services as they were, their virtual services are known to be ours: it stays.
        if (isPartly(tried.exchange)) throw new Error('not all virtual services were changed')
      })
      objects = applied.objects
    } catch (error) {
      if (tried.failure === undefined && tried.exchange === undefined) throw error
      // Virtual services are changed already, even where no transaction of the tables was made.
      if (!isPartly(tried.exchange)) throw failureOf(error, false)
    }
    if (tried.exchange === undefined) throw await this.#undone(tried.failure!.error, committed, run)
    return await this.#conclude(tried.exchange, { changes, committed, objects }, run)
  }

  async adopt(services: Services, seen: Inspection, run: Run): Promise<Applied> {
    if (!(seen instanceof IpvsInspection)) throw new TypeError('an inspection of another back end')
    const { tables, addresses, settings, virtual } = this.#subsystems
    const { device, ours, tables: beside, wanted, places } = seen.parts
    this.#asked.become(ours)
    this.#commits = tables.commits
    try {
      const noted = await settings?.ensure()
      await addresses.ensureDevice(device, run)
      const present = device?.addresses ?? new Set<string>()
      const found: { held: Services; refusals: readonly Refusal[]; added: readonly string[] } = { held: services, refusals: [], added: [] }
      let synced: AllSynced | undefined
      const kept = beside !== undefined && tables.forgets(beside) ? await this.#keepKnown(services, wanted, seen.parts, run) : undefined
      const between = async (): Promise<void> => {
        synced = await this.#syncAll(services, wanted, ours, run)
        if (kept !== undefined) synced = { ...synced, report: sumOfSyncs(kept.report, synced.report) }
        if (synced.refused.length > 0) Object.assign(found, await this.#withoutRefused(services, synced.refused, run))
        this.#needed = AddressCounts.of(found.held)
        found.added = [...this.#needed.list()].filter((address) => !present.has(address))
        await addresses.add(found.added, run)
      }
      const objects = beside === undefined ? undefined : (await tables.adopt(services, beside, run, between, noted)).objects
      if (beside === undefined) await between()
      const { held, refusals } = found
      if (held !== services) await tables.apply(changesBetween(services, held), services, run)
      const needed = new Set(this.#needed.list())
      const removed = [...present, ...(kept?.addresses ?? [])].filter((address) => !needed.has(address) && ours.has(address))
      await addresses.remove(removed, run)
      this.#asked.become(held === services ? places : (await virtualServicesOf(held, virtual, new Slices())).map(placeOf))
      await this.#subsystems.announced?.look(needed)
      const counts = { written: found.added.length, deleted: removed.length }
      return this.#applied(run, synced!.report, counts, objects ?? { written: 0, deleted: 0 }, refusals)
    } catch (error) {
      throw failureOf(error, false)
    }
  }

  async explain(question: Question): Promise<Findings> {
    return await this.#subsystems.tables.explain(question)
  }

  details(run: Run): SyncDetails {
    const counts = this.#counts.get(run) ?? NO_COUNTS
    return { mode: 'ipvs', ...counts, draining: this.#steps.count, retries: run.retries }
  }

  status(ownerOf: (frontend: FrontendKey) => string | undefined): StatusDetails {
    const drainingEndpoints = this.#steps.list(ownerOf)
    return { mode: 'ipvs', draining: drainingEndpoints.length, drainingEndpoints, missingSchedulers: this.#subsystems.schedulers.missing }
  }

  async retire(): Promise<void> {
    await drainAll(this.#subsystems, this.#asked)
    this.#steps.start()
  }

  retirement(): Retired {
    return drainedSoFar(this.#subsystems)
  }

  async cleanUp(): Promise<void> {
    await this.#steps.stop()
    await removeAll(this.#subsystems, this.#asked)
  }

  async close(): Promise<void> {
    await this.#steps.stop()
    await Promise.all([this.#subsystems.ipvs.close(), this.#subsystems.addresses.close(), this.#subsystems.tables.close()])
  }

  async #look(services: Services, tables: Inspection | undefined): Promise<IpvsInspection> {
    return await this.#read(async () => {
      await this.#subsystems.schedulers.ask(services.values())
      return await inspect(this.#subsystems, services, tables, this.#asked)
    })
  }

  /** Asks the kernel, before anything is changed. */
  async #read<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      throw error instanceof NetlinkError ? failureOf(error, true) : error
    }
  }

  /** Changes virtual services, and then adds the addresses that lead to them: all of it, or nothing. */
  async #exchange(changes: readonly ServiceChange[], run: Run): Promise<Exchange> {
    const { addresses, virtual } = this.#subsystems
    const report = finish(await changeVirtual(this.#subsystems, changes, run), run)
    const services = changes.flatMap(({ before, after }) => [before, after])
    const refused = refusalsOf(report, services, virtual)
    const { kept, withdrawn, refusals } =
      refused.length === 0 ? { kept: changes, withdrawn: [], refusals: refused } : await run.withdraw(refused)
    if (withdrawn.length > 0) await putBack(this.#subsystems, withdrawn, kept, run)
    const { added } = this.#needed.differences(kept)
    try {
      await addresses.add(added, run)
    } catch (error) {
      if (!isUntouched(error)) throw error
      await putBack(this.#subsystems, kept, [], run)
      throw error
    }
    return { report, withdrawn, refusals, addresses: { written: added.length, deleted: 0 } }
  }

  /** Takes back what was written for services that were refused, and away what nothing leads to any more. */
  async #conclude(
    { report, withdrawn, refusals, addresses: counts }: Exchange,
    { changes, committed, objects: done }: { changes: readonly ServiceChange[]; committed: Services; objects: ObjectCounts | undefined },
    run: Run
  ): Promise<Applied> {
    try {
      const gone = new Set(withdrawn.map(({ name }) => name))
      const kept = withdrawn.length === 0 ? changes : changes.filter(({ name }) => !gone.has(name))
      const objects = done ?? (await this.#settleTables(servicesAfter(committed, kept), run))
      const { removed } = this.#needed.differences(kept)
      await this.#subsystems.addresses.remove(removed, run)
      this.#needed.apply(kept)
      this.#asked.settle(changes, kept, this.#needed)
      return this.#applied(run, report, sumOf(counts, { written: 0, deleted: removed.length }), objects, refusals)
    } catch (error) {
      throw failureOf(error, false)
    }
  }

  /** Makes the tables hold what virtual services need, whatever was begun. */
  async #settleTables(services: Services, run: Run): Promise<ObjectCounts> {
    const { tables } = this.#subsystems
    return (await tables.adopt(services, await tables.inspect(services), run)).objects
  }

  /** Puts the tables back where IPVS or the device refused the whole. @returns What to throw. */
  async #undone(error: unknown, committed: Services, run: Run): Promise<BackendFailure> {
    try {
      await this.#settleTables(committed, run.uncancelled)
      return failureOf(error, true)
    } catch {
      // What is left is found when the kernel is read.
      return failureOf(error, false)
    }
  }

  /**
   * Tables that are made anew forget which virtual services are ours: those that services have no more go before, and the addresses of those that stay are on the device. What comes follows the tables
   * that name it.
   *
   * @returns What was done, and the addresses that were added.
   * @throws {BackendFailure} Something of it is refused that no service is to blame for.
   */
  async #keepKnown(
    services: Services,
    wanted: readonly DesiredService[],
    { ours, device }: IpvsInspection['parts'],
    run: Run
  ): Promise<{ readonly report: SyncCounts; readonly addresses: readonly string[] }> {
    const { ipvs, addresses, virtual } = this.#subsystems
    const listed = new Set((await ipvs.listServices()).map(virtualServiceName))
    const kept = wanted.filter((one) => listed.has(virtualServiceName(one)))
    const report = await this.#syncTo(kept, ours, run)
    // A service that is refused here is refused again when all are asked for.
    refusalsOf(report, services.values(), virtual)
    const places = new Set(kept.map(placeOf))
    const needed = [...AddressCounts.of(services).list()].filter(
      (address) => places.has(address) && device?.addresses.has(address) !== true
    )
    await addresses.add(needed, run)
    return { report, addresses: needed }
  }

  async #syncTo(wanted: readonly DesiredService[], ours: ReadonlySet<string>, run: Run): Promise<IpvsSyncReport> {
    run.checkpoint()
    const { ipvs, draining } = this.#subsystems
    const onError = run.isAtomic ? 'atomic' : 'isolate'
    return finish(await ipvs.sync(wanted, { owns: ownership(ours), draining, onError, signal: run.signal, ...followedBy(run) }), run)
  }

  /** Makes virtual services be those of all services. @throws {BackendFailure} The whole is refused. */
  async #syncAll(services: Services, wanted: readonly DesiredService[], ours: ReadonlySet<string>, run: Run): Promise<AllSynced> {
    const report = await this.#syncTo(wanted, ours, run)
    return { report, refused: refusalsOf(report, services.values(), this.#subsystems.virtual) }
  }

  /** Puts services that were refused back as they were before, or takes them away. */
  async #withoutRefused(
    services: Services,
    refused: readonly Refusal[],
    run: Run
  ): Promise<{ readonly held: Services; readonly refusals: readonly Refusal[] }> {
    const { withdrawn, refusals } = await run.withdraw(refused)
    const held = new Map(services)
    for (const { service } of refused) held.delete(service)
    for (const { name, before } of withdrawn) {
      if (before === undefined) held.delete(name)
      else held.set(name, before)
    }
    const kept = [...held].filter(([name, service]) => services.get(name) === service).map(([name, after]) => ({ name, after }))
    await putBack(this.#subsystems, changesBetween(held, services), kept, run)
    return { held, refusals }
  }

  #applied(run: Run, report: SyncCounts, addresses: ObjectCounts, elements: ObjectCounts, refusals: readonly Refusal[]): Applied {
    this.#steps.start()
    if (refusals.length > 0) this.#subsystems.schedulers.doubt()
    const { services, realServers } = report
    const before = this.#counts.get(run.call)
    const commits = this.#subsystems.tables.commits - this.#commits
    this.#counts.set(run.call, addCounts(before, { virtualServices: services, realServers, addresses, commits }))
    const written = services.added + services.updated + realServers.added + realServers.updated
    const deleted = services.removed + realServers.removed
    const objects = sumOf(sumOf(addresses, elements), { written, deleted })
    return { objects, ...(refusals.length > 0 && { withdrawn: refusals }) }
  }
}

/** Whether an error says that nothing was changed. */
function isUntouched(error: unknown): boolean {
  return isUndone(error) || (error instanceof BackendFailure && error.isKnown)
}
