import { execFileSync } from 'node:child_process'
import { realpathSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { exec } from './exec.mjs'
import { inNamespace } from './namespace.mjs'
import { countOne, countVitest } from './report.mjs'
import { vitestCommand } from './vitest.mjs'

const sanitizers = 'address,undefined'

/**
 * Runs the lifecycle tests with an addon built with AddressSanitizer, UndefinedBehaviorSanitizer and leak detection. Only the processes that the
 * tests start load it (test/support/node.ts), so that nothing of vitest is in the reports.
 * @param {import('./stages.mjs').Context} context
 */
export async function runSanitizedLifecycle(context) {
  const build = [process.execPath, 'native/build.mjs', `--sanitize=${sanitizers}`]
  const { status: built } = await exec(build, { timeoutSeconds: 900, quiet: true, cwd: context.root })
  if (built !== 0) return countOne(built)
  const runtime = execFileSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim()
  const { report, argv } = vitestCommand(context, 'lifecycle-asan', ['lifecycle'])
  const { status } = await exec(inNamespace(argv), {
    timeoutSeconds: 900,
    cwd: context.root,
    env: {
      NETPLANE_TEST_NAMESPACE: 'unshare',
      NETPLANE_TEST_PRELOAD: realpathSync(runtime),
      NETPLANE_ADDON_PATH: path.join(context.root, 'build-sanitize/build/Release/netplane.node')
    }
  })
  return countVitest(report, status)
}
