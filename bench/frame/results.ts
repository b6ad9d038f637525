import { formatCells, formatLines, groupByHeadings } from './report.js'
import type { RowResult } from './row.js'

/**
 * What bench/RESULTS.md holds. It is written by the bench alone and read by it again: a run replaces the rows that it has measured, and leaves all others with the
 * date, command and machine of the run that measured them.
 */

/** The sections, in order, and the beginnings of the names of their rows. A row belongs to the longest beginning. */
const sections: readonly (readonly [title: string, ...beginnings: string[]])[] = [
  ['The nf_tables client', 'nftables-'],
  ['The iptables client', 'iptables-'],
  ['The iptables plane', 'iptables-plane-'],
  ['The rtnetlink client', 'route-'],
  ['What a first load costs the process', 'process-'],
  ['The nftables plane', 'plane-'],
  ['What a first sync costs the process', 'plane-process-'],
  ['Dispatch: one set per size, or one verdict map', 'dispatch-'],
  ['New connections', 'traffic-'],
  ['Short connections among many services', 's3-'],
  ['Relays of the userspace plane', 'userspace-'],
  ['The example proxy on a folder', 'proxy-folder-', 'proxy-file-'],
  ['The example proxy on an API server, beside kube-proxy', 'proxy-api-'],
  ['Conntrack', 'conntrack-'],
  ['IPVS', 'ipvs-']
]

/** Drawings beside RESULTS.md, by the section that shows them. */
const drawings: ReadonlyMap<string, { readonly file: string; readonly text: string }> = new Map([
  [
    'Short connections among many services',
    { file: 's3.svg', text: 'Connections per second and the time of a connection, by the number of services' }
  ]
])

/** Under what circumstances rows were measured. */
export interface Run {
  /** `2026-11-26`. */
  readonly date: string
  /** The machine of the lab, or undefined for the kernel of the machine itself. A row replaces one that was measured in the same place. */
  readonly lab: string | undefined
  readonly command: string
  /** Kernel, processors and memory. */
  readonly machine: string
  /** Of netplane, Node and the programs that ours is compared with. */
  readonly versions: string
  /** Load averages. */
  readonly load: string
}

/** A run, and what of it has not been measured again since, by the name of the row: the cells of the table. */
interface Block {
  readonly run: Run
  readonly headings: readonly string[]
  readonly rows: ReadonlyMap<string, readonly string[]>
}

export type Results = ReadonlyMap<string, readonly Block[]>

const own = "this machine's kernel"
const facts = { command: 'Command', machine: 'Machine', versions: 'Versions', load: 'Load average' } as const
const intro = `# Results

\`npm run bench\` writes this file: each run replaces the rows that it has measured.
[NOTES.md](NOTES.md) says how to read it, how the rows are measured, and why a bar is missed.
`

/** The title of the section of a row. Throws where none is for it. */
export function sectionOf(row: string): string {
  const lengthFor = (beginnings: readonly string[]): number =>
    Math.max(-1, ...beginnings.filter((beginning) => row.startsWith(beginning)).map(({ length }) => length))
  const found = sections
    .map(([title, ...beginnings]) => ({ title, length: lengthFor(beginnings) }))
    .reduce((best, other) => (other.length > best.length ? other : best))
  if (found.length < 0) throw new TypeError(`no section of RESULTS.md is for the row '${row}' (bench/frame/results.ts)`)
  return found.title
}

/** The cells of a line of a table, or undefined for any other line. */
const cellsOf = (line: string): string[] | undefined =>
  /^\|.*\|$/.test(line)
    ? line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim())
    : undefined

function parseBlock(text: string): Block {
  const lines = text.split('\n')
  const [date = '', place = ''] = (lines[0] ?? '').split(', ')
  const fact = (name: keyof typeof facts): string => {
    const start = `- ${facts[name]}: `
    const line = lines.find((other) => other.startsWith(start))
    if (line === undefined) throw new TypeError(`RESULTS.md: the run of ${lines[0] ?? ''} has no line '${start}'`)
    return line.slice(start.length)
  }
  const [headings = [], , ...cells] = lines.flatMap((line) => {
    const found = cellsOf(line)
    return found === undefined ? [] : [found]
  })
  return {
    run: {
      date,
      lab: place === own ? undefined : place,
      command: fact('command').replace(/^`(.*)`$/, '$1'),
      machine: fact('machine'),
      versions: fact('versions'),
      load: fact('load')
    },
    headings,
    rows: new Map(cells.map((line) => [line[0] ?? '', line]))
  }
}

/** Reads RESULTS.md. Throws a TypeError where it is not as the bench has written it. */
export function parseResults(text: string): Results {
  const [, ...parts] = text.split(/^## /m)
  return new Map(
    parts.map((part) => {
      const [head = '', ...blocks] = part.split(/^### /m)
      return [head.split('\n', 1).join('').trim(), blocks.map(parseBlock)]
    })
  )
}

/** Puts what a run has measured in the place of what was measured of the same rows in the same place before. */
export function mergeResults(before: Results, run: Run, measured: readonly RowResult[]): Results {
  const titles = new Set(sections.map(([title]) => title))
  for (const title of before.keys()) if (!titles.has(title)) throw new TypeError(`RESULTS.md: the bench has no section '${title}'`)
  const names = new Set(measured.map(({ name }) => name))
  const remaining = (block: Block): Block =>
    block.run.lab === run.lab ? { ...block, rows: new Map([...block.rows].filter(([name]) => !names.has(name))) } : block
  return new Map(
    [...titles].map((title) => {
      const fresh = groupByHeadings(measured.filter(({ name }) => sectionOf(name) === title)).map(({ headings, results }) => ({
        run,
        headings,
        rows: new Map(results.map((result) => [result.name, formatCells(result)]))
      }))
      return [title, [...fresh, ...(before.get(title) ?? []).map(remaining)].filter(({ rows }) => rows.size > 0)]
    })
  )
}

function formatBlock({ run, headings, rows }: Block): string {
  const head = `### ${run.date}, ${run.lab ?? own}\n`
  const lines = Object.entries(facts).map(([name, words]) => {
    const value = run[name as keyof typeof facts]
    return `- ${words}: ${name === 'command' ? `\`${value}\`` : value}`
  })
  return [head, ...lines, '', formatLines(headings, [...rows.values()]), ''].join('\n')
}

function drawingLines(title: string): string[] {
  const drawing = drawings.get(title)
  return drawing === undefined ? [] : [`![${drawing.text}](${drawing.file})\n`]
}

/** RESULTS.md as a whole. */
export function formatResults(results: Results): string {
  const parts = [...results]
    .filter(([, blocks]) => blocks.length > 0)
    .map(([title, blocks]) => [`## ${title}\n`, ...drawingLines(title), ...blocks.map(formatBlock)])
  return [intro, ...parts.flat()].join('\n')
}
