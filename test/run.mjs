// Runs the tests: all of them, or the stages named on the command line (what follows `--` goes to vitest). test/run/stages.mjs lists them.
// What it installs on this machine is said first; NETPLANE_INSTALL=no makes it stop there.
// As root, or with CI=true, everything runs and what cannot run has failed. Otherwise what cannot run here is listed, with what it needs.
// The last line is `<n> passed, <n> failed`; the exit status is 0 only when nothing failed.
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { addSystemFolders } from '../tools/lab/programs.mjs'
import { install } from './run/install.mjs'
import { describeFailures, sum } from './run/report.mjs'
import { missing, missingPackagesOf } from './run/requirements.mjs'
import { stages } from './run/stages.mjs'

const root = path.resolve(import.meta.dirname, '..')

/** The selected stages, with those they use, in order. */
function select(names) {
  if (names.length === 0) return stages.filter((stage) => stage.onRequest !== true)
  const unknown = names.filter((name) => !stages.some((stage) => stage.name === name))
  if (unknown.length > 0)
    throw new Error(`no stage is called ${unknown.join(', ')}; there are ${stages.map(({ name }) => name).join(', ')}`)
  const wanted = new Set(stages.filter(({ name }) => names.includes(name)).flatMap(({ name, uses = [] }) => [name, ...uses]))
  return stages.filter(({ name }) => wanted.has(name))
}

/** Runs one stage, unless one that it uses is among those that have `failed`; returns its count and what it took. */
async function runStage(stage, context, isComplete, failed) {
  const used = (stage.uses ?? []).filter((name) => failed.has(name))
  if (used.length > 0) {
    console.log(`\n== ${stage.name}\ncannot run, which counts as failed: it uses what has failed: ${used.join(', ')}`)
    return { stage, seconds: 0, passed: 0, failed: 1 }
  }
  const lacking = missing(stage.needs ?? [])
  if (lacking.length > 0) {
    if (!isComplete) return { stage, seconds: 0, notRun: lacking, passed: 0, failed: 0 }
    console.log(`\n== ${stage.name}\ncannot run, which counts as failed: needs ${lacking.join('; ')}`)
    return { stage, seconds: 0, passed: 0, failed: 1 }
  }
  console.log(`\n== ${stage.name}`)
  const start = performance.now()
  const count = await stage.run(context)
  if (count.failed > 0) failed.add(stage.name)
  return { stage, seconds: (performance.now() - start) / 1000, ...count }
}

/** One stage after the other, but for those that are aside. */
async function runAll(chosen, run) {
  const outcomes = []
  for (const stage of chosen) {
    if (stage.isAlone) await Promise.all(outcomes)
    const outcome = run(stage)
    // Whatever comes of it is told at the end, with the rest.
    outcome.catch(() => undefined)
    outcomes.push(outcome)
    if (!stage.isAside) await outcome
  }
  return await Promise.all(outcomes)
}

async function main(argv) {
  const separator = argv.indexOf('--')
  const named = separator < 0 ? argv : argv.slice(0, separator)
  const chosen = select(named)
  const filters = separator < 0 ? [] : argv.slice(separator + 1)
  const isRoot = process.getuid() === 0
  const isComplete = isRoot || process.env.CI === 'true'
  addSystemFolders()
  const wanted = {
    packages: missingPackagesOf(chosen.flatMap(({ needs = [], wants = [] }) => [...needs, ...wants])),
    kernels: isRoot ? [...new Set(chosen.flatMap((stage) => stage.kernels?.(filters) ?? []))] : [],
    builds: chosen.some((stage) => stage.builds === true),
    runsServers: chosen.some((stage) => stage.runsServers === true)
  }
  if (!(await install(root, wanted))) return [{ stage: { name: 'installing' }, seconds: 0, passed: 0, failed: 1 }]
  const context = { root, results: mkdtempSync(path.join(os.tmpdir(), 'netplane-test-')), filters }
  try {
    const failed = new Set()
    return await runAll(chosen, (stage) => runStage(stage, context, isComplete, failed))
  } finally {
    rmSync(context.results, { recursive: true, force: true })
  }
}

const outcomes = await main(process.argv.slice(2))
console.log('')
for (const line of describeFailures()) console.log(line)
for (const { stage, passed, failed, seconds, notRun } of outcomes) {
  const result = notRun === undefined ? `${String(passed).padStart(6)} passed ${String(failed).padStart(4)} failed` : 'not run'
  console.log(`${stage.name.padEnd(18)} ${result.padEnd(26)} ${seconds.toFixed(1).padStart(7)} s`)
}
const left = outcomes.filter((outcome) => outcome.notRun !== undefined)
if (left.length > 0) console.log(`not run: ${left.length}, needs ${[...new Set(left.flatMap((outcome) => outcome.notRun))].join('; ')}`)
const { passed, failed } = sum(outcomes)
const total = passed + failed === 0 ? { passed, failed: 1 } : { passed, failed }
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed === 0 ? 0 : 1
