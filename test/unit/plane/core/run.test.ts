import { expect, test } from 'vitest'
import { Advance } from '../../../../src/plane/core/advance.js'
import { causeOf } from '../../../../src/plane/core/backend.js'
import { Run } from '../../../../src/plane/core/run.js'

function thrownBy(work: () => void): unknown {
  try {
    work()
  } catch (error) {
    return causeOf(error)
  }
  return undefined
}

test('a call that is cancelled half-way says how many services are in', () => {
  const ending = new AbortController()
  const advance = new Advance(
    () => 1000,
    () => undefined
  )
  const run = new Run({ signal: ending.signal }, () => Promise.reject(new Error('not asked')), { advance })
  run.checkpoint()
  run.wrote('rules of services', 1, 100)
  advance.add(200)
  ending.abort(new Error('ended by SIGINT'))
  expect(String(thrownBy(() => run.checkpoint()))).toContain(
    'the call was cancelled after 1 step, with 200 of 1000 services done: ended by SIGINT'
  )
})
