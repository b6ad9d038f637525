export interface Arguments {
  /** Rows are chosen by these names or beginnings of names; none: all. */
  readonly names: readonly string[]
  readonly json: boolean
  readonly list: boolean
  readonly help: boolean
  /** Overrides every row's own number of rounds. */
  readonly rounds: number | undefined
}

export const usage = `npm run bench -- [NAME…] [--json] [--rounds N] [--list] [--lab MACHINE]
prints a table, and writes it into bench/RESULTS.md in the place of the same rows
  NAME      a row, or the beginning of several rows' names; none: all rows but those that take minutes
  --json    one JSON object per row and line instead of the table; bench/RESULTS.md stays as it is
  --rounds  how often each contender runs (the rows have numbers of their own)
  --list    only says which rows there are
  --lab     runs the rows in a machine of the lab, such as uml or qemu-6.12 (tools/lab/machines.mjs): for what this kernel lacks
  --help    says this`

/** Reads the command line. Throws a TypeError that says what was wrong. */
export function parseArguments(argv: readonly string[]): Arguments {
  const names: string[] = []
  const flags = { '--json': false, '--list': false, '--help': false }
  let rounds: number | undefined
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? ''
    if (word in flags) flags[word as keyof typeof flags] = true
    else if (word === '--rounds') {
      at += 1
      rounds = Number(argv[at])
      if (!Number.isInteger(rounds) || rounds < 1) throw new TypeError(`--rounds takes a whole number from 1 on, not '${argv[at] ?? ''}'`)
    } else if (word.startsWith('-')) throw new TypeError(`unknown option '${word}'\n${usage}`)
    else names.push(word)
  }
  return { names, json: flags['--json'], list: flags['--list'], help: flags['--help'], rounds }
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
