import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { attempt } from '../../support/run.js'

const root = path.resolve(import.meta.dirname, '../../..')
let folder = ''
beforeEach(() => void (folder = mkdtempSync(path.join(os.tmpdir(), 'netplane-reporter-'))))
afterEach(() => rmSync(folder, { recursive: true }))

interface Outcome {
  readonly status: number | null
  readonly out: string
  readonly counts: unknown
}

/** Runs one test file by vitest itself. */
async function runVitest(text: string, ...more: string[]): Promise<Outcome> {
  writeFileSync(path.join(folder, 'a.test.js'), text)
  const counts = path.join(folder, 'counts.json')
  const options = [`--reporter=${path.join(root, 'test/run/reporter.mjs')}`, `--outputFile.counts=${counts}`, '--globals']
  const argv = [path.join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--root', folder, ...options, ...more]
  const { status, stdout, stderr } = await attempt(process.execPath, argv, { cwd: folder, timeoutMs: 60_000 })
  return { status, out: stdout + stderr, counts: JSON.parse(readFileSync(counts, 'utf8')) }
}

const of = (passed: number, failed: number, outside = 0): unknown => ({
  files: {
    [path.join(folder, 'a.test.js')]: {
      passed,
      failed,
      seconds: expect.any(Number) as number,
      failures: Array.from({ length: failed }, () => expect.stringMatching(/: (no|it did not run)$/) as string)
    }
  },
  outside
})

it.each([
  ['skipped', "it.skip('b', () => {})"],
  ['left to be done', "it.todo('b')"],
  ['left out by another that is marked to run alone', "it.only('b', () => {})"]
])('a test that is %s has failed, and is named', { timeout: 60_000 }, async (_, second) => {
  const { status, out, counts } = await runVitest(`it('a', () => {}); ${second}`, '--allowOnly')
  expect(counts).toEqual(of(1, 1))
  expect(out).toMatch(/not run, which counts as failed: [ab]$/m)
  expect(status).toBe(1)
})

it('tests chosen by name are all that is counted, and none is a failure', { timeout: 60_000 }, async () => {
  const text = "it('one', () => {}); it('two', () => {})"
  expect(await runVitest(text, '-t', 'one')).toMatchObject({ status: 0, counts: of(1, 0) })
  const none = await runVitest(text, '-t', 'three')
  expect(none).toMatchObject({ status: 1, counts: of(0, 0, 1) })
  expect(none.out).toContain('nothing measured')
})

it('a failure, a file that cannot be loaded and an error outside every test count', { timeout: 60_000 }, async () => {
  expect(await runVitest("it('a', () => {}); it('b', () => { throw new Error('no') })")).toMatchObject({ status: 1, counts: of(1, 1) })
  expect(await runVitest("it('a', () => {}); throw new Error('no')")).toMatchObject({ status: 1, counts: of(0, 1) })
  const later = "it('a', async () => { Promise.reject(new Error('no')); await new Promise((resolve) => setTimeout(resolve, 50)) })"
  expect(await runVitest(later)).toMatchObject({ status: 1, counts: of(1, 0, 1) })
})
