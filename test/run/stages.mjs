import process from 'node:process'
import path from 'node:path'
import { runContainer } from './container.mjs'
import { newestIptables } from '../../tools/lab/newest-iptables.mjs'
import { newestNft } from '../../tools/lab/newest-nft.mjs'
import { exec } from './exec.mjs'
import { hasIpvs } from './here.mjs'
import { kernelsToFetch, runLab } from './lab.mjs'
import { runSanitizedLifecycle } from './lifecycle.mjs'
import { inNamespace } from './namespace.mjs'
import { runFuzzers, runNativeTests } from './native.mjs'
import { countOne, sum } from './report.mjs'
import { clusterSoakMinutes, soakMinutes } from '../soak/times.mjs'
import { vitestStage } from './vitest.mjs'

/**
 * @typedef {object} Context
 * @property {string} root of the repository
 * @property {string} results folder for reports, removed at the end
 * @property {string[]} filters given after `--`: passed on to vitest
 *
 * @typedef {object} Stage
 * @property {string} name
 * @property {boolean} [onRequest] runs only when it is named
 * @property {string[]} [needs] entries of requirements.mjs
 * @property {string[]} [wants] the same, for what it makes use of where it can be had
 * @property {boolean} [builds] whether it builds the addon, which takes Node's headers
 * @property {boolean} [runsServers] whether it starts the servers of a Kubernetes API, which may have to be built
 * @property {(filters: string[]) => string[]} [kernels] those of the lab that it would fetch
 * @property {string[]} [uses] earlier stages that make what this one needs, and so run before it when it is selected alone
 * @property {boolean} [isAside] whether the stages behind it run while it does
 * @property {boolean} [isAlone] whether all stages before it are waited for
 * @property {(context: Context) => Promise<import('./report.mjs').Count>} run
 */

/**
 * A stage of npm scripts, all at the same time, each of which is one check: passed when it exits with 0.
 * @param {{ tries?: number }} options and those of the stage; `tries`: how often a script is begun, where it fails before
 */
function scripts(name, names, { tries = 1, ...options }) {
  const run = async ({ root }) => {
    const check = async (script, left) => {
      const argv = ['npm', 'run', '--silent', script]
      const { status } = await exec(argv, { timeoutSeconds: 900, quiet: true, cwd: root })
      if (status === 0 || left === 1) return countOne(status)
      console.log(`npm run ${script} ended with ${status}, and is tried once more`)
      return await check(script, left - 1)
    }
    return sum(await Promise.all(names.map((script) => check(script, tries))))
  }
  return { name, ...options, run }
}

const inOwnNamespace = { wrap: inNamespace, env: { NETPLANE_TEST_NAMESPACE: 'unshare' } }
/** crun 1.8 refuses hybrid cgroups, even when it is told not to use any. */
const inPodmanNamespace = (argv) =>
  inNamespace(['sh', '-c', 'if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi; exec "$@"', 'sh', ...argv])
const compiler = ['g++', 'make', 'python3']
const kernelPrograms = ['nft', 'iptables-nft', 'ip', 'conntrack', 'strace', 'python3']
// The suites of IPVS run here, too, where this kernel has it.
const kernelTools = ['namespaces', ...kernelPrograms, ...(hasIpvs() ? ['ipvsadm'] : [])]
// User-Mode Linux has a substitute (tools/lab/machines.mjs).
const inLab = {
  needs: ['root', 'qemu', 'ipvsadm', ...kernelPrograms],
  wants: ['User-Mode Linux'],
  uses: ['build'],
  isAlone: true
}

/** What the newest nft makes of all that is written, and the newest iptables. They are fetched before, as there is no network in the namespace. */
function listingStage(options) {
  const stage = vitestStage('listing', { projects: ['listing', 'newest-iptables'], ...options })
  const run = async (context) => {
    for (const program of [newestNft, newestIptables]) await program.provideForTests()
    return await stage.run(context)
  }
  return { ...stage, run }
}

/** A stage of vitest behind programs of `tools` that build what it needs, with the network that the stage may lack. Where one fails, the stage does. */
function builtStage(name, programs, { buildSeconds, quiet = false, ...options }) {
  const stage = vitestStage(name, options)
  const run = async (context) => {
    for (const program of programs) {
      const build = [process.execPath, path.join('tools', program)]
      const { status } = await exec(build, { timeoutSeconds: buildSeconds, quiet, cwd: context.root })
      if (status !== 0) return countOne(status)
    }
    return await stage.run(context)
  }
  return { ...stage, run }
}

/** @type {Stage[]} in the order in which they run */
export const stages = [
  // Almost everything uses it: a program that was ended from outside, by want of memory, must not take all with it. What is wrong fails twice.
  scripts('build', ['build:all'], { builds: true, needs: compiler, tries: 2 }),
  scripts('prebuild', ['build:prebuild'], { builds: true, needs: compiler }),
  scripts('lint', ['lint:types', 'lint:style', 'lint:format', 'lint:package'], { uses: ['build'] }),
  scripts('lint-rules', ['lint:rules'], { needs: ['clang-format-14', 'git'] }),
  // On a busy machine it takes nine minutes.
  vitestStage('unit', { timeoutSeconds: 1200 }),
  { name: 'native', needs: ['cmake', 'googletest', 'namespaces', 'nft', ...compiler], run: runNativeTests },
  { name: 'fuzz', needs: ['cmake', 'clang-14 with libFuzzer', 'make', 'python3'], run: runFuzzers },
  vitestStage('kernel', {
    projects: ['contract', 'kernel'],
    needs: kernelTools,
    uses: ['build'],
    inParts: true,
    // On a busy machine it takes ten minutes.
    timeoutSeconds: 1200,
    ...inOwnNamespace
  }),
  { name: 'lifecycle-asan', builds: true, needs: [...kernelTools, ...compiler], uses: ['build'], run: runSanitizedLifecycle },
  // It keeps one processor busy.
  { name: 'container', needs: ['root', 'podman', ...kernelTools], uses: ['build'], isAside: true, run: runContainer },
  // The suites of iptables take three and a half minutes of it, on a busy machine.
  listingStage({ needs: kernelTools, uses: ['build'], timeoutSeconds: 1200, ...inOwnNamespace }),
  vitestStage('lifecycle', { needs: kernelTools, uses: ['build'], ...inOwnNamespace }),
  // What comes before and after the minutes themselves is five of them at most, in each mode.
  vitestStage('soak', { needs: kernelTools, uses: ['build'], timeoutSeconds: soakMinutes * 60 + 1200, ...inOwnNamespace }),
  vitestStage('image', { needs: ['root', 'podman', 'nft', 'ip', 'python3'], uses: ['build'], ...inOwnNamespace, wrap: inPodmanNamespace }),
  vitestStage('browser', { needs: ['chromium', ...kernelTools], uses: ['build'], ...inOwnNamespace }),
  builtStage('site', ['site/main.mjs'], { buildSeconds: 600, quiet: true, needs: ['chromium'], uses: ['build'] }),
  vitestStage('pack', { needs: ['namespaces', 'ip', 'readelf'], uses: ['build', 'prebuild'] }),
  scripts('demo', ['demo:play'], {
    needs: ['namespaces', 'ip'],
    wants: process.getuid() === 0 ? ['IPVS, or User-Mode Linux'] : [],
    uses: ['build']
  }),
  { name: 'lab', ...inLab, kernels: (filters) => kernelsToFetch(filters, false), run: runLab(false) },
  { name: 'lab-full', onRequest: true, ...inLab, kernels: (filters) => kernelsToFetch(filters, true), run: runLab(true) },
  // The binaries of all platforms, and the tests of the C++ core on another processor. Compiling them takes half an hour, the first time.
  builtStage('prebuilds', ['prebuild/main.mjs', 'prebuild/native-tests.mjs'], {
    buildSeconds: 3600,
    quiet: true,
    onRequest: true,
    builds: true,
    needs: ['root', 'namespaces', 'ip', 'readelf', 'make', 'pip', 'cmake', 'googletest'],
    uses: ['build']
  }),
  // The example proxy on a real Kubernetes API.
  builtStage('cluster', ['cluster/build.mjs'], {
    buildSeconds: 1800,
    onRequest: true,
    runsServers: true,
    needs: ['servers of a Kubernetes API', ...kernelTools],
    uses: ['build'],
    // On a busy machine it takes eight minutes beside those in which the soak is at work.
    timeoutSeconds: clusterSoakMinutes * 60 + 900,
    ...inOwnNamespace
  })
]
