import path from 'node:path'
import process from 'node:process'
import { runContainer } from './container.mjs'
import { provideNewestNft } from '../../tools/lab/newest-nft.mjs'
import { exec } from './exec.mjs'
import { hasIpvs } from './here.mjs'
import { kernelsToFetch, runLab } from './lab.mjs'
import { runSanitizedLifecycle } from './lifecycle.mjs'
import { inNamespace } from './namespace.mjs'
import { runFuzzers, runNativeTests } from './native.mjs'
import { countOne } from './report.mjs'
import { vitestStage } from './vitest.mjs'

/**
 * @typedef {object} Context
 * @property {string} root of the repository
 * @property {string} results folder for reports, removed at the end
 * @property {string[]} filters given after `--`: passed on to vitest
 *
 * @typedef {object} Stage
 * @property {string} name
 * @property {string} [group] name that selects it together with others
 * @property {boolean} [onRequest] runs only when it is named
 * @property {string[]} [needs] entries of requirements.mjs
 * @property {string[]} [wants] the same, for what it makes use of where it can be had
 * @property {boolean} [builds] whether it builds the addon, which takes Node's headers
 * @property {(filters: string[]) => string[]} [kernels] those of the lab that it would fetch
 * @property {string[]} [after] stages that must have run first, so that this one can be selected alone
 * @property {(context: Context) => Promise<import('./report.mjs').Count>} run
 */

const bin = (name) => path.join('node_modules', '.bin', name)

/** A step that is one check: passed when the program exits with 0. */
function check(name, argv, options = {}) {
  const { timeoutSeconds = 300, ...rest } = options
  return { name, ...rest, run: async ({ root }) => countOne((await exec(argv, { timeoutSeconds, quiet: true, cwd: root })).status) }
}

const inOwnNamespace = { wrap: inNamespace, env: { NETPLANE_TEST_NAMESPACE: 'unshare' } }
const compiler = ['g++', 'make', 'python3']
const kernelPrograms = ['nft', 'iptables-nft', 'ip', 'conntrack', 'strace', 'python3']
// The suites of IPVS run here, too, where this kernel has it.
const kernelTools = ['namespaces', ...kernelPrograms, ...(hasIpvs() ? ['ipvsadm'] : [])]
// User-Mode Linux has a substitute (tools/lab/machines.mjs).
const inLab = {
  needs: ['root', 'qemu', 'ipvsadm', ...kernelPrograms],
  wants: ['User-Mode Linux'],
  after: ['addon', 'bundle', 'examples']
}

/** What the newest nft makes of all that is written. It is fetched before, as there is no network in the namespace. */
function listingStage(options) {
  const stage = vitestStage('listing', options)
  const run = async (context) => {
    try {
      await provideNewestNft()
    } catch (error) {
      process.env.NETPLANE_NEWEST_NFT_PROBLEM = error.message
    }
    return await stage.run(context)
  }
  return { ...stage, run }
}

/** @type {Stage[]} in the order in which they run */
export const stages = [
  check('addon', [process.execPath, 'native/build.mjs'], { group: 'build', builds: true, needs: compiler, timeoutSeconds: 900 }),
  check('prebuild', [process.execPath, 'native/build.mjs', '--prebuild'], {
    group: 'build',
    builds: true,
    needs: compiler,
    timeoutSeconds: 900
  }),
  check('bundle', [bin('tsup')], { group: 'build' }),
  check('examples', [bin('tsup'), '--config', 'examples/tsup.config.ts'], { group: 'build' }),

  check('types', [bin('tsc'), '--noEmit'], { group: 'lint' }),
  check('eslint', [bin('eslint'), '.', '--max-warnings=0'], { group: 'lint' }),
  check('prettier', [bin('prettier'), '--check', '--log-level=warn', '.'], { group: 'lint' }),
  check('clang-format', [process.execPath, 'tools/clang-format.mjs'], { group: 'lint', needs: ['clang-format-14'] }),
  check('native-rules', [process.execPath, 'tools/native-rules.mjs'], { group: 'lint' }),
  check('repository-rules', [process.execPath, 'tools/repository-rules.mjs'], { group: 'lint', needs: ['git'] }),
  check('publint', [bin('publint'), '--strict', '--pack=npm'], { group: 'lint', after: ['bundle'] }),
  check('attw', [bin('attw'), '--pack', '.', '--profile=node16'], { group: 'lint', after: ['bundle'] }),
  check('api-report', [process.execPath, 'tools/api-report.mjs'], { group: 'lint', after: ['bundle'] }),

  vitestStage('unit', {}),
  { name: 'native', needs: ['cmake', 'googletest', 'namespaces', 'nft', ...compiler], run: runNativeTests },
  { name: 'fuzz', needs: ['cmake', 'clang-14 with libFuzzer', 'make', 'python3'], run: runFuzzers },
  vitestStage('kernel', {
    projects: ['contract', 'kernel'],
    needs: kernelTools,
    after: ['addon', 'bundle', 'examples'],
    ...inOwnNamespace
  }),
  listingStage({ needs: kernelTools, after: ['addon', 'bundle'], ...inOwnNamespace }),
  vitestStage('lifecycle', { needs: kernelTools, after: ['addon', 'bundle'], ...inOwnNamespace }),
  { name: 'lifecycle-asan', builds: true, needs: [...kernelTools, ...compiler], after: ['bundle'], run: runSanitizedLifecycle },
  vitestStage('pack', { needs: ['namespaces', 'ip', 'objdump'], after: ['prebuild', 'bundle'] }),
  check('demo', [process.execPath, 'examples/demo/play.mjs'], {
    needs: ['namespaces', 'ip'],
    wants: process.getuid() === 0 ? ['IPVS, or User-Mode Linux'] : [],
    after: ['addon', 'bundle', 'examples'],
    // Most of it for machines where the act on IPVS has to be played on an emulated processor.
    timeoutSeconds: 900
  }),
  { name: 'container', needs: ['root', 'podman', ...kernelTools], after: ['addon'], run: runContainer },
  { name: 'lab', ...inLab, kernels: (filters) => kernelsToFetch(filters, false), run: runLab(false) },
  { name: 'lab-full', onRequest: true, ...inLab, kernels: (filters) => kernelsToFetch(filters, true), run: runLab(true) }
]
