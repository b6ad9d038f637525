import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { machines } from '../../../tools/lab/machines.mjs'
import { page } from '../../contract/behaviour/page.js'

// Formatting a page of tables takes seconds on a busy machine.
it('docs/behaviour.md says what the rows say: else run `npm run docs:behaviour`', async () => {
  expect(await readFile(new URL('../../../docs/behaviour.md', import.meta.url), 'utf8')).toBe(await page(machines))
}, 60_000)
