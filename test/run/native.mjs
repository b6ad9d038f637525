import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { exec } from './exec.mjs'
import { describeFindings } from './fuzz-findings.mjs'
import { countGoogleTest, countOne, sum } from './report.mjs'

const fuzzSeconds = 10

/**
 * Builds the native core without Node, by cmake-js, in a folder of its own.
 * @returns {Promise<string | undefined>} the folder of the executables, or undefined when the build failed
 */
async function build(root, folder, options) {
  const defines = Object.entries(options).map(([name, value]) => `--CD${name}=${value}`)
  const argv = ['node_modules/.bin/cmake-js', 'build', '--out', folder, '--parallel', String(os.availableParallelism()), ...defines]
  const { status } = await exec(argv, { timeoutSeconds: 1200, quiet: true, cwd: root })
  return status === 0 ? path.join(root, folder, 'bin') : undefined
}

function programs(folder, suffix) {
  return readdirSync(folder)
    .filter((name) => name.endsWith(suffix))
    .map((name) => path.join(folder, name))
}

/**
 * Runs the native core's tests under AddressSanitizer and UndefinedBehaviorSanitizer.
 * @param {import('./stages.mjs').Context} context
 */
export async function runNativeTests({ root, results, filters }) {
  const folder = await build(root, 'build-native-tests', { NETPLANE_SANITIZE: 'address,undefined' })
  if (folder === undefined) return countOne(1)
  const counts = []
  for (const program of programs(folder, '_test')) {
    const report = path.join(results, `${path.basename(program)}.json`)
    const chosen = filters.map((filter) => `--gtest_filter=${filter}`)
    const { status } = await exec([program, '--gtest_brief=1', `--gtest_output=json:${report}`, ...chosen], {
      timeoutSeconds: 300,
      cwd: root
    })
    counts.push(countGoogleTest(report, status))
  }
  return counts.length === 0 ? countOne(1) : sum(counts)
}

/** Runs a fuzzer on its corpus and then on inputs of its own; an input that fails is printed. @returns {Promise<import('./report.mjs').Count>} */
async function runFuzzer(program, { root, results }) {
  const name = path.basename(program, '_fuzzer')
  const corpus = path.join(root, 'native', 'fuzz', 'corpus', name)
  const folders = [path.join(results, `${name}-new`), ...(existsSync(corpus) ? [corpus] : [])]
  mkdirSync(folders[0])
  const artifacts = `-artifact_prefix=${path.join(root, 'build-fuzz', `${name}-`)}`
  const limits = [`-max_total_time=${fuzzSeconds}`, '-timeout=5', '-rss_limit_mb=1024', '-print_final_stats=1']
  const startedAt = Date.now()
  const { status } = await exec([program, ...limits, artifacts, ...folders], { timeoutSeconds: fuzzSeconds + 60, quiet: true, cwd: root })
  for (const finding of describeFindings(path.join(root, 'build-fuzz'), `${name}-`, startedAt)) console.log(finding)
  return countOne(status)
}

/**
 * Runs every fuzzer for a short time, as many at a time as there are processors; what they find new is not kept.
 * @param {import('./stages.mjs').Context} context
 */
export async function runFuzzers(context) {
  const folder = await build(context.root, 'build-fuzz', {
    NETPLANE_FUZZ: 'ON',
    CMAKE_CXX_COMPILER: 'clang++-14',
    CMAKE_C_COMPILER: 'clang-14'
  })
  if (folder === undefined) return countOne(1)
  const left = programs(folder, '_fuzzer')
  const counts = []
  const worker = async () => {
    for (let program = left.shift(); program !== undefined; program = left.shift()) counts.push(await runFuzzer(program, context))
  }
  await Promise.all(Array.from({ length: os.availableParallelism() }, worker))
  return counts.length === 0 ? countOne(1) : sum(counts)
}
