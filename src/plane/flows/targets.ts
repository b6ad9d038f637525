/**
 * From a change of a service to the flows that must go.
 */
import type { FlowEndpoint } from '../../conntrack/index.js'
import { canonicalAddress, familyOf, type AddressFamily } from '../../core/address.js'
import type { Protocol } from '../../core/protocols.js'
import type { Slices } from '../../core/slices.js'
import type { ServiceChange } from '../core/changes/change.js'
import { endpointKey, familiesOf, frontendIdentities, isAddressed, type FrontendKey } from '../core/frontend.js'
import { isUsable } from '../core/balance/weights.js'
import type { Endpoint, Service } from '../model.js'
import type { StaleFlowPolicy } from './options.js'

/** Which flows of services of each protocol are deleted. */
export type Policies = Readonly<Record<Protocol, StaleFlowPolicy>>

/** What clients address, and where its flows may lead. */
export interface FlowTarget {
  readonly protocol: Protocol
  readonly family: AddressFamily
  /** Absent: a port of this node's own addresses. */
  readonly address: string | undefined
  readonly port: number
  /** By their identities: who may answer. Where untranslated flows alone are meant, one stands for all of them. */
  readonly allowed: ReadonlyMap<string, FlowEndpoint>
  /** The frontend is gone: flows that are not translated are no concern of the plane. */
  readonly isGone: boolean
  /** Only flows are meant that are not translated and were never answered (policy `untranslated`). */
  readonly isUntranslatedOnly: boolean
}

function mayAnswer(endpoint: Endpoint, policy: StaleFlowPolicy): boolean {
  return policy === 'gone' || isUsable(endpoint)
}

const NO_TARGETS: ReadonlyMap<FrontendKey, FlowTarget> = new Map()

type Allowed = Readonly<Record<AddressFamily, ReadonlyMap<string, FlowEndpoint>>>

const NOBODY: ReadonlyMap<string, FlowEndpoint> = new Map()
/** Stands for endpoints where it does not matter which they are. */
const SOMEBODY: ReadonlyMap<string, FlowEndpoint> = new Map([['', { address: '::' }]])

/** Who may answer, or whether anybody may. */
function allowedOf({ endpoints }: Service, policy: StaleFlowPolicy): Allowed {
  if (policy === 'untranslated') {
    const isServed = (family: AddressFamily): boolean =>
      endpoints.some((endpoint) => familyOf(endpoint.address) === family && mayAnswer(endpoint, policy))
    return { ip: isServed('ip') ? SOMEBODY : NOBODY, ip6: isServed('ip6') ? SOMEBODY : NOBODY }
  }
  const allowed = { ip: new Map<string, FlowEndpoint>(), ip6: new Map<string, FlowEndpoint>() }
  for (const endpoint of endpoints) {
    if (!mayAnswer(endpoint, policy)) continue
    allowed[familyOf(endpoint.address)].set(endpointKey(endpoint), { address: endpoint.address, port: endpoint.port })
  }
  return allowed
}

/** The targets of a service, by key; none where its flows are never removed. */
export function targetsOf(service: Service | undefined, policies: Policies): ReadonlyMap<FrontendKey, FlowTarget> {
  if (service === undefined || policies[service.protocol] === 'never') return NO_TARGETS
  const targets = new Map<FrontendKey, FlowTarget>()
  const { protocol } = service
  const isUntranslatedOnly = policies[protocol] === 'untranslated'
  const allowed = allowedOf(service, policies[protocol])
  for (const frontend of service.frontends) {
    const address = isAddressed(frontend) ? canonicalAddress(frontend.address) : undefined
    const families = familiesOf(frontend)
    for (const [index, key] of frontendIdentities(protocol, frontend).entries()) {
      const family = families[index]!
      targets.set(key, { protocol, family, address, port: frontend.port, allowed: allowed[family], isGone: false, isUntranslatedOnly })
    }
  }
  return targets
}

/** Whether flows of before can be stale now: an endpoint may no longer answer, or what led nowhere leads somewhere. */
function isStale(before: FlowTarget | undefined, after: FlowTarget): boolean {
  if (after.isUntranslatedOnly) return after.allowed.size > 0 && (before === undefined || before.allowed.size === 0)
  if (before === undefined) return true
  if (before.allowed === after.allowed) return false
  if (before.allowed.size === 0) return after.allowed.size > 0
  for (const key of before.allowed.keys()) if (!after.allowed.has(key)) return true
  return false
}

/** Nearly all services have none. */
function addTargets(to: Map<FrontendKey, FlowTarget>, targets: ReadonlyMap<FrontendKey, FlowTarget>): void {
  if (targets.size > 0) for (const [key, target] of targets) to.set(key, target)
}

/** What a change asks of the flows. */
export interface TargetChanges {
  /** Flows must be looked for. */
  readonly stale: ReadonlyMap<FrontendKey, FlowTarget>
  /** Nothing to look for, but a look that is due must know where flows may lead now. */
  readonly current: ReadonlyMap<FrontendKey, FlowTarget>
}

/**
 * Decides by frontend, not by service: one that moves from a service to another in the same change is not gone.
 */
export async function compareTargets(
  changes: Iterable<Pick<ServiceChange, 'before' | 'after'>>,
  policies: Policies,
  slices: Slices
): Promise<TargetChanges> {
  const before = new Map<FrontendKey, FlowTarget>()
  const after = new Map<FrontendKey, FlowTarget>()
  for (const change of changes) {
    addTargets(before, targetsOf(change.before, policies))
    addTargets(after, targetsOf(change.after, policies))
    if (slices.isOver) await slices.turn()
  }
  const stale = new Map<FrontendKey, FlowTarget>()
  const current = new Map<FrontendKey, FlowTarget>()
  await slices.each(after, ([key, target]) => (isStale(before.get(key), target) ? stale : current).set(key, target))
  await slices.each(before, ([key, target]) => {
    if (!after.has(key) && !target.isUntranslatedOnly) stale.set(key, { ...target, allowed: new Map(), isGone: true })
  })
  return { stale, current }
}
