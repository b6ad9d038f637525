import type { Endpoint, EndpointState } from 'netplane'
import { familyOf, normalize } from './addresses.js'
import { preferenceOf } from './hints.js'
import type { ThisNode } from './node.js'
import type { WeightOf } from './settings.js'
import type { EndpointConditions, EndpointHints, EndpointSlice, ServicePort, SliceEndpoint } from './types.js'

/** An endpoint before it is compared with the others. */
interface Candidate {
  readonly address: string
  readonly port: number
  readonly weight: number | undefined
  readonly local: boolean
  readonly state: EndpointState
  readonly hints: EndpointHints | null | undefined
}

/**
 * Absent conditions mean ready, serving, and not terminating (discovery.k8s.io/v1, EndpointConditions). An endpoint that is not ready but serves takes new connections only while it terminates; what it has
 * goes on in any case. Undefined: it does not serve.
 */
export function stateOf(conditions: EndpointConditions | null | undefined): EndpointState | undefined {
  if (conditions?.ready !== false) return 'ready'
  if (conditions.serving === false) return undefined
  return conditions.terminating === true ? 'serving' : 'draining'
}

/** All addresses of an endpoint are those of one pod: the first one counts. */
function candidateOf(endpoint: SliceEndpoint, port: number, node: ThisNode, weightOf: WeightOf | undefined): Candidate | undefined {
  const { addresses, conditions, nodeName, hints } = endpoint
  const address = addresses?.[0]
  const state = stateOf(conditions)
  if (address === undefined || state === undefined) return undefined
  const weight = endpoint.weight ?? weightOf?.(endpoint)
  return { address: normalize(address), port, weight, local: isLocal(nodeName, node), state, hints }
}

/** Whether an endpoint is on this node. */
export function isLocal(nodeName: string | null | undefined, node: ThisNode): boolean {
  return node.name !== undefined && nodeName === node.name
}

const RANKS: Readonly<Record<EndpointState, number>> = { ready: 0, serving: 1, draining: 2 }

/** While an endpoint moves from a slice to another both may have it: the better state counts. */
function merge(known: Candidate | undefined, next: Candidate): Candidate {
  if (known === undefined) return next
  const better = RANKS[next.state] <= RANKS[known.state] ? next : known
  return { ...better, local: known.local || next.local }
}

/** Where hints say that others shall be used, a ready endpoint is left to policy `local`. */
function complete(candidates: readonly Candidate[], node: ThisNode): Endpoint[] {
  const ready = candidates.filter(({ state, weight }) => state === 'ready' && weight !== 0)
  const prefers = preferenceOf(
    ready.map(({ hints }) => hints),
    node
  )
  return candidates.map(({ address, port, weight, local, state, hints }) => ({
    address,
    port,
    ...(weight === undefined ? {} : { weight }),
    ...(local ? { local } : {}),
    ...(state === 'ready' ? {} : { state }),
    ...(state === 'ready' && prefers?.(hints) === false ? { side: 'local' as const } : {})
  }))
}

/** The number that a slice has for a port of the service; it is found by name and protocol. No number and 0 mean that there is none. */
function numberOf({ ports }: EndpointSlice, { name, protocol }: ServicePort): number | undefined {
  return ports?.find((port) => (port.name ?? '') === (name ?? '') && (port.protocol || 'TCP') === (protocol || 'TCP'))?.port || undefined
}

/** The endpoints of a port, each address and port once. @param weightOf Their weights, where an endpoint has none of its own. */
export function endpointsOf(slices: readonly EndpointSlice[], servicePort: ServicePort, node: ThisNode, weightOf?: WeightOf): Endpoint[] {
  const candidates = new Map<string, Candidate>()
  for (const slice of slices) {
    const port = numberOf(slice, servicePort)
    if (port === undefined) continue
    for (const endpoint of slice.endpoints ?? []) {
      const candidate = candidateOf(endpoint, port, node, weightOf)
      if (candidate === undefined) continue
      const key = `${candidate.address} ${port}`
      candidates.set(key, merge(candidates.get(key), candidate))
    }
  }
  // Each family for itself: an IPv6 endpoint that is ready here is of no use to an IPv4 frontend.
  const all = [...candidates.values()]
  return (['ip', 'ip6'] as const).flatMap((family) =>
    complete(
      all.filter(({ address }) => familyOf(address) === family),
      node
    )
  )
}
