/**
 * Plans, for people and for programs.
 */
import { printable, ValidationError } from '../../core/errors.js'
import type { Plan, PlanEntry, Quarantined, SyncReport } from '../../plane/index.js'
import type { Position, ServicesDocument } from '../services-file/document.js'
import { inWordsOfCommand } from '../words.js'
import { fewOf } from '../services-file/few.js'
import type { Colour, Paint } from './colours.js'

const SIGN = { add: '+', change: '~', remove: '-' } as const
const COLOUR: Readonly<Record<PlanEntry['action'], Colour>> = { add: 'green', change: 'yellow', remove: 'red' }

/** A phrase that begins with a sign of its own has the colour of that one. */
function paintDetail(paint: Paint, detail: string, otherwise: Colour): string {
  const colour = detail.startsWith('+ ') ? 'green' : detail.startsWith('- ') ? 'red' : otherwise
  return paint(colour, printable(detail))
}

function entryLines({ action, service, details }: PlanEntry, paint: Paint): string[] {
  const head = paint(COLOUR[action], `${SIGN[action]} ${printable(service)}`)
  if (action === 'change') return [head, ...details.map((detail) => `    ${paintDetail(paint, detail, 'yellow')}`)]
  return [`${head}  ${details.map(printable).join(', ')}`]
}

/** A number of things: `1 service`, `2 services`. */
export const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`

/** What stands behind `!`, in a number. */
function repairs(drift: readonly string[]): string {
  return drift.length === 0 ? '' : `. What is no single service's: ${drift.length} to repair`
}

function summary({ entries, drift, objects, isEmpty, isMadeAnew, quarantined }: Plan): string {
  if (isEmpty && quarantined.length > 0) return 'But for services that cannot be applied, nothing is to be done.'
  if (isEmpty) return 'The kernel holds what the file says: nothing is to be done.'
  const count = (action: PlanEntry['action']): number => entries.filter((entry) => entry.action === action).length
  const services = `${count('add')} to add, ${count('change')} to change, ${count('remove')} to remove`
  const numbers = isMadeAnew
    ? `The tables are made anew, with ${plural(objects.written, 'object')} of services.`
    : `Objects of the kernel: ${objects.written} to write, ${objects.deleted} to delete.`
  return `Services: ${services}${repairs(drift)}. ${numbers}`
}

/** A plan as a diff, a line for each service and each thing that changes in one. */
export function planLines(plan: Plan, paint: Paint): string[] {
  return [
    ...plan.entries.flatMap((entry) => entryLines(entry, paint)),
    ...plan.drift.map((line) => paint('yellow', `! ${printable(line)}`)),
    paint('bold', summary(plan))
  ]
}

/** A plan, for programs; what cannot be applied stands beside it. */
export type PlanDocument = Pick<Plan, 'entries' | 'drift' | 'objects' | 'isMadeAnew' | 'isEmpty'>

/** The fields of a plan that programs get. */
export function planDocument({ entries, drift, objects, isMadeAnew, isEmpty }: Plan): PlanDocument {
  return { entries, drift, objects, isMadeAnew, isEmpty }
}

/** A service that cannot be applied, for programs. */
export interface QuarantinedDocument extends Partial<Position> {
  readonly service: string
  readonly code: string
  readonly message: string
}

/** Where what is wrong with a service stands in the file: its field, or the service itself. */
function pathOf({ service, error }: Quarantined): string {
  const own = `services[${JSON.stringify(service)}]`
  if (!(error instanceof ValidationError)) return own
  return error.path.startsWith('services') ? error.path : `${own}${error.path}`
}

/** Services that cannot be applied, with their places in the file. */
export function quarantinedDocuments(quarantined: readonly Quarantined[], document: ServicesDocument): QuarantinedDocument[] {
  return quarantined.map((one) => ({
    service: one.service,
    code: String((one.error as { readonly code?: unknown }).code),
    message: inWordsOfCommand(one.error.message),
    ...document.positionOf(pathOf(one))
  }))
}

/** What is wrong with a service, which is named before: its field by the path within it, the reason where it has one. */
function reasonOf({ service, error }: Quarantined): string {
  const name = JSON.stringify(service)
  const about = `service ${name}: `
  const { message: said } = error
  if (!(error instanceof ValidationError)) return inWordsOfCommand(said.startsWith(about) ? said.slice(about.length) : said)
  const own = `services[${name}]`
  const path = error.path.startsWith(own) ? error.path.slice(own.length) : error.path
  const { message } = new ValidationError(path.replace(/^\./, ''), error.value, error.allowed)
  return inWordsOfCommand(path === '' ? `it${message}` : message)
}

/** The same for people: what is wrong with the file, with line and column, and of many the first. */
export function quarantinedLines(quarantined: readonly Quarantined[], document: ServicesDocument): string[] {
  const lines = quarantined.map((one) =>
    printable(document.describe(pathOf(one), `service ${one.service} cannot be applied: ${reasonOf(one)}`))
  )
  return fewOf(lines, (more) => `… and ${more} more services cannot be applied`)
}

/** How many services an apply changed. */
export function appliedText({ added, changed, removed }: AppliedServices): string {
  return `${plural(added, 'service')} added, ${changed} changed, ${removed} removed`
}

/** Numbers of services. */
type AppliedServices = SyncReport['services']

/** What an apply did, in one sentence. @param repaired Differences that were no single service's. */
export function appliedLine(services: AppliedServices, ms: number, repaired = 0): string {
  const repairs =
    repaired === 0 ? '' : `; ${plural(repaired, 'difference')} repaired that ${repaired === 1 ? 'was' : 'were'} no single service's`
  return `Applied in ${Math.round(ms)} ms: ${appliedText(services)}${repairs}.`
}
