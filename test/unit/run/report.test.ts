import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Count, countGoogleTest, countVitest, describeFailures, describeSlowest, sum } from '../../run/report.mjs'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'netplane-report-'))
  vi.spyOn(console, 'log').mockImplementation(() => undefined)
})
afterEach(() => rm(folder, { recursive: true }))

async function written(report: unknown): Promise<string> {
  const file = path.join(folder, 'report.json')
  await writeFile(file, JSON.stringify(report))
  return file
}

describe('count of a vitest report', () => {
  const count = async (status: number, outside: number, files: Record<string, Count>): Promise<unknown> =>
    countVitest(await written({ files, outside }), status)

  test('adds up the files, and what failed outside of them', async () => {
    const files = { '/a': { passed: 1, failed: 1 }, '/b': { passed: 1, failed: 0 } }
    expect(await count(1, 0, files)).toEqual({ passed: 2, failed: 1, files })
    expect(await count(1, 1, files)).toEqual({ passed: 2, failed: 2, files })
  })

  test('takes an error outside every test for failed', async () => {
    expect(await count(1, 0, { '/a': { passed: 1, failed: 0 } })).toMatchObject({ passed: 1, failed: 1 })
  })

  test('takes no tests, and no report, for failed', async () => {
    expect(await count(0, 0, {})).toEqual({ passed: 0, failed: 1, files: {} })
    expect(countVitest(path.join(folder, 'absent.json'), 0)).toEqual({ passed: 0, failed: 1, files: {} })
  })
})

describe('count of a GoogleTest report', () => {
  const count = async (status: number, ...tests: unknown[]): Promise<unknown> =>
    countGoogleTest(await written({ testsuites: [{ testsuite: tests }] }), status)
  const passed = { result: 'COMPLETED' }

  test('adds up passed and failed tests; skipped and disabled ones have failed', async () => {
    const others = [{ result: 'COMPLETED', failures: [{}] }, { result: 'SKIPPED' }, { result: 'SUPPRESSED' }]
    expect(await count(1, passed, ...others)).toEqual({ passed: 1, failed: 3 })
  })

  test('takes a finding of a sanitizer at the end for failed', async () => {
    expect(await count(1, passed)).toEqual({ passed: 1, failed: 1 })
  })

  test('takes no tests for failed', async () => {
    expect(await count(0)).toEqual({ passed: 0, failed: 1 })
  })
})

test('what failed is said at the end, with the place and the file', async () => {
  const lines = ['one: expected 1 to be 2', 'two: it did not run']
  const files = { [path.resolve('test/a.test.ts')]: { passed: 1, failed: 2, failures: lines } }
  countVitest(await written({ files, outside: 0 }), 1)
  expect(describeFailures()).toEqual(['failed:', ...lines.map((line) => `  report: test/a.test.ts: ${line}`)])
  expect(describeFailures(1)).toEqual(['failed:', '  report: test/a.test.ts: one: expected 1 to be 2', '  and 1 more'])
})

test('a sum is that of all counts', () => {
  expect(sum([{ passed: 1, failed: 2 }, { passed: 3, failed: 4 }])).toEqual({ passed: 4, failed: 6 }) // prettier-ignore
})

test('names the files that took longest, the longest first', () => {
  const files = { '/r/a.test.ts': { seconds: 1.2 }, '/r/b/c.test.ts': { seconds: 30 }, '/r/d.test.ts': { seconds: 0 } }
  expect(describeSlowest(files, '/r', 2)).toBe('b/c.test.ts 30 s, a.test.ts 1 s')
  expect(describeSlowest({}, '/r')).toBe('')
})
