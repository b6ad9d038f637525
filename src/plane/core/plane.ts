/**
 * A plane over any back end: calls in order, acceptance, quarantine, drift, retries and events.
 */
import type { FrontendKey } from './frontend.js'
import { requireOptions } from '../../core/checks.js'
import { asNetplaneError, ClosedError, NetplaneError } from '../../core/errors.js'
import { type Broadcast } from '../../core/events/broadcast.js'
import { traceResync } from '../../core/tracing.js'
import type { Explanation, ExplainRequest } from '../explanation.js'
import type { Services } from '../model.js'
import type { Plane, PlaneEvent, PlaneStatus, SyncOptions, SyncReport } from '../types.js'
import { Advance } from './advance.js'
import { asFailure, causeOf, type Applied, type Backend, type BackendFailure, type Inspection, type Refusal } from './backend.js'
import type { CheckedUpdate, TakenServices } from './changes/desired.js'
import { DriftLog } from './drift.js'
import { checkExplainRequest, explain, type ExplainParts } from './explain/explain.js'
import { GradualProposal } from './changes/gradual.js'
import type { PlaneCounters } from './counters.js'
import { announced, flowsOf, type ChangeListener } from './listener.js'
import { checkCleanup } from './options.js'
import { mustLook } from './looks.js'
import type { Plan } from './changes/plan.js'
import type { NodePorts } from './node/ports.js'
import type { Holding, ServicePlaneParts } from './parts.js'
import { planOf } from './planning.js'
import { addDropped, addRepair, leaveOut, makeProgress, removalsOf, reportOf, settle, timed, type Done, type Progress } from './progress.js'
import { Quarantine } from './changes/quarantine.js'
import { CallQueue } from './queue.js'
import { Registry, type Proposal } from './changes/registry.js'
import { repair } from './repair.js'
import { repairRun, Run } from './run.js'
import { MAX_TRIES, pauseBefore } from './tries.js'
import { Watch } from './watch.js'

/** A plane of one mode. What callers give it was taken from them, and options of `sync` and `update` were checked, before the call had to wait for its turn. */
export class ServicePlane implements Omit<Plane, 'plan' | 'sync' | 'update' | 'switchTo' | typeof Symbol.asyncDispose> {
  readonly #backend: Backend
  readonly #events: Broadcast<PlaneEvent>
  readonly #listener: ChangeListener | undefined
  readonly #queue = new CallQueue()
  readonly #registry: Registry
  readonly #nodePorts: NodePorts | undefined
  readonly #quarantine: Quarantine
  readonly #watch: Watch
  /** The kernel holds what the registry says, as far as no other process changed it. */
  #isCommitted = false
  #hasSynced = false
  readonly #drift: DriftLog
  readonly #explaining: ExplainParts
  readonly #owner = (frontend: FrontendKey): string | undefined => this.#registry.ownerOf(frontend)
  #closing: { readonly cleanup: boolean; readonly done: Promise<void> } | undefined

  constructor({ backend, auditMs, events, listener, nodePorts, ownAddresses, refusal }: ServicePlaneParts) {
    this.#backend = backend
    this.#registry = new Registry(
      (service, outcome) => refusal?.(service) ?? backend.unsupported(service) ?? this.#nodePorts?.conflict(service, outcome)
    )
    this.#nodePorts = nodePorts?.(() => void this.#queue.run(() => this.#takeNodeAddresses()))
    this.#events = events
    this.#listener = listener
    this.#quarantine = new Quarantine(events)
    this.#watch = new Watch(auditMs, () => this.#queue.run(() => this.#look()), backend.sentinel?.bind(backend))
    this.#drift = new DriftLog(events, this.#watch)
    this.#explaining = { ownAddresses, owner: this.#owner, explain: (question) => backend.explain(question) }
  }

  async plan(taken: TakenServices): Promise<Plan> {
    return await this.#call(async () => {
      const proposal = await this.#propose(() => this.#registry.proposeAll(taken), true)
      const parts = { backend: this.#backend, registry: this.#registry, isCommitted: this.#isCommitted, hasSynced: this.#hasSynced }
      return await planOf(proposal, parts)
    })
  }

  async sync(taken: TakenServices, options: SyncOptions): Promise<SyncReport> {
    const propose = (): Promise<Proposal | GradualProposal> =>
      this.#mayFill(options) ? Promise.resolve(this.#registry.proposeGradually(taken)) : this.#registry.proposeAll(taken)
    return await this.#call(async () => await this.#apply(propose, options))
  }

  async update(taken: CheckedUpdate, options: SyncOptions): Promise<SyncReport> {
    return await this.#call(async () => {
      if (!this.#hasSynced) throw new NetplaneError('ERR_NETPLANE_BUSY', 'update: sync once before, to say what the whole is')
      return await this.#apply(() => this.#registry.proposeUpdate(taken), options, new Set([...taken.set.keys(), ...taken.gone]))
    })
  }

  async explain(request: ExplainRequest): Promise<Explanation> {
    const checked = checkExplainRequest(request)
    return await this.#call(() => explain(checked, this.#explaining))
  }

  watch(options: { readonly signal?: AbortSignal | undefined } = {}): AsyncIterableIterator<PlaneEvent> {
    return this.#events.open(requireOptions(options).signal)
  }

  async counters(): Promise<PlaneCounters> {
    return await this.#call(() => this.#backend.counters(this.#registry.services))
  }

  status(): PlaneStatus {
    return {
      services: this.#registry.services.size,
      quarantined: this.#quarantine.list(),
      drifts: this.#drift.count,
      ...this.#nodePorts?.status(),
      ...flowsOf(this.#listener),
      details: this.#backend.status(this.#owner)
    }
  }

  async close(options: { readonly cleanup?: boolean | undefined } = {}): Promise<void> {
    const cleanup = checkCleanup(options)
    this.#closing ??= { cleanup, done: this.#close(cleanup) }
    if (cleanup && !this.#closing.cleanup) throw new ClosedError('the plane')
    await this.#closing.done
  }

  /** The services in the kernel, as calls that have ended left them. */
  get services(): Services {
    return this.#registry.services
  }

  /** What there is after all calls so far. */
  async holding(): Promise<Holding> {
    const quarantine = this.#quarantine
    const held = () => ({ quarantined: quarantine.list(), postponed: new Map(quarantine.postponed.services) })
    return await this.#call(() => Promise.resolve({ hasSynced: this.#hasSynced, services: this.#registry.services, ...held() }))
  }

  /** Another plane has carried these services until now. What it could not carry this one was not asked for. */
  async succeed({ quarantined, postponed }: Pick<Holding, 'quarantined' | 'postponed'>): Promise<void> {
    this.#quarantine.inherit(quarantined, postponed)
    this.#listener?.reset(this.#registry.services, [])
    await this.#call(async () => await this.#backend.settle?.())
  }

  /** Ends the plane without its events, and gives its back end away with all that it has in the kernel. @param cleanup None of it is to stay. */
  async release(cleanup: boolean): Promise<Backend> {
    this.#closing ??= { cleanup, done: Promise.resolve() }
    await this.#halt()
    await this.#listener?.close(cleanup)
    return this.#backend
  }

  async #halt(): Promise<void> {
    this.#watch.stop()
    await this.#nodePorts?.close()
    await this.#queue.idle()
  }

  async #close(cleanup: boolean): Promise<void> {
    await this.#halt()
    try {
      if (cleanup) await this.#backend.cleanUp()
      await this.#listener?.close(cleanup)
    } catch (error) {
      await this.#listener?.close(false)
      throw causeOf(error)
    } finally {
      this.#events.end()
      await this.#backend.close()
    }
  }

  async #call<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new ClosedError('the plane')
    return await this.#queue.run(async () => {
      try {
        return await work()
      } catch (error) {
        throw causeOf(error)
      }
    })
  }

  /** Whether services can be checked while the kernel takes the first of them: one that must be refused does not undo what the others did. */
  #mayFill({ onError }: SyncOptions): boolean {
    const isFirst = !this.#hasSynced && !this.#isCommitted && this.#registry.services.size === 0
    return isFirst && onError !== 'atomic' && this.#backend.fill !== undefined
  }

  async #apply(propose: () => Promise<Proposal | GradualProposal>, options: SyncOptions, named?: ReadonlySet<string>): Promise<SyncReport> {
    options.signal?.throwIfAborted()
    const startedAt = performance.now()
    const proposal = await this.#propose(propose)
    const { changes, quarantined } = proposal
    const acceptMs = performance.now() - startedAt
    const progress = makeProgress(changes, quarantined, proposal instanceof GradualProposal ? proposal : undefined)
    const advance = new Advance(
      () => progress.source?.candidates.size ?? progress.changes.length,
      (reached) => this.#events.push({ type: 'progress', ...reached })
    )
    const run = new Run(options, (refusals) => this.#registry.withdraw(progress.changes, refusals), { advance })
    if (run.isAtomic && quarantined.length > 0) throw quarantined[0]!.error
    if (this.#isCommitted && (await mustLook(this.#backend, changes.length === 0, named === undefined)))
      await this.#auditBeforeTry(run, progress)
    const done = await this.#persist(run, progress, named)
    // No request was made that the kernel could have refused because another process changed it.
    if (changes.length > 0 && run.requests === 0 && (await mustLook(this.#backend, true, false))) await this.#auditBeforeTry(run, progress)
    this.#hasSynced = true
    this.#watch.start()
    addDropped(progress, named, this.#registry.services)
    this.#quarantine.update(progress.quarantined, named, progress.postponed)
    if ((await this.#nodePorts?.took(this.#registry.services, done.changes)) === false) this.#isCommitted = false
    return reportOf(progress, done, run, { startedAt, acceptMs }, this.#backend.details(run))
  }

  /** Proposes again where the first proposal made this node's addresses known, which some services may not have: committed ones among them go by the same call. */
  async #propose<Made extends Proposal | GradualProposal>(propose: () => Promise<Made>, isPlan = false): Promise<Made> {
    const proposal = await propose()
    if ((await this.#nodePorts?.needs(proposal)) !== true) return proposal
    if (!(isPlan && this.#isCommitted) && !(await this.#nodePorts!.hand(this.#isCommitted, true))) this.#isCommitted = false
    const again = await propose()
    if (again instanceof GradualProposal) return again
    return Object.assign(again, this.#nodePorts!.withoutConflicts(again, this.#registry.services))
  }

  /** Lets the back end know that this node has other addresses. What fails is brought to an end by the next audit. */
  async #takeNodeAddresses(): Promise<void> {
    if (this.#closing !== undefined) return
    const isCommitted = (): boolean => this.#isCommitted
    if (!(await this.#nodePorts!.handAfter(isCommitted, () => this.#look()))) this.#isCommitted = false
    else if (this.#isCommitted) this.#listener?.nodeAddressesChanged(this.#registry.services)
    const refusals = this.#nodePorts!.conflicts(this.#registry.services)
    if (refusals.length > 0) await this.#drop(refusals)
  }

  /** Takes committed services out of the kernel, and into quarantine. What fails is brought to an end by the next audit. */
  async #drop(refusals: readonly Refusal[]): Promise<void> {
    const gone = removalsOf(refusals, [], this.#registry.services)
    try {
      const run = repairRun(this.#registry.services, undefined)
      if (this.#isCommitted) await announced(this.#listener, gone, () => this.#backend.apply(gone, this.#registry.services, run))
    } catch {
      this.#isCommitted = false
    }
    await this.#registry.accept(gone)
    this.#listener?.after(gone)
    this.#quarantine.update(refusals, new Set(refusals.map(({ service }) => service)))
  }

  /** Tries until it is done or cannot be: again after races, after reading the kernel where it was not as it was taken to be, and without services that it refuses. */
  async #persist(run: Run, progress: Progress, named: ReadonlySet<string> | undefined): Promise<Done> {
    for (let tries = 1; ; tries++) {
      try {
        run.checkpoint()
        if (this.#isCommitted) return await this.#change(run, progress)
        return (await this.#fill(run, progress)) ?? (await this.#adopt(run, progress, named))
      } catch (error) {
        const failure = asFailure(error)
        const { kind, isKnown } = failure
        if (!isKnown) this.#isCommitted = false
        if (kind === 'final' || tries === MAX_TRIES || (kind === 'refused' && run.isAtomic)) throw await this.#givenUp(failure, run)
        await progress.source?.finish()
        if (kind === 'refused') await this.#leaveOut(failure.refusals, run, progress)
        else {
          run.retries++
          run.advance?.restart()
          await this.#calmDown(failure, tries, run, progress)
        }
      }
    }
  }

  /** With `atomic`, a part that was applied is taken back. */
  async #givenUp(failure: BackendFailure, run: Run): Promise<unknown> {
    const cause = failure.refusals[0]?.error ?? failure.cause
    if (!run.isAtomic || this.#isCommitted || !this.#hasSynced || failure.kind !== 'refused') return cause
    try {
      await this.#restore()
    } catch (error) {
      this.#events.push({ type: 'error', error: asNetplaneError(causeOf(error)) })
    }
    return cause
  }

  /** Before the next try: a pause, longer each time, and a look at what another process did. */
  async #calmDown({ isKnown }: BackendFailure, tries: number, run: Run, progress: Progress): Promise<void> {
    traceResync({ operation: 'plane.sync', reason: isKnown ? 'generation' : 'drift' })
    await pauseBefore(tries)
    if (this.#isCommitted) await this.#auditBeforeTry(run, progress)
  }

  /** Puts right what another process changed, on the account of the call. */
  async #auditBeforeTry(run: Run, progress: Progress): Promise<void> {
    try {
      const repair = await this.#audit(run)
      if (repair !== undefined) addRepair(progress, repair, this.#registry.services)
    } catch (error) {
      // A repair that lost its race is made again by the next try, which reads the kernel first.
      if (asFailure(error).kind === 'final') throw error
    }
  }

  async #leaveOut(refusals: readonly Refusal[], run: Run, progress: Progress): Promise<void> {
    leaveOut(progress, refusals, await run.withdraw(refusals), { backend: this.#backend, committed: this.#registry.services })
  }

  /** Changes the kernel from the committed state. */
  async #change(run: Run, progress: Progress): Promise<Done> {
    const { changes } = progress
    if (changes.length === 0) return { changes, applied: { objects: { written: 0, deleted: 0 } }, entries: undefined }
    return await announced(this.#listener, changes, async () => {
      const applied = await timed(progress, 'applyMs', () => this.#backend.apply(changes, this.#registry.services, run))
      const kept = settle(applied, progress)
      await this.#registry.accept(kept)
      this.#listener?.after(kept)
      return { changes: kept, applied, entries: undefined }
    })
  }

  /** Of a first sync, where the kernel holds nothing of ours: the services are checked while it works. */
  async #fill(run: Run, progress: Progress): Promise<Done | undefined> {
    const { source } = progress
    if (source === undefined || source.isBegun) return undefined
    return await announced(this.#listener, [], async () => {
      const applied = await timed(progress, 'applyMs', () => this.#backend.fill!(source, run))
      if (applied !== undefined) return await this.#adopted(applied, progress)
      await source.finish()
      return undefined
    })
  }

  /** Makes the kernel hold the outcome of the changes whatever it holds now. */
  async #adopt(run: Run, progress: Progress, named: ReadonlySet<string> | undefined): Promise<Done> {
    const desired = this.#registry.after(progress.changes)
    const seen = await timed(progress, 'inspectMs', () => this.#backend.inspect(desired))
    const isFirst = !this.#hasSynced && named === undefined && !seen.isNew
    if (isFirst) progress.entries ??= (await seen.work(false)).entries
    return await announced(this.#listener, progress.changes, async () => {
      const applied = await timed(progress, 'applyMs', () => this.#backend.adopt(desired, seen, run))
      return await this.#adopted(applied, progress)
    })
  }

  /** The kernel holds the outcome of the changes, and it is not known what it held before. */
  async #adopted(applied: Applied, progress: Progress): Promise<Done> {
    const gone = removalsOf(applied.withdrawn ?? [], progress.changes, this.#registry.services)
    const kept = settle(applied, progress)
    // A list that is as it was proposed can be taken over whole.
    const accepted = gone.length === 0 ? kept : [...kept, ...gone]
    await this.#registry.accept(accepted)
    this.#isCommitted = true
    this.#listener?.reset(this.#registry.services, accepted)
    this.#drift.end(applied, 0)
    return { changes: kept, applied, entries: progress.entries }
  }

  /** What the watch does now and then. Rejects where it failed, once that is reported. */
  async #look(): Promise<void> {
    if (this.#closing !== undefined) return
    try {
      if (this.#isCommitted) await this.#audit()
      // A change or a repair that failed half-way is brought to an end.
      else await this.#restore()
      await this.#nodePorts?.lookAround(this.#registry.services)
      await this.#tryPostponed()
    } catch (error) {
      const cause = causeOf(error)
      this.#events.push({ type: 'error', error: asNetplaneError(cause) })
      throw cause
    }
  }

  /** Services that are in quarantine for what may have passed by now are tried as by an `update`. */
  async #tryPostponed(): Promise<void> {
    const set = this.#quarantine.postponed.takeDue()
    if (set.size > 0) await this.#apply(() => this.#registry.proposeUpdate({ set, gone: [] }), {}, new Set(set.keys()))
  }

  /** @param call The call on whose account a repair is; absent: nobody's. */
  async #audit(call?: Run): Promise<Applied | undefined> {
    const startedAt = performance.now()
    const seen = await this.#backend.audit(this.#registry.services, call !== undefined)
    return seen === undefined ? undefined : await this.#repair(seen, startedAt, call)
  }

  /** Puts back what is committed, whatever the kernel holds. */
  async #restore(): Promise<void> {
    const startedAt = performance.now()
    await this.#repair(await this.#backend.inspect(this.#registry.services), startedAt)
  }

  /** Services that are refused when they are written again go, and into quarantine: they are in {@link Applied.withdrawn}. */
  async #repair(found: Inspection, startedAt: number, call?: Run): Promise<Applied> {
    this.#isCommitted = false
    if (!found.isEmpty) this.#drift.begin(found)
    const { applied, gone, refused } = await repair({ backend: this.#backend, registry: this.#registry }, found, call)
    this.#isCommitted = true
    for (const { service, error } of refused) this.#quarantine.update([{ service, error }], new Set([service]))
    this.#listener?.reset(this.#registry.services, gone)
    this.#drift.end(applied, performance.now() - startedAt)
    return { objects: applied.objects, ...(refused.length > 0 && { withdrawn: refused }) }
  }
}
