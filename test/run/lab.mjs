import process from 'node:process'
import { runInLab } from '../lab/run.mjs'
import { countVitest } from './report.mjs'
import { vitestCommand } from './stages.mjs'

/**
 * Runs test/lab in User-Mode Linux: what this machine's own kernel may lack (dummy devices, IPVS) that one has.
 * @param {import('./stages.mjs').Context} context
 * @returns {Promise<import('./report.mjs').Count>}
 */
export async function runLab(context) {
  const { report, argv } = vitestCommand(context, 'lab', ['lab'])
  const env = { ...process.env, NO_COLOR: '1', NETPLANE_TEST_NAMESPACE: 'uml' }
  const status = await runInLab('uml', argv, { cwd: context.root, timeoutSeconds: 540, env })
  return countVitest(report, status)
}
