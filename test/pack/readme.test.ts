import { readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { examplesOf, withoutUsing } from '../support/examples.js'
import { installPacked, type Installed } from '../support/installed.js'

const readme = readFileSync(path.resolve(import.meta.dirname, '../../README.md'), 'utf8')

const examples = examplesOf('README.md')

let installed: Installed
beforeAll(async () => {
  installed = await installPacked()
})
afterAll(() => installed.remove())

describe('README', () => {
  test('has a block of output behind every script', () => {
    expect(examples.filter((example) => example.output !== undefined).length).toBe(readme.match(/^```js$/gm)!.length)
    expect(examples.length).toBeGreaterThan(2)
  })

  test.each(examples)('prints what it says: $heading', async ({ text, output }) => {
    expect(await installed.scriptInNamespace('example.mjs', withoutUsing(text))).toBe(output)
  })
})
