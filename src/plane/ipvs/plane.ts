/**
 * The IPVS plane.
 */
import { networkNamespace, type InNetworkNamespace } from '../../client.js'
import type { NativeNamespace } from '../../native.js'
import { canonicalAddress } from '../../address.js'
import { asNetplaneError, ClosedError, NetlinkError, NetplaneError, TransactionError } from '../../errors.js'
import type { DesiredService, DrainPolicies, Drainer, IpvsSyncOptions, IpvsSyncReport } from '../../ipvs/index.js'
import { Broadcast } from '../../event-broadcast.js'
import type { Service, Services } from '../model.js'
import { Mutex } from '../mutex.js'
import { SharedCounts } from '../nftables/changes.js'
import { Registry, type Proposal } from '../nftables/registry.js'
import { checkInterval, checkName } from '../options.js'
import { makePlan, planEntries, type Plan } from '../plan.js'
import { Quarantine } from '../quarantine.js'
import type { Plane, PlaneEvent, PlaneStatus, ServiceUpdate, SyncOptions, SyncReport } from '../types.js'
import { elementName, Ledger, type LedgerChange, type Transition } from './ledger.js'
import { checkSchedulers, type IpvsPlaneOptions, type SchedulerNames } from './options.js'
import { openParts, type Parts } from './parts.js'
import { elementsOf, lookAround, vipsOf } from './surroundings.js'
import { virtualServices, type CompanionElement } from './translate.js'
import { countsOf, entriesOf, keyText, ownersOf } from './words.js'

/** Services as virtual services of IPVS: make before break, in verified phases over three subsystems. Made by {@link openPlane}. */
export class IpvsPlane implements Plane, InNetworkNamespace {
  readonly #parts: Parts
  readonly #schedulers: SchedulerNames
  readonly #draining: DrainPolicies | undefined
  readonly #mutex = new Mutex()
  readonly #events = new Broadcast<PlaneEvent>()
  readonly #quarantine = new Quarantine(this.#events)
  readonly #drainer: Drainer
  readonly #auditMs: number
  #registry = new Registry()
  #ledger = new Ledger()
  #hasSynced = false
  #drifts = 0
  #timer: NodeJS.Timeout | undefined
  #closing: Promise<void> | undefined

  private constructor(parts: Parts, { schedulers, draining, auditMs }: Settings) {
    this.#parts = parts
    this.#schedulers = schedulers
    this.#draining = draining
    this.#auditMs = auditMs
    this.#drainer = parts.ipvs.drainer({ ref: false })
    void this.#follow()
  }

  /** Opens the plane; nothing is written before the first sync. */
  static async open(options: IpvsPlaneOptions = {}): Promise<IpvsPlane> {
    const name = checkName(options.name, MOST_OF_NAME)
    const schedulers = checkSchedulers(options.schedulers)
    const auditMs = checkInterval('auditMs', options.auditMs, { least: 100, fallback: 10_000 })
    return new IpvsPlane(await openParts(options, name), { schedulers, draining: options.draining, auditMs })
  }

  /** @internal */
  get [networkNamespace](): NativeNamespace | undefined {
    return this.#parts.ipvs[networkNamespace]
  }

  async plan(services: Services): Promise<Plan> {
    return await this.#mutex.run(async () => {
      this.#assertOpen()
      const proposal = await this.#registry.proposeAll(services)
      const desired = this.#registry.after(proposal)
      const around = await lookAround(this.#parts, desired.values())
      const plan = await this.#parts.ipvs.plan(this.#allVirtual(desired.values()), this.#planOptions(around.addresses, desired.values()))
      const owners = ownersOf(desired.values())
      const entries = this.#hasSynced ? planEntries(this.#registry.services, desired) : entriesOf(plan.entries, owners)
      return makePlan({
        entries,
        drift: !this.#hasSynced ? around.drift : (await this.#parts.companion.hasChanged()) ? (await this.#compare()).drift : [],
        quarantined: proposal.quarantined,
        elements: { added: around.add.length + plan.entries.length, removed: around.remove.length }
      })
    })
  }

  async sync(services: Services, options: SyncOptions = {}): Promise<SyncReport> {
    return await this.#mutex.run(async () => {
      this.#assertOpen()
      return await this.#apply(await this.#registry.proposeAll(services), options)
    })
  }

  async update(update: ServiceUpdate, options: SyncOptions = {}): Promise<SyncReport> {
    return await this.#mutex.run(async () => {
      this.#assertOpen()
      if (!this.#hasSynced) throw new NetplaneError('ERR_NETPLANE_BUSY', 'update: sync once before, to say what the whole is')
      const { proposal, named } = await this.#registry.proposeUpdate(update)
      return await this.#apply(proposal, options, named)
    })
  }

  events(options: { readonly signal?: AbortSignal } = {}): AsyncIterableIterator<PlaneEvent> {
    return this.#events.open(options.signal)
  }

  status(): PlaneStatus {
    return { services: this.#registry.services.size, quarantined: this.#quarantine.list(), drifts: this.#drifts, generation: 0 }
  }

  close(options: { readonly cleanup?: boolean } = {}): Promise<void> {
    this.#closing ??= this.#close(options.cleanup === true)
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(cleanup: boolean): Promise<void> {
    clearTimeout(this.#timer)
    await this.#mutex.idle()
    try {
      await this.#drainer.return()
      if (cleanup) await this.#cleanUp()
    } finally {
      this.#events.end()
      await this.#parts.close()
    }
  }

  /** Virtual services first: what is left of them must not lead to addresses that are gone. */
  async #cleanUp(): Promise<void> {
    const { ipvs, addresses, companion } = this.#parts
    const ours = (await addresses.read()) ?? new Set<string>()
    if (ours.size > 0) await ipvs.sync([], { owns: ({ address }) => address !== undefined && ours.has(address), draining: AT_ONCE })
    await addresses.drop()
    await companion.drop()
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new ClosedError('the plane')
  }

  #allVirtual(services: Iterable<Service>): DesiredService[] {
    return [...services].flatMap((service) => virtualServices(service, this.#schedulers))
  }

  /** Virtual services at our addresses are ours: those on the device, and those that will be. */
  #planOptions(addresses: ReadonlySet<string>, services: Iterable<Service>): Pick<IpvsSyncOptions, 'owns' | 'draining'> {
    const ours = new Set(addresses)
    for (const service of services) for (const { address } of service.frontends) ours.add(canonicalAddress(address))
    return { owns: ({ address }) => address !== undefined && ours.has(canonicalAddress(address)), draining: this.#draining }
  }

  async #apply(proposal: Proposal, options: SyncOptions, named?: ReadonlySet<string>): Promise<SyncReport> {
    const startedAt = performance.now()
    const isAtomic = options.onError === 'atomic'
    if (isAtomic && proposal.quarantined.length > 0) throw proposal.quarantined[0]!.error
    options.signal?.throwIfAborted()
    const before = { ...this.#parts.companion.totals }
    const known = new Set(this.#registry.services.keys())
    // An update pays for what it names alone; a sync is about the whole.
    if (named === undefined && this.#hasSynced && (await this.#parts.companion.hasChanged())) await this.#repairIfChanged()
    const done = this.#hasSynced ? await this.#change(proposal, options) : await this.#adopt(proposal, options)
    this.#hasSynced = true
    this.#schedule()
    this.#quarantine.update(done.proposal, named)
    const { commits, bytes } = this.#parts.companion.totals
    const added = [...done.proposal.set.keys()].filter((name) => !known.has(name)).length
    return {
      services: { added, changed: done.proposal.set.size - added, removed: done.proposal.remove.size },
      elements: done.counts,
      commits: commits - before.commits,
      bytes: bytes - before.bytes,
      durationMs: performance.now() - startedAt,
      retries: 0,
      quarantined: done.proposal.quarantined
    }
  }

  /** From the committed state, at a cost that follows the change. */
  async #change(proposal: Proposal, options: SyncOptions): Promise<Applied> {
    const transitions = this.#transitions(proposal)
    const change = this.#ledger.changeFor(transitions)
    await this.#widen(change)
    let report: IpvsSyncReport
    try {
      report = await this.#syncVirtual(proposal, options)
    } catch (error) {
      await this.#undoWidening(change, error)
      throw error
    }
    const left = await this.#withoutFailed(proposal, report, options)
    const kept = left === proposal ? transitions : this.#transitions(left)
    this.#ledger.apply(kept)
    this.#registry.accept(left, new SharedCounts())
    // What was added for services that failed goes, unless others need it.
    const narrowed = { remove: [...change.remove, ...change.add].filter((element) => !this.#ledger.has(element)) }
    await this.#narrow(narrowed.remove)
    return { proposal: left, counts: countsOf(report, change) }
  }

  /** Whatever the kernel holds becomes what is desired; nothing is written where nothing differs. */
  async #adopt(proposal: Proposal, options: SyncOptions): Promise<Applied> {
    const desired = this.#registry.after(proposal)
    const { addresses, companion, ipvs, enableConntrack } = this.#parts
    await enableConntrack()
    await addresses.ensureDevice()
    const around = await lookAround(this.#parts, desired.values())
    companion.knownGeneration = around.generation
    if (around.rebuild) await companion.rebuild(around.present, elementsOf(desired.values()))
    else await companion.add(around.add)
    await addresses.add(around.missingAddresses)
    const report = await ipvs.sync(this.#allVirtual(desired.values()), {
      ...this.#planOptions(around.addresses, desired.values()),
      onError: options.onError === 'atomic' ? 'atomic' : 'isolate',
      signal: options.signal
    })
    const left = await this.#withoutFailed(proposal, report, options)
    const held = this.#registry.after(left)
    this.#registry = await Registry.of(held)
    this.#ledger = new Ledger()
    this.#ledger.apply([...held.values()].map((service): Transition => [undefined, service]))
    // What was added for services that failed goes too.
    const unused = [...elementsOf(desired.values())].filter((element) => !this.#ledger.has(element))
    await companion.remove(around.rebuild ? unused : [...around.remove, ...unused])
    await addresses.remove([...around.foreignAddresses, ...vipsOf(unused)])
    const change = { add: around.rebuild ? [...elementsOf(desired.values())] : around.add, remove: around.remove }
    return { proposal: left, counts: countsOf(report, change) }
  }

  #transitions({ set, remove }: Proposal): Transition[] {
    const { services } = this.#registry
    return [
      ...[...set].map(([name, service]): Transition => [services.get(name), service]),
      ...[...remove].map((name): Transition => [services.get(name), undefined])
    ]
  }

  /** Addresses and rules that new services need, before they are there. */
  async #widen({ add }: LedgerChange): Promise<void> {
    const { addresses, companion } = this.#parts
    await companion.add(add)
    try {
      await addresses.add(vipsOf(add))
    } catch (error) {
      await companion.remove(add)
      throw error
    }
  }

  /** Addresses and rules that nobody needs any more, once nothing leads to them. */
  async #narrow(remove: readonly CompanionElement[]): Promise<void> {
    await this.#parts.companion.remove(remove)
    await this.#parts.addresses.remove(vipsOf(remove))
  }

  /** Puts the surroundings back as they were; what cannot be is part of the error. */
  async #undoWidening({ add }: LedgerChange, cause: unknown): Promise<void> {
    try {
      await this.#narrow(add)
    } catch (error) {
      this.#hasSynced = false
      const words = add.map((element) => elementName(element))
      const errors = error instanceof NetlinkError ? [error] : []
      throw new TransactionError(
        `plane.sync was refused, and what it had added beside IPVS could not all be taken back: ${String(error)}`,
        { applied: [], undone: [], unknown: words },
        errors,
        cause
      )
    }
  }

  async #syncVirtual({ set, remove }: Proposal, options: SyncOptions): Promise<IpvsSyncReport> {
    const gone = this.#virtualOf([...set.keys(), ...remove], this.#registry.services)
    const onError = options.onError === 'atomic' ? 'atomic' : 'isolate'
    return await this.#exchange(gone, this.#allVirtual(set.values()), { draining: this.#draining, onError, signal: options.signal })
  }

  /** The virtual services of those names that are among services. */
  #virtualOf(names: readonly string[], services: ReadonlyMap<string, Service>): DesiredService[] {
    return this.#allVirtual(names.map((name) => services.get(name)).filter((service) => service !== undefined))
  }

  /** Puts virtual services in place of others, which may be the same ones with other settings. */
  async #exchange(
    before: readonly DesiredService[],
    after: readonly DesiredService[],
    options: Pick<IpvsSyncOptions, 'draining' | 'onError' | 'signal'>
  ): Promise<IpvsSyncReport> {
    const kept = new Set(after.map(keyText))
    return await this.#parts.ipvs.sync(
      { set: after, delete: before.filter((service) => !kept.has(keyText(service))) },
      { ...options, owns: ({ address }) => address !== undefined, from: 'memory' }
    )
  }

  /** The proposal without services of which a part was refused; their other parts are put back too. */
  async #withoutFailed(proposal: Proposal, report: IpvsSyncReport, { signal }: SyncOptions): Promise<Proposal> {
    if (report.failed.length === 0) return proposal
    const owners = ownersOf([...proposal.set.values(), ...this.#registry.services.values()])
    const failed = new Map<string, Error>()
    for (const { service, errors } of report.failed) {
      const name = owners.get(keyText(service))
      if (name !== undefined && !failed.has(name))
        failed.set(name, errors[0] ?? new NetplaneError('ERR_NETPLANE_INTERNAL', 'the sync ended early', { cause: report.stopped }))
    }
    const set = new Map([...proposal.set].filter(([name]) => !failed.has(name)))
    const remove = new Set([...proposal.remove].filter((name) => !failed.has(name)))
    const names = [...failed.keys()]
    await this.#exchange(this.#virtualOf(names, proposal.set), this.#virtualOf(names, this.#registry.services), {
      draining: AT_ONCE,
      onError: 'isolate',
      signal
    })
    return { set, remove, quarantined: [...proposal.quarantined, ...[...failed].map(([service, error]) => ({ service, error }))] }
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    if (this.#auditMs === 0 || this.#closing !== undefined) return
    this.#timer = setTimeout(() => void this.#mutex.run(() => this.#audit()), this.#auditMs)
    this.#timer.unref()
  }

  /** Compares the kernel with what was committed, and puts right what differs. */
  async #audit(): Promise<void> {
    if (this.#closing !== undefined) return
    try {
      await this.#repairIfChanged()
    } catch (error) {
      this.#events.push({ type: 'error', error: asNetplaneError(error) })
    } finally {
      this.#schedule()
    }
  }

  async #repairIfChanged(): Promise<void> {
    const startedAt = performance.now()
    const { drift, generation } = await this.#compare()
    if (drift.length > 0) await this.#repair(drift, startedAt)
    else this.#parts.companion.knownGeneration = generation
  }

  /** What the kernel holds otherwise than it was committed, in words. */
  async #compare(): Promise<{ readonly drift: string[]; readonly generation: number | undefined }> {
    const { services } = this.#registry
    const around = await lookAround(this.#parts, services.values())
    const plan = await this.#parts.ipvs.plan(this.#allVirtual(services.values()), this.#planOptions(around.addresses, services.values()))
    const elements = around.add.length + around.remove.length
    const drift = [
      ...(around.rebuild && around.drift.length === 0 ? ['the companion tables are missing'] : around.drift),
      ...(elements > 0 ? [`${around.add.length} missing and ${around.remove.length} foreign elements`] : []),
      ...plan.entries.map(({ action, service, details }) => `${action} ${service} ${details.join(', ')}`)
    ]
    return { drift, generation: around.generation }
  }

  async #repair(objects: readonly string[], startedAt: number): Promise<void> {
    this.#drifts++
    this.#events.push({ type: 'drift', objects })
    const { counts } = await this.#adopt({ set: new Map(this.#registry.services), remove: new Set(), quarantined: [] }, {})
    this.#events.push({ type: 'repaired', elements: counts, durationMs: performance.now() - startedAt })
  }

  async #follow(): Promise<void> {
    for await (const event of this.#drainer) if (event.type === 'error') this.#events.push({ type: 'error', error: event.error })
  }
}

/** Of the dummy device (IFNAMSIZ, less the NUL). */
const MOST_OF_NAME = 15

const AT_ONCE = { tcp: 'at-once', udp: 'at-once', sctp: 'at-once' } as const

/** Options, checked. */
interface Settings {
  readonly schedulers: SchedulerNames
  readonly draining: DrainPolicies | undefined
  readonly auditMs: number
}

interface Applied {
  readonly proposal: Proposal
  readonly counts: { readonly added: number; readonly removed: number }
}
