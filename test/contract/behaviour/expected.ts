// What must happen, from the definition of services (docs/service-model.md) and from what kube-proxy does; written apart from the planes.
import { hostOf, type Client, type Expected, type Seen, type Settings, type Target } from './types.js'
import type { FrontendKind, TrafficPolicy } from '../../../src/plane/model.js'

/** Whether an endpoint is on the node under test. */
export const isLocal = ({ server }: Target): boolean => server !== 'far-c'

/** Clients in a local range. */
export const pods: readonly Client[] = ['pod here', 'pod elsewhere', 'itself']

/** The endpoints that take connections of a side: the ready ones, or where none is ready the serving ones. */
function chosen(side: TrafficPolicy, endpoints: readonly Target[]): readonly Target[] {
  const candidates = endpoints.filter(
    (target) => (target.side ?? side) === side && target.weight !== 0 && (side === 'cluster' || isLocal(target))
  )
  const ready = candidates.filter(({ state }) => (state ?? 'ready') === 'ready')
  return ready.length > 0 ? ready : candidates.filter(({ state }) => state === 'serving')
}

/** What is asked. */
export interface Asked {
  readonly kind: FrontendKind
  readonly policy: TrafficPolicy
  readonly endpoints: readonly Target[]
  readonly client: Client
  readonly masquerade: Settings['masquerade']
}

/** Whether policy `local` holds for this client at this kind of frontend. */
const isBoundToNode = ({ kind, policy, client }: Asked): boolean => policy === 'local' && (kind === 'cluster' || client === 'outside')

/** Whose address an endpoint sees. */
function seenBy(target: Target, { kind, policy, client, masquerade }: Asked): Seen {
  // Else it would answer itself, past the translation.
  if (hostOf[client] === target.server) return 'node'
  if (kind === 'cluster') {
    // An endpoint of this node answers through this node, whoever asks.
    if (policy === 'local') return 'client'
    return masquerade === 'all' || (masquerade === 'nonLocal' && !pods.includes(client)) ? 'node' : 'client'
  }
  return policy === 'cluster' || client === 'node' ? 'node' : 'client'
}

/** What happens to connections to an address and port of a frontend. */
export function expectedOf(asked: Asked): Expected {
  const targets = chosen(isBoundToNode(asked) ? 'local' : 'cluster', asked.endpoints)
  if (targets.length > 0) return { answers: Object.fromEntries(targets.map((target) => [target.server, seenBy(target, asked)])) }
  // The node's load balancer, or a client that tries again, shall go to another node: it is not told that the service is gone.
  const isElsewhere = isBoundToNode(asked) && chosen('cluster', asked.endpoints).length > 0
  return { refused: isElsewhere ? 'silence' : 'icmp' }
}
