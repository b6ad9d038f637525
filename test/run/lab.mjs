import path from 'node:path'
import process from 'node:process'
import { machines, prepare } from '../../tools/lab/machines.mjs'
import { findBootable } from '../../tools/lab/run.mjs'
import { selfTest } from '../../tools/lab/self-test.mjs'
import { choose, filesOfSuites } from './suites.mjs'
import { exec } from './exec.mjs'
import { countVitest, describeSlowest, sum } from './report.mjs'
import { vitestCommand } from './vitest.mjs'

/** What a machine gets for all its suites: far more than it needs, as the machine may be busy. */
const deadlineSeconds = { everyRun: 1500, full: 14_400 }

/**
 * @typedef {{ suite: string, passed: number, failed: number, reason?: string }} Cell one of the table; with a reason the suite did not run
 * @typedef {{ machine: string, seconds: number, cells: Cell[], failures: number }} Column `failures`: those outside every suite
 */

/** Arguments after `--`: machines, parts of file names, and from the first that begins with `-` on what goes to vitest as it is. */
function parse(filters, isFull) {
  const end = filters.findIndex((word) => word.startsWith('-'))
  const words = end < 0 ? filters : filters.slice(0, end)
  const named = words.filter((word) => word in machines)
  const all = Object.keys(machines).filter((name) => isFull || machines[name].everyRun !== 'none')
  return {
    names: named.length > 0 ? named : all,
    filters: words.filter((word) => !named.includes(word)),
    vitest: end < 0 ? [] : filters.slice(end)
  }
}

/** The kernels that a run of the lab would fetch. @returns {string[]} */
export function kernelsToFetch(filters, isFull) {
  const fetched = parse(filters, isFull).names.filter(
    (name) => machines[name].kernel !== undefined && machines[name].release() === undefined
  )
  return fetched.map((name) => machines[name].kernel.name)
}

/** Boots a machine once for all suites that run in it. @returns {Promise<Column>} */
async function runMachine(name, chosen, context, { timeoutSeconds, vitest }) {
  const start = performance.now()
  const column = (cells, failures) => ({ machine: name, seconds: (performance.now() - start) / 1000, cells, failures })
  const left = chosen.filter(({ reason }) => reason !== undefined).map(({ suite, reason }) => ({ suite, passed: 0, failed: 0, reason }))
  const wanted = chosen.filter(({ reason }) => reason === undefined)
  if (wanted.length === 0) return column(left, 0)
  const why = await prepare(machines[name])
  if (why !== undefined) return column([...left, ...wanted.map(({ suite }) => ({ suite, passed: 0, failed: 1, reason: why }))], 0)

  // All files in one process: loading takes longer than testing on an emulated processor.
  const filters = [...wanted.flatMap(({ files }) => files), '--no-isolate', ...vitest]
  const { report, argv } = vitestCommand({ ...context, filters }, name, ['contract', 'kernel'])
  const { status } = await exec([process.execPath, 'tools/lab/run.mjs', '--timeout', String(timeoutSeconds), name, ...argv], {
    timeoutSeconds: timeoutSeconds + 30,
    quiet: true,
    cwd: context.root,
    env: { NETPLANE_TEST_NAMESPACE: 'lab' }
  })
  const total = countVitest(report, status)
  console.log(`${name}: what took longest: ${describeSlowest(total.files, context.root)}`)
  const ran = wanted.map(({ suite, files }) => {
    const own = files.flatMap((file) => total.files[path.join(context.root, file)] ?? [])
    return { suite, ...sum(own), reason: own.length === 0 ? 'the machine left no report of it' : undefined }
  })
  return column([...left, ...ran], total.failed - sum(ran).failed)
}

/**
 * The machines in which suites are to run, with those that were planned. Where one with a substitute does not boot, that takes its place, unless it is
 * among the machines anyway.
 * @param {string[]} names
 * @param {Record<string, string | undefined>} known what boots in place of those that have a substitute: themselves, or that; undefined: neither
 * @returns {{ name: string, planned: string }[]}
 */
function substituted(names, known) {
  return names
    .map((planned) => ({ name: known[planned] ?? planned, planned }))
    .filter(({ name, planned }) => name === planned || !names.includes(name))
}

/** Machines seldom keep more than one processor busy. @returns {Promise<Column[]>} in the order of the names */
async function twoAtATime(names, run) {
  const columns = []
  const left = [...names.entries()]
  const worker = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) columns[next[0]] = await run(next[1])
  }
  await Promise.all([worker(), worker()])
  return columns
}

/** Suites down, machines across, with the reasons below why something did not run. */
function printTable(suites, columns) {
  const reasons = []
  const note = (reason) => {
    if (!reasons.includes(reason)) reasons.push(reason)
    return reasons.indexOf(reason) + 1
  }
  const text = (cell) => {
    if (cell === undefined) return ''
    if (cell.reason !== undefined) return `not run [${note(cell.reason)}]`
    return `${cell.passed} passed${cell.failed > 0 ? ` ${cell.failed} FAILED` : ''}`
  }
  const rows = suites.map((suite) => [suite, ...columns.map(({ cells }) => text(cells.find((cell) => cell.suite === suite)))])
  const release = ({ machine }) => /^[\d.]+/.exec(machines[machine].release() ?? '')?.[0] ?? ''
  const all = [
    ['', ...columns.map(({ machine }) => machine)],
    ['kernel', ...columns.map(release)],
    ...rows,
    ['other failures', ...columns.map(({ failures }) => String(failures))],
    ['seconds', ...columns.map(({ seconds }) => seconds.toFixed(0))]
  ]
  const widths = all[0].map((_, column) => Math.max(...all.map((row) => row[column].length)))
  console.log('')
  for (const row of all)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd()
    )
  for (const [index, reason] of reasons.entries()) console.log(`[${index + 1}] ${reason}`)
}

/**
 * Tries the lab itself, then runs the suites in its machines and prints which passed where.
 * @param {boolean} isFull all suites in all machines, or what `npm test` has time for
 * @returns {(context: import('./stages.mjs').Context) => Promise<import('./report.mjs').Count>}
 */
export function runLab(isFull) {
  return async (context) => {
    const { names, filters, vitest } = parse(context.filters, isFull)
    // The only one that has a substitute.
    const known = { uml: await findBootable('uml') }
    const own = await selfTest(known.uml)
    const files = filesOfSuites(context.root)
    const columns = await twoAtATime(substituted(names, known), async ({ name, planned }) => {
      // A substitute runs what the other would have run, which takes it longer.
      const chosen = choose(files, machines[planned], { isFull, filters })
      const timeoutSeconds = isFull || name !== planned ? deadlineSeconds.full : deadlineSeconds.everyRun
      const column = await runMachine(name, chosen, context, { timeoutSeconds, vitest })
      const { passed, failed } = sum(column.cells)
      console.log(`${name}: ${passed} passed, ${failed + column.failures} failed, ${column.seconds.toFixed(0)} s`)
      return column
    })
    printTable([...new Set(columns.flatMap(({ cells }) => cells.map(({ suite }) => suite)))], columns)
    const outside = columns.map(({ failures }) => ({ passed: 0, failed: failures }))
    return sum([own, ...columns.flatMap(({ cells }) => cells), ...outside])
  }
}
