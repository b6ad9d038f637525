import type { RowResult } from './row.js'

/** Three significant digits, never an exponent. */
export function formatNumber(value: number): string {
  if (value === 0) return '0'
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toFixed(digits)
}

const times = (value: number): string => `${formatNumber(value)} ×`

function cells(result: RowResult): string[] {
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

/** A table in Markdown, columns aligned, so that it can be pasted into RESULTS.md. */
export function formatTable(results: readonly RowResult[]): string {
  const lines = [headings, ...results.map(cells)]
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)))
  const pad = (line: readonly string[]): string => `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return [pad(headings), rule, ...results.map((result) => pad(cells(result)))].join('\n')
}
