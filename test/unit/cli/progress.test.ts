import { expect, it } from 'vitest'
import { progressLine } from '../../../src/cli/output/progress.js'

const progress = { services: 1200, of: 10_000, perSecond: 2400 }

it.each([
  [80, progress, '1,200 of 10,000 services, 2,400 a second, 4 s left'],
  [50, progress, '1,200 of 10,000 services, 2,400 a second'],
  [40, progress, '1,200 of 10,000 services'],
  [10, progress, '1,200 of '],
  [80, { ...progress, services: 0, perSecond: 0 }, '0 of 10,000 services']
])('is on one line of %i columns', (columns, told, line) => {
  expect(progressLine(told, columns)).toBe(line)
})
