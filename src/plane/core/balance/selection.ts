/**
 * Which endpoints a new connection is balanced over, and what becomes of it where there are none: the same for every plane.
 */
import { looksLikeIPv6, type AddressFamily } from '../../../core/address.js'
import type { Endpoint, Frontend, Service, TrafficPolicy } from '../../model.js'

/** The state an endpoint must have to be chosen; undefined: no endpoint can be. */
type ChosenState = 'ready' | 'serving' | undefined

/** Whose endpoints are chosen in one family, under either policy. */
export interface Selection {
  readonly family: AddressFamily
  readonly cluster: ChosenState
  readonly local: ChosenState
}

/** Whether an endpoint may be chosen under a policy at all, but for its state. */
function isEligible(endpoint: Endpoint, policy: TrafficPolicy): boolean {
  if (endpoint.weight === 0 || endpoint.state === 'draining') return false
  if (endpoint.side !== undefined && endpoint.side !== policy) return false
  return policy === 'cluster' || endpoint.local === true
}

/** What is known after one more endpoint that may be chosen. */
function better(known: ChosenState, { state }: Endpoint): ChosenState {
  return state === 'serving' ? (known ?? 'serving') : 'ready'
}

/** Ready endpoints are chosen where there are any, else those that terminate but still serve; each policy decides for itself. */
export function selectionOf({ endpoints }: Service, family: AddressFamily): Selection {
  let cluster: ChosenState
  let local: ChosenState
  for (let index = 0; index < endpoints.length; index++) {
    const endpoint = endpoints[index]!
    const isDecided = cluster === 'ready' && (local === 'ready' || endpoint.local !== true)
    if (isDecided || looksLikeIPv6(endpoint.address) !== (family === 'ip6')) continue
    if (isEligible(endpoint, 'cluster')) cluster = better(cluster, endpoint)
    if (isEligible(endpoint, 'local')) local = better(local, endpoint)
  }
  return { family, cluster, local }
}

/** Whether an endpoint is among those that are chosen under a policy. */
export function isChosen(selection: Selection, policy: TrafficPolicy, endpoint: Endpoint): boolean {
  return (
    selection[policy] === (endpoint.state ?? 'ready') &&
    looksLikeIPv6(endpoint.address) === (selection.family === 'ip6') &&
    isEligible(endpoint, policy)
  )
}

/**
 * What a new connection meets.
 *
 * - `cluster`, `local`: it is balanced over the endpoints that are chosen under this policy.
 * - `drop`: there are endpoints, but none that it may reach.
 * - `refuse`: there is no endpoint; TCP is reset, others get ICMP port unreachable.
 */
export type Reach = TrafficPolicy | 'drop' | 'refuse'

/** What becomes of new connections to a frontend, by who asks: `inside` are local clients and this node itself. */
export interface FrontendReach {
  readonly inside: Reach
  readonly outside: Reach
}

type OutsideReaches = Readonly<Record<Reach, FrontendReach>>

const reachesOf = (inside: Reach): OutsideReaches => ({
  cluster: { inside, outside: 'cluster' },
  local: { inside, outside: 'local' },
  drop: { inside, outside: 'drop' },
  refuse: { inside, outside: 'refuse' }
})

/** One object for each pair: there may be a hundred thousand frontends. */
const REACHES: Readonly<Record<Reach, OutsideReaches>> = {
  cluster: reachesOf('cluster'),
  local: reachesOf('local'),
  drop: reachesOf('drop'),
  refuse: reachesOf('refuse')
}

/** What becomes of new connections to a frontend. */
export function reachOf({ kind, trafficPolicy = 'cluster' }: Frontend, { cluster, local }: Selection): FrontendReach {
  const all: Reach = cluster === undefined ? 'refuse' : 'cluster'
  if (trafficPolicy === 'cluster') return REACHES[all][all]
  const own: Reach = local !== undefined ? 'local' : cluster === undefined ? 'refuse' : 'drop'
  return kind === 'cluster' ? REACHES[own][own] : REACHES[all][own]
}
