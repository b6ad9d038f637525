import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Advance, type PlaneProgress } from '../../../../src/plane/core/advance.js'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

function scene(of: number): { readonly advance: Advance; readonly told: PlaneProgress[] } {
  const told: PlaneProgress[] = []
  return {
    advance: new Advance(
      () => of,
      (advanced) => told.push(advanced)
    ),
    told
  }
}

it('says nothing of what takes less than half a second, and then twice a second', () => {
  const { advance, told } = scene(10_000)
  for (let step = 0; step < 20; step++) {
    vi.advanceTimersByTime(100)
    advance.add(100)
  }
  expect(told).toEqual([500, 1000, 1500, 2000].map((services) => ({ services, of: 10_000, perSecond: 1000 })))
})

it('leaves the end to the report', () => {
  const { advance, told } = scene(2)
  vi.advanceTimersByTime(1000)
  advance.add(2)
  expect(told).toEqual([])
})

it('takes parts of all, and begins again with another try', () => {
  const { advance, told } = scene(1000)
  vi.advanceTimersByTime(500)
  advance.addPart(0.2505)
  advance.restart()
  vi.advanceTimersByTime(500)
  advance.addPart(0.1)
  expect(told).toEqual([
    { services: 250, of: 1000, perSecond: 501 },
    { services: 100, of: 1000, perSecond: 100 }
  ])
})
