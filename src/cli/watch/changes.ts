/**
 * What is different between two looks.
 */
import { formatSocketAddress } from '../../core/address.js'
import type { KernelMode } from '../options.js'
import { frontendText } from '../output/frontends.js'
import type { ShownEndpoint, ShownFrontend, ShownRefusal } from '../show/model.js'
import { frontendId } from './identity.js'

/** What became of a frontend, or of an endpoint. */
export type ChangeType =
  | 'frontend-added'
  | 'frontend-removed'
  | 'endpoint-added'
  | 'endpoint-removed'
  | 'draining'
  | 'ready'
  | 'shares-changed'
  | 'refusals-changed'

/** A change that a look found. */
export interface SeenChange {
  /** When it was found, in ISO 8601. */
  readonly at: string
  readonly type: ChangeType
  readonly mode: KernelMode
  readonly service?: string | undefined
  readonly frontend: string
  readonly endpoint?: string | undefined
  /** Whose endpoint it is; absent: that of all clients. */
  readonly clients?: 'inside' | 'outside' | undefined
  /** What becomes of clients who get no endpoint. */
  readonly refusals?: readonly ShownRefusal[] | undefined
}

type Change = Omit<SeenChange, 'at'>

function about(frontend: ShownFrontend, type: ChangeType, endpoint?: ShownEndpoint): Change {
  const { mode, service } = frontend
  const change = { type, mode, service, frontend: frontendText(frontend) }
  if (endpoint === undefined) return change
  const { address, port, clients } = endpoint
  return { ...change, endpoint: formatSocketAddress(address, port), clients: clients === 'all' ? undefined : clients }
}

type Endpoints = ReadonlyMap<string, ShownEndpoint>

function endpointsOf({ endpoints }: ShownFrontend): Endpoints {
  return new Map(endpoints.map((endpoint) => [`${endpoint.address} ${endpoint.port} ${endpoint.clients}`, endpoint]))
}

function* endpointChanges(before: Endpoints, frontend: ShownFrontend): Generator<Change> {
  const now = endpointsOf(frontend)
  for (const [id, endpoint] of before) if (!now.has(id)) yield about(frontend, 'endpoint-removed', endpoint)
  let isOther = before.size !== now.size
  for (const [id, endpoint] of now) {
    const known = before.get(id)
    if (known === undefined) yield about(frontend, 'endpoint-added', endpoint)
    else if ((known.weight === 0) !== (endpoint.weight === 0)) yield about(frontend, endpoint.weight === 0 ? 'draining' : 'ready', endpoint)
    else continue
    isOther = true
  }
  // All shares change with each endpoint that comes or goes.
  if (!isOther && [...now].some(([id, endpoint]) => isShifted(before.get(id)!, endpoint))) yield about(frontend, 'shares-changed')
}

function isShifted(before: ShownEndpoint, now: ShownEndpoint): boolean {
  return before.share !== now.share || before.weight !== now.weight
}

function* frontendChanges(before: ShownFrontend | undefined, now: ShownFrontend): Generator<Change> {
  if (before === undefined) {
    yield about(now, 'frontend-added')
    return
  }
  yield* endpointChanges(endpointsOf(before), now)
  if (JSON.stringify(before.refusals) !== JSON.stringify(now.refusals)) yield { ...about(now, 'refusals-changed'), refusals: now.refusals }
}

/** What is different, frontends that are gone first. */
export function* changesBetween(before: readonly ShownFrontend[], now: readonly ShownFrontend[]): Generator<Change> {
  const left = new Map(before.map((frontend) => [frontendId(frontend), frontend]))
  const found: Change[] = []
  for (const frontend of now) {
    const id = frontendId(frontend)
    found.push(...frontendChanges(left.get(id), frontend))
    left.delete(id)
  }
  for (const frontend of left.values()) yield about(frontend, 'frontend-removed')
  yield* found
}
