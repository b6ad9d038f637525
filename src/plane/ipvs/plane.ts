/**
 * The IPVS plane.
 */
import { ClosedError, NetlinkError, NetplaneError, TransactionError } from '../../errors.js'
import type { DesiredService, Drainer, IpvsSyncReport, VirtualServiceKey } from '../../ipvs/index.js'
import { Broadcast } from '../../event-broadcast.js'
import type { Service, Services } from '../model.js'
import { Mutex } from '../mutex.js'
import { SharedCounts } from '../nftables/changes.js'
import { Registry, type Proposal } from '../nftables/registry.js'
import { makePlan, planEntries, type Plan, type Quarantined } from '../plan.js'
import type { Plane, PlaneEvent, PlaneStatus, ServiceUpdate, SyncOptions, SyncReport } from '../types.js'
import { elementName, Ledger, type LedgerChange, type Transition } from './ledger.js'
import { checkAudit, checkDevice, checkSchedulers, type IpvsPlaneOptions, type SchedulerNames } from './options.js'
import { openParts, type Parts } from './parts.js'
import { elementsOf, lookAround, vipsOf } from './surroundings.js'
import { canonical, virtualServices, type CompanionElement } from './translate.js'
import { countsOf, entriesOf, keyText, ownersOf } from './words.js'

/** Services as virtual services of IPVS: make before break, in verified phases over three subsystems. Made by {@link openPlane}. */
export class IpvsPlane implements Plane {
  readonly #parts: Parts
  readonly #schedulers: SchedulerNames
  readonly #options: IpvsPlaneOptions
  readonly #mutex = new Mutex()
  readonly #events = new Broadcast<PlaneEvent>()
  readonly #drainer: Drainer
  readonly #auditMs: number
  #registry = new Registry()
  #ledger = new Ledger()
  #quarantined = new Map<string, Quarantined>()
  #hasSynced = false
  #drifts = 0
  #timer: NodeJS.Timeout | undefined
  #closing: Promise<void> | undefined

  private constructor(parts: Parts, options: IpvsPlaneOptions) {
    this.#parts = parts
    this.#options = options
    this.#schedulers = checkSchedulers(options.schedulers)
    this.#auditMs = checkAudit(options.auditMs)
    this.#drainer = parts.ipvs.drainer()
    void this.#follow()
  }

  /** Opens the plane; nothing is written before the first sync. */
  static async open(options: IpvsPlaneOptions = {}): Promise<IpvsPlane> {
    const name = checkDevice(options.name)
    checkSchedulers(options.schedulers)
    checkAudit(options.auditMs)
    return new IpvsPlane(await openParts(options, name), options)
  }

  async plan(services: Services): Promise<Plan> {
    return await this.#mutex.run(async () => {
      this.#assertOpen()
      const proposal = await this.#proposeAll(services)
      const desired = this.#desired(proposal)
      const around = await lookAround(this.#parts, desired.values())
      const plan = await this.#parts.ipvs.plan(this.#allVirtual(desired.values()), this.#planOptions(around.addresses, desired.values()))
      const owners = ownersOf(desired.values())
      const entries = this.#hasSynced ? planEntries(this.#registry.services, desired) : entriesOf(plan.entries, owners)
      return makePlan({
        entries,
        drift: this.#hasSynced ? [] : around.drift,
        quarantined: proposal.quarantined,
        elements: { added: around.add.length + plan.entries.length, removed: around.remove.length }
      })
    })
  }

  async sync(services: Services, options: SyncOptions = {}): Promise<SyncReport> {
    return await this.#mutex.run(async () => {
      this.#assertOpen()
      return await this.#apply(await this.#proposeAll(services), options)
    })
  }

  async update(update: ServiceUpdate, options: SyncOptions = {}): Promise<SyncReport> {
    return await this.#mutex.run(async () => {
      this.#assertOpen()
      if (!this.#hasSynced) throw new NetplaneError('ERR_NETPLANE_BUSY', 'update: sync once before, to say what the whole is')
      const set = new Map([...(update.set ?? [])].map((service) => [service.name, service] as const))
      const remove = new Set([...(update.delete ?? [])].filter((name) => !set.has(name)))
      return await this.#apply(await this.#registry.propose(set, remove), options, new Set([...set.keys(), ...remove]))
    })
  }

  events(options: { readonly signal?: AbortSignal } = {}): AsyncIterableIterator<PlaneEvent> {
    return this.#events.open(options.signal)
  }

  status(): PlaneStatus {
    return { services: this.#registry.services.size, quarantined: [...this.#quarantined.values()], drifts: this.#drifts, generation: 0 }
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

  async #proposeAll(services: Services): Promise<Proposal> {
    const remove = new Set([...this.#registry.services.keys()].filter((name) => !services.has(name)))
    return await this.#registry.propose(services, remove, services)
  }

  #desired({ set, remove }: Proposal): Map<string, Service> {
    const desired = new Map(this.#registry.services)
    for (const name of remove) desired.delete(name)
    for (const [name, service] of set) desired.set(name, service)
    return desired
  }

  #allVirtual(services: Iterable<Service>): DesiredService[] {
    return [...services].flatMap((service) => virtualServices(service, this.#schedulers))
  }

  /** Virtual services at our addresses are ours: those on the device, and those that will be. */
  #planOptions(addresses: ReadonlySet<string>, services: Iterable<Service>): { owns: (service: VirtualServiceKey) => boolean } {
    const ours = new Set(addresses)
    for (const service of services) for (const { address } of service.frontends) ours.add(canonical(address))
    const { draining } = this.#options
    return {
      owns: ({ address }: VirtualServiceKey) => address !== undefined && ours.has(canonical(address)),
      ...(draining === undefined ? {} : { draining })
    }
  }

  async #apply(proposal: Proposal, options: SyncOptions, named?: ReadonlySet<string>): Promise<SyncReport> {
    const startedAt = performance.now()
    const isAtomic = options.onError === 'atomic'
    if (isAtomic && proposal.quarantined.length > 0) throw proposal.quarantined[0]!.error
    options.signal?.throwIfAborted()
    const before = { ...this.#parts.companion.totals }
    const known = new Set(this.#registry.services.keys())
    const done = this.#hasSynced ? await this.#change(proposal, options) : await this.#adopt(proposal, options)
    this.#hasSynced = true
    this.#schedule()
    this.#updateQuarantine(done.proposal, named)
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
    const desired = this.#desired(proposal)
    const { addresses, companion, ipvs, enableConntrack } = this.#parts
    await enableConntrack()
    await addresses.ensureDevice()
    const around = await lookAround(this.#parts, desired.values())
    if (around.rebuild) await companion.rebuild(around.present, elementsOf(desired.values()))
    else await companion.add(around.add)
    await addresses.add(around.missingAddresses)
    const report = await ipvs.sync(this.#allVirtual(desired.values()), {
      ...this.#planOptions(around.addresses, desired.values()),
      onError: options.onError === 'atomic' ? 'atomic' : 'isolate',
      ...(options.signal === undefined ? {} : { signal: options.signal })
    })
    const left = await this.#withoutFailed(proposal, report, options)
    const held = this.#desired(left)
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
    const { services } = this.#registry
    const wanted = this.#allVirtual(set.values())
    const kept = new Set(wanted.map(keyText))
    const gone = [...set.keys(), ...remove].flatMap((name) => {
      const before = services.get(name)
      return before === undefined ? [] : virtualServices(before, this.#schedulers)
    })
    return await this.#parts.ipvs.sync(
      { set: wanted, delete: gone.filter((service) => !kept.has(keyText(service))) },
      {
        owns: ({ address }) => address !== undefined,
        ...(this.#options.draining === undefined ? {} : { draining: this.#options.draining }),
        from: 'memory',
        onError: options.onError === 'atomic' ? 'atomic' : 'isolate',
        ...(options.signal === undefined ? {} : { signal: options.signal })
      }
    )
  }

  /** The proposal without services of which a part was refused; their other parts are put back too. */
  async #withoutFailed(proposal: Proposal, report: IpvsSyncReport, options: SyncOptions): Promise<Proposal> {
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
    const back = [...failed.keys()].flatMap((name) => {
      const before = this.#registry.services.get(name)
      return before === undefined ? [] : virtualServices(before, this.#schedulers)
    })
    const backKeys = new Set(back.map(keyText))
    const drop = [...failed.keys()].flatMap((name) => {
      const after = proposal.set.get(name)
      return after === undefined ? [] : virtualServices(after, this.#schedulers)
    })
    await this.#parts.ipvs.sync(
      { set: back, delete: drop.filter((service) => !backKeys.has(keyText(service))) },
      {
        owns: ({ address }) => address !== undefined,
        draining: AT_ONCE,
        from: 'memory',
        onError: 'isolate',
        ...(options.signal === undefined ? {} : { signal: options.signal })
      }
    )
    return { set, remove, quarantined: [...proposal.quarantined, ...[...failed].map(([service, error]) => ({ service, error }))] }
  }

  #updateQuarantine({ quarantined, set, remove }: Proposal, named: ReadonlySet<string> | undefined): void {
    const now = new Map(quarantined.map((entry) => [entry.service, entry]))
    for (const [service, entry] of now) {
      if (this.#quarantined.get(service)?.error.message !== entry.error.message)
        this.#events.push({ type: 'quarantined', service, error: entry.error })
    }
    for (const service of [...this.#quarantined.keys()]) {
      const isOver = named === undefined ? !now.has(service) : named.has(service) && (set.has(service) || remove.has(service))
      if (!isOver) continue
      this.#events.push({ type: 'released', service })
      this.#quarantined.delete(service)
    }
    for (const [service, entry] of now) this.#quarantined.set(service, entry)
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
    const startedAt = performance.now()
    try {
      const { services } = this.#registry
      const around = await lookAround(this.#parts, services.values())
      const plan = await this.#parts.ipvs.plan(this.#allVirtual(services.values()), this.#planOptions(around.addresses, services.values()))
      const elements = around.add.length + around.remove.length
      const drift = [
        ...(around.rebuild && around.drift.length === 0 ? ['the companion tables are missing'] : around.drift),
        ...(elements > 0 ? [`${around.add.length} missing and ${around.remove.length} foreign elements`] : []),
        ...plan.entries.map(({ action, service, details }) => `${action} ${service} ${details.join(', ')}`)
      ]
      if (drift.length > 0) await this.#repair(drift, startedAt)
    } catch (error) {
      const wrapped = error instanceof NetplaneError ? error : new NetplaneError('ERR_NETPLANE_INTERNAL', String(error), { cause: error })
      this.#events.push({ type: 'error', error: wrapped })
    } finally {
      this.#schedule()
    }
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

const AT_ONCE = { tcp: 'at-once', udp: 'at-once', sctp: 'at-once' } as const

interface Applied {
  readonly proposal: Proposal
  readonly counts: { readonly added: number; readonly removed: number }
}
