/**
 * What a frontend needs in the kernel: in which sets it stands, and which slots lead on.
 */
import type { AddressFamily } from '../../../core/address.js'
import type { Protocol } from '../../../core/protocols.js'
import { isAddressed, isOfFamily, isRestricted, isSplit } from '../../core/frontend.js'
import { reachOf, type Reach, type Selection } from '../../core/balance/selection.js'
import { isModelScheduler, type Frontend, type ModelScheduler, type Service, type TrafficPolicy } from '../../model.js'
import {
  FIXED_SETS,
  setsOf,
  slotClassOf,
  stickySetOf,
  type Stickiness,
  type Audience,
  type Choice,
  type ClassSets,
  type ElementSet,
  type RangeKind,
  type Scope
} from '../layout/sets.js'

/** Takes what a frontend needs. */
export interface FrontendSink {
  /** The frontend's address stands in a set. */
  address(set: ElementSet): void
  /** The frontend stands in a set. */
  frontend(set: ElementSet): void
  /** Clients of the frontend stand in a set of ranges. */
  ranges(kind: RangeKind, prefixes: readonly string[]): void
  /** Packets of an audience are balanced over the endpoints that are chosen under a policy. */
  balance(scope: Scope, audience: Audience, policy: TrafficPolicy): void
  /** The frontend stands in a map of marks, by which IPVS finds a virtual service of it: of clients from outside alone, or of all others. */
  mark(set: ElementSet, isOutside: boolean): void
  /** The frontend stands in a map of ports, at which a relay takes connections for the endpoints that are chosen under a policy. */
  relay(set: ElementSet, policy: TrafficPolicy): void
}

/** What is the same for all frontends of a service in one family. */
export interface ServiceView {
  readonly family: AddressFamily
  readonly selection: Selection
  readonly choice: Choice
  /** Absent: clients are not remembered. */
  readonly stickiness: Stickiness | undefined
  /** How many slots a frontend has under a policy. */
  readonly slotsOf: (policy: TrafficPolicy) => number
  /** Whether IPVS balances: then it remembers clients of virtual services with an address by itself. */
  readonly isByIpvs: boolean
  /** Whether relays balance: then they remember clients. */
  readonly isByRelays: boolean
}

/** The sets of the class to which a frontend of a service belongs for an audience. */
export function classSetsOf(view: ServiceView, scope: Scope, audience: Audience, policy: TrafficPolicy): ClassSets {
  return setsOf(view.family, slotClassOf(scope, audience, view.choice, view.stickiness !== undefined, view.slotsOf(policy)))
}

/** How a scheduler chooses a slot: in a table made for it, `consistent` chooses as `hash` does. */
export function choiceOf(scheduler: ModelScheduler): Choice {
  return scheduler === 'random' ? 'random' : 'hash'
}

/** What is the same for all frontends of a service in the family of a selection. */
export function viewOf(
  service: Service,
  { schedulerOf, marks, relays }: Pick<CompileOptions, 'schedulerOf' | 'marks' | 'relays'>,
  selection: Selection,
  slotsOf: (policy: TrafficPolicy) => number
): ServiceView {
  const { affinity, protocol } = service
  const isByRelays = relays !== undefined
  const stickiness = affinity === undefined || isByRelays ? undefined : { protocol, timeoutSeconds: affinity.timeoutSeconds }
  const choice = choiceOf(schedulerOf(service))
  return { family: selection.family, selection, choice, stickiness, slotsOf, isByIpvs: marks !== undefined, isByRelays }
}

/** Whether a service has frontends in a family. */
export function hasFamily(service: Service, family: AddressFamily): boolean {
  const { frontends } = service
  for (let index = 0; index < frontends.length; index++) if (isOfFamily(frontends[index]!, family)) return true
  return false
}

/** The scheduler that a service gets. */
export type SchedulerOf = (service: Service) => ModelScheduler

/** What decides which elements a service needs, beside the service. */
export interface CompileOptions {
  readonly schedulerOf: SchedulerOf
  /** Whether every endpoint stands in a set of its own, by which its packets are known. */
  readonly dropInvalid: boolean
  /** Where IPVS balances: by which marks it finds the virtual services of frontends. Absent: the tables balance. */
  readonly marks: FrontendMarks | undefined
  /** Where relays balance: at which ports they listen. Absent: the tables balance, or IPVS. */
  readonly relays: RelayPorts | undefined
}

/** Says at which port the relay listens to which connections of a frontend are sent. */
export interface RelayPorts {
  /** @param policy Under which the endpoints of the relay are chosen. @returns Where none listens yet, a number that stands for its port in plans. */
  portOf(service: Service, frontend: Frontend, family: AddressFamily, policy: TrafficPolicy): number
}

/** Says which mark leads packets of a frontend to its virtual service. */
export interface FrontendMarks {
  /** @param isOutside Of clients from outside alone. */
  markOf(protocol: Protocol, frontend: Frontend, isOutside: boolean): number
  /** Takes over what the kernel holds for a frontend with an address: the bytes of its key, and its mark. */
  adopt(key: Uint8Array, mark: number): void
}

/** Gives services of a scheduler of IPVS, which nf_tables does not have, another one. */
export function schedulersWith(fallback: ModelScheduler = 'random'): SchedulerOf {
  return ({ scheduler = 'random' }) => (isModelScheduler(scheduler) ? scheduler : fallback)
}

/** Visits what a frontend needs, in no special order. */
export function visitFrontend(frontend: Frontend, view: ServiceView, sink: FrontendSink): void {
  const fixed = FIXED_SETS[view.family]
  const scope = isAddressed(frontend) ? 'address' : 'node'
  const marks = fixed.marks[scope]
  // It is refused as any other one is: who it is that serves it decides that nowhere.
  const isCarried = frontend.carrier !== undefined
  if (isAddressed(frontend)) sink.address(fixed[frontend.kind === 'cluster' ? 'cluster-ips' : 'external-ips'])
  if (isRestricted(frontend) && !isCarried) visitRanges(frontend, view.family, sink)
  if (view.isByIpvs) visitMarks(frontend, view.family, sink)
  const { inside, outside } = reachOf(frontend, view.selection)
  const isBalanced = (reach: Reach): reach is TrafficPolicy => isPolicy(reach) && !view.isByIpvs && !isCarried
  if (inside === outside) {
    if (isBalanced(inside)) lead(view, sink, scope, isRestricted(frontend) ? 'indirect' : 'direct', inside)
    if (inside === 'refuse') sink.frontend(marks.refused)
    if (inside === 'drop') sink.frontend(marks.dropped)
  } else {
    if (!isCarried) sink.frontend(marks['external-local'])
    if (isBalanced(inside)) lead(view, sink, scope, 'indirect', inside)
    if (isBalanced(outside)) lead(view, sink, scope, 'outside', outside)
    if (inside === 'refuse') sink.frontend(marks['refused-inside'])
    if (outside === 'drop') sink.frontend(marks['dropped-outside'])
  }
  const isServed = isPolicy(inside) || isPolicy(outside)
  if (!isServed || view.isByRelays) return
  if (isCarried) {
    // What its carrier has led to this node itself keeps its client.
    if (scope === 'address') sink.frontend(fixed.unmasqueraded)
    return
  }
  if (view.isByIpvs && scope === 'address') sink.frontend(fixed.served)
  const isLocal = frontend.trafficPolicy === 'local'
  if (frontend.kind !== 'cluster') sink.frontend(isLocal ? marks['masqueraded-own'] : marks.masqueraded)
  // Endpoints of this node answer through this node, whoever asks. Its address may be one of kind `cluster` for another frontend.
  if (isLocal && scope === 'address') sink.frontend(fixed.unmasqueraded)
  const isRemembered = !view.isByIpvs || scope === 'node' || inside !== outside
  if (view.stickiness !== undefined && isRemembered) sink.frontend(stickySetOf(view.family, scope, view.stickiness))
}

/** Connections of an audience are balanced. */
function lead(view: ServiceView, sink: FrontendSink, scope: Scope, audience: Audience, policy: TrafficPolicy): void {
  if (view.isByRelays) sink.relay(FIXED_SETS[view.family].relays[scope][audience], policy)
  else sink.balance(scope, audience, policy)
}

/** Whatever becomes of new connections: a virtual service is there for those that it has, and is known as ours by its mark. */
function visitMarks(frontend: Frontend, family: AddressFamily, sink: FrontendSink): void {
  const { fwmarks } = FIXED_SETS[family]
  const isNode = frontend.kind === 'node'
  if (isNode) sink.mark(fwmarks.node, false)
  if (isSplit(frontend)) sink.mark(isNode ? fwmarks['node-outside'] : fwmarks.outside, true)
}

function isPolicy(reach: Reach): reach is TrafficPolicy {
  return reach === 'cluster' || reach === 'local'
}

function visitRanges(frontend: Frontend, family: AddressFamily, sink: FrontendSink): void {
  if (frontend.kind !== 'loadBalancer') return
  const { allow, deny = [] } = frontend.sourceRanges!
  const fixed = FIXED_SETS[family]
  sink.frontend(fixed.ranged)
  if (allow !== undefined) {
    sink.frontend(fixed.restricted)
    sink.ranges('allowed', allow)
  }
  if (deny.length > 0) sink.ranges('denied', deny)
}
