import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'

const { scripts } = JSON.parse(readFileSync(path.resolve(import.meta.dirname, '../../../package.json'), 'utf8')) as {
  scripts: Readonly<Record<string, string>>
}

it('npm runs no script before or after another one because of its name', () => {
  const names = Object.keys(scripts)
  expect(names).toContain('build:all')
  expect(names.filter((name) => /^(pre|post)/.test(name) && names.includes(name.replace(/^(pre|post)/, '')))).toEqual([])
})
