/**
 * Service planes.
 */
import type { OwnAddresses } from './core/node/conflicts.js'
import type { AddressFamily } from '../core/address.js'
import { Conntrack } from '../conntrack/index.js'
import { locate, UnsupportedError, ValidationError, type NetplaneError } from '../core/errors.js'
import { Nftables } from '../nftables/index.js'
import { Route } from '../route/index.js'
import { Broadcast } from '../core/events/broadcast.js'
import type { InNetworkNamespace } from '../core/options.js'
import { Listeners } from '../sockets/listeners.js'
import type { Backend } from './core/backend.js'
import { NO_ADDRESSES, NodeAddresses, type NodeAddressList, type NodeAddressSettings } from './core/node/addresses.js'
import { NodePorts } from './core/node/ports.js'
import { checkKernel } from './core/options.js'
import { listenersOf } from './core/listeners.js'
import type { ChangeListener } from './core/listener.js'
import { mappedListener, type ServiceMapping } from './core/mapped-listener.js'
import type { ModePlane } from './core/mode-plane.js'
import { ServicePlane } from './core/plane.js'
import { PortWatch } from './core/node/port-watch.js'
import { StaleFlowCleaner } from './flows/cleaner.js'
import { checkStaleFlowOptions } from './flows/options.js'
import { openIpvsBackend } from './ipvs/open.js'
import { checkIpvsOptions } from './ipvs/options.js'
import { openIptablesBackend } from './iptables/backend.js'
import { checkIptablesPlaneOptions } from './iptables/options.js'
import { openNftablesBackend } from './nftables/backend.js'
import { checkNftablesOptions } from './nftables/options.js'
import type { Service } from './model.js'
import { takeOptions, type PlaneMode, type PlaneOptions } from './options.js'
import { checkStateFile } from './state/file.js'
import { StateKeeper } from './state/keeper.js'
import { identityOf, type PlaneIdentity } from './switch/identity.js'
import { SwitchNotes } from './switch/notes.js'
import { Assignment, carrierFlows, OWN_FLOWS } from './carriers/assignment.js'
import { CarriedPlane, type OpenCarrier } from './carriers/carried-plane.js'
import { CarrierEvents } from './carriers/events.js'
import { dropLeftCarriers } from './carriers/left.js'
import { checkCarriers, type CheckedCarrier } from './carriers/options.js'
import { checkReplaces } from './switch/options.js'
import { SwitchingPlane, type OpenedPlane } from './switch/switching-plane.js'
import type { Plane, PlaneEvent, StaleFlowReport } from './types.js'
import { openUserspaceBackend } from './userspace/backend.js'
import { openLeftTables } from './userspace/left.js'
import { checkUserspaceOptions, type UserspacePlaneSettings } from './userspace/options.js'

export type { CarrierOptions, Carries } from './carriers/options.js'
export type { ObjectCounts } from './core/backend.js'
export type {
  ExplainedEndpoint,
  ExplainedShare,
  ExplainedTarget,
  Explanation,
  ExplanationOutcome,
  ExplanationStep,
  ExplainRequest,
  PacketDirection,
  RefusalReason,
  SourceReason
} from './explanation.js'
export type { Counts, EndpointCounts, PlaneCounters, ServiceCounts, Traffic } from './core/counters.js'
export type { Plan, PlanEntry, Quarantined } from './core/changes/plan.js'
export type { StaleFlowOptions, StaleFlowPolicy } from './flows/options.js'
export type { DrainingOption } from './ipvs/drain-choice.js'
export type { IpvsPlaneKernel, IpvsPlaneOptions } from './ipvs/options.js'
export type { IptablesPlaneKernel, IptablesPlaneOptions } from './iptables/options.js'
export type { LocalSourcesOption } from './core/local-sources.js'
export type { PlaneProgress } from './core/advance.js'
export type { NodeAddressesOption } from './core/node/addresses.js'
export type { PortRange } from './core/node/reserved-ports.js'
export type { OwnAddresses } from './core/node/conflicts.js'
export type { Masquerade, TrafficOptions } from './core/traffic-options.js'
export {
  IPVS_SCHEDULERS,
  MAX_AFFINITY_SECONDS,
  MAX_FRONTENDS,
  MAX_PRIORITY,
  MAX_SERVICE_SLOTS,
  MAX_SLOTS,
  MAX_SOURCE_RANGES,
  MODEL_SCHEDULERS
} from './model.js'
export type {
  Affinity,
  ClusterFrontend,
  Endpoint,
  EndpointState,
  ExternalFrontend,
  Frontend,
  FrontendBase,
  FrontendKind,
  LoadBalancerFrontend,
  ModelScheduler,
  NodeFrontend,
  Scheduler,
  Service,
  Services,
  SourceRanges,
  TrafficPolicy
} from './model.js'
export type { NftablesPlaneKernel, NftablesPlaneOptions } from './nftables/options.js'
export type { RelayedConnection, RelayEnding, RelayOptions } from './userspace/relays/types.js'
export type { RelayScheduler, UserspacePlaneKernel, UserspacePlaneOptions } from './userspace/options.js'
export { PLANE_MODES } from './options.js'
export type { CommonPlaneOptions, PlaneMode, PlaneOptions } from './options.js'
export { readStateFile } from './state/file.js'
export type { FlowOffloadOption } from './tables/layout/flow-offload.js'
export type { TableOwner } from './tables/layout/owner.js'
export type {
  AnyPlaneEvent,
  CarrierReport,
  CarrierStatus,
  DrainingEndpoint,
  LeavingPlane,
  Plane,
  PlaneEvent,
  PlaneStatus,
  ServiceUpdate,
  StaleFlowReport,
  StatusDetails,
  SwitchOptions,
  SwitchReport,
  SyncDetails,
  SyncDurations,
  SyncOptions,
  SyncReport,
  TakenPort
} from './types.js'

interface Opening {
  readonly auditMs: number
  readonly nodeAddresses: NodeAddressSettings
  readonly ownAddresses: OwnAddresses
  /** @param tell Told what the back end finds by itself. */
  readonly open: (tell: (event: PlaneEvent) => void) => Promise<Backend>
}

/** Families whose loopback addresses serve ports of this node, where the kernel has a setting for that. */
const loopbackOf = ({ loopbackNodePorts }: { readonly loopbackNodePorts: boolean }): readonly AddressFamily[] =>
  loopbackNodePorts ? ['ip'] : []

/** Checks all options of a mode, before anything is opened. */
function prepare(options: PlaneOptions): Opening {
  if (options.mode === 'nftables') {
    const settings = checkNftablesOptions(options)
    const nodeAddresses = { choice: settings.nodeAddresses, loopback: loopbackOf(settings.table) }
    const { auditMs, ownAddresses } = settings
    return { auditMs, nodeAddresses, ownAddresses, open: (tell) => openNftablesBackend(settings, tell) }
  }
  if (options.mode === 'iptables') {
    const settings = checkIptablesPlaneOptions(options)
    const { auditMs, layout } = settings
    const nodeAddresses = { choice: settings.nodeAddresses, loopback: loopbackOf(layout) }
    return { auditMs, nodeAddresses, ownAddresses: layout.ownAddresses, open: () => openIptablesBackend(settings) }
  }
  if (options.mode === 'userspace') {
    const settings = checkUserspaceOptions(options)
    const { auditMs, ownAddresses, loopback } = settings
    const nodeAddresses = { choice: settings.nodeAddresses, loopback }
    return { auditMs, nodeAddresses, ownAddresses, open: (tell) => openUserspaceBackend(settings, tell) }
  }
  if ((options.mode as unknown) !== 'ipvs') throw new ValidationError('mode', options.mode, "'nftables', 'ipvs', 'iptables', 'userspace'")
  const settings = checkIpvsOptions(options)
  const { auditMs, ownAddresses } = settings
  const nodeAddresses = { choice: settings.nodeAddresses }
  return { auditMs, nodeAddresses, ownAddresses, open: (tell) => openIpvsBackend(settings, tell) }
}

/** @param place Where the plane is, once it is open: connection tracking is opened later, when `netns` may stand for another namespace. */
function makeCleaner(
  options: PlaneOptions,
  events: Broadcast<PlaneEvent>,
  place: () => InNetworkNamespace | undefined,
  nodeAddresses: () => NodeAddressList
): StaleFlowCleaner | undefined {
  const { staleFlows = {} } = options
  if (staleFlows === false) return undefined
  const { mode } = options
  const settings = checkStaleFlowOptions(staleFlows, { translates: mode !== 'ipvs', leadsTo: mode === 'userspace' ? 'ports' : 'endpoints' })
  const { deadlineMs, kernel } = options
  const conntrack = kernel?.conntrack
  if (conntrack !== undefined) checkKernel({ conntrack }, ['conntrack'])
  if (kernel !== undefined && conntrack === undefined) return undefined
  const listener = {
    onReport: (report: StaleFlowReport) => events.push({ type: 'flows', report }),
    onError: (error: NetplaneError) => events.push({ type: 'error', error })
  }
  const open = (): Promise<Conntrack> => Conntrack.open({ netns: place(), deadlineMs, kernel: conntrack })
  return new StaleFlowCleaner(open, settings, listener, nodeAddresses)
}

/** @param succeeds The plane is to succeed another one, whose services are in the file until then. */
function makeStateKeeper({ stateFile }: PlaneOptions, events: Broadcast<PlaneEvent>, succeeds: boolean): StateKeeper | undefined {
  if (stateFile === undefined) return undefined
  return new StateKeeper(checkStateFile('stateFile', stateFile), (error) => events.push({ type: 'error', error }), succeeds)
}

/** Whether there are links to ask: a fake kernel may have none. */
function hasRoute({ kernel }: PlaneOptions): boolean {
  return kernel === undefined || kernel.route !== undefined
}

/** Looks for local processes at ports of this node; fakes have none. */
function portWatch({ kernel, deadlineMs }: PlaneOptions, place: InNetworkNamespace, events: Broadcast<PlaneEvent>): PortWatch | undefined {
  if (kernel !== undefined) return undefined
  return new PortWatch(
    () => Listeners.open({ netns: place, deadlineMs }),
    (event) => events.push(event)
  )
}

function openRoute({ deadlineMs, kernel }: PlaneOptions, place: InNetworkNamespace): Promise<Route> {
  return Route.open({ netns: place, deadlineMs, kernel: kernel?.route })
}

/** All addresses of this node at the moment. */
async function listAddresses(options: PlaneOptions, place: InNetworkNamespace): Promise<readonly string[]> {
  if (!hasRoute(options)) return []
  const route = await openRoute(options, place)
  try {
    return (await route.listAddresses()).map(({ address }) => address)
  } finally {
    await route.close()
  }
}

/** What is different where carriers are beside a plane, or it is one. */
interface Sharing {
  /** Why a service cannot be carried. */
  readonly refusal: (service: Service) => Error | undefined
  /** How those see services who look for stale flows, and who keep services on disk. Absent: as they are. */
  readonly flows?: ServiceMapping | undefined
  readonly state?: ServiceMapping | undefined
  readonly keeper?: StateKeeper | undefined
  readonly isLoopbackCarried?: boolean | undefined
}

/** Opens a plane of one mode with options that are checked. */
async function openOne(
  options: PlaneOptions,
  { auditMs, nodeAddresses, ownAddresses, open }: Opening,
  events: Broadcast<PlaneEvent>,
  { refusal, flows, state, keeper, isLoopbackCarried }: Sharing
): Promise<ServicePlane> {
  const settings = { ...nodeAddresses, isLoopbackCarried }
  const opened: { backend?: Backend; addresses?: NodeAddresses } = {}
  const cleaner = makeCleaner(
    options,
    events,
    () => opened.backend,
    () => opened.addresses?.current ?? NO_ADDRESSES
  )
  const backend = await open((event) => events.push(event))
  opened.backend = backend
  const nodePorts = (onChange: () => void): NodePorts => {
    const onError = (error: NetplaneError): void => events.push({ type: 'error', error })
    opened.addresses = new NodeAddresses(() => openRoute(options, backend), settings, { onChange, onError })
    return new NodePorts({ addresses: opened.addresses, backend, events, watch: portWatch(options, backend, events), ownAddresses })
  }
  const seen = (listener: ChangeListener | undefined, mapping: ServiceMapping | undefined): ChangeListener | undefined =>
    listener === undefined || mapping === undefined ? listener : mappedListener(listener, mapping)
  const follower = seen(cleaner && (backend.follower?.(cleaner) ?? cleaner), flows)
  const listener = listenersOf([follower, seen(keeper, state)])
  const parts = { backend, auditMs, events, listener, refusal, ownAddresses: () => listAddresses(options, backend) }
  return new ServicePlane({ ...parts, nodePorts: hasRoute(options) ? nodePorts : undefined })
}

/** @param path What paths of errors begin with. @throws {ValidationError} */
function settingsOf(plane: CheckedCarrier['plane'], path: string): UserspacePlaneSettings {
  try {
    return checkUserspaceOptions(plane)
  } catch (error) {
    throw locate(error, path)
  }
}

/** Checks the options of a carrier. */
function prepareCarrier({ plane }: CheckedCarrier, index: number, carrierOf: PlaneMode): Opening {
  const settings = settingsOf(plane, `carriers[${index}].`)
  const { auditMs, ownAddresses, loopback, nodeAddresses: choice } = settings
  const table = { ...settings.table, carrierOf }
  const nodeAddresses = { choice, loopback }
  return { auditMs, nodeAddresses, ownAddresses, open: (tell) => openUserspaceBackend({ ...settings, table }, tell) }
}

/** Opens a plane and its carriers, whose options are checked. */
async function openCarried(
  options: PlaneOptions,
  opening: Opening,
  carriers: readonly (CheckedCarrier & { readonly opening: Opening })[],
  events: Broadcast<PlaneEvent>,
  keeper: StateKeeper | undefined
): Promise<ModePlane> {
  const assignment = new Assignment(carriers)
  const refusal = (service: Service): Error | undefined => assignment.refusal(service)
  if (carriers.length === 0) return await openOne(options, opening, events, { refusal, keeper })
  const isLoopbackCarried = carriers.some(({ carries }) => carries === 'loopbackNodePorts')
  const sharing = { refusal, flows: OWN_FLOWS, state: assignment.asGiven, keeper, isLoopbackCarried }
  const own = await openOne(options, opening, events, sharing)
  const opened: OpenCarrier[] = []
  try {
    for (const { name, carries, plane, opening: checked } of carriers) {
      const itsEvents = new CarrierEvents(events, name)
      const isLoopback = carries === 'loopbackNodePorts'
      const flows = isLoopback ? undefined : carrierFlows((service) => own.services.get(service))
      const its = { refusal: () => undefined, flows, isLoopbackCarried: isLoopbackCarried && !isLoopback }
      opened.push({ name, carries, plane: await openOne(plane, checked, itsEvents, its) })
    }
  } catch (error) {
    for (const { plane } of opened) await plane.close()
    await (await own.release(false)).close()
    throw error
  }
  return new CarriedPlane({ own, carriers: opened, assignment })
}

/** Checks all options, before anything is opened. @param succeeds As of {@link makeStateKeeper}. */
function preparePlane(options: PlaneOptions, events: Broadcast<PlaneEvent>, succeeds: boolean): () => Promise<OpenedPlane> {
  const opening = prepare(options)
  checkReplaces(options)
  const { mode, name } = options
  const carriers = checkCarriers(options).map((carrier, index) => ({ ...carrier, opening: prepareCarrier(carrier, index, mode) }))
  const keeper = makeStateKeeper(options, events, succeeds)
  const keepState = async (): Promise<void> => await keeper?.begin()
  return async () => {
    const plane = await openCarried(options, opening, carriers, events, keeper)
    return { options, identity: identityOf(mode, name), plane, keepState }
  }
}

/** Opens what another process left of a plane; undefined: there can be nothing. */
async function openLeft({ netns, deadlineMs, kernel }: PlaneOptions, { mode, name }: PlaneIdentity): Promise<Backend | undefined> {
  const common = { deadlineMs, auditMs: 0, ...(kernel === undefined ? {} : { kernel }), ...(name === undefined ? {} : { name }) }
  try {
    if (mode === 'userspace') return await openLeftTables({ ...common, netns })
    return await prepare({ ...common, mode, netns } as PlaneOptions).open(() => undefined)
  } catch (error) {
    // Without IPVS there are no virtual services; what else there was of it went first.
    if (mode === 'ipvs' && error instanceof UnsupportedError) return undefined
    throw error
  }
}

/**
 * Opens a plane. Nothing is written before the first `sync`.
 *
 * @throws {ValidationError} An option is malformed.
 * @throws {UnsupportedError} The kernel lacks the subsystem.
 */
export async function openPlane(options: PlaneOptions): Promise<Plane> {
  const taken = takeOptions(options)
  const events = new Broadcast<PlaneEvent>()
  const first = await preparePlane(taken, events, false)()
  const { netns, deadlineMs, kernel } = taken
  return new SwitchingPlane(first, {
    events,
    notes: new SwitchNotes(() => Nftables.open({ netns, deadlineMs, kernel: kernel?.nftables }), first.identity),
    replaces: taken.replaces ?? [],
    prepare: (next) => preparePlane(next, events, true),
    openLeft: (plane) => openLeft(taken, plane),
    dropCarriers: async ({ mode, name, carriers = [], replaces = [] }) => {
      const nft = await Nftables.open({ netns, deadlineMs, kernel: kernel?.nftables })
      const planes = [mode, ...replaces].map((one) => identityOf(one, name))
      await dropLeftCarriers(
        nft,
        planes,
        carriers.map((carrier) => carrier.name)
      ).finally(() => nft.close())
    }
  })
}
