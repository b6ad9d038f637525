import { mostRequests } from './traffic.js'

export interface Arguments {
  /** Rows are chosen by these names or beginnings of names; none: all. */
  readonly names: readonly string[]
  readonly json: boolean
  readonly list: boolean
  readonly help: boolean
  /** Overrides every row's own number of rounds. */
  readonly rounds: number | undefined
  /** Of all runs of a row `s3-…` together: 1 to {@link mostRequests}. */
  readonly connections: number
  /** Numbers of services of those rows, in order. */
  readonly sizes: readonly number[]
}

const defaultSizes = [100, 500, 1000, 2000, 3000, 4000]
/** Services that the addresses of the bench have room for. */
const mostServices = 65_536

export const usage = `npm run bench -- [NAME…] [--json] [--rounds N] [--list] [--connections N] [--sizes N,N…] [--lab MACHINE [--counted]]
prints a table, and writes it into bench/RESULTS.md in the place of the same rows
  NAME      a row, or the beginning of several rows' names; none: all rows but those that take minutes
  --json    one JSON object per row and line instead of the table; bench/RESULTS.md stays as it is
  --rounds  how often each contender runs (the rows have numbers of their own)
  --connections  how many connections all runs of a row s3-… open (default 10000, at most ${mostRequests})
  --sizes   the numbers of services of the rows s3-… (default ${defaultSizes.join(',')})
  --list    only says which rows there are
  --lab     runs the rows in a machine of the lab, such as uml or qemu-6.12 (tools/lab/machines.mjs): for what this kernel lacks
  --counted the clock of that machine counts a nanosecond for each instruction: whatever else runs here changes nothing (machines of qemu)
  --help    says this`

/** A whole number from 1 to `most`. Throws a TypeError that says what was wrong. */
function readNumber(option: string, word: string | undefined, most: number): number {
  const value = /^\d+$/.test(word ?? '') ? Number(word) : 0
  if (value < 1 || value > most)
    throw new TypeError(
      `${option} takes ${most === Infinity ? 'a whole number from 1 on' : `whole numbers of 1 to ${most}`}, not '${word ?? ''}'`
    )
  return value
}

/** Options with a value: what the value says. */
const valued = {
  '--rounds': (word: string | undefined) => ({ rounds: readNumber('--rounds', word, Infinity) }),
  '--connections': (word: string | undefined) => ({ connections: readNumber('--connections', word, mostRequests) }),
  '--sizes': (word: string | undefined) => ({
    sizes: [...new Set((word ?? '').split(',').map((part) => readNumber('--sizes', part, mostServices)))].sort((a, b) => a - b)
  })
} as const

/** Reads the command line. Throws a TypeError that says what was wrong. */
export function parseArguments(argv: readonly string[]): Arguments {
  const names: string[] = []
  const flags = { '--json': false, '--list': false, '--help': false }
  let values: Pick<Arguments, 'rounds' | 'connections' | 'sizes'> = { rounds: undefined, connections: 10_000, sizes: defaultSizes }
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? ''
    if (word in flags) flags[word as keyof typeof flags] = true
    else if (word in valued) {
      at += 1
      values = { ...values, ...valued[word as keyof typeof valued](argv[at]) }
    } else if (word.startsWith('-')) throw new TypeError(`unknown option '${word}'\n${usage}`)
    else names.push(word)
  }
  return { names, json: flags['--json'], list: flags['--list'], help: flags['--help'], ...values }
}

/** The rows that the names choose, in the table's order; long rows only by their whole name. Throws a TypeError for a name that chooses none. */
export function selectRows<R extends { readonly name: string; readonly isLong?: boolean }>(
  rows: readonly R[],
  names: readonly string[]
): R[] {
  const exact = new Set(rows.map((row) => row.name))
  const chooses = (name: string, row: R): boolean =>
    exact.has(name) ? row.name === name : row.isLong !== true && row.name.startsWith(name)
  const useless = names.find((name) => !rows.some((row) => chooses(name, row)))
  if (useless !== undefined) throw new TypeError(`no row is called '${useless}'; there are ${[...exact].join(', ')}`)
  return rows.filter((row) => (names.length === 0 && row.isLong !== true) || names.some((name) => chooses(name, row)))
}
