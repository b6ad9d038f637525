/**
 * The nftables plane.
 */
import { networkNamespace, type InNetworkNamespace } from '../../client.js'
import type { NativeNamespace } from '../../native.js'
import { asNetplaneError, ClosedError, NetlinkError, NetplaneError } from '../../errors.js'
import { Nftables } from '../../nftables/index.js'
import { traceResync } from '../../tracing.js'
import { Broadcast } from '../../event-broadcast.js'
import type { Service, Services } from '../model.js'
import { Mutex } from '../mutex.js'
import { checkInterval, checkName } from '../options.js'
import { makePlan, planEntries, type Plan } from '../plan.js'
import { Quarantine } from '../quarantine.js'
import type { Plane, PlaneEvent, PlaneStatus, ServiceUpdate, SyncOptions, SyncReport } from '../types.js'
import { adoptionEntries, countActions } from './adoption.js'
import { contentsOf, diffTables, type Changes } from './changes.js'
import { coldStart } from './cold-start.js'
import { Committer, RefusedServices, type CommitTotals, type Races } from './commits.js'
import type { NftablesPlaneOptions } from './options.js'
import { Registry, type Proposal } from './registry.js'
import { localSourceElements } from './sources.js'
import { differsInCount, readTables, type KernelTables, type TableOptions } from './tables.js'
import { Watch } from './watch.js'

const MAX_TRIES = 16

/** Refusals after which the tables are read again. */
const RETRIED = new Set(['ENOENT', 'EEXIST', 'ENFILE'])

/** What was done, as reports say it. */
type Done = Pick<SyncReport, 'services' | 'elements'>

/** Services as elements of few large maps in nf_tables; one kernel transaction per phase. Made by {@link openPlane}. */
export class NftablesPlane implements Plane, InNetworkNamespace {
  readonly #nft: Nftables
  readonly #options: TableOptions
  #registry = new Registry()
  readonly #mutex = new Mutex()
  readonly #events = new Broadcast<PlaneEvent>()
  readonly #quarantine = new Quarantine(this.#events)
  readonly #watch: Watch
  readonly #races: Races = { lost: 0 }
  #committer: Committer | undefined
  #drifts = 0
  #hasSynced = false
  #closing: Promise<void> | undefined

  private constructor(nft: Nftables, options: TableOptions, pollMs: number) {
    this.#nft = nft
    this.#options = options
    this.#watch = new Watch(pollMs, () => this.#mutex.run(() => this.#look()))
  }

  /** Opens the plane; nothing is written before the first sync. */
  static async open(options: NftablesPlaneOptions = {}): Promise<NftablesPlane> {
    const name = checkName(options.name, 31)
    const pollMs = checkInterval('driftPollMs', options.driftPollMs, { least: 10, fallback: 100 })
    const localSources = options.localSources === undefined ? undefined : localSourceElements(options.localSources)
    const { netns, deadlineMs, kernel, signal } = options
    return new NftablesPlane(await Nftables.open({ netns, deadlineMs, kernel, signal }), { name, localSources }, pollMs)
  }

  /** @internal */
  get [networkNamespace](): NativeNamespace | undefined {
    return this.#nft[networkNamespace]
  }

  async plan(services: Services): Promise<Plan> {
    return await this.#mutex.run(async () => {
      this.#assertOpen()
      const proposal = await this.#registry.proposeAll(services)
      if (this.#committer !== undefined) {
        const { counts } = this.#registry.changesFor(proposal).changes
        const drift = (await this.#isStale()) ? await this.#compare() : undefined
        return makePlan({
          entries: planEntries(this.#registry.services, this.#registry.after(proposal)),
          drift: drift?.objects ?? [],
          quarantined: proposal.quarantined,
          elements: {
            added: counts.added + (drift?.changes.counts.added ?? 0),
            removed: counts.removed + (drift?.changes.counts.removed ?? 0)
          }
        })
      }
      const kernel = await readTables(this.#nft, this.#options, true)
      const target = await Registry.of(proposal.set)
      const changes = diffTables(kernel.elements, target.tables())
      const entries = kernel.present.size === 0 ? planEntries(new Map(), proposal.set) : adoptionEntries(changes, kernel.elements, target)
      return makePlan({ entries, drift: kernel.faults, quarantined: proposal.quarantined, elements: changes.counts })
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
    return {
      services: this.#registry.services.size,
      quarantined: this.#quarantine.list(),
      drifts: this.#drifts,
      generation: this.#committer?.generation ?? 0
    }
  }

  close(options: { readonly cleanup?: boolean } = {}): Promise<void> {
    this.#closing ??= this.#close(options.cleanup === true)
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(cleanup: boolean): Promise<void> {
    this.#watch.stop()
    await this.#mutex.idle()
    try {
      if (cleanup) await this.#removeTables()
    } finally {
      this.#events.end()
      await this.#nft.close()
    }
  }

  async #removeTables(): Promise<void> {
    const { present } = await readTables(this.#nft, this.#options, false)
    if (present.size === 0) return
    const tx = this.#nft.transaction()
    for (const family of present) tx.delete.table({ family, name: this.#options.name })
    await tx.commit()
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new ClosedError('the plane')
  }

  /** Applies a proposal; begins again when somebody else committed in between, and without those services that the kernel refuses. */
  async #apply(proposal: Proposal, options: SyncOptions, named?: ReadonlySet<string>): Promise<SyncReport> {
    const startedAt = performance.now()
    const totals: CommitTotals = { commits: 0, bytes: 0, retries: 0 }
    const isAtomic = options.onError === 'atomic'
    if (isAtomic && proposal.quarantined.length > 0) throw proposal.quarantined[0]!.error
    // An update pays for what it names alone; a sync is about the whole.
    if (named === undefined && (await this.#isStale())) await this.#repairBesideOthers(this.#committer!, totals)
    let current = proposal
    for (let tries = 1; ; tries++) {
      options.signal?.throwIfAborted()
      try {
        const done = this.#committer === undefined ? await this.#adopt(current, totals) : await this.#change(current, totals)
        this.#hasSynced = true
        this.#quarantine.update(current, named)
        return {
          ...done,
          ...totals,
          durationMs: performance.now() - startedAt,
          quarantined: current.quarantined
        }
      } catch (error) {
        if (tries === MAX_TRIES) throw error
        current = await this.#recover(error, current, isAtomic, tries)
        totals.retries++
      }
    }
  }

  /** What to try next after a failure; throws it where nothing helps. */
  async #recover(error: unknown, proposal: Proposal, isAtomic: boolean, tries: number): Promise<Proposal> {
    if (error instanceof RefusedServices) {
      const [first] = error.refusals
      // Elements of ours that are missing or other than we left them: the kernel must be read before anybody is blamed.
      if (tries === 1 && (first!.error.code === 'ENOENT' || first!.error.code === 'EEXIST')) {
        this.#committer = undefined
        return proposal
      }
      if (isAtomic) throw first!.error
      return this.#without(proposal, error)
    }
    if (error instanceof NetlinkError && error.code === 'ERESTART') {
      traceResync({ operation: 'plane.sync', reason: 'generation' })
      this.#races.lost++
      if (this.#committer !== undefined) await this.#repairBesideOthers(this.#committer)
      return proposal
    }
    // ENFILE: a set is full of what we do not know of.
    if (error instanceof NetlinkError && RETRIED.has(error.code) && this.#committer !== undefined) {
      this.#committer = undefined
      return proposal
    }
    throw error
  }

  /** @param totals Where the commits of a repair are counted; given, every element is compared. */
  async #repairBesideOthers(committer: Committer, totals?: CommitTotals): Promise<void> {
    try {
      await this.#repairIfChanged(totals)
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error
      if (error.code === 'ERESTART') {
        this.#races.lost++
        return
      }
      // Commits follow each other faster than a table can be read: the watch looks again when it is calmer.
      if (error.code !== 'EINTR') throw error
      committer.generation = (await this.#nft.generation()).id
      this.#watch.owesAudit = true
    }
  }

  #without(proposal: Proposal, error: RefusedServices): Proposal {
    const owners = new Map<string, string>()
    const probe = new Registry()
    probe.accept(proposal, probe.shared)
    for (const { frontend } of error.refusals) {
      const owner = probe.ownerOf(frontend) ?? this.#registry.ownerOf(frontend)
      if (owner !== undefined) owners.set(frontend, owner)
    }
    const refused = new Map(
      error.refusals.flatMap(({ frontend, error: cause }) => (owners.has(frontend) ? [[owners.get(frontend)!, cause] as const] : []))
    )
    const left = new Map([...proposal.set].filter(([name]) => !refused.has(name)))
    if (left.size === proposal.set.size) throw error.refusals[0]!.error
    return {
      set: left,
      remove: proposal.remove,
      quarantined: [...proposal.quarantined, ...[...refused].map(([service, cause]) => ({ service, error: cause }))]
    }
  }

  /** Changes the kernel from the committed state. */
  async #change(proposal: Proposal, totals: CommitTotals): Promise<Done> {
    let added = 0
    for (const name of proposal.set.keys()) if (!this.#registry.services.has(name)) added++
    const services = { added, changed: proposal.set.size - added, removed: proposal.remove.size }
    const { changes, shared } = this.#registry.changesFor(proposal)
    const { counts } = changes
    try {
      // Once additions are in, the registry is ahead of the kernel by removals only; should those fail, the next look finds them.
      await this.#committer!.apply(
        changes,
        this.#registry,
        (family, set) => this.#registry.isEmpty(family, set),
        totals,
        (phase) => {
          if (phase === 1) this.#registry.accept(proposal, shared)
        }
      )
    } catch (error) {
      // Removals that were refused leave the kernel unlike the registry: read it again.
      if (this.#registry.services.size > 0 && [...proposal.set].some(([name, service]) => this.#registry.services.get(name) === service))
        this.#committer = undefined
      throw error
    }
    return { services, elements: counts }
  }

  /** Makes the kernel hold the proposal whatever it holds now. */
  async #adopt(proposal: Proposal, totals: CommitTotals): Promise<Done> {
    const desired = this.#registry.after(proposal)
    const kernel = await readTables(this.#nft, this.#options, true)
    if (kernel.present.size === 0 || kernel.faults.length > 0) return await this.#rebuild(desired, kernel, totals)
    const target = await Registry.of(desired)
    const changes = diffTables(kernel.elements, target.tables())
    const committer = new Committer(this.#nft, this.#options, kernel.objects, kernel.generation, this.#races)
    await committer.apply(
      changes,
      contentsOf(kernel.elements),
      (family, set) => target.isEmpty(family, set),
      totals,
      () => undefined
    )
    this.#takeOver(target, committer)
    return { services: countActions(adoptionEntries(changes, kernel.elements, target)), elements: changes.counts }
  }

  async #rebuild(desired: ReadonlyMap<string, Service>, kernel: KernelTables, totals: CommitTotals): Promise<Done> {
    const started = await coldStart(this.#nft, this.#options, desired, kernel.generation, kernel.present, this.#races, totals)
    this.#takeOver(started.registry, started.committer)
    return { services: { added: desired.size, changed: 0, removed: 0 }, elements: { added: started.elements, removed: 0 } }
  }

  #takeOver(target: Registry, committer: Committer): void {
    this.#registry = target
    this.#committer = committer
    this.#watch.start()
  }

  /** What the watch does now and then. */
  async #look(): Promise<void> {
    if (this.#closing !== undefined) return
    try {
      if (this.#committer === undefined) {
        // A repair that failed half-way is begun again.
        await this.#repairIfChanged()
        return
      }
      const { id } = await this.#nft.generation()
      if (id !== this.#committer.generation || this.#watch.isAuditDue) await this.#repairIfChanged()
    } catch (error) {
      if (error instanceof NetlinkError && error.code === 'ERESTART') this.#races.lost++
      this.#events.push({ type: 'error', error: asNetplaneError(error) })
    }
  }

  /** True where somebody committed and not every element was compared since: the kernel may hold other things than the registry says. */
  async #isStale(): Promise<boolean> {
    return this.#committer !== undefined && (this.#watch.owesAudit || (await this.#nft.generation()).id !== this.#committer.generation)
  }

  /** Compares every element, and says in words what is not ours or not there. */
  async #compare(): Promise<{ readonly kernel: KernelTables; readonly changes: Changes; readonly objects: string[] }> {
    const kernel = await readTables(this.#nft, this.#options, true)
    const changes = diffTables(kernel.elements, this.#registry.tables())
    const { added, removed } = changes.counts
    const missing = kernel.present.size === 0 ? [`tables ${this.#options.name} are missing`] : []
    const elements = added + removed > 0 && kernel.present.size > 0 ? [`${added} missing and ${removed} foreign elements`] : []
    return { kernel, changes, objects: [...missing, ...kernel.faults, ...elements] }
  }

  /** Somebody committed: looks at our tables, and puts right what is not ours or not there. @param totals See {@link #repairBesideOthers}. */
  async #repairIfChanged(totals?: CommitTotals): Promise<void> {
    const committer = this.#committer
    const startedAt = performance.now()
    const quick = await readTables(this.#nft, this.#options, false)
    const isSuspect =
      committer === undefined ||
      totals !== undefined ||
      quick.present.size === 0 ||
      quick.faults.length > 0 ||
      differsInCount(quick, this.#registry.rowCounts()) ||
      this.#watch.mayAudit
    if (!isSuspect) {
      // Numbers are right; whether the elements are will be seen when an audit is due.
      this.#watch.owesAudit = true
      committer.generation = quick.generation
      return
    }
    const { kernel, objects } = await this.#compare()
    this.#watch.audited(performance.now() - startedAt)
    if (committer !== undefined && objects.length === 0) {
      committer.generation = kernel.generation
      return
    }
    await this.#repair(objects, startedAt, totals)
  }

  async #repair(objects: readonly string[], startedAt: number, totals: CommitTotals = { commits: 0, bytes: 0, retries: 0 }): Promise<void> {
    this.#drifts++
    traceResync({ operation: 'plane.repair', reason: 'drift' })
    this.#events.push({ type: 'drift', objects })
    const services = new Map(this.#registry.services)
    this.#committer = undefined
    const { elements: repaired } = await this.#adopt({ set: services, remove: new Set(), quarantined: [] }, totals)
    this.#events.push({ type: 'repaired', elements: repaired, durationMs: performance.now() - startedAt })
  }
}
