import type { RowResult } from './row.js'

/** Three significant digits, never an exponent. */
export function formatNumber(value: number): string {
  if (value === 0) return '0'
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toFixed(digits)
}

const times = (value: number): string => `${formatNumber(value)} ×`

/** The cells of a row in the table. */
export function formatCells(result: RowResult): string[] {
  const peers = Object.entries(result.peers)
  return [
    result.name,
    result.unit,
    formatNumber(result.ours),
    result.floor === null ? '-' : formatNumber(result.floor),
    result.ratioToFloor === null ? '-' : times(result.ratioToFloor),
    peers.length === 0 ? '-' : peers.map(([name, value]) => `${name} ${formatNumber(value)}`).join('; '),
    peers.length === 0 ? '-' : peers.map(([name]) => times(result.ratioToPeers[name] ?? Number.NaN)).join('; '),
    result.bar,
    result.met ? 'yes' : 'NO'
  ]
}

const headings = ['row', 'unit', 'ours', 'floor', 'ours / floor', 'peers', 'peer / ours', 'bar', 'met']

/** A table in Markdown of lines whose cells are texts, with aligned columns. */
export function formatLines(rows: readonly (readonly string[])[]): string {
  const lines = [headings, ...rows]
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)))
  const pad = (line: readonly string[]): string => `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return [pad(headings), rule, ...rows.map(pad)].join('\n')
}

/** The table of measured rows. */
export const formatTable = (results: readonly RowResult[]): string => formatLines(results.map(formatCells))
