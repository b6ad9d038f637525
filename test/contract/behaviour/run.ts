// Runs rows on a plane, whichever it is.
import { compare, compareExplained, type Outcome } from './compare.js'
import { groupBy } from './group-by.js'
import type { Event } from './agent.js'
import type { Network } from './network.js'
import { timesFor } from './times.js'
import { hostOf, settings, type Expected, type Row, type Settings, type SettingsName } from './types.js'
import { isInLab } from '../../support/lab.js'
import type { Service } from '../../../src/plane/model.js'

/** Milliseconds that all rows of a subject may take. In the lab a processor is emulated, and may be shared: a test that is given up goes on beside those after it, which then fail too. */
export const allRowsMs = isInLab ? 3_600_000 : 600_000

/** Rows in which a plane does something else, and why. */
export interface Difference {
  readonly name: string
  /** Sentences for docs/behaviour.md. */
  readonly reason: string
  readonly applies: (row: Row) => boolean
  /** What happens instead. */
  readonly instead: (row: Row) => Expected
}

/** A plane that is open in a network. */
export interface Opened {
  /** Makes exactly these services be in effect; gives the services that the plane refuses, with the code of the error. */
  apply(services: ReadonlyMap<string, Service>): Promise<ReadonlyMap<string, string>>
  /** What the plane itself says will happen to a row that has been tried; compared with what is expected. Absent: the plane explains nothing. */
  explain?(row: Row): Promise<Expected>
  /** Removes all that it wrote. */
  close(): Promise<void>
}

/** What rows run on. */
export interface Subject {
  readonly name: string
  /** Sentences for docs/behaviour.md. */
  readonly about: string
  /** What a kernel must have, in the words of tools/lab/machines.mjs. */
  readonly requires: readonly string[]
  readonly differences: readonly Difference[]
  /** Endpoints take turns: of clients that do so too, each may always meet the same one. Rows that miss an endpoint are asked again by themselves. */
  readonly takesTurns?: true
  /** It works in the network namespace of its own process alone: the node must be that. */
  readonly isOfProcess?: true
  /** Rows that are asked at a time; default: all. A process that takes part in every connection makes thousands of them wait for longer than clients do. */
  readonly rowsAtOnce?: number
  /** Opens it in the node's namespace. `localSources` of network.ts are the local ranges. */
  open(network: Network, settings: Settings): Promise<Opened>
}

/** What came of a row. */
export interface Result {
  readonly row: Row
  readonly outcome: Outcome
  /** What the plane says of it, where it explains. */
  readonly explained?: Expected
  /** What differs from what is expected of every plane; absent: nothing. */
  readonly problem?: string
}

/** What happens to a row on a subject, and the difference where that is not what every plane must do. */
function expectationOf(
  { differences }: Pick<Subject, 'differences'>,
  row: Row
): { readonly expected: Expected; readonly difference?: Difference } {
  const difference = differences.find(({ applies }) => applies(row))
  return difference === undefined ? { expected: row.expected } : { expected: difference.instead(row), difference }
}

/** Runs the rows that are given: once for each of their settings, with all their services at once. */
export async function runRows(network: Network, subject: Subject, rows: readonly Row[]): Promise<readonly Result[]> {
  const results: Result[] = []
  for (const [name, own] of groupBy(rows, (row) => row.settings)) results.push(...(await runSettings(network, subject, name, own)))
  return results
}

async function runSettings(network: Network, subject: Subject, name: SettingsName, rows: readonly Row[]): Promise<readonly Result[]> {
  const services = new Map(rows.flatMap((row) => row.services.map((service) => [service.name, service] as const)))
  const opened = await subject.open(network, settings[name])
  try {
    const refused = await opened.apply(services)
    const refusalOf = (row: Row): string | undefined =>
      row.services.map((service) => refused.get(service.name)).find((code) => code !== undefined)
    const asked = rows.filter((row) => refusalOf(row) === undefined)
    const events = new Map([...(await askInParts(network, subject, asked, false)), ...(await askInParts(network, subject, asked, true))])
    if (subject.takesTurns) await askAlone(network, subject, asked, events)
    const results: Result[] = []
    for (const row of rows) {
      const explained = refusalOf(row) === undefined ? await opened.explain?.(row) : undefined
      results.push({ ...resultOf(row, events.get(row.id) ?? [], refusalOf(row)), ...(explained === undefined ? {} : { explained }) })
    }
    return results
  } finally {
    await opened.close()
    await network.forget()
  }
}

/** Asks rows again, one after the other, of which not every endpoint that should has answered. */
async function askAlone(network: Network, subject: Subject, rows: readonly Row[], events: Map<string, readonly Event[]>): Promise<void> {
  for (const row of rows) {
    const { expected } = expectationOf(subject, row)
    const isSpread = 'answers' in expected && expected.sticky !== true && Object.keys(expected.answers).length > 1
    if (!isSpread || compare(row, expected, { events: events.get(row.id) ?? [] }) === undefined) continue
    for (const [id, again] of await askAll(network, subject, [row], row.pauseMs !== undefined)) events.set(id, again)
  }
}

/** Asks the rows with pauses, or those without, as many at a time as the subject bears. */
async function askInParts(
  network: Network,
  subject: Subject,
  all: readonly Row[],
  hasPauses: boolean
): Promise<Map<string, readonly Event[]>> {
  const rows = all.filter(({ pauseMs }) => (pauseMs !== undefined) === hasPauses)
  const { rowsAtOnce = rows.length } = subject
  const events = new Map<string, readonly Event[]>()
  for (let from = 0; from < rows.length; from += rowsAtOnce)
    for (const [id, own] of await askAll(network, subject, rows.slice(from, from + rowsAtOnce), hasPauses)) events.set(id, own)
  return events
}

/** Asks the rows with pauses, or those without: beside thousands of others a pause would become far longer than it should be. */
function askAll(network: Network, subject: Subject, rows: readonly Row[], hasPauses: boolean): ReturnType<Network['ask']> {
  const own = rows.filter(({ pauseMs }) => (pauseMs !== undefined) === hasPauses)
  return network.ask(own.map((row) => ({ ...row, host: hostOf[row.client], ...timesFor(row, expectationOf(subject, row).expected) })))
}

function resultOf(row: Row, events: readonly Event[], refusal: string | undefined): Result {
  const outcome: Outcome = refusal === undefined ? { events } : { unsupported: refusal }
  const problem = compare(row, row.expected, outcome)
  return { row, outcome, ...(problem === undefined ? {} : { problem }) }
}

/** How a subject's results differ from the rows and its table of differences: empty where all is as said. */
export function judge(subject: Pick<Subject, 'differences'>, results: readonly Result[]): string[] {
  return results.flatMap(({ row, outcome, problem, explained }) => {
    const { expected, difference } = expectationOf(subject, row)
    const problems = difference === undefined ? [problem] : [problemWith(difference, compare(row, expected, outcome), problem)]
    if (explained !== undefined) problems.push(compareExplained(row, expected, explained, outcome))
    return problems.flatMap((text) => (text === undefined ? [] : [`${row.id}: ${text}`]))
  })
}

/** @param other What differs from what happens instead. @param problem What differs from what happens on every plane. */
function problemWith({ name }: Difference, other: string | undefined, problem: string | undefined): string | undefined {
  if (other !== undefined) return `${other} (as '${name}' says)`
  return problem === undefined ? `is as on every plane, so '${name}' is not needed` : undefined
}
