import { exec } from './exec.mjs'
import { countVitest } from './report.mjs'
import { vitestCommand } from './stages.mjs'

/**
 * Runs test/lab in User-Mode Linux: what this machine's own kernel may lack (dummy devices, IPVS) that one has.
 * @param {import('./stages.mjs').Context} context
 * @returns {Promise<import('./report.mjs').Count>}
 */
export async function runLab(context) {
  const { report, argv } = vitestCommand(context, 'lab', ['lab'])
  const { status } = await exec(['test/lab/uml', ...argv], { timeoutSeconds: 600, cwd: context.root, env: { LAB_TIMEOUT: '540' } })
  return countVitest(report, status)
}
