/**
 * Looks, for people.
 */
import { printable } from '../../core/errors.js'
import type { Paint } from '../output/colours.js'
import { forClients, frontendTable, SHARE, UNKNOWN, type EndpointColumn } from '../output/frontends.js'
import { planLines, plural } from '../output/plan.js'
import type { ShownRefusal } from '../show/model.js'
import type { ChangeType, SeenChange } from './changes.js'
import type { Look } from './look.js'
import { endpointCount, type RatedEndpoint } from './rates.js'

/** Lines of drift, and of changes, that are shown at once. */
const MOST_LINES = 6

/** Characters of a bar that stands for all connections. */
const BAR = 10

/** Three digits say enough. */
function rateText(rate: number | undefined): string {
  return rate === undefined ? UNKNOWN : String(rate >= 100 ? Math.round(rate) : Number(rate.toPrecision(3)))
}

function spreadText({ spread }: RatedEndpoint): string {
  if (spread === undefined) return UNKNOWN
  return `${'█'.repeat(Math.round(spread * BAR)).padEnd(BAR, '░')} ${Math.round(spread * 100)} %`
}

const refusalText = ({ type, clients }: ShownRefusal): string => forClients(type, clients)

const COLUMNS: readonly EndpointColumn<RatedEndpoint>[] = [
  SHARE,
  { heading: 'NEW/S', min: 5, rank: 7, text: ({ connectionsPerSecond }) => rateText(connectionsPerSecond) },
  { heading: 'SPREAD', min: 6, rank: 6, text: spreadText }
]

const WORDS: Readonly<Record<ChangeType, readonly [sign: '+' | '-' | '~', words: string]>> = {
  'frontend-added': ['+', 'is there'],
  'frontend-removed': ['-', 'is gone'],
  'endpoint-added': ['+', 'has'],
  'endpoint-removed': ['-', 'has no more'],
  draining: ['~', 'drains'],
  ready: ['~', 'no longer drains'],
  'shares-changed': ['~', 'has other shares'],
  'refusals-changed': ['~', 'refuses otherwise']
}

const COLOUR = { '+': 'green', '-': 'red', '~': 'yellow' } as const

/** A change in a line. */
export function changeLine({ at, type, service, frontend, endpoint, clients, refusals }: SeenChange, paint: Paint): string {
  const [sign, words] = WORDS[type]
  const what = refusals === undefined ? '' : `: ${refusals.map(refusalText).join('; ') || 'nobody'}`
  const name = [service, frontend].filter((part) => part !== undefined).join(' ')
  const object = endpoint === undefined ? '' : ` ${forClients(endpoint, clients ?? 'all')}`
  return paint(COLOUR[sign], `${at.slice(11, 19)} ${sign} ${printable(name)} ${words}${object}${what}`)
}

/** The first of many lines, and how many there are more. */
function few(lines: readonly string[]): readonly string[] {
  return lines.length <= MOST_LINES ? lines : [...lines.slice(0, MOST_LINES), `  … and ${lines.length - MOST_LINES} more`]
}

function driftLines({ drift }: Look, paint: Paint): readonly string[] {
  if (drift === undefined) return []
  if (drift.isEmpty) return ['Drift: none. The kernel holds what the file says.']
  const lines = planLines({ ...drift, quarantined: [] }, paint)
  return ['Drift. This is what apply would do:', ...few(lines.slice(0, -1)), lines.at(-1)!]
}

function summary({ frontends, connectionsPerSecond }: Look): string {
  const endpoints = frontends.reduce((sum, frontend) => sum + endpointCount(frontend), 0)
  const rate = connectionsPerSecond === undefined ? '' : `; new connections a second: ${rateText(connectionsPerSecond)}`
  return `${plural(frontends.length, 'frontend')}, ${plural(endpoints, 'endpoint')}${rate}`
}

/** What a look is drawn on. */
export interface Paper {
  readonly width: number | undefined
  readonly maxRows: number | undefined
  readonly paint: Paint
}

/** A look, drawn. */
export interface Picture {
  readonly lines: readonly string[]
  /** Rows of the table that were left out. */
  readonly hiddenRows: number
}

/**
 * A look in lines.
 *
 * @param recent Changes that are shown, the last ones last.
 * @param paper Width in columns, undefined: lines are as long as they are; and as many rows of the table as are shown at most.
 */
export function lookPicture(look: Look, recent: readonly SeenChange[], { width, maxRows, paint }: Paper): Picture {
  const { frontends, notes } = look
  const changes = recent.map((change) => changeLine(change, paint))
  const hidden = changes.length - MOST_LINES
  const last = hidden > 0 ? [`  … and ${hidden} before`, ...changes.slice(hidden)] : changes
  const isEmpty = frontends.length === 0
  const table = frontendTable(frontends, COLUMNS, width, maxRows)
  const lines = [
    ...(isEmpty ? [] : [summary(look)]),
    ...notes,
    ...driftLines(look, paint),
    ...last,
    ...(isEmpty ? [] : ['']),
    ...table.lines
  ]
  return { lines, hiddenRows: table.hiddenRows }
}
