/**
 * Tables of nf_tables of which services are elements.
 */
import type { WriteSteps } from './affinity/sweeper.js'
import { NetlinkError } from '../../core/errors.js'
import { networkNamespace } from '../../core/options.js'
import { type Nftables } from '../../nftables/index.js'
import { listOwnTables } from '../../nftables/own-tables.js'
import { Pace } from '../../nftables/pace.js'
import { BackendFailure, type Applied, type Backend, type Inspection, type Retired, type ServiceSource } from '../core/backend.js'
import { AuditPace } from '../core/audit-pace.js'
import type { ServiceChange } from '../core/changes/change.js'
import type { PlaneCounters } from '../core/counters.js'
import { FAMILIES } from '../core/frontend.js'
import { NO_ADDRESSES, type NodeAddressList } from '../core/node/addresses.js'
import type { Findings, Question } from '../core/explain/explain.js'
import { planEntries } from '../core/changes/plan.js'
import { repairRun, type Run } from '../core/run.js'
import type { Sentinel } from '../core/watch.js'
import type { Services } from '../model.js'
import type { PlaneEvent } from '../types.js'
import { AffinityRoom } from './affinity/room.js'
import { AffinitySweeper, touchesAffinity } from './affinity/sweeper.js'
import { applyChanges, NOTHING_BETWEEN, type ApplyContents } from './writing/apply.js'
import { contentsOf, type Changes } from './elements/changes.js'
import { checkedServices, coldStart } from './writing/cold-start.js'
import { CommittedContents } from './elements/contents.js'
import { forgetCounts, forgetStrangers, readCounters } from './counting/counters.js'
import { TableExplainer } from './explain/walk.js'
import { existingDevices, flowtableStep } from './layout/flow-offload.js'
import { differsInCount, readTables, type KernelTables } from './reading/inspect.js'
import { inspectTables, TablesInspection } from './reading/inspection.js'
import { ownTables, type TableOptions } from './layout/table.js'
import { carrySteps } from './writing/learnt-carry.js'
import { removeTables, stopLeading } from './writing/retire.js'
import { restoreRulesStep } from './writing/restore.js'
import { ServiceObjects } from './writing/objects.js'
import { claimStep } from './layout/owner.js'
import { RouteLocalnet } from '../core/node/route-localnet.js'
import type { PortReservation } from './node/port-reservation.js'
import type { TableParts } from './parts.js'
import { addressRepair, nodeAddressSteps } from './layout/static-sets.js'
import { Writer } from './writing/writer.js'

/** What full comparisons may take of the time. */
const AUDIT_SHARE = 0.05

/** What tables there are, when they are to be made anew. */
type FoundTables = Pick<KernelTables, 'present' | 'routeLocalnet'>

const NOTHING: FoundTables = { present: new Set(), routeLocalnet: undefined }

/** Services in tables of nf_tables: what a back end has of them, whether the tables balance by themselves or IPVS does beside them. */
export class ServiceTables implements Omit<Backend, 'unsupported' | 'details' | 'status'> {
  readonly #nft: Nftables
  readonly #options: TableOptions
  readonly #writer: Writer
  readonly #affinity: AffinitySweeper
  readonly #routeLocalnet: RouteLocalnet
  readonly #explainer: TableExplainer
  readonly #room: AffinityRoom
  readonly #tell: (event: PlaneEvent) => void
  readonly #reservation: PortReservation | undefined
  /** Clients that an earlier process left were looked at, or are going to be. */
  #knowsClients = false
  #contents: CommittedContents
  #objects = new ServiceObjects()
  /** Another process committed, and what our elements hold was not compared since. */
  readonly #audits = new AuditPace(AUDIT_SHARE)
  #nodeAddresses = NO_ADDRESSES
  /** A set cannot be replaced by a larger one in one message: the tables must be made anew. */
  #mustRebuild = false
  /** From then on links may be missing: they may have gone. */
  #hasStarted = false
  /** What the last audit found. */
  #audited: Inspection | undefined

  constructor(nft: Nftables, options: TableOptions, { tell, settings, reservation, walk }: TableParts) {
    this.#nft = nft
    this.#routeLocalnet = new RouteLocalnet(settings)
    this.#options = options
    this.#contents = new CommittedContents(options)
    this.#affinity = new AffinitySweeper(nft, options)
    this.#explainer = new TableExplainer(nft, options, walk)
    this.#room = new AffinityRoom(nft, options, tell)
    this.#tell = tell
    this.#reservation = reservation
    this.#writer = new Writer(nft, new Pace(options.transactionMs))
  }

  get [networkNamespace](): unknown {
    return this.#nft[networkNamespace]
  }

  /** Transactions since it was opened. */
  get commits(): number {
    return this.#writer.commits
  }

  hasChanged(): Promise<boolean> {
    return this.#writer.isBehind()
  }

  sentinel(changed: () => void): Sentinel {
    return this.#writer.sentinel(changed, () => (this.#affinity.isDue ? 0 : this.#audits.dueInMs))
  }

  async inspect(services: Services, changes?: readonly ServiceChange[]): Promise<Inspection> {
    if (changes !== undefined) return await this.#preview(changes)
    return await inspectTables(await readTables(this.#nft, this.#options, this.#nodeAddresses, { withElements: true }), services)
  }

  async fill(source: ServiceSource, run: Run): Promise<Applied | undefined> {
    const before = this.#writer.commits
    await this.#reserve()
    try {
      const { id } = await this.#nft.readGeneration()
      const tables = await listOwnTables(this.#nft, ownTables(this.#options))
      if (tables.length > 0) return undefined
      // Whoever commits after this look makes the first transaction fail.
      this.#writer.generation = id
      return await this.#rebuild(source, NOTHING, run)
    } catch (error) {
      throw this.#failure(error, before)
    }
  }

  /** Whether {@link ServiceTables.adopt} makes tables anew in the place of others: what these hold is lost before anything else is done. */
  forgets(seen: Inspection): boolean {
    return seen instanceof TablesInspection && !seen.isNew && (seen.comparison === undefined || this.#mustRebuild)
  }

  /** @param ownCommit The generation after a commit of ours since the inspection. */
  async adopt(services: Services, seen: Inspection, run: Run, between = NOTHING_BETWEEN, ownCommit?: number): Promise<Applied> {
    if (!(seen instanceof TablesInspection)) throw new TypeError('an inspection of another back end')
    const before = this.#writer.commits
    this.#writer.generation = seen.kernel.generation
    this.#writer.follow(ownCommit)
    await this.#reserve()
    try {
      if (await this.#restoreRules(seen, run)) {
        await between()
        return { objects: { written: 0, deleted: 0 } }
      }
      if (seen.comparison === undefined || this.#mustRebuild) {
        const applied = await this.#rebuild(checkedServices(services), seen.kernel, run)
        await between()
        await this.#affinity.noteAll(services)
        await this.#sweep(run)
        return applied
      }
      const { changes, contents } = seen.comparison
      await this.#claim(seen.kernel, run)
      await this.#addDevices(seen.kernel, run)
      await this.#writer.write(addressRepair(seen.kernel, this.#options.name, this.#nodeAddresses), run, "this node's addresses")
      if (this.#options.loopbackNodePorts) await this.#routeLocalnet.switchOn(seen.kernel.routeLocalnet)
      const after: ApplyContents = { before: contentsOf(seen.kernel.elements), rowsAfter: (set) => contents.rows(set) }
      await applyChanges({ ...this.#parts(seen.kernel.objects, run), between }, changes, after)
      this.#contents = contents
      this.#objects = seen.kernel.objects
      this.#audits.isOwed = false
      this.#hasStarted = true
      await this.#takeClients(services, changes, run)
      if (changes.counts.deleted > 0) await this.#forget(run, (write) => forgetStrangers(this.#nft, this.#options, services, write))
      return { objects: changes.counts }
    } catch (error) {
      throw this.#failure(error, before)
    }
  }

  async apply(changes: readonly ServiceChange[], committed: Services, run: Run, between = NOTHING_BETWEEN): Promise<Applied> {
    const before = this.#writer.commits
    try {
      const change = await this.#contents.changeFor(changes)
      const after: ApplyContents = {
        before: {
          rows: (set) => this.#contents.rows(set),
          elements: (set) => this.#contents.elements(set, committed)
        },
        rowsAfter: (set) => this.#contents.rows(set) + (change.rows.get(set) ?? 0)
      }
      await applyChanges({ ...this.#parts(this.#objects, run), between }, change.changes, after)
      this.#contents.apply(change)
      await this.#affinity.note(changes)
      await this.#sweep(run)
      await this.#forget(run, (write) => forgetCounts(this.#options.name, changes, write))
      return { objects: change.changes.counts }
    } catch (error) {
      throw this.#failure(error, before)
    }
  }

  /**
   * Chains, rules, sets and numbers of elements are compared whenever another process has committed; all elements where something differs, or else when it is time.
   */
  async audit(committed: Services): Promise<Inspection | undefined> {
    await this.#sweep(repairRun(new Map(), undefined))
    if (this.#options.loopbackNodePorts) await this.#routeLocalnet.keepOn()
    await this.#room.look((family) => this.#objects.hasSticky(family))
    await this.#reserve()
    const { isDue, isOwed } = this.#audits
    if (!(await this.hasChanged()) && !(isOwed && isDue)) return undefined
    const startedAt = performance.now()
    const quick = await this.#readQuickly()
    if (quick === undefined) return undefined
    const isBroken = quick.present.size === 0 || quick.faults.length > 0
    if (!isBroken && !isDue && quick.addressFaults.length === 0 && !differsInCount(quick, this.#contents.sizes())) {
      // Numbers are right; whether the elements are will be seen when an audit is due.
      this.#audits.isOwed = true
      this.#writer.generation = quick.generation
      return undefined
    }
    // Where rules are gone, it is not asked for elements before the rules are there again.
    const kernel = isBroken ? quick : await readTables(this.#nft, this.#options, this.#nodeAddresses, { withElements: true })
    const seen = await inspectTables(kernel, committed)
    this.#audits.ended(startedAt)
    if (!seen.isEmpty) return (this.#audited = seen)
    this.#writer.generation = kernel.generation
    return undefined
  }

  async setNodeAddresses(addresses: NodeAddressList, isCommitted: boolean, run: Run): Promise<void> {
    const before = this.#nodeAddresses
    this.#nodeAddresses = addresses
    if (!isCommitted) return
    const commits = this.#writer.commits
    try {
      await this.#writer.write(nodeAddressSteps(this.#options.name, before, addresses), run, "this node's addresses")
    } catch (error) {
      const failure = this.#failure(error, commits)
      if (failure.isRace) this.#nodeAddresses = before
      throw failure
    }
  }

  async explain(question: Question): Promise<Findings> {
    return await this.#explainer.explain(question, this.#nodeAddresses)
  }

  async counters(services: Services): Promise<PlaneCounters> {
    return await readCounters(this.#nft, this.#options, services)
  }

  /** Generation of the ruleset after our last commit or audit. */
  get generation(): number {
    return this.#writer.generation
  }

  /** Another plane may have put back what both had set. */
  async settle(): Promise<void> {
    this.#reservation?.expire()
    await this.#reserve()
    if (this.#options.loopbackNodePorts && this.#hasStarted) await this.#routeLocalnet.switchOn(undefined)
  }

  async retire(): Promise<void> {
    await stopLeading(this.#nft, this.#options)
  }

  retirement(): Retired {
    return { connections: 0, isDone: true }
  }

  async cleanUp(): Promise<void> {
    await removeTables(this.#nft, this.#options, { reservation: this.#reservation, routeLocalnet: this.#routeLocalnet })
  }

  async close(): Promise<void> {
    await this.#nft.close()
  }

  async #reserve(): Promise<void> {
    this.#writer.follow(await this.#reservation?.ensureOrTell(this.#tell))
  }

  #parts(objects: ServiceObjects, run: Run) {
    return { writer: this.#writer, options: this.#options, objects, run }
  }

  /** Of services that follow the committed ones, when no other process has changed the tables. */
  async #preview(changes: readonly ServiceChange[]): Promise<Inspection> {
    const { changes: elements } = await this.#contents.changeFor(changes)
    const objects = elements.counts
    const work = { entries: planEntries(changes), objects }
    return { faults: [], isNew: false, isEmpty: elements.isEmpty, differences: objects, work: () => Promise.resolve(work) }
  }

  /**
   * Puts rules back where another process took or changed them in tables that this plane has filled. Whether that was all there is to repair, as far as numbers of elements tell: they will be compared
   * when an audit is due. On the account of a call the tables are made anew, as its plan says.
   */
  async #restoreRules(seen: TablesInspection, run: Run): Promise<boolean> {
    const mayDo = seen === this.#audited && run.call === run && this.#hasStarted && !this.#mustRebuild
    if (!mayDo || seen.kernel.faults.length === 0 || seen.kernel.present.size < FAMILIES.length) return false
    try {
      await this.#writer.write([restoreRulesStep(this.#options, this.#objects)], run, 'rules')
    } catch (error) {
      // Chains or sets are missing, too.
      if (error instanceof NetlinkError && error.code === 'ENOENT') return false
      throw error
    }
    const kernel = await this.#readQuickly()
    if (kernel === undefined || kernel.faults.length > 0 || differsInCount(kernel, this.#contents.sizes())) return false
    this.#writer.generation = kernel.generation
    this.#objects = kernel.objects
    this.#audits.isOwed = true
    return true
  }

  async #rebuild(source: ServiceSource, { present, routeLocalnet: noted }: FoundTables, run: Run): Promise<Applied> {
    const objects = new ServiceObjects()
    const isLoopback = this.#options.loopbackNodePorts
    if (isLoopback) await this.#routeLocalnet.prepare(noted)
    else if (noted !== undefined) await this.#routeLocalnet.putBack(noted)
    const statics = { nodeAddresses: this.#nodeAddresses, routeLocalnet: this.#routeLocalnet.found }
    const carried = await carrySteps(this.#nft, this.#options, present)
    const parts = { ...this.#parts(objects, run), replace: present, statics, devices: await this.#devices(), carried }
    const { contents, elements } = await coldStart(parts, source)
    if (isLoopback) await this.#routeLocalnet.switchOn(noted)
    this.#contents = contents
    this.#objects = objects
    this.#mustRebuild = false
    this.#audits.isOwed = false
    this.#hasStarted = true
    this.#knowsClients = true
    return { objects: { written: elements, deleted: 0 } }
  }

  /** The links of the flowtable that exist, of some or all that the option names; undefined: there is no such option. */
  async #devices(wanted = this.#options.flowOffload?.devices): Promise<readonly string[] | undefined> {
    if (wanted === undefined) return undefined
    return await existingDevices(this.#nft, this.#options.name, wanted, !this.#hasStarted)
  }

  /** Adds links to flowtables that lack them. */
  async #addDevices({ lacking }: KernelTables, run: Run): Promise<void> {
    for (const [family, devices] of lacking) {
      const existing = devices.length === 0 ? [] : await this.#devices(devices)
      if (existing === undefined || existing.length === 0) continue
      await this.#writer.write([flowtableStep(family, this.#options.name, existing)], run, 'links of the flowtable')
    }
  }

  /** Takes tables over that are as they should be, but for whom they belong to. */
  async #claim({ unclaimed }: KernelTables, run: Run): Promise<void> {
    const { name, tableOwner } = this.#options
    if (tableOwner === undefined || unclaimed.length === 0) return
    const steps = unclaimed.map((family) => claimStep(family, name, tableOwner))
    await this.#writer.write(steps, run, 'taking our tables over')
  }

  /** Without elements; undefined where commits follow each other faster than tables can be read: the next audit finds what there is to find. */
  async #readQuickly(): Promise<KernelTables | undefined> {
    try {
      return await readTables(this.#nft, this.#options, this.#nodeAddresses, { withElements: false })
    } catch (error) {
      if (!(error instanceof BackendFailure) || !(error.cause instanceof NetlinkError) || error.cause.code !== 'EINTR') throw error
      this.#writer.generation = (await this.#nft.readGeneration()).id
      this.#audits.isOwed = true
      return undefined
    }
  }

  /** What is not forgotten for want of a commit is a number too large later. */
  async #forget(run: Run, forget: (write: WriteSteps) => Promise<void>): Promise<void> {
    if (!this.#options.counters) return
    try {
      await forget((steps) => this.#writer.write(steps, run, 'removal of what was counted'))
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error
    }
  }

  /** After an adoption: clients are looked at now where endpoints of theirs went, else with the first audit, and not again. */
  async #takeClients(services: Services, changes: Changes, run: Run): Promise<void> {
    // What IPVS balances over is no element.
    const mustSweep = touchesAffinity(changes) || this.#options.marks !== undefined
    if (mustSweep || !this.#knowsClients) await this.#affinity.noteAll(services, changes)
    this.#knowsClients = true
    if (mustSweep) await this.#sweep(run)
  }

  /** Removes clients that are remembered for endpoints which take them no more. What fails is tried again by the next audit. */
  async #sweep(run: Run): Promise<void> {
    if (!this.#affinity.isDue) return
    try {
      await this.#affinity.sweep((steps) => this.#writer.write(steps, run, 'removal of clients that were remembered'))
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error
    }
  }

  #failure(error: unknown, commitsBefore: number): BackendFailure {
    if (error instanceof NetlinkError && error.code === 'EMSGSIZE' && !this.#mustRebuild) {
      this.#mustRebuild = true
      return new BackendFailure('again', false, error)
    }
    return this.#writer.failure(error, this.#writer.commits === commitsBefore)
  }
}
