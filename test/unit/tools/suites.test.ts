import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { filesOfSuites } from '../../run/suites.mjs'

it('every test file that changes a kernel is in a suite of the lab, and every suite has a file', () => {
  const files = filesOfSuites(fileURLToPath(new URL('../../..', import.meta.url)))
  expect([...files].filter(([, of]) => of.length === 0).map(([{ name }]) => name)).toEqual([])
})
