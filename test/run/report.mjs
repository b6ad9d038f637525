import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

/** @typedef {{ passed: number, failed: number }} Count */

/** Tests that failed in this run, a line each. @type {string[]} */
const failures = []

/** What failed, in words, for the end of a long output. @returns {string[]} lines; none where no test failed */
export function describeFailures(most = 30) {
  if (failures.length === 0) return []
  const more = failures.length > most ? [`  and ${failures.length - most} more`] : []
  return ['failed:', ...failures.slice(0, most).map((line) => `  ${line}`), ...more]
}

/**
 * What test/run/reporter.mjs has counted, in all and for each test file.
 * @param {string} file that it has written
 * @param {number} status the exit status of vitest
 * @returns {Count & { files: Record<string, Count & { seconds: number }> }} `files`: by absolute path
 */
export function countVitest(file, status) {
  if (!existsSync(file)) return { ...nothingMeasured('vitest wrote no report'), files: {} }
  const { files, outside } = JSON.parse(readFileSync(file, 'utf8'))
  const place = path.basename(file, '.json')
  for (const [name, own] of Object.entries(files))
    failures.push(...(own.failures ?? []).map((line) => `${place}: ${path.relative(process.cwd(), name)}: ${line}`))
  const { passed, failed } = sum([...Object.values(files), { passed: 0, failed: outside }])
  return { ...conclude(passed, failed, status), files }
}

/**
 * Counts a GoogleTest JSON report.
 * @param {string} file
 * @param {number} status the exit status of the test program (a sanitizer's finding makes it fail too)
 * @returns {Count}
 */
export function countGoogleTest(file, status) {
  if (!existsSync(file)) return nothingMeasured(`the test program ended with ${status} and wrote no report`)
  const report = JSON.parse(readFileSync(file, 'utf8'))
  const tests = report.testsuites.flatMap((suite) => suite.testsuite)
  const passed = tests.filter((test) => test.result === 'COMPLETED' && test.failures === undefined).length
  return conclude(passed, tests.length - passed, status)
}

/** One step that either worked or did not. @returns {Count} */
export function countOne(status) {
  return status === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }
}

/** The files that took longest, in words. @param {Record<string, { seconds: number }>} files by absolute path @param {string} root of the repository */
export function describeSlowest(files, root, count = 8) {
  const slowest = Object.entries(files).sort(([, one], [, other]) => other.seconds - one.seconds)
  return slowest
    .slice(0, count)
    .map(([file, { seconds }]) => `${path.relative(root, file)} ${seconds.toFixed(0)} s`)
    .join(', ')
}

/** @param {Count[]} counts @returns {Count} */
export function sum(counts) {
  return counts.reduce((total, count) => ({ passed: total.passed + count.passed, failed: total.failed + count.failed }), {
    passed: 0,
    failed: 0
  })
}

function conclude(passed, failed, status) {
  if (passed + failed === 0) return nothingMeasured('no test ran')
  // A failure outside every test: an unhandled rejection, a sanitizer's report at exit, a crash.
  if (status !== 0 && failed === 0) return { passed, failed: 1 }
  return { passed, failed }
}

function nothingMeasured(why) {
  console.log(`nothing measured, which counts as failed: ${why}`)
  return { passed: 0, failed: 1 }
}
