import type { RowResult } from './row.js'

/** Three significant digits, never an exponent. */
export function formatNumber(value: number): string {
  if (value === 0) return '0'
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toFixed(digits)
}

const times = (value: number): string => `${formatNumber(value)} ×`

interface Column {
  readonly heading: string
  readonly cell: (result: RowResult) => string
}

/** What each peer says, or a dash where there is none. */
const ofPeers = ({ peers }: RowResult, text: (name: string, value: number) => string): string =>
  Object.entries(peers)
    .map(([name, value]) => text(name, value))
    .join('; ') || '-'

const firstColumns: readonly Column[] = [
  { heading: 'row', cell: ({ name }) => name },
  { heading: 'unit', cell: ({ unit }) => unit },
  { heading: 'ours', cell: ({ ours }) => formatNumber(ours) },
  { heading: 'floor', cell: ({ floor }) => (floor === null ? '-' : formatNumber(floor)) },
  { heading: 'ours / floor', cell: ({ ratioToFloor }) => (ratioToFloor === null ? '-' : times(ratioToFloor)) }
]
const peerColumns: readonly Column[] = [
  { heading: 'peers', cell: (result) => ofPeers(result, (name, value) => `${name} ${formatNumber(value)}`) },
  { heading: 'peer / ours', cell: (result) => ofPeers(result, (name) => times(result.ratioToPeers[name] ?? Number.NaN)) }
]
const lastColumns: readonly Column[] = [
  { heading: 'bar', cell: ({ bar }) => bar },
  { heading: 'met', cell: ({ met }) => (met ? 'yes' : 'NO') }
]

/** The columns of a row's table: rows with figures have those in the place of peers. */
function columnsOf({ figures }: RowResult): readonly Column[] {
  const further =
    figures === undefined
      ? peerColumns
      : Object.keys(figures).map((heading) => ({
          heading,
          cell: (result: RowResult) => formatNumber(result.figures?.[heading] ?? Number.NaN)
        }))
  return [...firstColumns, ...further, ...lastColumns]
}

/** The headings of a row's table. */
export const formatHeadings = (result: RowResult): string[] => columnsOf(result).map(({ heading }) => heading)

/** The cells of a row in its table. */
export const formatCells = (result: RowResult): string[] => columnsOf(result).map(({ cell }) => cell(result))

/** A table in Markdown of lines whose cells are texts, with aligned columns. */
export function formatLines(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [headings, ...rows]
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)))
  const pad = (line: readonly string[]): string => `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return [pad(headings), rule, ...rows.map(pad)].join('\n')
}

/** Results in groups, those with the same headings together, in their order. */
export function groupByHeadings(results: readonly RowResult[]): { readonly headings: string[]; readonly results: RowResult[] }[] {
  const groups = new Map<string, RowResult[]>()
  for (const result of results) {
    const key = formatHeadings(result).join('|')
    groups.set(key, [...(groups.get(key) ?? []), result])
  }
  return [...groups].map(([key, grouped]) => ({ headings: key.split('|'), results: grouped }))
}

/** The tables of measured rows. */
export const formatTable = (results: readonly RowResult[]): string =>
  groupByHeadings(results)
    .map(({ headings, results: grouped }) => formatLines(headings, grouped.map(formatCells)))
    .join('\n\n')
