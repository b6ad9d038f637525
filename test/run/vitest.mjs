import path from 'node:path'
import process from 'node:process'
import { exec } from './exec.mjs'
import { lacksHere } from './here.mjs'
import { countVitest } from './report.mjs'
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

/**
 * A stage that runs vitest projects of this machine; `wrap` may put the command into other surroundings.
 * @returns {import('./stages.mjs').Stage}
 */
export function vitestStage(name, { projects = [name], wrap = (argv) => argv, env = {}, timeoutSeconds = 600, ...rest }) {
  const run = async (context) => {
    const { report, argv } = vitestCommand(context, name, projects)
    if (projects.includes('kernel')) sayWhatIsElsewhere(context)
    const { status } = await exec(wrap(argv), { timeoutSeconds, cwd: context.root, env })
    return countVitest(report, status)
  }
  return { name, ...rest, run }
}
