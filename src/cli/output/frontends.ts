/**
 * Frontends in a table.
 */
import { formatSocketAddress } from '../../core/address.js'
import type { Clients, ShownEndpoint, ShownFrontend } from '../show/model.js'
import { formatTable, type Column } from './table.js'
import { wrap } from './wrap.js'

/** A column that says something of endpoints. */
export interface EndpointColumn<E extends ShownEndpoint = ShownEndpoint> extends Column {
  readonly text: (endpoint: E) => string
}

/** Columns of every table of frontends; the ranks are those beside {@link SHARE} and all others. */
const BEFORE: readonly Column[] = [
  { heading: 'MODE', min: 4, rank: 3, isSpare: true },
  { heading: 'SERVICE', min: 7, rank: 5 },
  { heading: 'FRONTEND', min: 8, isWhole: true },
  { heading: 'ENDPOINT', min: 8, isWhole: true }
]
const BEHIND: Column = { heading: 'STATE', min: 5, rank: 4 }

/** Stands for what is not known. */
export const UNKNOWN = '-'

function placeOf({ fwmark, address, port, family }: ShownFrontend): string {
  if (address !== undefined && port !== undefined) return formatSocketAddress(address, port)
  if (port !== undefined) return `node port ${port} ${family}`
  return fwmark === undefined ? UNKNOWN : `fwmark ${fwmark} ${family}`
}

/** A frontend in words. */
export function frontendText(frontend: ShownFrontend): string {
  const { protocol, scheduler } = frontend
  return [protocol, placeOf(frontend), scheduler === undefined ? undefined : `(${scheduler})`]
    .filter((part) => part !== undefined)
    .join(' ')
}

function shareText({ share, weight }: ShownEndpoint): string {
  if (share !== undefined) return `${Number((share * 100).toPrecision(3))} %`
  return weight === undefined ? UNKNOWN : `weight ${weight}`
}

/** Those there are, and in brackets all there were. */
function connectionsText({ activeConnections, inactiveConnections, connections }: ShownEndpoint): string {
  const now = activeConnections === undefined ? [] : [`${activeConnections} + ${inactiveConnections ?? 0}`]
  const ever = connections === undefined ? [] : [now.length === 0 ? String(connections) : `(${connections})`]
  return [...now, ...ever].join(' ') || UNKNOWN
}

/** What is said of all clients, or of some. */
export function forClients(what: string, clients: Clients): string {
  return clients === 'all' ? what : `${what}, for clients ${clients}`
}

/** What is said of a frontend of which something is missing. @param isWide Whether it is said what. */
function incompleteText({ missing }: Pick<ShownFrontend, 'missing'>, isWide: boolean): string | undefined {
  if (missing === undefined) return undefined
  return isWide ? `incomplete: lacks ${missing.join(' and ')}` : 'incomplete'
}

function stateText({ weight, clients }: ShownEndpoint, frontend: Omit<ShownFrontend, 'endpoints'>, isWide: boolean): string {
  const state = forClients(weight === 0 ? 'draining' : (incompleteText(frontend, isWide) ?? 'ready'), clients)
  return frontend.isOurs ? state : `${state}, foreign`
}

/** What becomes of clients of a frontend who get no endpoint that the kernel knows. */
function otherStates(frontend: ShownFrontend, isWide: boolean): string[] {
  const { endpoints, refusals, relays = [], isOurs } = frontend
  const incomplete = incompleteText(frontend, isWide)
  const more = incomplete === undefined ? '' : `, ${incomplete}`
  const states = [
    ...relays.map(({ port, clients }) => `${forClients(`relay at port ${port}`, clients)}${more}`),
    ...refusals.map(({ type, clients }) => `${forClients(type, clients)}${more}`)
  ]
  if (states.length > 0 || endpoints.length > 0) return states
  return [incomplete ?? (isOurs ? 'no endpoints' : 'no endpoints, foreign')]
}

/** The part of new connections that an endpoint is to get. */
export const SHARE: EndpointColumn = { heading: 'SHARE', min: 5, rank: 2, isSpare: true, text: shareText }

/** Connections that an endpoint has, and had. */
export const CONNECTIONS: EndpointColumn = { heading: 'CONNECTIONS', min: 5, rank: 1, isSpare: true, text: connectionsText }

type FrontendWith<E extends ShownEndpoint> = Omit<ShownFrontend, 'endpoints'> & { readonly endpoints: readonly E[] }

function rowsOf<E extends ShownEndpoint>(frontend: FrontendWith<E>, columns: readonly EndpointColumn<E>[], isWide: boolean): string[][] {
  const { mode, service = UNKNOWN, endpoints } = frontend
  const head = [mode, service, frontendText(frontend)]
  const served = endpoints.map((endpoint) => [
    ...head,
    formatSocketAddress(endpoint.address, endpoint.port),
    ...columns.map(({ text }) => text(endpoint)),
    stateText(endpoint, frontend, isWide)
  ])
  const unknown = [UNKNOWN, ...columns.map(() => UNKNOWN)]
  return [...served, ...otherStates(frontend, isWide).map((state) => [...head, ...unknown, state])]
}

/** Lines of a table, and how many rows it would have beside them. */
export interface FrontendTable {
  readonly lines: readonly string[]
  readonly hiddenRows: number
}

/**
 * A line for each endpoint, and for what becomes of clients who get none.
 *
 * @param columns What is said of each endpoint.
 * @param maxRows Of the first frontends; there may be a hundred thousand, and a terminal has few.
 */
export function frontendTable<E extends ShownEndpoint>(
  frontends: readonly FrontendWith<E>[],
  columns: readonly EndpointColumn<E>[],
  width: number | undefined,
  maxRows = Infinity
): FrontendTable {
  if (frontends.length === 0) return { lines: wrap('The kernel holds no services of a plane.', width), hiddenRows: 0 }
  const rows: string[][] = []
  const isWide = width === undefined
  let hiddenRows = 0
  for (const frontend of frontends)
    if (rows.length < maxRows) rows.push(...rowsOf(frontend, columns, isWide))
    else hiddenRows += frontend.endpoints.length + otherStates(frontend, isWide).length
  return { lines: formatTable([...BEFORE, ...columns, BEHIND], rows, width), hiddenRows }
}
