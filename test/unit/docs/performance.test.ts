import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'

const root = path.resolve(import.meta.dirname, '../../..')
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')

it('docs/performance.md: its commands measure rows that the results have', () => {
  const rows = [...read('bench/RESULTS.md').matchAll(/^\| ([a-z][\w-]*-\w+) /gm)].map(([, name]) => name!)
  const commands = [...read('docs/performance.md').matchAll(/npm run bench -- ([^`#\n]*)/g)].map(([, rest]) => rest!.trim())
  expect(commands.length).toBeGreaterThan(8)
  const names = commands.flatMap((rest) => rest.replace(/--lab \S+ /, '').split(' '))
  expect(names.filter((name) => !rows.some((row) => row.startsWith(name)))).toEqual([])
})
