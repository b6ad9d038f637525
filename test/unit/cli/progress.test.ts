import { expect, it } from 'vitest'
import { progressLine, withProgress } from '../../../src/cli/output/progress.js'
import type { CommandEnvironment } from '../../../src/cli/environment.js'
import { Broadcast } from '../../../src/core/events/broadcast.js'
import type { Plane, PlaneEvent } from '../../../src/index.js'
import { KeptStream } from '../../support/command.js'

const progress = { services: 1200, of: 10_000, perSecond: 2400 }

it.each([
  [80, progress, '1,200 of 10,000 services, 2,400 a second, 4 s left'],
  [50, progress, '1,200 of 10,000 services, 4 s left'],
  [40, progress, '1,200 of 10,000 services, 4 s left'],
  [30, progress, '1,200 of 10,000 services'],
  [10, progress, '1,200 of '],
  [80, { ...progress, services: 0, perSecond: 0 }, '0 of 10,000 services']
])('is on one line of %i columns', (columns, told, line) => {
  expect(progressLine(told, columns)).toBe(line)
})

it.each([
  ['a terminal', 80, 'xterm', '\r\u001b[K1,200 of 10,000 services, 2,400 a second, 4 s left\r\u001b[K'],
  ['a terminal that cannot remove a line', 80, 'dumb', ''],
  ['a pipe', undefined, 'xterm', '']
])('is shown on %s, and goes', async (_, columns, TERM, text) => {
  const stderr = new KeptStream(columns)
  const events = new Broadcast<PlaneEvent>()
  const plane = { watch: () => events.open(undefined) } as unknown as Plane
  const result = await withProgress({ stderr, variables: { TERM } } as unknown as CommandEnvironment, plane, async () => {
    events.push({ type: 'progress', ...progress })
    await new Promise(setImmediate)
    return 'done'
  })
  expect(result).toBe('done')
  expect(stderr.text).toBe(text)
})
