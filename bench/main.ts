import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArguments, selectRows, usage, type Arguments } from './frame/arguments.js'
import { openBench, type Bench } from './frame/bench.js'
import { ListenerError, refuseListeners } from './frame/listeners.js'
import { describeMachine } from './frame/machine.js'
import { measureRow } from './frame/measure.js'
import { loadNetplane, type Netplane } from './frame/netplane.js'
import { formatTable } from './frame/report.js'
import { formatResults, mergeResults, parseResults, type Run } from './frame/results.js'
import { labs, type Row, type RowResult } from './frame/row.js'
import { loadServers } from './frame/servers.js'
import { describeVersions } from './frame/versions.js'
import { makeRows } from './rows/index.js'
import { drawShortConnections } from './rows/short-connections.js'

interface MainOptions {
  /** The repository. */
  readonly root: string
  /** For compiled programs; kept between runs. */
  readonly cache: string
  readonly argv: readonly string[]
}

/** Programs that are needed and are not in $PATH. */
function missingPrograms(chosen: readonly Row[]): string[] {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/sbin']
  const needed = new Set(['cc', 'ip', 'nsenter', ...chosen.flatMap((row) => row.needs)])
  return [...needed].filter((name) => !folders.some((folder) => existsSync(path.join(folder, name))))
}

/** Standard output is for results alone, so that `--json` can be piped. */
const say = (text: string): void => {
  process.stderr.write(`${text}\n`)
}

/** Measures row after row; one that fails does not take the others with it. */
async function measureRows(bench: Bench, chosen: readonly Row[], json: boolean, rounds: number | undefined): Promise<RowResult[]> {
  const results: RowResult[] = []
  for (const row of chosen) {
    say(`${row.name}: ${row.about}`)
    try {
      const result = await measureRow(row, bench, rounds ?? row.rounds)
      results.push(result)
      if (json) console.log(JSON.stringify(result))
      for (const note of result.notes) say(`  ${note}`)
    } catch (error) {
      say(`  not measured: ${describe(error)}`)
    }
  }
  if (!json && results.length > 0) console.log(`\n${formatTable(results)}`)
  return results
}

/** Writes what was measured into bench/RESULTS.md, beside what it holds of other rows. */
function record(root: string, run: Run, measured: readonly RowResult[]): void {
  if (measured.length === 0) return
  const file = path.join(root, 'bench', 'RESULTS.md')
  const before = existsSync(file) ? parseResults(readFileSync(file, 'utf8')) : new Map<string, never>()
  writeFileSync(file, formatResults(mergeResults(before, run, measured)))
  say(`written into ${path.relative(process.cwd(), file)}`)
  const place = run.lab === undefined ? run.machine : `${run.machine} (lab: ${run.lab})`
  const drawing = drawShortConnections(measured, [place, run.versions, `${run.date}, ${run.command}`])
  if (drawing !== undefined) writeFileSync(path.join(root, 'bench', 's3.svg'), drawing)
}

/** What went wrong: the words alone where they are meant for the user. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) throw error
  return error instanceof TypeError || error instanceof ListenerError ? error.message : (error.stack ?? error.message)
}

function listRows(chosen: readonly Row[]): void {
  for (const row of chosen)
    console.log(`${row.name.padEnd(32)} ${row.about}${row.isLong === true ? ' (takes minutes: run only by its name)' : ''}`)
}

/** The commands that measure rows in machines of the lab. */
const labCommands = (unable: readonly Row[]): string[] => [
  ...new Set(
    unable.flatMap(({ name, requires }) =>
      requires === undefined ? [] : [`npm run bench -- --lab ${labs[requires]} ${name.split('-')[0] ?? ''}`]
    )
  )
]

/** The rows that this kernel can run. Those that it cannot are no failure, unless they were named. */
async function runnable({ Ipvs }: Netplane, chosen: readonly Row[], isAsked: boolean): Promise<Row[]> {
  const unable = chosen.filter(({ requires }) => requires !== undefined)
  if (unable.length === 0) return [...chosen]
  try {
    await (await Ipvs.open()).close()
    return [...chosen]
  } catch (error) {
    const what = `${unable.length} rows need a kernel with ip_vs: ${labCommands(unable).join(', ')}`
    if (isAsked) throw new TypeError(what, { cause: error })
    say(`not measured: ${what}`)
    return chosen.filter((row) => !unable.includes(row))
  }
}

/** The rows for which the servers of an API are there, if they need them. Where rows were named, what is missing is built. */
async function withServers(root: string, chosen: readonly Row[], isAsked: boolean): Promise<Row[]> {
  const needing = chosen.filter(({ onApi }) => onApi === true)
  if (needing.length === 0) return [...chosen]
  const { benchPrograms, hasServers, provideServers, serverVersions } = await loadServers(root)
  if (hasServers(process.env, benchPrograms)) return [...chosen]
  if (!isAsked) {
    say(`not measured: ${needing.length} rows need kube-proxy, ${serverVersions}, which npm run bench -- proxy-api builds`)
    return chosen.filter((row) => !needing.includes(row))
  }
  try {
    provideServers(process.env, benchPrograms)
    return [...chosen]
  } catch (error) {
    throw new TypeError((error as Error).message, { cause: error })
  }
}

/** What must be so before anything is measured. */
async function requireReady(chosen: readonly Row[]): Promise<void> {
  const missing = missingPrograms(chosen)
  if (missing.length > 0)
    throw new TypeError(`not found in $PATH: ${missing.join(', ')} (Debian: gcc iproute2 util-linux nftables conntrack ipvsadm)`)
  await refuseListeners()
}

async function measure({ root, cache, argv }: MainOptions, all: readonly Row[], { json, rounds, names }: Arguments): Promise<boolean> {
  if (process.getuid?.() !== 0)
    throw new TypeError('the bench makes network namespaces and looks for listeners in all of them: run it as root')
  const netplane = await loadNetplane(root)
  const isAsked = names.length > 0
  const chosen = await withServers(root, await runnable(netplane, all, isAsked), isAsked)
  await requireReady(chosen)
  const machine = await describeMachine()
  say(`${machine.hardware}, load average ${machine.load}`)
  if (machine.warning !== undefined) say(`warning: ${machine.warning}`)
  const bench = await openBench({ root, cache })
  try {
    const measured = await measureRows(bench, chosen, json, rounds)
    const { load } = await describeMachine()
    say(`at the end: load average ${load}`)
    const lab = process.env.NETPLANE_BENCH_LAB
    const words = [...(process.env.NETPLANE_BENCH_WORDS?.split(' ') ?? []), ...argv]
    const run = {
      date: new Date().toISOString().slice(0, 10),
      lab,
      command: ['npm run bench', ...(words.length > 0 ? ['--', ...words] : [])].join(' '),
      machine: machine.hardware,
      versions: await describeVersions(netplane.VERSION, [...new Set(chosen.flatMap((row) => row.needs))]),
      load: `${machine.load} at the start, ${load} at the end`
    }
    // With JSON the caller keeps the results.
    if (!json) record(root, run, measured)
    return measured.length === chosen.length
  } finally {
    bench.close()
  }
}

/** Runs the bench; returns the exit status. Rows that miss their bar do not change it: a bench measures, tests assert. */
export async function main(options: MainOptions): Promise<number> {
  try {
    const given = parseArguments(options.argv)
    const rows = makeRows(given)
    const chosen = selectRows(rows, given.names)
    if (given.help) console.log(usage)
    else if (given.list) listRows(given.names.length === 0 ? rows : chosen)
    else return (await measure(options, chosen, given)) ? 0 : 1
    return 0
  } catch (error) {
    say(`bench: ${describe(error)}`)
    return 1
  }
}
