/**
 * What a frontend needs in the kernel: in which sets it stands, and which slots lead on.
 */
import type { AddressFamily } from '../../../core/address.js'
import { isAddressed, isOfFamily } from '../../core/frontend.js'
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
  type RangeKind
} from '../layout/sets.js'

/** Takes what a frontend needs. */
export interface FrontendSink {
  /** The frontend's address stands in a set. */
  address(set: ElementSet): void
  /** The frontend stands in a set. */
  frontend(set: ElementSet): void
  /** Clients of the frontend stand in a set of ranges. */
  ranges(kind: RangeKind, prefixes: readonly string[]): void
  /** The frontend is one of a class, and each of its slots stands in the map of that. */
  slots(sets: ClassSets, policy: TrafficPolicy): void
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
}

/** How a scheduler chooses a slot: in a table made for it, `consistent` chooses as `hash` does. */
export function choiceOf(scheduler: ModelScheduler): Choice {
  return scheduler === 'random' ? 'random' : 'hash'
}

/** What is the same for all frontends of a service in the family of a selection. */
export function viewOf(
  { affinity, protocol }: Service,
  scheduler: ModelScheduler,
  selection: Selection,
  slotsOf: (policy: TrafficPolicy) => number
): ServiceView {
  const stickiness = affinity === undefined ? undefined : { protocol, timeoutSeconds: affinity.timeoutSeconds }
  return { family: selection.family, selection, choice: choiceOf(scheduler), stickiness, slotsOf }
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
}

/** Gives services of a scheduler of IPVS, which nf_tables does not have, another one. */
export function schedulersWith(fallback: ModelScheduler = 'random'): SchedulerOf {
  return ({ scheduler = 'random' }) => (isModelScheduler(scheduler) ? scheduler : fallback)
}

function isRanged(frontend: Frontend): boolean {
  if (frontend.kind !== 'loadBalancer' || frontend.sourceRanges === undefined) return false
  const { allow, deny } = frontend.sourceRanges
  return allow !== undefined || (deny !== undefined && deny.length > 0)
}

/** Visits what a frontend needs, in no special order. */
export function visitFrontend(frontend: Frontend, view: ServiceView, sink: FrontendSink): void {
  const fixed = FIXED_SETS[view.family]
  const scope = isAddressed(frontend) ? 'address' : 'node'
  const marks = fixed.marks[scope]
  if (isAddressed(frontend)) sink.address(fixed[frontend.kind === 'cluster' ? 'cluster-ips' : 'external-ips'])
  if (isRanged(frontend)) visitRanges(frontend, view.family, sink)
  const { inside, outside } = reachOf(frontend, view.selection)
  if (inside === outside) {
    balance(frontend, isRanged(frontend) ? 'indirect' : 'direct', inside, view, sink)
    if (inside === 'refuse') sink.frontend(marks.refused)
    if (inside === 'drop') sink.frontend(marks.dropped)
  } else {
    sink.frontend(marks['external-local'])
    balance(frontend, 'indirect', inside, view, sink)
    balance(frontend, 'outside', outside, view, sink)
    if (inside === 'refuse') sink.frontend(marks['refused-inside'])
    if (outside === 'drop') sink.frontend(marks['dropped-outside'])
  }
  const isServed = isPolicy(inside) || isPolicy(outside)
  if (!isServed) return
  const isLocal = frontend.trafficPolicy === 'local'
  if (frontend.kind !== 'cluster') sink.frontend(isLocal ? marks['masqueraded-own'] : marks.masqueraded)
  // Endpoints of this node answer through this node, whoever asks.
  else if (isLocal) sink.frontend(fixed.unmasqueraded)
  if (view.stickiness !== undefined) sink.frontend(stickySetOf(view.family, scope, view.stickiness))
}

function isPolicy(reach: Reach): reach is TrafficPolicy {
  return reach === 'cluster' || reach === 'local'
}

function balance(frontend: Frontend, audience: Audience, reach: Reach, view: ServiceView, sink: FrontendSink): void {
  if (!isPolicy(reach)) return
  const scope = isAddressed(frontend) ? 'address' : 'node'
  const slotClass = slotClassOf(scope, audience, view.choice, view.stickiness !== undefined, view.slotsOf(reach))
  sink.slots(setsOf(view.family, slotClass), reach)
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
