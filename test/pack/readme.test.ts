import { readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { installPacked, type Installed } from '../support/installed.js'

const readme = readFileSync(path.resolve(import.meta.dirname, '../../README.md'), 'utf8')

/** Each script of the README, with what it prints: the block of text that follows it. */
const examples = [...readme.matchAll(/^```js\n([^]*?)^```\n\n```text\n([^]*?)^```$/gm)].map((match) => ({
  text: match[1]!,
  output: match[2]!,
  heading: [...readme.slice(0, match.index).matchAll(/^#+ (.*)$/gm)].at(-1)![1]!
}))

/** `await using` as Node 20 can read it; the examples have one such block each, which ends with the script. */
function withoutUsing(text: string): string {
  const names = [...text.matchAll(/^await using (\w+) =/gm)].map((match) => match[1]!)
  const closing = names.reverse().map((name) => `await ${name}[Symbol.asyncDispose]()\n`)
  return text.replaceAll(/^await using /gm, 'const ') + closing.join('')
}

let installed: Installed
beforeAll(async () => {
  installed = await installPacked()
})
afterAll(() => installed.remove())

describe('README', () => {
  test('has a block of output behind every script', () => {
    expect(examples.length).toBe(readme.match(/^```js$/gm)!.length)
    expect(examples.length).toBeGreaterThan(2)
  })

  test.each(examples)('prints what it says: $heading', async ({ text, output }) => {
    expect(await installed.scriptInNamespace('example.mjs', withoutUsing(text))).toBe(output)
  })
})
