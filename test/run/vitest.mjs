import os from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { exec } from './exec.mjs'
import { lacksHere } from './here.mjs'
import { countVitest, describeSlowest, sum } from './report.mjs'
import { filesOfSuites, leftOut } from './suites.mjs'

/**
 * The command line that runs vitest projects, and the report it writes.
 * @param {{ results: string, filters: string[] }} context
 * @param {string} name of the report
 * @param {string[]} projects of vitest.config.ts
 */
export function vitestCommand({ results, filters }, name, projects) {
  const report = path.join(results, `${name}.json`)
  const selected = projects.flatMap((project) => ['--project', project])
  const reporters = ['--reporter=dot', '--reporter=./test/run/reporter.mjs', `--outputFile.counts=${report}`]
  return { report, argv: [process.execPath, 'node_modules/vitest/vitest.mjs', 'run', ...selected, ...reporters, ...filters] }
}

/** Says which files of test/kernel the lab or another stage runs instead of this machine (vitest.config.ts leaves them out), and why. */
export function sayWhatIsElsewhere({ root }) {
  for (const [reason, files] of leftOut(filesOfSuites(root), lacksHere())) console.log(`runs elsewhere (${reason}): ${files.join(' ')}`)
}

/** As many as there are processors, four at most: each takes memory of its own. All tests in one where some were chosen. */
const partsOf = ({ filters }) => (filters.length === 0 ? Math.min(os.availableParallelism(), 4) : 1)

/**
 * A stage that runs vitest projects of this machine; `wrap` may put the command into other surroundings.
 * `inParts`: the files, which run one after the other, are shared out among several such surroundings that are there at the same time.
 * @returns {import('./stages.mjs').Stage}
 */
export function vitestStage(name, { projects = [name], wrap = (argv) => argv, env = {}, timeoutSeconds = 600, inParts = false, ...rest }) {
  const run = async (context) => {
    if (projects.includes('kernel')) sayWhatIsElsewhere(context)
    const parts = inParts ? partsOf(context) : 1
    const counts = Array.from({ length: parts }, async (_, index) => {
      const { report, argv } = vitestCommand(context, `${name}-${index + 1}`, projects)
      const part = parts === 1 ? [] : [`--shard=${index + 1}/${parts}`]
      // What they print would be mixed.
      const { status } = await exec(wrap([...argv, ...part]), { timeoutSeconds, quiet: parts > 1, cwd: context.root, env })
      return countVitest(report, status)
    })
    const all = await Promise.all(counts)
    console.log(`${name}: what took longest: ${describeSlowest(Object.assign({}, ...all.map(({ files }) => files)), context.root)}`)
    return sum(all)
  }
  return { name, ...rest, run }
}
