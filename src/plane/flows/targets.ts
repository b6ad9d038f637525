/**
 * From a change of a service to the flows that must go.
 */
import type { FlowEndpoint, FlowFilter } from '../../conntrack/index.js'
import { canonicalAddress, looksLikeIPv6 } from '../../core/address.js'
import type { Protocol } from '../../core/protocols.js'
import type { Slices } from '../../core/slices.js'
import type { ServiceChange } from '../core/change.js'
import { endpointKey, frontendKeys } from '../core/frontend.js'
import { isUsable } from '../core/weights.js'
import type { Endpoint, Service } from '../model.js'
import type { StaleFlowPolicy } from './options.js'

/** What clients address, and where its flows may lead. */
export interface FlowTarget {
  readonly protocol: Protocol
  /** One address; several for a port of the node's own addresses. All of one family. */
  readonly addresses: readonly string[]
  readonly port: number
  /** By their identities: who may answer. */
  readonly allowed: ReadonlyMap<string, FlowEndpoint>
  /** The frontend is gone: flows that are not translated are no concern of the plane. */
  readonly isGone: boolean
}

function mayAnswer(endpoint: Endpoint, policy: StaleFlowPolicy): boolean {
  return policy === 'gone' || isUsable(endpoint)
}

const NO_TARGETS: ReadonlyMap<string, FlowTarget> = new Map()

/** The targets of a service, by key; none where its flows are never removed. */
export function targetsOf(
  service: Service | undefined,
  policies: Readonly<Record<Protocol, StaleFlowPolicy>>
): ReadonlyMap<string, FlowTarget> {
  if (service === undefined || policies[service.protocol] === 'never') return NO_TARGETS
  const targets = new Map<string, FlowTarget>()
  const { protocol } = service
  const allowed = { four: new Map<string, FlowEndpoint>(), six: new Map<string, FlowEndpoint>() }
  for (const endpoint of service.endpoints) {
    if (!mayAnswer(endpoint, policies[protocol])) continue
    const family = looksLikeIPv6(endpoint.address) ? allowed.six : allowed.four
    family.set(endpointKey(endpoint), { address: endpoint.address, port: endpoint.port })
  }
  const keys = frontendKeys(service)
  for (const [index, frontend] of service.frontends.entries()) {
    const address = canonicalAddress(frontend.address)
    targets.set(keys[index]!, {
      protocol,
      addresses: [address],
      port: frontend.port,
      allowed: looksLikeIPv6(address) ? allowed.six : allowed.four,
      isGone: false
    })
  }
  return targets
}

/** Whether flows of before can be stale now: an endpoint may no longer answer, or what led nowhere leads somewhere. */
function isStale(before: FlowTarget | undefined, after: FlowTarget): boolean {
  if (before === undefined) return true
  if (before.allowed === after.allowed) return false
  if (before.allowed.size === 0) return after.allowed.size > 0
  for (const key of before.allowed.keys()) if (!after.allowed.has(key)) return true
  return false
}

/** What a change asks of the flows. */
export interface TargetChanges {
  /** Flows must be looked for. */
  readonly stale: ReadonlyMap<string, FlowTarget>
  /** Nothing to look for, but a look that is due must know where flows may lead now. */
  readonly current: ReadonlyMap<string, FlowTarget>
}

/**
 * Decides by frontend, not by service: one that moves from a service to another in the same change is not gone.
 */
export async function compareTargets(
  changes: Iterable<Pick<ServiceChange, 'before' | 'after'>>,
  policies: Readonly<Record<Protocol, StaleFlowPolicy>>,
  slices: Slices
): Promise<TargetChanges> {
  const before = new Map<string, FlowTarget>()
  const after = new Map<string, FlowTarget>()
  for (const change of changes) {
    for (const [key, target] of targetsOf(change.before, policies)) before.set(key, target)
    for (const [key, target] of targetsOf(change.after, policies)) after.set(key, target)
    if (slices.isOver) await slices.turn()
  }
  const stale = new Map<string, FlowTarget>()
  const current = new Map<string, FlowTarget>()
  await slices.each(after, ([key, target]) => (isStale(before.get(key), target) ? stale : current).set(key, target))
  await slices.each(before, ([key, target]) => {
    if (!after.has(key)) stale.set(key, { ...target, allowed: new Map(), isGone: true })
  })
  return { stale, current }
}

/** The flows to delete. */
export function filterOf({ protocol, addresses, port, allowed, isGone }: FlowTarget): FlowFilter {
  return {
    protocol,
    family: looksLikeIPv6(addresses[0]!) ? 'ip6' : 'ip',
    originalDestination: addresses,
    originalDestinationPort: port,
    ...(allowed.size === 0 ? {} : { replySourceNotIn: allowed.values() }),
    ...(isGone ? { nat: 'destination' as const } : {})
  }
}
