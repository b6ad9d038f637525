/**
 * Services as chains of iptables, in kube-proxy's layout.
 */
import { namespaceOf, networkNamespace } from '../../core/options.js'
import { Slices } from '../../core/slices.js'
import { Nftables } from '../../nftables/index.js'
import { boundOf } from '../../nftables/pace.js'
import type { Applied, Backend, BackendFailure, Inspection, Retired, ServiceSource } from '../core/backend.js'
import { AuditPace } from '../core/audit-pace.js'
import type { ServiceChange } from '../core/changes/change.js'
import { planEntries } from '../core/changes/plan.js'
import type { PlaneCounters } from '../core/counters.js'
import type { Findings, Question } from '../core/explain/explain.js'
import { hasNodePort } from '../core/frontend.js'
import { GuardedWriter } from '../core/guarded-writer.js'
import type { NodeAddressList } from '../core/node/addresses.js'
import { ROUTE_LOCALNET_HINT, RouteLocalnet } from '../core/node/route-localnet.js'
import type { Run } from '../core/run.js'
import type { Sentinel } from '../core/watch.js'
import { fakeSettings, kernelSettings, type SystemSettings } from '../core/system-settings.js'
import type { Service, Services } from '../model.js'
import type { StatusDetails, SyncDetails } from '../types.js'
import { editsOf, editsWithFrames, type RuleChange } from './apply/changes.js'
import { SharedHandles } from './apply/handles.js'
import { noteStep, notedSetting } from './apply/notes.js'
import { withExtension } from './apply/refusals.js'
import { fill } from './apply/fill.js'
import { Stepping } from './apply/steps.js'
import { cleanUp } from './clean-up.js'
import { readCounters } from './counters.js'
import { isNothing, type Edits } from './edits.js'
import { Explainer } from './explain/explainer.js'
import { kernelRecentFiles, NO_RECENT_FILES, type RecentFiles } from './explain/remembered.js'
import { lonelyCanaries } from './inspect/canaries.js'
import { compare } from './inspect/compare.js'
import { IptablesInspection } from './inspect/inspection.js'
import { readKernel, type KernelState } from './inspect/kernel.js'
import { holdsOurs, isMarked } from './inspect/ours.js'
import type { IptablesPlaneSettings } from './options.js'
import { placeKey } from './rules.js'
import { unsupportedByIptables } from './support.js'
import { framesOf, rulesOf, wantedOf, type Layout } from './wanted.js'

/**
 * Of a transaction, about: what is more is sent in several, so that others do not wait for the kernel's mutex for long. Smaller ones would take longer in all, as the kernel goes through all chains at the end of each
 * (nft_table_validate).
 */
const MAX_BYTES = 4 * 1024 * 1024

/** Part of the time that audits may take while other processes commit. */
const AUDIT_SHARE = 0.2

const NO_RULES = [] as const

/** What is read and written beside nf_tables. */
interface IptablesFiles {
  readonly system: SystemSettings
  readonly recent: RecentFiles
}

/** Made by {@link openIptablesBackend}. */
class IptablesBackend implements Backend {
  readonly #nft: Nftables
  readonly #settings: IptablesPlaneSettings
  readonly #writer: GuardedWriter
  readonly #handles: SharedHandles
  readonly #routeLocalnet: RouteLocalnet
  readonly #explainer: Explainer
  #layout: Layout
  readonly #stepping: Stepping
  readonly #audits = new AuditPace(AUDIT_SHARE)
  /** Committed services with ports of this node. */
  #onNode = new Map<string, Service>()

  constructor(nft: Nftables, settings: IptablesPlaneSettings, { system, recent }: IptablesFiles) {
    this.#nft = nft
    this.#settings = settings
    this.#writer = new GuardedWriter(nft, boundOf(MAX_BYTES), withExtension)
    this.#handles = new SharedHandles(nft)
    this.#routeLocalnet = new RouteLocalnet(system)
    this.#explainer = new Explainer(nft, settings, recent)
    this.#layout = { settings: settings.layout, node: this.#nodeAt({ ip: [], ip6: [] }) }
    const shared = framesOf(this.#layout).flatMap(({ family, shared }) =>
      shared.map(({ table, chain }) => placeKey({ family, table, chain }))
    )
    const places = new Set(shared)
    this.#stepping = new Stepping(this.#handles, (place) => places.has(placeKey(place)))
  }

  get [networkNamespace](): unknown {
    return this.#nft[networkNamespace]
  }

  hasChanged(): Promise<boolean> {
    return this.#writer.isBehind()
  }

  sentinel(changed: () => void): Sentinel {
    return this.#writer.sentinel(changed)
  }

  unsupported(service: Service): Error | undefined {
    return unsupportedByIptables(service, this.#settings.hasFallback)
  }

  async inspect(services: Services, changes?: readonly ServiceChange[]): Promise<Inspection> {
    return changes === undefined ? await this.#look(services) : await this.#preview(changes)
  }

  async fill(source: ServiceSource, run: Run): Promise<Applied | undefined> {
    const before = this.#writer.commits
    try {
      const kernel = await readKernel(this.#nft)
      if (holdsOurs(kernel, this.#settings.takeOver)) return undefined
      const frame = await compare(kernel, await wantedOf([], this.#layout, new Slices()))
      this.#writer.generation = kernel.generation
      this.#handles.reset(new Map())
      if (this.#settings.layout.loopbackNodePorts) await this.#routeLocalnet.prepare(undefined)
      const onNode = new Map<string, Service>()
      const objects = await fill(source, {
        writer: this.#writer,
        run,
        stepping: this.#stepping,
        layout: this.#layout,
        maxBytes: MAX_BYTES,
        frame: frame.edits,
        onService: (service) => {
          if (hasNodePort(service)) onNode.set(service.name, service)
        }
      })
      await this.#adoptSetting(kernel, run)
      this.#onNode = onNode
      return { objects }
    } catch (error) {
      throw this.#failure(error, before)
    }
  }

  async adopt(services: Services, seen: Inspection, run: Run): Promise<Applied> {
    if (!(seen instanceof IptablesInspection)) throw new TypeError('an inspection of another back end')
    const before = this.#writer.commits
    const { kernel, comparison } = seen
    try {
      this.#writer.generation = kernel.generation
      this.#handles.reset(comparison.handles)
      const noted = notedSetting(kernel)
      if (this.#settings.layout.loopbackNodePorts) await this.#routeLocalnet.prepare(noted)
      await this.#write(comparison.edits, run, 'rules of services')
      await this.#adoptSetting(kernel, run)
      this.#onNode = new Map([...services].filter(([, service]) => hasNodePort(service)))
      return { objects: seen.objects }
    } catch (error) {
      throw this.#failure(error, before)
    }
  }

  async apply(changes: readonly ServiceChange[], _committed: Services, run: Run): Promise<Applied> {
    const before = this.#writer.commits
    try {
      const edits = await editsOf(this.#ruleChanges(changes), this.#handles)
      await this.#write(edits, run, 'rules of changed services')
      for (const { name, after } of changes) {
        if (after !== undefined && hasNodePort(after)) this.#onNode.set(name, after)
        else this.#onNode.delete(name)
      }
      return { objects: edits.counts }
    } catch (error) {
      throw this.#failure(error, before)
    }
  }

  /** While no other process has committed, nothing need be read; while others commit all the time, reading takes a part of the time only. */
  async audit(committed: Services, isAsked: boolean): Promise<Inspection | undefined> {
    if (this.#settings.layout.loopbackNodePorts) await this.#routeLocalnet.keepOn()
    const startedAt = performance.now()
    if (!isAsked && !this.#audits.isDue) return undefined
    if (!(await this.hasChanged())) return undefined
    const seen = await this.#look(committed)
    this.#audits.ended(startedAt)
    if (!seen.isEmpty) return seen
    this.#writer.generation = seen.kernel.generation
    this.#handles.reset(seen.comparison.handles)
    return undefined
  }

  async setNodeAddresses(addresses: NodeAddressList, isCommitted: boolean, run: Run): Promise<void> {
    const node = this.#nodeAt(addresses)
    const before = this.#layout
    const after = { ...before, node }
    if (JSON.stringify(node) === JSON.stringify(before.node)) return
    this.#layout = after
    if (!isCommitted) return
    const commits = this.#writer.commits
    try {
      const services = [...this.#onNode.values()].map((service) => ({
        service: service.name,
        before: rulesOf(service, before),
        after: rulesOf(service, after)
      }))
      const edits = await editsWithFrames({ before: framesOf(before), after: framesOf(after) }, services, this.#handles)
      await this.#write(edits, run, "this node's addresses")
    } catch (error) {
      const failure = this.#failure(error, commits)
      if (failure.isRace) this.#layout = before
      throw failure
    }
  }

  async explain(question: Question): Promise<Findings> {
    return await this.#explainer.explain(question)
  }

  async counters(services: Services): Promise<PlaneCounters> {
    return await readCounters(this.#nft, services)
  }

  details({ requests, bytes, retries }: Run): SyncDetails {
    return { mode: 'iptables', commits: requests, bytes, generation: this.#writer.generation, retries }
  }

  status(): StatusDetails {
    return { mode: 'iptables', generation: this.#writer.generation }
  }

  /** Another plane may have put the setting back that both need. */
  async settle(): Promise<void> {
    if (this.#settings.layout.loopbackNodePorts) await this.#routeLocalnet.switchOn(undefined)
  }

  /** Rules go as a whole, in one transaction: another back end's come before them by then, or right after. */
  retire(): Promise<void> {
    return Promise.resolve()
  }

  retirement(): Retired {
    return { connections: 0, isDone: true }
  }

  async cleanUp(): Promise<void> {
    const found = await cleanUp(this.#nft, this.#settings.takeOver, async (kernel) => {
      await this.#routeLocalnet.putBack(notedSetting(kernel))
    })
    if (!found) await this.#routeLocalnet.putBack(undefined)
  }

  async close(): Promise<void> {
    await this.#nft.close()
  }

  #nodeAt(addresses: NodeAddressList): Layout['node'] {
    return this.#settings.nodeAddresses === 'all' ? { ip: 'all', ip6: 'all' } : addresses
  }

  async #look(services: Services): Promise<IptablesInspection> {
    const kernel = await readKernel(this.#nft)
    const isNew = !holdsOurs(kernel, this.#settings.takeOver)
    const wanted = await wantedOf(services.values(), this.#layout, new Slices())
    const taken = isNew || isMarked(kernel) ? [] : await lonelyCanaries(this.#nft)
    return new IptablesInspection(kernel, await compare(kernel, wanted, taken), services, isNew)
  }

  /** Of services that follow the committed ones, when no other process has changed the tables. */
  async #preview(changes: readonly ServiceChange[]): Promise<Inspection> {
    const edits = await editsOf(this.#ruleChanges(changes), this.#handles)
    const work = { entries: planEntries(changes), objects: edits.counts }
    return { faults: [], isNew: false, isEmpty: isNothing(edits), differences: edits.counts, work: () => Promise.resolve(work) }
  }

  *#ruleChanges(changes: readonly ServiceChange[]): Generator<RuleChange> {
    const rules = (service: Service | undefined) => (service === undefined ? NO_RULES : rulesOf(service, this.#layout))
    for (const { name, before, after } of changes) yield { service: name, before: rules(before), after: rules(after) }
  }

  /** In one transaction where that is not too large, so that packets meet the rules of before or of after, in all tables. */
  async #write(edits: Edits, run: Run, what: string): Promise<void> {
    await this.#writer.write([...this.#stepping.steps(edits)], run, what)
  }

  /** The setting that loopback addresses need, once rules keep others from these. */
  async #adoptSetting(kernel: KernelState, run: Run): Promise<void> {
    const noted = notedSetting(kernel)
    const { loopbackNodePorts } = this.#settings.layout
    if (!loopbackNodePorts && noted === undefined) return
    if (loopbackNodePorts && noted === undefined)
      await this.#writer.write([noteStep(this.#layout, this.#routeLocalnet.found)], run, 'how route_localnet was found')
    if (loopbackNodePorts) return await this.#routeLocalnet.switchOn(noted)
    await this.#routeLocalnet.putBack(noted)
    await this.#writer.write([noteStep(this.#layout, undefined)], run, 'how route_localnet was found')
  }

  #failure(error: unknown, commitsBefore: number): BackendFailure {
    return this.#writer.failure(error, this.#writer.commits === commitsBefore)
  }
}

/** Opens the back end; nothing is written. */
export async function openIptablesBackend(settings: IptablesPlaneSettings): Promise<Backend> {
  const { client } = settings
  const nft = await Nftables.open(client)
  if (client.kernel !== undefined) return new IptablesBackend(nft, settings, { system: fakeSettings(), recent: NO_RECENT_FILES })
  const netns = namespaceOf(nft)
  const files = { system: kernelSettings(netns, ROUTE_LOCALNET_HINT), recent: kernelRecentFiles(netns) }
  return new IptablesBackend(nft, settings, files)
}
