/**
 * What a sync would do, for people and programs.
 */
import { printable } from '../../core/errors.js'
import type { Endpoint, Frontend, Service } from '../model.js'
import type { ObjectCounts } from './backend.js'
import type { ServiceChange } from './change.js'
import { endpointKey, formatTarget } from './frontend.js'

/** What would happen to one service. */
export interface PlanEntry {
  readonly action: 'add' | 'change' | 'remove'
  /** The service's name. */
  readonly service: string
  /** What changes, a phrase each: `+ endpoint 10.1.0.3:8080`, `weight of 10.1.0.1:8080: 1 -> 3`. */
  readonly details: readonly string[]
}

/** A service that cannot be applied, and why; the others are. */
export interface Quarantined {
  readonly service: string
  /** A ValidationError (the service itself is wrong) or a NetlinkError (the kernel refused it). */
  readonly error: Error
}

/** What a sync would do. `String(plan)` prints it, a line an entry: `+` added, `~` changed, `-` removed, `!` drift or quarantine. */
export interface Plan {
  readonly entries: readonly PlanEntry[]
  /** Objects in the kernel that differ from what was committed: foreign ones, missing ones. */
  readonly drift: readonly string[]
  readonly quarantined: readonly Quarantined[]
  /** Objects of the kernel to write and to delete, as {@link SyncReport} counts them. */
  readonly objects: ObjectCounts
  /** True where the kernel holds exactly what is desired. */
  readonly isEmpty: boolean
  toString(): string
}

const SIGN = { add: '+', change: '~', remove: '-' } as const

function describeService(service: Service): string {
  const frontends = service.frontends.map(formatTarget).join(', ')
  return `${service.protocol} ${frontends} -> ${service.endpoints.length} ${service.endpoints.length === 1 ? 'endpoint' : 'endpoints'}`
}

/** By identity, so that another spelling of an address is no difference. */
function byTarget<T extends Endpoint | Frontend>(entries: readonly T[]): Map<string, T> {
  return new Map(entries.map((entry) => [endpointKey(entry), entry]))
}

function describeEndpoint(target: string, before: Endpoint, after: Endpoint): string[] {
  const details: string[] = []
  if ((before.weight ?? 1) !== (after.weight ?? 1)) details.push(`weight of ${target}: ${before.weight ?? 1} -> ${after.weight ?? 1}`)
  if ((before.state ?? 'ready') !== (after.state ?? 'ready'))
    details.push(`${target}: ${before.state ?? 'ready'} -> ${after.state ?? 'ready'}`)
  if ((before.local ?? false) !== (after.local ?? false))
    details.push(`${target}: ${after.local === true ? 'now' : 'no longer'} on this node`)
  return details
}

function describeChange(before: Service, after: Service): string[] {
  const details: string[] = []
  if (before.protocol !== after.protocol) details.push(`protocol: ${before.protocol} -> ${after.protocol}`)
  const schedulers = [before.scheduler ?? 'random', after.scheduler ?? 'random'] as const
  if (schedulers[0] !== schedulers[1]) details.push(`scheduler: ${schedulers[0]} -> ${schedulers[1]}`)
  const frontends = [byTarget(before.frontends), byTarget(after.frontends)] as const
  for (const [key, frontend] of frontends[0]) if (!frontends[1].has(key)) details.push(`- frontend ${formatTarget(frontend)}`)
  for (const [key, frontend] of frontends[1]) if (!frontends[0].has(key)) details.push(`+ frontend ${formatTarget(frontend)}`)
  const endpoints = [byTarget(before.endpoints), byTarget(after.endpoints)] as const
  for (const [key, endpoint] of endpoints[0]) if (!endpoints[1].has(key)) details.push(`- endpoint ${formatTarget(endpoint)}`)
  for (const [key, endpoint] of endpoints[1]) {
    const old = endpoints[0].get(key)
    const target = formatTarget(endpoint)
    details.push(...(old === undefined ? [`+ endpoint ${target}`] : describeEndpoint(target, old, endpoint)))
  }
  return details
}

/** What a change does; nothing where nothing differs but the references. */
export function planEntry({ name, before, after }: ServiceChange): PlanEntry | undefined {
  if (before === undefined) return after === undefined ? undefined : { action: 'add', service: name, details: [describeService(after)] }
  if (after === undefined) return { action: 'remove', service: name, details: [describeService(before)] }
  const details = describeChange(before, after)
  return details.length === 0 ? undefined : { action: 'change', service: name, details }
}

/** Entries in the order of the changes. */
export function planEntries(changes: readonly ServiceChange[]): PlanEntry[] {
  return changes.map(planEntry).filter((entry) => entry !== undefined)
}

/** Makes the printable plan. */
export function makePlan(parts: Omit<Plan, 'isEmpty' | 'toString'>): Plan {
  const lines = [
    ...parts.entries.map(({ action, service, details }) => `${SIGN[action]} ${printable(service)}  ${details.join(', ')}`),
    ...parts.drift.map((line) => `! ${printable(line)}`),
    ...parts.quarantined.map(({ service, error }) => `! ${printable(service)} in quarantine: ${printable(error.message)}`)
  ]
  const isEmpty = parts.entries.length === 0 && parts.drift.length === 0 && parts.objects.written + parts.objects.deleted === 0
  return { ...parts, isEmpty, toString: () => (lines.length === 0 ? 'nothing to do' : lines.join('\n')) }
}
