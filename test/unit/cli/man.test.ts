import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { STATUS } from '../../../src/cli/errors.js'
import { manual } from '../../../src/cli/manual.js'
import { STATUS_MEANINGS } from '../../../src/cli/output/man.js'

const read = (file: string): string => readFileSync(path.resolve(import.meta.dirname, '../../..', file), 'utf8')

test('the manual page is that of the commands there are (npm run docs:man)', () => {
  expect(read('docs/man/netplane.1')).toBe(manual())
})

test('all exit statuses are documented, in the manual page and in docs/cli.md', () => {
  expect(STATUS_MEANINGS.map(({ status }) => status)).toEqual(Object.values(STATUS))
  const rows = [...read('docs/cli.md').matchAll(/^\| (\d+) +\| (.*?) +\|$/gm)].map(([, status, meaning]) => ({
    status: Number(status),
    meaning
  }))
  expect(rows).toEqual(STATUS_MEANINGS)
})

test('every command and option is in docs/cli.md', () => {
  const text = read('docs/cli.md')
  const names = [...manual().matchAll(/^\.SS (\w+)$/gm)].map(([, name]) => `netplane ${name}`)
  const options = [...manual().matchAll(/\\-\\-([a-z]+(?:\\-[a-z]+)*)/g)].map(([, name]) => `--${name!.replaceAll('\\-', '-')}`)
  expect(names.length).toBeGreaterThan(5)
  expect([...names, ...options].filter((word) => !text.includes(word))).toEqual([])
})
