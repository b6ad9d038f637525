import { existsSync, readFileSync } from 'node:fs'

/** @typedef {{ passed: number, failed: number }} Count */

/**
 * Counts a vitest JSON report. A test that did not run (skipped, todo) counts as failed: none may be left out silently.
 * @param {string} file
 * @param {number} status the exit status of vitest
 * @returns {Count}
 */
export function countVitest(file, status) {
  if (!existsSync(file)) return nothingMeasured('vitest wrote no report')
  const { passed, failed } = sum(suitesOf(file).map(countSuite))
  return conclude(passed, failed, status)
}

/**
 * The same for each test file of a report; one that ran in several projects is there once for each.
 * @param {string} file
 * @returns {Map<string, Count>} by path
 */
export function countVitestFiles(file) {
  const counts = new Map()
  for (const suite of suitesOf(file)) counts.set(suite.name, sum([counts.get(suite.name) ?? { passed: 0, failed: 0 }, countSuite(suite)]))
  return counts
}

function suitesOf(file) {
  return JSON.parse(readFileSync(file, 'utf8')).testResults
}

function countSuite({ status, assertionResults }) {
  const passed = assertionResults.filter((test) => test.status === 'passed').length
  const notRun = assertionResults.filter((test) => test.status !== 'passed' && test.status !== 'failed')
  for (const test of notRun) console.log(`not run, which counts as failed: ${test.fullName}`)
  // A file that fails while it is loaded has no tests in the report.
  const isBroken = status === 'failed' && !assertionResults.some((test) => test.status === 'failed')
  return { passed, failed: assertionResults.length - passed + (isBroken ? 1 : 0) }
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
