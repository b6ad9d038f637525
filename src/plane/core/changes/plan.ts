/**
 * What a sync would do, for people and programs.
 */
import { printable } from '../../../core/errors.js'
import type { Endpoint, Frontend, Service } from '../../model.js'
import type { ObjectCounts } from '../backend.js'
import type { ServiceChange } from './change.js'
import { endpointKey, formatFrontend, formatTarget, frontendIdentities } from '../frontend.js'

/** What would happen to one service. */
export interface PlanEntry {
  readonly action: 'add' | 'change' | 'remove'
  /** The service's name. */
  readonly service: string
  /** What changes, a phrase each: `+ endpoint 10.1.0.3:8080`, `weight of 10.1.0.1:8080: 1 -> 3`. */
  readonly details: readonly string[]
  /** Name of the carrier that would do it (option `carriers`). Absent: the plane itself. */
  readonly carrier?: string | undefined
}

/** A service that cannot be applied, and why; the others are. */
export interface Quarantined {
  readonly service: string
  /** A ValidationError (the service itself is wrong) or a NetlinkError (the kernel refused it). */
  readonly error: Error
  /** Name of the carrier that cannot carry it (option `carriers`). Absent: the plane itself cannot. */
  readonly carrier?: string | undefined
}

/** What a sync would do. `String(plan)` prints it, a line an entry: `+` added, `~` changed, `-` removed, `!` drift or quarantine. */
export interface Plan {
  readonly entries: readonly PlanEntry[]
  /** Objects in the kernel that differ from what was committed: foreign ones, missing ones. */
  readonly drift: readonly string[]
  readonly quarantined: readonly Quarantined[]
  /** Objects of the kernel to write and to delete, as {@link SyncReport} counts them. */
  readonly objects: ObjectCounts
  /** Whether tables that are there are replaced by new ones, because something differs that is no single service's: then `objects` are those of all services. */
  readonly isMadeAnew: boolean
  /** True where the kernel holds exactly what is desired. */
  readonly isEmpty: boolean
  toString(): string
}

const SIGN = { add: '+', change: '~', remove: '-' } as const

/** Phrases for what is there and not wanted, and for what is wanted and not there. */
export function differing(what: string, there: ReadonlySet<string>, wanted: ReadonlySet<string>): string[] {
  return [
    ...[...there].filter((one) => !wanted.has(one)).map((one) => `- ${what} ${one}`),
    ...[...wanted].filter((one) => !there.has(one)).map((one) => `+ ${what} ${one}`)
  ]
}

/** Phrases that are said of many things of one kind; of more their number is said. */
const MAX_PHRASES = 6

/** The same where there may be many: the first of them, and how many more there are. */
export function differingFew(what: string, there: ReadonlySet<string>, wanted: ReadonlySet<string>): string[] {
  const phrases = differing(what, there, wanted)
  const more = phrases.length - MAX_PHRASES
  return more > 0 ? [...phrases.slice(0, MAX_PHRASES), `${what} and ${more} more`] : phrases
}

/** For how long clients are remembered, in words. */
export function memoryText(seconds: number | undefined): string {
  return seconds === undefined ? 'none' : `${seconds} s`
}

/** What leads where, in a few words. */
export function reachText(frontends: readonly string[], endpoints: number): string {
  return `${frontends.join(', ')} -> ${endpoints} ${endpoints === 1 ? 'endpoint' : 'endpoints'}`
}

/** A service in a few words. */
export function describeService({ protocol, frontends, endpoints }: Service): string {
  return `${protocol} ${reachText(frontends.map(formatFrontend), endpoints.length)}`
}

/** How many objects are to be written and deleted. @param one What one of them is called. */
export function numbersText(one: string, { written, deleted }: ObjectCounts): string {
  const parts = [
    [written, 'to write'],
    [deleted, 'to delete']
  ] as const
  return parts
    .filter(([count]) => count > 0)
    .map(([count, what]) => `${count} ${count === 1 ? one : `${one}s`} ${what}`)
    .join(', ')
}

/** By identity, so that another spelling of an address is no difference. */
function byKey<T>(entries: readonly T[], keyOf: (entry: T) => string): Map<string, T> {
  return new Map(entries.map((entry) => [keyOf(entry), entry]))
}

/** A field of a frontend, an endpoint or a service as it is where nothing is said. */
const DEFAULTS = {
  weight: 1,
  state: 'ready',
  local: false,
  side: 'both',
  trafficPolicy: 'cluster',
  sourceRanges: 'all',
  scheduler: 'random',
  affinity: 'none',
  carrier: 'none',
  priority: 0
} as const

function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** Every field that differs, with the value before and after. */
function describeFields(subject: string, fields: readonly (keyof typeof DEFAULTS)[], before: object, after: object): string[] {
  return fields.flatMap((field) => {
    const [old, now] = [before, after].map((entry) => valueText((entry as Record<string, unknown>)[field] ?? DEFAULTS[field]))
    return old === now ? [] : [`${subject}${field}: ${old} -> ${now}`]
  })
}

/** What comes, what goes, and what stays with other fields. */
function describeEntries<T extends Endpoint | Frontend>(
  what: string,
  before: ReadonlyMap<string, T>,
  after: ReadonlyMap<string, T>,
  format: (entry: T) => string,
  fields: readonly (keyof typeof DEFAULTS)[]
): string[] {
  const details: string[] = []
  for (const [key, entry] of before) if (!after.has(key)) details.push(`- ${what} ${format(entry)}`)
  for (const [key, entry] of after) {
    const old = before.get(key)
    if (old === undefined) details.push(`+ ${what} ${format(entry)}`)
    else details.push(...describeFields(`${format(entry)} `, fields, old, entry))
  }
  return details
}

function describeChange(before: Service, after: Service): string[] {
  const frontends = [before, after].map((service) =>
    byKey(service.frontends, (frontend) => `${frontend.kind} ${frontendIdentities('tcp', frontend).join()}`)
  )
  const endpoints = [before, after].map((service) => byKey(service.endpoints, endpointKey))
  return [
    ...(before.protocol === after.protocol ? [] : [`protocol: ${before.protocol} -> ${after.protocol}`]),
    ...describeFields('', ['scheduler', 'affinity', 'carrier', 'priority'], before, after),
    ...describeEntries('frontend', frontends[0]!, frontends[1]!, formatFrontend, ['trafficPolicy', 'sourceRanges', 'carrier']),
    ...describeEntries('endpoint', endpoints[0]!, endpoints[1]!, formatTarget, ['weight', 'state', 'local', 'side'])
  ]
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

/** A service, and the carrier that it is about. */
const subjectOf = ({ service, carrier }: Pick<PlanEntry, 'service' | 'carrier'>): string =>
  carrier === undefined ? printable(service) : `${printable(service)} (carrier ${carrier})`

/** Makes the printable plan. */
export function makePlan(parts: Omit<Plan, 'isEmpty' | 'toString'>): Plan {
  const lines = [
    ...parts.entries.map((entry) => `${SIGN[entry.action]} ${subjectOf(entry)}  ${entry.details.join(', ')}`),
    ...parts.drift.map((line) => `! ${printable(line)}`),
    ...parts.quarantined.map((entry) => `! ${subjectOf(entry)} in quarantine: ${printable(entry.error.message)}`)
  ]
  const isEmpty = parts.entries.length === 0 && parts.drift.length === 0 && parts.objects.written + parts.objects.deleted === 0
  const { written, deleted } = parts.objects
  if (parts.isMadeAnew) lines.push('! the tables are made anew, with all that services need')
  // What several services share belongs to none of them.
  if (lines.length === 0 && !isEmpty) lines.push(`! ${written} objects missing and ${deleted} foreign ones, which are no single service's`)
  return { ...parts, isEmpty, toString: () => (lines.length === 0 ? 'nothing to do' : lines.join('\n')) }
}
