import process from 'node:process'
import { selfTest } from '../lab/self-test.mjs'
import { exec } from './exec.mjs'
import { countVitest, sum } from './report.mjs'
import { vitestCommand } from './vitest.mjs'

/**
 * Tries the lab itself, then runs in User-Mode Linux what this machine's own kernel may lack: test/lab, and the suites of the route client
 * once more (dummy devices).
 * @param {import('./stages.mjs').Context} context
 * @returns {Promise<import('./report.mjs').Count>}
 */
export async function runLab(context) {
  const own = await selfTest()
  const filters = context.filters.length > 0 ? context.filters : ['route']
  const { report, argv } = vitestCommand({ ...context, filters }, 'lab', ['lab', 'kernel', 'contract'])
  const { status } = await exec([process.execPath, 'test/lab/run.mjs', '--timeout', '540', 'uml', ...argv], {
    timeoutSeconds: 600,
    cwd: context.root,
    env: { NETPLANE_TEST_NAMESPACE: 'lab' }
  })
  return sum([own, countVitest(report, status)])
}
