import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Retirement } from '../../../../src/plane/switch/retirement.js'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})

afterEach(() => {
  vi.useRealTimers()
})

it.each([false, true])('that ends while a step fails takes no other one, cleanup %s', async (cleanup) => {
  let fail: (error: Error) => void = () => undefined
  const open = vi.fn(() => new Promise<undefined>((_, reject) => (fail = reject)))
  const onError = vi.fn()
  const parts = {
    identity: { mode: 'nftables', name: 'netplane' } as const,
    open,
    drainSeconds: 900,
    onGone: () => Promise.resolve(),
    onError
  }
  const retirement = new Retirement(parts)
  const beginning = retirement.begin()
  const ending = retirement.finish(cleanup)
  fail(new Error('not now'))
  await beginning
  if (cleanup) {
    await vi.waitFor(() => expect(open).toHaveBeenCalledTimes(2))
    fail(new Error('never'))
    await expect(ending).rejects.toThrow('never')
  } else await ending
  await vi.advanceTimersByTimeAsync(120_000)
  expect(open).toHaveBeenCalledTimes(cleanup ? 2 : 1)
  expect(onError).toHaveBeenCalledTimes(1)
  expect(vi.getTimerCount()).toBe(0)
})
