import { printable } from '../errors.js'
import type { Endpoint, Frontend, Service, Services } from './model.js'

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
  /** Set and map elements to write and to delete. A changed one counts as both. */
  readonly elements: { readonly added: number; readonly removed: number }
  /** True where the kernel holds exactly what is desired. */
  readonly isEmpty: boolean
  toString(): string
}

const SIGN = { add: '+', change: '~', remove: '-' } as const

/** An address and port as people write them: `10.0.0.1:80`, `[fd00::1]:80`. */
export function formatTarget({ address, port }: Pick<Endpoint | Frontend, 'address' | 'port'>): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

function describeService(service: Service): string {
  const frontends = service.frontends.map(formatTarget).join(', ')
  return `${service.protocol} ${frontends} -> ${service.endpoints.length} ${service.endpoints.length === 1 ? 'endpoint' : 'endpoints'}`
}

function byTarget<T extends Endpoint | Frontend>(entries: readonly T[]): Map<string, T> {
  return new Map(entries.map((entry) => [formatTarget(entry), entry]))
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
  for (const target of frontends[0].keys()) if (!frontends[1].has(target)) details.push(`- frontend ${target}`)
  for (const target of frontends[1].keys()) if (!frontends[0].has(target)) details.push(`+ frontend ${target}`)
  const endpoints = [byTarget(before.endpoints), byTarget(after.endpoints)] as const
  for (const target of endpoints[0].keys()) if (!endpoints[1].has(target)) details.push(`- endpoint ${target}`)
  for (const [target, endpoint] of endpoints[1]) {
    const old = endpoints[0].get(target)
    details.push(...(old === undefined ? [`+ endpoint ${target}`] : describeEndpoint(target, old, endpoint)))
  }
  return details
}

/** What differs between two states of one service; nothing where nothing does. */
export function planEntry(name: string, before: Service | undefined, after: Service | undefined): PlanEntry | undefined {
  if (before === after) return undefined
  if (before === undefined) return { action: 'add', service: name, details: [describeService(after!)] }
  if (after === undefined) return { action: 'remove', service: name, details: [describeService(before)] }
  const details = describeChange(before, after)
  return details.length === 0 ? undefined : { action: 'change', service: name, details }
}

/** Entries for all services, in the order: changed and added as desired has them, then removed. */
export function planEntries(before: Services, after: Services): PlanEntry[] {
  const entries: PlanEntry[] = []
  for (const [name, service] of after) {
    const entry = planEntry(name, before.get(name), service)
    if (entry !== undefined) entries.push(entry)
  }
  for (const [name, service] of before) if (!after.has(name)) entries.push(planEntry(name, service, undefined)!)
  return entries
}

/** Makes the printable plan. */
export function makePlan(parts: Omit<Plan, 'isEmpty' | 'toString'>): Plan {
  const lines = [
    ...parts.entries.map(({ action, service, details }) => `${SIGN[action]} ${printable(service)}  ${details.join(', ')}`),
    ...parts.drift.map((line) => `! ${printable(line)}`),
    ...parts.quarantined.map(({ service, error }) => `! ${printable(service)} in quarantine: ${printable(error.message)}`)
  ]
  const isEmpty = parts.entries.length === 0 && parts.drift.length === 0 && parts.elements.added + parts.elements.removed === 0
  return { ...parts, isEmpty, toString: () => (lines.length === 0 ? 'nothing to do' : lines.join('\n')) }
}
