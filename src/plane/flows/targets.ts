/**
 * From a change of a service to the flows that must go.
 */
import { canonicalAddress, looksLikeIPv6 } from '../../address.js'
import type { FlowEndpoint, FlowFilter } from '../../conntrack/index.js'
import type { Endpoint, Frontend, Protocol, Service } from '../model.js'
import type { StaleFlowPolicy } from './options.js'

/** What clients address, and where its flows may lead. */
export interface FlowTarget {
  readonly protocol: Protocol
  /** One address; several for a port of the node's own addresses. All of one family. */
  readonly addresses: readonly string[]
  readonly port: number
  /** By {@link endpointKey}: who may answer. */
  readonly allowed: ReadonlyMap<string, FlowEndpoint>
  /** The frontend is gone: flows that are not translated are somebody else's business. */
  readonly isGone: boolean
}

/** A service before and after a change; absent: it was not, or is no longer, there. */
export interface FlowTransition {
  readonly before?: Service | undefined
  readonly after?: Service | undefined
}

function endpointKey({ address, port }: Pick<Endpoint, 'address' | 'port'>): string {
  return `${canonicalAddress(address)} ${port}`
}

/** Names a target, whatever its service is called. */
export function targetKey(protocol: Protocol, { address, port }: Pick<Frontend, 'address' | 'port'>): string {
  return `${protocol} ${canonicalAddress(address)} ${port}`
}

function mayAnswer(endpoint: Endpoint, policy: StaleFlowPolicy): boolean {
  return policy === 'gone' || ((endpoint.state ?? 'ready') === 'ready' && (endpoint.weight ?? 1) > 0)
}

const NO_TARGETS: ReadonlyMap<string, FlowTarget> = new Map()

/** The targets of a service, by key; none where its flows are never cut. */
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
  for (const frontend of service.frontends) {
    const address = canonicalAddress(frontend.address)
    targets.set(targetKey(protocol, frontend), {
      protocol,
      addresses: [address],
      port: frontend.port,
      allowed: looksLikeIPv6(address) ? allowed.six : allowed.four,
      isGone: false
    })
  }
  return targets
}

/** Whether flows of before can be astray now: somebody may no longer answer, or what led nowhere leads somewhere. */
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
export function compareTargets(
  transitions: Iterable<FlowTransition>,
  policies: Readonly<Record<Protocol, StaleFlowPolicy>>
): TargetChanges {
  const before = new Map<string, FlowTarget>()
  const after = new Map<string, FlowTarget>()
  for (const transition of transitions) {
    for (const [key, target] of targetsOf(transition.before, policies)) before.set(key, target)
    for (const [key, target] of targetsOf(transition.after, policies)) after.set(key, target)
  }
  const stale = new Map<string, FlowTarget>()
  const current = new Map<string, FlowTarget>()
  for (const [key, target] of after) (isStale(before.get(key), target) ? stale : current).set(key, target)
  for (const [key, target] of before) if (!after.has(key)) stale.set(key, { ...target, allowed: new Map(), isGone: true })
  return { stale, current }
}

/** The flows to cut. */
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
