// The reporter of every vitest project: a test that did not run has failed, and so has a run without tests. It leaves the counts to the runner.
import { writeFileSync } from 'node:fs'
import process from 'node:process'

/** @typedef {{ passed: number, failed: number }} Count */

/**
 * @param {import('vitest/node').TestModule} module a test file in one project
 * @param {boolean} isFiltered whether tests were chosen by name, so that those which were not chosen are no fault
 * @returns {Count & { seconds: number, notRun: string[], failures: string[] }} `seconds`: how long its tests took; `notRun`: the names of what counts as failed because it did not run;
 *   `failures`: what failed, a line each
 */
function countModule(module, isFiltered) {
  const tests = [...module.children.allTests()]
  const named = (state) => tests.filter((test) => test.result().state === state)
  const notRun = isFiltered ? [] : [...named('skipped'), ...named('pending')].map((test) => test.fullName)
  // A file that cannot be loaded, or whose hooks fail, has perhaps no test that failed.
  const isBroken = module.state() === 'failed' && named('failed').length === 0
  const failures = [
    ...named('failed').map((test) => `${test.fullName}: ${firstLine(test.result().errors)}`),
    ...notRun.map((name) => `${name}: it did not run`),
    ...(isBroken ? [`the file as a whole: ${firstLine(module.errors())}`] : [])
  ]
  return { passed: named('passed').length, failed: failures.length, seconds: module.diagnostic().duration / 1000, notRun, failures }
}

/** The first line of the first error. @param {readonly { message: string }[] | undefined} errors */
function firstLine(errors) {
  return errors?.[0]?.message.split('\n')[0] ?? 'it is not said why'
}

/** Options of vitest that it reads: `--outputFile.counts=FILE` has the counts and times of each test file written there, as JSON. */
export default class Counts {
  #config

  onInit({ config }) {
    this.#config = config
  }

  onTestRunEnd(modules, unhandledErrors) {
    const files = {}
    for (const module of modules) {
      const { passed, failed, seconds, notRun, failures } = countModule(module, this.#config.testNamePattern !== undefined)
      for (const name of notRun) console.log(`not run, which counts as failed: ${name}`)
      // A file that runs in several projects is there once for each.
      const before = files[module.moduleId] ?? { passed: 0, failed: 0, seconds: 0, failures: [] }
      files[module.moduleId] = {
        passed: before.passed + passed,
        failed: before.failed + failed,
        seconds: before.seconds + seconds,
        failures: [...before.failures, ...failures]
      }
    }
    const counts = Object.values(files)
    const isEmpty = counts.every(({ passed, failed }) => passed + failed === 0)
    if (isEmpty) console.log('nothing measured, which counts as failed: no test ran')
    const outside = isEmpty || unhandledErrors.length > 0 ? 1 : 0
    const file = this.#config.outputFile?.counts
    if (file !== undefined) writeFileSync(file, JSON.stringify({ files, outside }))
    if (outside > 0 || counts.some(({ failed }) => failed > 0)) process.exitCode = 1
  }
}
