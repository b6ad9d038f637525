// docs/behaviour.md: the rows for readers. Rows that differ in protocol and family alone are one line; clients are columns.
import { groupBy } from './group-by.js'
import { chapter as choice } from './rows/choice.js'
import { introductions } from './introductions.js'
import type { Difference, Subject } from './run.js'
import type { Expected, Row, Server } from './types.js'

/** Kernels on which the lab runs suites, and what they lack. */
export type Machines = Readonly<Record<string, { readonly title: string; readonly lacks: Readonly<Record<string, string>> }>>

/** Cells by column. */
type Line = Readonly<Record<string, string>>

/** Rows that make a line, and its cells. */
interface Group {
  readonly cells: Line
  readonly rows: readonly Row[]
}

const placeOf: Readonly<Record<Server, string>> = { 'pod-a': 'here', 'pod-b': 'here too', 'far-c': 'elsewhere', uplink: '(left alone)' }
const refusals = { reset: 'reset', icmp: 'refused', silence: 'dropped' } as const

/** What happens, in as few words as a cell has room for. */
function happens(expected: Expected): string {
  if ('unsupported' in expected) return expected.unsupported
  if ('refused' in expected) return refusals[expected.refused]
  const servers = (Object.entries(expected.answers) as [Server, string][]).map(([server, seen]) =>
    server === 'uplink' ? 'left alone' : placeOf[server] + (seen === 'node' ? '*' : '')
  )
  if (expected.forgotten) return `changes: ${servers.join(', ')}`
  return expected.sticky && servers.length > 1 ? `one of: ${servers.join(', ')}` : servers.join(', ')
}

const protocolsOf = (rows: readonly Row[]): string => [...new Set(rows.map(({ protocol }) => protocol))].join(', ')

/** Protocols, and the family where it is one alone. */
function overOf(rows: readonly Row[]): string {
  const families = new Set(rows.map(({ family }) => family))
  return protocolsOf(rows) + (families.size === 2 ? '' : families.has('ip') ? ', IPv4' : ', IPv6')
}

/** Which of the differences of a subject a line meets, by their numbers, or a tick. */
function planeCell({ differences }: Subject, rows: readonly Row[]): string {
  const met = new Set(rows.map((row) => differences.findIndex(({ applies }) => applies(row))))
  const numbers = [...met].filter((index) => index >= 0).map((index) => `[${index + 1}]`)
  return numbers.length === 0 ? '✓' : numbers.join(' ')
}

const keyOf = (line: Line, without?: string): string => JSON.stringify(Object.entries(line).filter(([column]) => column !== without))

/** What rows are about, but for who asks. */
const withoutClient = (rows: readonly Row[]): Line =>
  Object.fromEntries(Object.entries(rows[0]!.about).filter(([column]) => column !== 'Client'))

/** One line for rows about the same; what happens stands in the column of the client. */
function linesOf(rows: readonly Row[]): Group[] {
  const byAbout = groupBy(rows, ({ about, expected }) => JSON.stringify([about, happens(expected)]))
  const single = [...byAbout.values()].map((own) => ({ own, over: overOf(own) }))
  const lines = groupBy(single, ({ own, over }) => {
    return JSON.stringify([withoutClient(own), over])
  })
  return [...lines.values()].map((members) => {
    const rest = withoutClient(members[0]!.own)
    const results = Object.fromEntries(members.map(({ own }) => [own[0]!.about.Client!, happens(own[0]!.expected)]))
    return { cells: { ...rest, Over: members[0]!.over, ...results }, rows: members.flatMap(({ own }) => own) }
  })
}

/** Lines that are the same but for one column become one, with all its values. */
function merge(groups: readonly Group[], column: string): Group[] {
  const merged = groupBy(groups, ({ cells }) => keyOf(cells, column))
  return [...merged.values()].map((same) => {
    const values = [...new Set(same.map(({ cells }) => cells[column] ?? ''))].filter((value) => value !== '')
    const cells = column in same[0]!.cells ? { ...same[0]!.cells, [column]: values.join(', ') } : same[0]!.cells
    return { cells, rows: same.flatMap(({ rows }) => rows) }
  })
}

/** Where endpoints are what is asked about, each set has lines of its own. */
const isChoice = (rows: readonly Row[]): boolean => rows[0]!.chapter === choice

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`

/** A table of a chapter. */
function table(rows: readonly Row[], subjects: readonly Subject[]): string[] {
  let groups = linesOf(rows)
  for (const column of ['Frontend', 'Policy', 'Endpoints', 'Asked at', 'Over'].filter((name) => !isChoice(rows) || name !== 'Endpoints'))
    groups = merge(groups, column)
  const columns = [...new Set(groups.flatMap(({ cells }) => Object.keys(cells)))]
  const clients = columns.filter((column) => rows.some(({ about }) => about.Client === column))
  const ordered = [...columns.filter((column) => !clients.includes(column)), ...clients]
  const lines = groups.map(({ cells, rows: own }) => [
    ...ordered.map((column) => cells[column] ?? ''),
    ...subjects.map((subject) => planeCell(subject, own))
  ])
  return [row([...ordered, ...subjects.map(({ name }) => name)]), row([...ordered, ...subjects].map(() => '---')), ...lines.map(row)]
}

function differenceLines({ name, differences }: Subject, rows: readonly Row[]): string[] {
  const counted = differences.map((difference: Difference, index) => {
    const own = rows.filter((candidate) => differences.find(({ applies }) => applies(candidate)) === difference)
    return `${index + 1}. (${own.length} rows) ${difference.reason}`
  })
  return counted.length === 0 ? [`${name} does what every row says.`] : counted
}

function kernelTable(subjects: readonly Subject[], machines: Machines): string[] {
  const lines = subjects.map(({ name, requires }) => [
    name,
    ...Object.values(machines).map(({ lacks }) => requires.map((feature) => lacks[feature]).find((reason) => reason !== undefined) ?? '✓')
  ])
  const head = ['', ...Object.values(machines).map(({ title }) => title)]
  return [row(head), row(head.map(() => '---')), ...lines.map(row)]
}

/** How many rows there are of each value of a dimension. */
function countLines(rows: readonly Row[]): string[] {
  const dimensions = {
    client: (one: Row) => one.client,
    protocol: (one: Row) => one.protocol,
    family: (one: Row) => (one.family === 'ip' ? 'IPv4' : 'IPv6'),
    frontend: (one: Row) => one.kind,
    policy: (one: Row) => one.policy
  }
  return Object.entries(dimensions).map(([name, pick]) => {
    const counts = [...groupBy(rows, pick)].map(([value, of]) => `${value} ${of.length}`)
    return row([name, counts.join(', ')])
  })
}

const LEGEND = `What happens is written so:

- \`here\`, \`elsewhere\`: an endpoint on this node, or on another one, answers. Several of them share the connections.
- A star: the endpoint sees an address of the node (the connection is masqueraded). Without it, it sees the client's.
- \`one of\`: each client address keeps one of these.
- \`changes\`: the client addresses do not all keep theirs.
- \`refused\`: the client gets ICMP or ICMPv6 "port unreachable" from the node. \`reset\`: it gets a reset of TCP. \`dropped\`: it gets nothing.
- \`left alone\`: the node routes the packet as if there were no services.

The clients are an address from outside, this node (from an address that is not its first), a pod of this node, a pod of another node, and the endpoint on this node (\`itself\`).
Under policy \`local\`, and for masquerading, pods of all nodes are local clients.
An empty cell is not tried.`

/** The whole page. */
export function behaviourPage(rows: readonly Row[], subjects: readonly Subject[], machines: Machines): string {
  const chapters = [...groupBy(rows, ({ chapter }) => chapter)]
  const lines = [
    '# What packets meet',
    '',
    'This page is generated from the rows of `test/contract/behaviour` by `npm run docs:behaviour`.',
    'Each row is tried with real sockets in network namespaces, on all that the last columns name.',
    'A row says who answers a client, and whose address the server sees, or how the client is refused.',
    '',
    LEGEND,
    '',
    '## Planes and kernels',
    '',
    ...subjects.flatMap(({ name, about }) => [`**${name}**: ${about}`, '']),
    'A tick: the rows run there by `npm run test:lab -- behaviour`. They also run on the kernel of the machine, by `npm run test:kernel -- behaviour`.',
    '',
    ...kernelTable(subjects, machines),
    '',
    `There are ${rows.length} rows.`,
    '',
    row(['by', 'rows']),
    row(['---', '---']),
    ...countLines(rows),
    ...chapters.flatMap(([name, own]) => ['', `## ${name}`, '', ...(introductions[name] ?? []), '', ...table(own, subjects)]),
    '',
    '## Where planes differ',
    '',
    'The numbers are those of the columns above.',
    ...subjects.flatMap((subject) => ['', `### ${subject.name}`, '', ...differenceLines(subject, rows)])
  ]
  return `${lines.join('\n')}\n`
}
