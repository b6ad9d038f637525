import { endpointText, protocolName, tcpStateName, type FlowRow } from './describe.js'
import type { SortKey } from './options.js'
import type { Sample } from './sample.js'

/** What the table says besides the flows. */
export interface View {
  readonly sample: Sample
  /** In the namespace, and its limit; 0: not known. */
  readonly entries: number
  readonly maxEntries: number
  /** Flows that began and ended a second; undefined: not watched. `isAtLeast`: events were lost. */
  readonly churn: { readonly begun: number; readonly ended: number; readonly isAtLeast: boolean } | undefined
  /** Whether new flows are counted (`nf_conntrack_acct`); undefined: cannot be read. */
  readonly accounting: boolean | undefined
  readonly sort: SortKey
  readonly intervalSeconds: number
  readonly isPaused: boolean
  readonly place: string
  readonly time: string
}

export const ACCOUNTING_HINT = 'Not counted: --accounting, or sysctl -w net.netfilter.nf_conntrack_acct=1'

const UNITS = ['', 'k', 'M', 'G', 'T', 'P']

/** Three digits and a unit: `999`, `1.23k`, `45.6M`. */
export function shortNumber(value: number): string {
  let unit = 0
  let rest = value
  while (rest >= 999.5 && unit < UNITS.length - 1) {
    rest /= 1000
    unit += 1
  }
  const digits = unit === 0 || rest >= 99.95 ? 0 : rest >= 9.995 ? 1 : 2
  return `${rest.toFixed(digits)}${UNITS[unit]!}`
}

const orDash = (value: number | undefined): string => (value === undefined ? '-' : shortNumber(value))

/** Cut in the middle where it is too long: both ends of an address tell flows apart. */
export function fit(text: string, width: number): string {
  if (text.length <= width) return text.padEnd(width)
  const head = Math.ceil((width - 1) / 2)
  return `${text.slice(0, head)}~${text.slice(text.length - (width - 1 - head))}`
}

interface Column {
  readonly title: string
  readonly width: number
  readonly isNumber?: boolean
  readonly text: (row: FlowRow) => string
}

const protocolColumn: Column = { title: 'PROTO', width: 7, text: ({ protocol }) => protocol }
const stateColumn: Column = { title: 'STATE', width: 11, text: ({ state }) => state ?? '' }
const rateColumn: Column = { title: 'BYTES/S', width: 7, isNumber: true, text: ({ counted }) => orDash(counted?.bytesPerSecond) }
const packetsColumn: Column = { title: 'PKT/S', width: 5, isNumber: true, text: ({ counted }) => orDash(counted?.packetsPerSecond) }
const totalColumn: Column = { title: 'TOTAL', width: 5, isNumber: true, text: ({ counted }) => orDash(counted?.bytes) }
const timeoutColumn: Column = { title: 'TIMEOUT', width: 7, isNumber: true, text: ({ timeoutSeconds }) => `${timeoutSeconds}s` }

const sourceText = ({ source, sourcePort }: FlowRow): string => endpointText(source, sourcePort)
const destinationText = ({ destination, destinationPort }: FlowRow): string => endpointText(destination, destinationPort)

/** `dnat 10.1.0.3:53`, `snat …`, or both; empty where packets arrive as they were sent. */
export function natText({ destinationNat, sourceNat }: FlowRow): string {
  const parts = [destinationNat === undefined ? '' : `dnat ${destinationNat}`, sourceNat === undefined ? '' : `snat ${sourceNat}`]
  return parts.filter((part) => part !== '').join(' ')
}

/** From here on NAT, the time-out and the total have columns; below, NAT has a line under its flow. */
const WIDE = 136
const LEAST_ADDRESS = 15
const MOST_ADDRESS = 47

/** What stands in a line of so many characters: the addresses share what the others leave. */
function columnsFor(width: number): readonly Column[] {
  const isWide = width >= WIDE
  const numbers = [...(isWide ? [timeoutColumn] : []), rateColumn, packetsColumn, ...(isWide ? [totalColumn] : [])]
  const fixed = [protocolColumn, stateColumn, ...numbers]
  const taken = fixed.reduce((sum, column) => sum + column.width + 1, 0)
  const shares = isWide ? 3 : 2
  const share = Math.floor((width - taken - (shares - 1)) / shares)
  const address = Math.max(LEAST_ADDRESS, Math.min(MOST_ADDRESS, share))
  return [
    protocolColumn,
    stateColumn,
    { title: 'SOURCE', width: address, text: sourceText },
    { title: 'DESTINATION', width: address, text: destinationText },
    ...(isWide ? [{ title: 'NAT', width: address, text: natText }] : []),
    ...numbers
  ]
}

const lineOf = (columns: readonly Column[], text: (column: Column) => string): string =>
  columns.map((column) => (column.isNumber === true ? text(column).padStart(column.width) : fit(text(column), column.width))).join(' ')

/** The lines of flows: one each, and a second one for NAT where the line is short. */
function* flowLines(rows: readonly FlowRow[], columns: readonly Column[], width: number): Generator<readonly string[]> {
  for (const row of rows) {
    const line = lineOf(columns, ({ text }) => text(row))
    const nat = width < WIDE ? natText(row) : ''
    yield nat === '' ? [line] : [line, `${' '.repeat(protocolColumn.width + 1)}=> ${nat}`]
  }
}

const sorted = (counts: ReadonlyMap<number, number>): [number, number][] => [...counts].sort(([, left], [, right]) => right - left)

/** All flows together; or why that is not known. */
function traffic(sample: Sample, accounting: boolean | undefined): string {
  if (!sample.isCounted && accounting === false) return ACCOUNTING_HINT
  if (!sample.isCounted && sample.flows > 0) return 'These flows are not counted; those that begin from now on are'
  const rates = `${orDash(sample.bytesPerSecond)} bytes/s ${orDash(sample.packetsPerSecond)} packets/s`
  return accounting === false ? `${rates}  (new flows are not counted: --accounting)` : rates
}

function summary({ sample, entries, maxEntries, churn, accounting, sort, intervalSeconds, isPaused, place, time }: View): string[] {
  const share = maxEntries === 0 ? '' : ` of ${maxEntries} (${((100 * entries) / maxEntries).toFixed(1)} %)`
  const sign = churn?.isAtLeast === true ? '>' : ''
  const rates = churn === undefined ? '' : `  +${sign}${shortNumber(churn.begun)}/s -${sign}${shortNumber(churn.ended)}/s`
  const states = sorted(sample.tcpStates)
    .map(([state, flows]) => `${tcpStateName(state)} ${flows}`)
    .join(' ')
  const protocols = sorted(sample.protocols).map(([protocol, flows]) => {
    const name = protocolName(protocol)
    return name === 'tcp' && states !== '' ? `tcp ${flows} (${states})` : `${name} ${flows}`
  })
  return [
    `${time} ${place}  flows ${entries}${share}${rates}`,
    `${sample.flows} shown${sample.translated === 0 ? '' : `, ${sample.translated} with NAT`}: ${protocols.join(' ')}`,
    traffic(sample, accounting),
    `by ${sort}, every ${intervalSeconds} s${isPaused ? ', PAUSED' : ''}`
  ]
}

/** Every line cut to the width, none longer. */
const cut = (lines: readonly string[], width: number): string[] => lines.map((line) => line.slice(0, width).trimEnd())

/** The whole screen: at most `height` lines of at most `width` characters. */
export function renderScreen(view: View, width: number, height: number): string[] {
  const columns = columnsFor(width)
  const head = [...summary(view), lineOf(columns, ({ title }) => title)]
  const foot = 'q quit  p pause  s sort'
  const room = height - head.length - 1
  const lines: string[] = []
  for (const flow of flowLines(view.sample.top, columns, width)) {
    if (lines.length + flow.length > room) break
    lines.push(...flow)
  }
  const empty = Array.from({ length: Math.max(0, room - lines.length) }, () => '')
  return cut([...head, ...lines, ...empty, foot].slice(0, Math.max(0, height)), width)
}

/** The table as plain text, every flow of the sample. */
export function renderText(view: View, width: number): string {
  const columns = columnsFor(width)
  const lines = [...summary(view), lineOf(columns, ({ title }) => title), ...[...flowLines(view.sample.top, columns, width)].flat()]
  return `${cut(lines, width).join('\n')}\n`
}

/** The table as JSON; what is not counted is null. */
export function toJson({ sample, entries, maxEntries, accounting, sort, intervalSeconds }: View): object {
  const counts = (map: ReadonlyMap<number, number>, name: (number: number) => string): object =>
    Object.fromEntries(sorted(map).map(([number, flows]) => [name(number), flows]))
  return {
    entries,
    maxEntries,
    accounting: accounting ?? null,
    intervalSeconds,
    sort,
    flows: sample.flows,
    translated: sample.translated,
    protocols: counts(sample.protocols, protocolName),
    tcpStates: counts(sample.tcpStates, tcpStateName),
    bytesPerSecond: sample.bytesPerSecond ?? null,
    packetsPerSecond: sample.packetsPerSecond ?? null,
    top: sample.top.map(({ counted, ...row }) => ({
      ...row,
      bytes: counted?.bytes ?? null,
      packets: counted?.packets ?? null,
      bytesPerSecond: counted?.bytesPerSecond ?? null,
      packetsPerSecond: counted?.packetsPerSecond ?? null
    }))
  }
}
